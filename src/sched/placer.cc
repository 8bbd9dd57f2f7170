#include "sched/placer.h"

#include "base/check.h"
#include "sched/operators.h"
#include "sched/placer_pass.h"
#include "sched/update_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nl::sched {
namespace {

bool is_live(const ExistingAlloc& alloc) {
    return alloc.desired == model::AllocDesiredStatus::Run && !model::is_terminal(alloc.client);
}

Algorithm algorithm_for(const state::Snapshot& snapshot, const model::Job& job) {
    std::string_view name = snapshot.scheduler_config().scheduler_algorithm;
    if (const model::NodePool* pool = snapshot.node_pool(job.node_pool);
        pool != nullptr && pool->scheduler_configuration &&
        !pool->scheduler_configuration->scheduler_algorithm.empty()) {
        name = pool->scheduler_configuration->scheduler_algorithm;
    }
    return name == "spread" ? Algorithm::Spread : Algorithm::Binpack;
}

bool preemption_enabled(const state::Snapshot& snapshot, std::string_view type) {
    const model::SchedulerConfiguration& config = snapshot.scheduler_config();
    if (!config.preemption_config) {
        return false;
    }
    const model::PreemptionConfig& allowed = *config.preemption_config;
    return (type == "system" && allowed.system_scheduler_enabled) ||
           (type == "sysbatch" && allowed.sys_batch_scheduler_enabled) ||
           (type == "batch" && allowed.batch_scheduler_enabled) ||
           (type == "service" && allowed.service_scheduler_enabled);
}

}  // namespace

Placer::~Placer() = default;

Placer::Placer(const Input& input, const model::Job& job, Rng& rng)
    : snapshot_(input.snapshot),
      in_(input),
      job_(job),
      rng_(rng),
      algorithm_(algorithm_for(snapshot_, job)),
      may_preempt_(preemption_enabled(snapshot_, job.type)),
      candidates_(snapshot_, job) {
    const auto note = [&](const std::vector<model::Constraint>& constraints, std::string group) {
        for (const auto& c : constraints) {
            if (c.operand == "distinct_property") {
                distinct_[{c.l_target, group}];
            } else if (c.operand == "distinct_hosts" && group.empty()) {
                counts_job_allocs_ = true;
            }
        }
    };
    note(job.constraints, "");
    for (const auto& group : job.task_groups) {
        note(group.constraints, group.name);
        for (const auto& task : group.tasks) {
            note(task.constraints, group.name);
        }
    }
    if (counts_job_allocs_) {
        job_allocs_.assign(candidates_.size(), 0);
    }
}

Placer::Group& Placer::group_of(std::string_view name) {
    for (const auto& group : groups_) {
        if (group->name == name) {
            return *group;
        }
    }
    groups_.push_back(std::make_unique<Group>());
    groups_.back()->name = name;
    groups_.back()->collisions.assign(candidates_.size(), 0);
    return *groups_.back();
}

void Placer::count(
    const model::Node& node,
    std::optional<std::uint32_t> position,
    std::string_view group_name,
    std::int64_t sign
) {
    Group& group = group_of(group_name);
    if (position) {
        const auto step = static_cast<std::uint32_t>(sign);
        group.collisions[*position] += step;
        if (counts_job_allocs_) {
            job_allocs_[*position] += step;
        }
    }
    group.moves.emplace_back(&node, sign);
    if (sign < 0 && !distinct_.empty()) {
        // A value that was used up may be free again, on other nodes too.
        for (const auto& pass : passes_) {
            for (const auto& [refused, why] : pass->refused) {
                if (!why.exhausted) {
                    pass->try_again.push_back(refused);
                }
            }
        }
    }
    for (auto& [key, counts] : distinct_) {
        if (key.second.empty() || key.second == group_name) {
            std::string scratch;
            if (const auto value = resolve_target(key.first, node, scratch)) {
                counts[std::string(*value)] += sign;
            }
        }
    }
    for (const auto& pass : passes_) {
        if (&pass->counts != &group) {
            continue;
        }
        for (std::size_t a = 0; a < pass->spread_values.size(); ++a) {
            if (position) {
                pass->spread->add(a, pass->spread->value(a, *position), sign);
                continue;
            }
            std::string scratch;
            const auto& [attribute, numbers] = pass->spread_values[a];
            const auto value = resolve_target(attribute, node, scratch);
            const auto number = value ? numbers.find(*value) : numbers.end();
            if (number != numbers.end()) {
                pass->spread->add(a, number->second, sign);
            }
        }
    }
}

void Placer::changed(std::uint32_t position) {
    for (const auto& pass : passes_) {
        if (!pass->refused.empty()) {
            pass->refused.erase(position);
        }
        if (!pass->evictions.empty()) {
            pass->evictions.erase(position);
        }
        if (pass->ranks_devices && pass->feasible[position] != 0) {
            score_devices(*pass, position);
        }
        pass->ranker->node_changed(position);
    }
}

void Placer::add_existing(std::span<const ExistingAlloc> allocs) {
    NL_ASSERT(passes_.empty());
    for (const ExistingAlloc& alloc : allocs) {
        if (!is_live(alloc)) {
            continue;
        }
        if (const model::Node* node = snapshot_.node(alloc.node_id)) {
            count(*node, position_of(alloc.node_id), alloc.group, 1);
        }
    }
}

void Placer::move(const ExistingAlloc& alloc, std::int64_t sign) {
    if (!is_live(alloc)) {
        return;
    }
    const bool known = sign < 0 ? released_.insert(alloc.id).second : released_.erase(alloc.id) > 0;
    const model::Node* node = snapshot_.node(alloc.node_id);
    if (!known || node == nullptr) {
        return;
    }
    const auto position = position_of(alloc.node_id);
    count(*node, position, alloc.group, sign);
    const auto view = snapshot_.alloc(alloc.id);
    NL_ASSERT(view.has_value());
    const state::ResourceSum takes = view->takes();
    quota_used_.cpu += sign * takes.cpu;
    quota_used_.memory_mb += sign * takes.memory_mb;
    if (position) {
        candidates_.use(*position, takes, sign);
        uses_.erase(*position);
        changed(*position);
    }
}

void Placer::release(const ExistingAlloc& alloc) {
    move(alloc, -1);
}

void Placer::take_back(const ExistingAlloc& alloc) {
    move(alloc, 1);
}

// --- choosing ---

NodeUse Placer::make_use(std::uint32_t position, std::span<const Uuid> without) const {
    const model::Node& node = candidates_.node(position);
    NodeUse use(node);
    for (const state::AllocView alloc : snapshot_.allocs_of_node(node.id)) {
        if (!alloc.terminal() && alloc.own_resources() != nullptr &&
            !released_.contains(alloc.id()) &&
            std::ranges::find(without, alloc.id()) == without.end()) {
            use.add(*alloc.own_resources());
        }
    }
    if (const auto given = assigned_.find(position); given != assigned_.end()) {
        for (const auto& resources : given->second) {
            use.add(resources);
        }
    }
    return use;
}

NodeUse& Placer::use_of(std::uint32_t position) {
    auto at = uses_.find(position);
    if (at == uses_.end()) {
        at = uses_.emplace(position, make_use(position, {})).first;
    }
    return at->second;
}

bool Placer::breaks_distinct(const Pass& pass, std::uint32_t position, std::string& why) {
    const Feasibility& rules = pass.feasibility;
    if ((rules.distinct_hosts_of_job() && job_allocs_[position] > 0) ||
        (rules.distinct_hosts_of_group() && pass.counts.collisions[position] > 0)) {
        why = "distinct_hosts";
        return true;
    }
    for (const DistinctProperty& rule : rules.distinct_properties()) {
        std::string scratch;
        const auto value = resolve_target(rule.attribute, candidates_.node(position), scratch);
        if (!value) {
            why = fmt::format("missing property {}", rule.attribute);
            return true;
        }
        const auto counts = distinct_.find({rule.attribute, rule.group});
        if (counts == distinct_.end()) {
            continue;
        }
        const auto used = counts->second.find(std::string(*value));
        if (used != counts->second.end() && used->second >= rule.limit) {
            why = fmt::format(
                "distinct_property: {}={} used by {} allocs", rule.attribute, *value, used->second
            );
            return true;
        }
    }
    return false;
}

bool Placer::accept(Pass& pass, std::uint32_t position, const PlaceRequest& request) {
    std::string why;
    if (breaks_distinct(pass, position, why)) {
        pass.refused[position] = {std::move(why), false};
        return false;
    }
    if (pass.feasibility.looks_at_index()) {
        if (const std::string* text =
                pass.feasibility.check_index(candidates_.node(position), request.name_index)) {
            pass.refused[position] = {*text, false};
            pass.try_again.push_back(position);
            return false;
        }
    }
    pass.assigned.reset();
    if (pass.assigns) {
        auto assigned = use_of(position).assign(pass.group, pass.base, regexes_, rng_);
        if (!assigned) {
            pass.refused[position] = {std::move(assigned.error()), true};
            return false;
        }
        pass.assigned = std::move(*assigned);
    }
    return true;
}

/// What one name index was refused another may be given, and what was refused before something
/// went may be given now.
void Placer::try_again_for(Pass& pass) {
    for (const std::uint32_t position : std::exchange(pass.try_again, {})) {
        pass.refused.erase(position);
        pass.ranker->node_changed(position);
    }
}

Placed Placer::commit(Pass& pass, std::uint32_t position, double score) {
    state::ResourceSum takes = pass.ask;
    if (!pass.extra_cpu.empty()) {
        takes.cpu += pass.extra_cpu[position];
    }
    quota_used_.cpu += takes.cpu;
    quota_used_.memory_mb += takes.memory_mb;
    if (pass.assigned) {
        assigned_[position].push_back(*pass.assigned);
        use_of(position).add(*pass.assigned);
    }
    candidates_.use(position, takes, 1);
    const model::Node& node = candidates_.node(position);
    count(node, position, pass.group.name, 1);
    changed(position);
    return {node.id, score, std::exchange(pass.assigned, {}), {}};
}

std::vector<std::uint32_t> Placer::penalized(const PlaceRequest& request) const {
    std::vector<std::uint32_t> out;
    if (!request.is_reschedule) {
        return out;
    }
    const auto add = [&](const Uuid& node) {
        if (const auto position = position_of(node)) {
            out.push_back(*position);
        }
    };
    if (request.previous != nullptr) {
        add(request.previous->node_id);
    }
    if (request.tracker) {
        for (const auto& event : request.tracker->events) {
            add(event.prev_node_id);
        }
    }
    return out;
}

bool Placer::over_quota(const Pass& pass) {
    if (in_.quota == nullptr) {
        return false;
    }
    const auto exceeds = [&](std::string_view what,
                             std::int64_t used,
                             std::int64_t ask,
                             std::optional<std::int64_t> limit) {
        if (!limit || used + ask <= *limit) {
            return false;
        }
        quota_reached_ = in_.quota->name;
        quota_why_ = fmt::format("{} exhausted ({} needed > {} limit)", what, used + ask, *limit);
        return true;
    };
    const std::int64_t cpu = in_.quota->used.cpu + quota_used_.cpu;
    const std::int64_t memory = in_.quota->used.memory_mb + quota_used_.memory_mb;
    return exceeds("cpu", cpu, pass.ask.cpu, in_.quota->cpu_limit) ||
           exceeds("memory", memory, pass.ask.memory_mb, in_.quota->memory_limit_mb);
}

std::optional<Placed> Placer::place(const PlaceRequest& request) {
    NL_ASSERT(request.job != nullptr);
    Pass& p = pass(*request.job, request.group);
    if (!p.scores_known) {
        p.first_scores = p.ranker->top(kScoresShown);
        p.scores_known = true;
    }
    p.over_quota = over_quota(p);
    if (p.over_quota) {
        return std::nullopt;
    }
    try_again_for(p);
    // A sticky disk stays where it is if the node will have it.
    if (request.previous != nullptr && !request.is_reschedule && p.group.ephemeral_disk &&
        p.group.ephemeral_disk->sticky) {
        if (const auto position = position_of(request.previous->node_id)) {
            const auto score = p.ranker->score_of(*position);
            if (score && accept(p, *position, request)) {
                return commit(p, *position, *score);
            }
        }
    }
    const auto again = penalized(request);
    const auto choice = p.ranker->best(
        [&](std::uint32_t position) {
            return accept(p, position, request) ? Verdict::Take : Verdict::Never;
        },
        again
    );
    if (!choice) {
        return preempt(p, request, std::nullopt);
    }
    return commit(p, choice->node, choice->score);
}

std::optional<Placed> Placer::place_on(std::uint32_t position, const PlaceRequest& request) {
    Pass& p = pass(*request.job, request.group);
    p.over_quota = over_quota(p);
    if (p.over_quota) {
        return std::nullopt;
    }
    try_again_for(p);
    const auto score = p.ranker->score_of(position);
    if (!score || !accept(p, position, request)) {
        return preempt(p, request, position);
    }
    return commit(p, position, *score);
}

// --- making room ---

std::optional<Placer::Eviction> Placer::eviction(Pass& pass, std::uint32_t position) {
    const NodeColumns& c = candidates_.columns;
    std::vector<Victim> victims;
    for (const state::AllocView alloc : snapshot_.allocs_of_node(candidates_.node(position).id)) {
        if (alloc.terminal() || released_.contains(alloc.id()) ||
            alloc.job().priority + kPriorityDistance > job_.priority ||
            (alloc.job_id() == job_.id && alloc.namespace_() == job_.namespace_)) {
            continue;
        }
        Victim v{alloc.id(), alloc.job().priority, alloc.takes()};
        const model::TaskGroup& group = alloc.group();
        v.max_parallel = group.migrate ? group.migrate->max_parallel : 0;
        victims.push_back(v);
    }
    if (victims.empty()) {
        return std::nullopt;
    }
    const std::int64_t extra = pass.extra_cpu.empty() ? 0 : pass.extra_cpu[position];
    const Room needed{
        pass.ask.cpu + extra,
        pass.ask.memory_mb,
        pass.ask.disk_mb,
        c.max_allocs[position] > 0 ? 1 : 0
    };
    const Room free{
        c.cpu[position] - c.cpu_used[position],
        c.memory[position] - c.memory_used[position],
        c.disk[position] - c.disk_used[position],
        c.max_allocs[position] > 0 ? c.max_allocs[position] - c.live_allocs[position] : 0
    };
    const auto ids = [&](std::span<const std::size_t> chosen) {
        std::vector<Uuid> out;
        for (const std::size_t i : chosen) {
            out.push_back(victims[i].id);
        }
        return out;
    };
    Eviction out;
    const auto chosen =
        choose_victims(victims, needed, free, [&](std::span<const std::size_t> gone) {
            if (!pass.assigns) {
                return true;
            }
            const NodeUse use = make_use(position, ids(gone));
            auto assigned = use.assign(pass.group, pass.base, regexes_, rng_);
            return assigned.has_value();
        });
    if (chosen.empty()) {
        return std::nullopt;
    }
    out.victims = ids(chosen);
    std::vector<std::int64_t> priorities;
    state::ResourceSum freed;
    for (const std::size_t i : chosen) {
        priorities.push_back(victims[i].priority);
        freed += victims[i].takes;
    }
    if (pass.assigns) {
        const NodeUse use = make_use(position, out.victims);
        auto assigned = use.assign(pass.group, pass.base, regexes_, rng_);
        NL_ASSERT(assigned.has_value());
        out.assigned = std::move(*assigned);
    }
    out.parts = pass.ranker->parts_of(position, false);
    out.parts.binpack = fit_score(
                            algorithm_,
                            c.cpu[position],
                            c.memory[position],
                            c.cpu_used[position] - freed.cpu + needed.cpu,
                            c.memory_used[position] - freed.memory_mb + needed.memory
                        ) /
                        kMaxFit;
    out.parts.has_preemption = true;
    out.parts.preemption = preemption_score(priorities);
    out.score = out.parts.normalized();
    return out;
}

std::optional<Placed> Placer::preempt(
    Pass& pass, const PlaceRequest& request, std::optional<std::uint32_t> only
) {
    if (!may_preempt_) {
        return std::nullopt;
    }
    std::optional<std::uint32_t> best;
    const auto consider = [&](std::uint32_t position) {
        // What depends on the other placements may have changed since the eviction was worked out.
        std::string why;
        if (pass.feasible[position] == 0 || breaks_distinct(pass, position, why) ||
            (pass.feasibility.looks_at_index() &&
             pass.feasibility.check_index(candidates_.node(position), request.name_index) != nullptr
            )) {
            return;
        }
        auto at = pass.evictions.find(position);
        if (at == pass.evictions.end()) {
            at = pass.evictions.emplace(position, eviction(pass, position)).first;
        }
        if (!at->second) {
            return;
        }
        // Spread and anti-affinity move while the plan grows; the rest of the score stands.
        const ScoreParts now = pass.ranker->parts_of(position, false);
        at->second->parts.spread = now.spread;
        at->second->score = at->second->parts.normalized();
        if (!best || pass.ranker->better(
                         at->second->score, position, pass.evictions.at(*best)->score, *best
                     )) {
            best = position;
        }
    };
    if (only) {
        consider(*only);
    } else {
        for (std::uint32_t position = 0; position < candidates_.size(); ++position) {
            consider(position);
        }
    }
    if (!best) {
        return std::nullopt;
    }
    const Eviction chosen = std::move(*pass.evictions.at(*best));
    for (const Uuid& id : chosen.victims) {
        const auto view = snapshot_.alloc(id);
        NL_ASSERT(view.has_value());
        released_.insert(id);
        candidates_.use(*best, view->takes(), -1);
    }
    uses_.erase(*best);
    pass.assigned = chosen.assigned;
    Placed placed = commit(pass, *best, chosen.score);
    placed.preempted = chosen.victims;
    return placed;
}

// --- in place ---

bool Placer::allows_in_place(const ExistingAlloc& alloc, const model::TaskGroup& group) {
    const state::Slot slot = snapshot_.node_slot(alloc.node_id);
    if (slot == state::kNoSlot) {
        return false;
    }
    const model::Node& node = *snapshot_.node_at(slot);
    if (!in_datacenters(job_, node.datacenter) || !in_pool(job_, node.node_pool)) {
        return false;
    }
    auto at = in_place_.find(group.name);
    if (at == in_place_.end()) {
        at = in_place_
                 .emplace(
                     group.name, std::make_unique<Feasibility>(job_, group, snapshot_, regexes_)
                 )
                 .first;
    }
    const state::NodeChunk& chunk = snapshot_.columns().chunk_of(slot);
    const std::pair key{group.name, chunk.computed_class[state::Columns::place_of(slot)]};
    auto known = in_place_class_.find(key);
    if (known == in_place_class_.end()) {
        known = in_place_class_.emplace(key, at->second->check_class(node) == nullptr).first;
    }
    return known->second && at->second->check_node(node) == nullptr;
}

}  // namespace nl::sched
