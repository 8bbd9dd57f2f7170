#include "server/blocked_evals.h"

#include "base/check.h"

namespace nl::server {
namespace {

/// What sched::give_up names as the cause.
constexpr std::string_view kConflictTrigger = "max-plan-attempts";

}  // namespace

bool BlockedEvals::may_help(const model::Evaluation& eval, std::string_view computed_class) {
    if (eval.escaped_computed_class) {
        return true;
    }
    // A class the scheduler did not see is worth a try.
    const auto at = eval.class_eligibility.find(computed_class);
    return at == eval.class_eligibility.end() || at->second;
}

bool BlockedEvals::was_missed(const model::Evaluation& eval) const {
    if (!eval.quota_limit_reached.empty()) {
        const auto at = quota_changed_.find(eval.quota_limit_reached);
        return at != quota_changed_.end() && at->second > eval.snapshot_index;
    }
    if (!eval.node_id.is_nil()) {
        const auto at = node_changed_.find(eval.node_id);
        return at != node_changed_.end() && at->second > eval.snapshot_index;
    }
    for (const auto& [name, index] : class_changed_) {
        if (index > eval.snapshot_index && may_help(eval, name)) {
            return true;
        }
    }
    return false;
}

void BlockedEvals::block(EvalPtr eval, Instant now) {
    NL_ASSERT(eval != nullptr);
    forget(eval->id);
    if (was_missed(*eval)) {
        ready_.push_back(std::move(eval));
        return;
    }
    const std::pair key{JobKey{eval->namespace_, eval->job_id}, eval->node_id};
    if (const auto at = by_job_.find(key); at != by_job_.end()) {
        const EvalPtr other = by_id_.at(at->second);
        if (other->create_index > eval->create_index) {
            duplicates_.push_back(std::move(eval));
            return;
        }
        duplicates_.push_back(other);
        by_id_.erase(other->id);
    }
    if (eval->triggered_by == kConflictTrigger) {
        conflicted_.emplace_back(now, eval->id);
    }
    by_job_[key] = eval->id;
    by_id_[eval->id] = std::move(eval);
}

void BlockedEvals::tick(Instant now) {
    while (!conflicted_.empty() && now - conflicted_.front().first >= kConflictRetryWait) {
        const Uuid id = conflicted_.front().second;
        conflicted_.pop_front();
        if (by_id_.contains(id)) {
            release(id);
        }
    }
}

Instant BlockedEvals::next_deadline() const {
    return conflicted_.empty() ? Instant::max() : conflicted_.front().first + kConflictRetryWait;
}

void BlockedEvals::forget(const Uuid& eval_id) {
    const auto at = by_id_.find(eval_id);
    if (at == by_id_.end()) {
        return;
    }
    const model::Evaluation& eval = *at->second;
    by_job_.erase({JobKey{eval.namespace_, eval.job_id}, eval.node_id});
    by_id_.erase(at);
}

void BlockedEvals::forget_job(const JobKey& job) {
    auto at = by_job_.lower_bound({job, Uuid{}});
    while (at != by_job_.end() && at->first.first == job) {
        by_id_.erase(at->second);
        at = by_job_.erase(at);
    }
}

void BlockedEvals::release(const Uuid& id) {
    const EvalPtr eval = by_id_.at(id);
    forget(id);
    ready_.push_back(eval);
}

void BlockedEvals::capacity_changed(
    std::string_view computed_class, const Uuid& node, Index index
) {
    class_changed_[std::string(computed_class)] = index;
    node_changed_[node] = index;
    std::vector<Uuid> released;
    for (const auto& [id, eval] : by_id_) {
        if (!eval->quota_limit_reached.empty()) {
            continue;
        }
        if (eval->node_id.is_nil() ? may_help(*eval, computed_class) : eval->node_id == node) {
            released.push_back(id);
        }
    }
    for (const Uuid& id : released) {
        release(id);
    }
}

void BlockedEvals::quota_changed(std::string_view quota, Index index) {
    quota_changed_[std::string(quota)] = index;
    std::vector<Uuid> released;
    for (const auto& [id, eval] : by_id_) {
        if (eval->quota_limit_reached == quota) {
            released.push_back(id);
        }
    }
    for (const Uuid& id : released) {
        release(id);
    }
}

}  // namespace nl::server
