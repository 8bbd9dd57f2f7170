#include "state/applying.h"

#include "base/check.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::state {
namespace {

using model::AllocClientStatus;

constexpr std::string_view kPending = "pending";
constexpr std::string_view kRunning = "running";
constexpr std::string_view kDead = "dead";

template <class T>
std::unique_ptr<const T> row_of(T value) {
    return std::make_unique<const T>(std::move(value));
}

bool has_health(const AllocRow* row) {
    return row != nullptr && row->details != nullptr && row->details->deployment_status &&
           row->details->deployment_status->healthy.has_value();
}

void lower(std::int64_t& count) {
    if (count > 0) {
        --count;
    }
}

}  // namespace

void Applying::touch(TableId table) {
    tables_.changed[static_cast<std::size_t>(table)] = index();
}

Change& Applying::note(TableId table, Change::Kind kind) {
    touch(table);
    Change& change = effects_.changes.emplace_back();
    change.table = table;
    change.kind = kind;
    return change;
}

// ---- nodes

std::uint32_t Applying::word(std::string_view text) {
    const Slot known = tables_.words.slot_of<ByText<WordRow, &WordRow::text>>({text, {}, {}});
    return known != kNoSlot ? known
                            : tables_.words.insert(heap_, row_of(WordRow{std::string(text)}));
}

void Applying::put_node(model::Node node) {
    const Slot known = tables_.nodes.slot_of<NodeById>({node.id});
    const model::Node* old = known == kNoSlot ? nullptr : tables_.nodes.at(known);
    stamp(node, old);

    NodeChange change{.id = node.id};
    change.created = old == nullptr;
    change.before = old != nullptr ? old->status : model::NodeStatus::Initializing;
    change.after = node.status;
    change.drain_changed =
        old != nullptr ? old->drain_strategy != node.drain_strategy : bool(node.drain_strategy);
    change.eligibility_changed =
        old == nullptr || old->scheduling_eligibility != node.scheduling_eligibility;
    change.capacity_changed = old == nullptr || old->computed_class != node.computed_class ||
                              old->node_resources != node.node_resources ||
                              old->reserved_resources != node.reserved_resources;
    effects_.nodes.push_back(change);
    note(TableId::Nodes, old == nullptr ? Change::Kind::Create : Change::Kind::Update).id = node.id;

    const Columns::Words words{
        word(node.computed_class),
        word(node.node_class),
        word(node.datacenter),
        word(node.node_pool)
    };
    const Uuid id = node.id;
    if (known != kNoSlot) {
        tables_.columns.set_node(heap_, known, node, words);
        tables_.nodes.replace(heap_, known, row_of(std::move(node)));
        return;
    }
    auto row = row_of(std::move(node));
    const model::Node& stored = *row;
    const Slot slot = tables_.nodes.insert(heap_, std::move(row));
    tables_.columns.set_node(heap_, slot, stored, words);
    // A node that comes back finds the allocations it had.
    const auto owns = [&](const AllocRow& alloc) { return alloc.node->id == id; };
    for (const AllocView alloc : tables_.allocs.owned<AllocByNode>(
             OwnedKey::of(id, Uuid{}), OwnedKey::of(id, kLastUuid), owns
         )) {
        if (!alloc.terminal()) {
            tables_.columns.use(heap_, slot, alloc.takes(), 1);
        }
    }
}

void Applying::remove_node(const Uuid& id) {
    const Slot slot = tables_.nodes.slot_of<NodeById>({id});
    if (slot == kNoSlot) {
        return;
    }
    NodeChange change{.id = id};
    change.deleted = true;
    change.before = tables_.nodes.at(slot)->status;
    change.after = model::NodeStatus::Down;
    effects_.nodes.push_back(change);
    note(TableId::Nodes, Change::Kind::Delete).id = id;
    tables_.nodes.erase(heap_, slot);
    tables_.columns.remove_node(heap_, slot);
}

void Applying::ensure_node_pool(std::string_view name) {
    using ByName = ByText<model::NodePool, &model::NodePool::name>;
    if (name.empty() || tables_.node_pools.find<ByName>({name, {}, {}}) != nullptr) {
        return;
    }
    model::NodePool pool;
    pool.name = name;
    stamp(pool, static_cast<const model::NodePool*>(nullptr));
    note(TableId::NodePools, Change::Kind::Create).key = name;
    tables_.node_pools.insert(heap_, row_of(std::move(pool)));
}

// ---- jobs

Applying::JobMark& Applying::mark_job(std::string_view ns, std::string_view id) {
    return jobs_[{std::string(ns), std::string(id)}];
}

void Applying::put_job(model::Job job) {
    const Slot known = tables_.jobs.slot_of<JobById>({job.namespace_, job.id, {}});
    const bool created = known == kNoSlot;
    if (created) {
        job.create_index = index();
        job.status = status_of(job, false);
    } else {
        const model::Job& old = *tables_.jobs.at(known)->job;
        job.create_index = old.create_index;
        job.status = old.status;
    }
    job.modify_index = index();
    Change& change = note(TableId::Jobs, created ? Change::Kind::Create : Change::Kind::Update);
    change.namespace_ = job.namespace_;
    change.key = job.id;
    change.job_id = job.id;
    mark_job(job.namespace_, job.id).noted = true;
    auto row = row_of(JobRow{std::make_shared<const model::Job>(std::move(job))});
    const std::shared_ptr<const model::Job> stored = row->job;
    if (created) {
        tables_.jobs.insert(heap_, std::move(row));
        count_child(*stored, {}, stored->status);
    } else {
        tables_.jobs.replace(heap_, known, std::move(row));
    }
}

void Applying::remove_job(std::string_view ns, std::string_view id) {
    const Slot slot = tables_.jobs.slot_of<JobById>({ns, id, {}});
    if (slot == kNoSlot) {
        return;
    }
    const std::shared_ptr<const model::Job> job = tables_.jobs.at(slot)->job;
    if (job->status != kDead) {
        count_child(*job, job->status, kDead);
    }
    Change& change = note(TableId::Jobs, Change::Kind::Delete);
    change.namespace_ = job->namespace_;
    change.key = job->id;
    change.job_id = job->id;
    tables_.jobs.erase(heap_, slot);
    jobs_.erase({job->namespace_, job->id});
    summaries_.erase({job->namespace_, job->id});

    // Everything kept about the job goes with it; slots first, since erasing moves the indexes.
    std::vector<Slot> slots;
    const auto collect = [&slots](const auto& range) {
        slots.clear();
        for (auto it = range.begin(); it != range.end(); ++it) {
            slots.push_back(it.slot());
        }
    };
    collect(tables_.job_versions.range<VersionById>(
        {job->namespace_, job->id, 0}, {job->namespace_, job->id, UINT64_MAX}
    ));
    for (const Slot version : slots) {
        touch(TableId::JobVersions);
        tables_.job_versions.erase(heap_, version);
    }
    collect(tables_.job_submissions.range<SubmissionById>(
        {job->namespace_, job->id, 0}, {job->namespace_, job->id, UINT64_MAX}
    ));
    for (const Slot submission : slots) {
        touch(TableId::JobSubmissions);
        tables_.job_submissions.erase(heap_, submission);
    }
    collect(tables_.scaling_policies.range<PolicyByJob>(
        {job->namespace_, job->id, {}}, {job->namespace_, job->id, kLastText}
    ));
    for (const Slot policy : slots) {
        Change& gone = note(TableId::ScalingPolicies, Change::Kind::Delete);
        gone.namespace_ = job->namespace_;
        gone.job_id = job->id;
        gone.key = tables_.scaling_policies.at(policy)->id;
        tables_.scaling_policies.erase(heap_, policy);
    }
    const TextKey key{job->namespace_, job->id, {}};
    using EventsKey =
        ByTexts<ScalingEventsRow, &ScalingEventsRow::namespace_, &ScalingEventsRow::job_id>;
    using LaunchKey = ByTexts<PeriodicLaunch, &PeriodicLaunch::namespace_, &PeriodicLaunch::job_id>;
    if (const Slot s = tables_.job_summaries.slot_of<SummaryById>(key); s != kNoSlot) {
        touch(TableId::JobSummaries);
        tables_.job_summaries.erase(heap_, s);
    }
    if (const Slot s = tables_.scaling_events.slot_of<EventsKey>(key); s != kNoSlot) {
        touch(TableId::ScalingEvents);
        tables_.scaling_events.erase(heap_, s);
    }
    if (const Slot s = tables_.periodic_launches.slot_of<LaunchKey>(key); s != kNoSlot) {
        touch(TableId::PeriodicLaunches);
        tables_.periodic_launches.erase(heap_, s);
    }
}

void Applying::put_job_version(std::shared_ptr<const model::Job> job) {
    JobVersionRow row{job, {}};
    for (std::uint32_t group = 0; group < job->task_groups.size(); ++group) {
        row.groups.push_back(make_group_share(job, group));
    }
    const VersionKey key{job->namespace_, job->id, job->version};
    const Slot known = tables_.job_versions.slot_of<VersionById>(key);
    Change& change =
        note(TableId::JobVersions, known == kNoSlot ? Change::Kind::Create : Change::Kind::Update);
    change.namespace_ = job->namespace_;
    change.key = job->id;
    change.job_id = job->id;
    if (known == kNoSlot) {
        tables_.job_versions.insert(heap_, row_of(std::move(row)));
    } else {
        tables_.job_versions.replace(heap_, known, row_of(std::move(row)));
    }
}

std::shared_ptr<const GroupShare> Applying::share(
    std::string_view ns, std::string_view job, std::uint64_t version, std::string_view group
) const {
    const JobVersionRow* row = tables_.job_versions.find<VersionById>({ns, job, version});
    if (row != nullptr) {
        for (const auto& share : row->groups) {
            if (share->task_group().name == group) {
                return share;
            }
        }
    }
    return nullptr;
}

std::string Applying::status_of(const model::Job& job, bool eval_deleted) {
    if (job.type == "system" || job.periodic || (job.parameterized_job && !job.dispatched)) {
        return std::string(job.stop ? kDead : kRunning);
    }
    // The summary knows most of the time, without going through the allocations.
    if (const model::JobSummary* sums = summary(job.namespace_, job.id)) {
        for (const auto& [group, sum] : sums->summary) {
            if (sum.starting + sum.running + sum.unknown > 0) {
                return std::string(kRunning);
            }
        }
    }
    bool any = eval_deleted;
    const auto owns = [&](const auto& row) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(row)>, AllocRow>) {
            return row.share->job->id == job.id && row.share->job->namespace_ == job.namespace_;
        } else {
            return row.job_id == job.id && row.namespace_ == job.namespace_;
        }
    };
    const auto low = JobOwnedKey::of(job.namespace_, job.id, Uuid{});
    const auto high = JobOwnedKey::of(job.namespace_, job.id, kLastUuid);
    for (const AllocView alloc : tables_.allocs.owned<AllocByJob>(low, high, owns)) {
        any = true;
        if (!alloc.client_terminal()) {
            return std::string(kRunning);
        }
    }
    for (const model::Evaluation& eval : tables_.evals.owned<EvalByJob>(low, high, owns)) {
        any = true;
        if (!model::is_terminal(eval.status)) {
            return std::string(kPending);
        }
    }
    return std::string(any ? kDead : kPending);
}

void Applying::set_status(const JobName& name, const JobMark& mark) {
    const Slot slot = tables_.jobs.slot_of<JobById>({name.first, name.second, {}});
    if (slot == kNoSlot) {
        return;
    }
    const std::shared_ptr<const model::Job> old = tables_.jobs.at(slot)->job;
    std::string status = status_of(*old, mark.eval_deleted);
    if (status == old->status) {
        return;
    }
    count_child(*old, old->status, status);
    auto job = std::make_shared<model::Job>(*old);
    job->status = std::move(status);
    job->modify_index = index();
    tables_.jobs.replace(heap_, slot, row_of(JobRow{std::move(job)}));
    touch(TableId::Jobs);
    if (!mark.noted) {
        Change& change = note(TableId::Jobs, Change::Kind::Update);
        change.namespace_ = name.first;
        change.key = name.second;
        change.job_id = name.second;
    }
}

void Applying::count_child(
    const model::Job& child, std::string_view before, std::string_view after
) {
    if (child.parent_id.empty()) {
        return;
    }
    model::JobSummary* sums = summary(child.namespace_, child.parent_id);
    if (sums == nullptr) {
        return;
    }
    model::JobChildrenSummary& children = sums->children.ensure();
    const auto count = [&children](std::string_view status) -> std::int64_t& {
        return status == kPending ? children.pending
                                  : (status == kRunning ? children.running : children.dead);
    };
    if (!before.empty()) {
        lower(count(before));
    }
    ++count(after);
}

model::JobSummary* Applying::summary(std::string_view ns, std::string_view job) {
    JobName name{std::string(ns), std::string(job)};
    const auto working = summaries_.find(name);
    if (working != summaries_.end()) {
        return &working->second;
    }
    const model::JobSummary* stored = tables_.job_summaries.find<SummaryById>({ns, job, {}});
    if (stored == nullptr) {
        return nullptr;
    }
    return &summaries_.emplace(std::move(name), *stored).first->second;
}

model::JobSummary& Applying::make_summary(const model::Job& job) {
    model::JobSummary* sums = summary(job.namespace_, job.id);
    if (sums == nullptr) {
        model::JobSummary fresh;
        fresh.namespace_ = job.namespace_;
        fresh.job_id = job.id;
        fresh.create_index = job.create_index;
        sums = &summaries_.emplace(JobName{job.namespace_, job.id}, std::move(fresh)).first->second;
    }
    for (const model::TaskGroup& group : job.task_groups) {
        sums->summary.try_emplace(group.name);
    }
    if (job.periodic || job.parameterized_job) {
        sums->children.ensure();
    }
    return *sums;
}

// ---- evaluations

void Applying::put_eval(model::Evaluation eval) {
    const Slot known = tables_.evals.slot_of<EvalById>({eval.id});
    const model::Evaluation* old = known == kNoSlot ? nullptr : tables_.evals.at(known);
    stamp(eval, old);
    if (old != nullptr) {
        eval.create_time = old->create_time;
    } else if (eval.create_time == 0) {
        eval.create_time = time().unix_ns;
    }
    eval.modify_time = time().unix_ns;

    if (!eval.queued_allocations.empty()) {
        if (model::JobSummary* sums = summary(eval.namespace_, eval.job_id)) {
            for (const auto& [group, queued] : eval.queued_allocations) {
                const auto sum = sums->summary.find(group);
                if (sum != sums->summary.end()) {
                    sum->second.queued = queued;
                }
            }
        }
    }
    Change& change =
        note(TableId::Evals, old == nullptr ? Change::Kind::Create : Change::Kind::Update);
    change.id = eval.id;
    change.namespace_ = eval.namespace_;
    change.job_id = eval.job_id;
    change.deployment_id = eval.deployment_id;
    mark_job(eval.namespace_, eval.job_id);

    auto row = row_of(std::move(eval));
    const model::Evaluation& stored = *row;
    effects_.evals.push_back(std::make_shared<const model::Evaluation>(stored));
    if (known == kNoSlot) {
        tables_.evals.insert(heap_, std::move(row));
    } else {
        tables_.evals.replace(heap_, known, std::move(row));
    }
    if (stored.status == model::EvalStatus::Complete && stored.failed_tg_allocs.empty()) {
        cancel_blocked(stored);
    }
}

void Applying::cancel_blocked(const model::Evaluation& successful) {
    const auto owns = [&](const model::Evaluation& eval) {
        return eval.job_id == successful.job_id && eval.namespace_ == successful.namespace_;
    };
    std::vector<model::Evaluation> cancelled;
    for (const model::Evaluation& eval : tables_.evals.owned<EvalByJob>(
             JobOwnedKey::of(successful.namespace_, successful.job_id, Uuid{}),
             JobOwnedKey::of(successful.namespace_, successful.job_id, kLastUuid),
             owns
         )) {
        if (eval.status == model::EvalStatus::Blocked && eval.id != successful.id) {
            cancelled.push_back(eval);
        }
    }
    for (model::Evaluation& eval : cancelled) {
        eval.status = model::EvalStatus::Canceled;
        eval.status_description = fmt::format("evaluation \"{}\" successful", successful.id);
        put_eval(std::move(eval));
    }
}

void Applying::remove_eval(const Uuid& id) {
    const Slot slot = tables_.evals.slot_of<EvalById>({id});
    if (slot == kNoSlot) {
        return;
    }
    const model::Evaluation& eval = *tables_.evals.at(slot);
    Change& change = note(TableId::Evals, Change::Kind::Delete);
    change.id = id;
    change.namespace_ = eval.namespace_;
    change.job_id = eval.job_id;
    mark_job(eval.namespace_, eval.job_id).eval_deleted = true;
    tables_.evals.erase(heap_, slot);
}

// ---- allocations

std::shared_ptr<const NodeTag> Applying::node_tag(const Uuid& id) {
    const auto owns = [&](const AllocRow& alloc) { return alloc.node->id == id; };
    const auto allocs = tables_.allocs.owned<AllocByNode>(
        OwnedKey::of(id, Uuid{}), OwnedKey::of(id, kLastUuid), owns
    );
    const model::Node* node = tables_.nodes.find<NodeById>({id});
    if (!allocs.empty()) {
        const auto& tag = (*allocs.begin()).row().node;
        if (node == nullptr || node->name == tag->name) {
            return tag;
        }
    }
    return node == nullptr ? nullptr
                           : std::make_shared<const NodeTag>(NodeTag{node->id, node->name});
}

void Applying::note_alloc(const AllocRow& row, Change::Kind kind) {
    Change& change = note(TableId::Allocs, kind);
    change.id = row.id;
    change.namespace_ = row.share->job->namespace_;
    change.job_id = row.share->job->id;
    change.node_id = row.node->id;
    change.deployment_id = row.deployment_id;
    change.eval_id = row.eval_id;
}

void Applying::put_alloc(AllocRow row, bool server_side) {
    const Slot known = tables_.allocs.slot_of<AllocById>({row.id});
    const AllocRow* old = known == kNoSlot ? nullptr : tables_.allocs.at(known);
    stamp(row, old);
    if (old == nullptr) {
        row.create_time = time().unix_ns;
    }
    if (server_side) {
        row.alloc_modify_index = index();
        row.modify_time = time().unix_ns;
    }
    note_alloc(row, old == nullptr ? Change::Kind::Create : Change::Kind::Update);

    const AllocView view(row);
    AllocChange change{.id = row.id, .node_id = row.node->id};
    change.created = old == nullptr;
    change.for_node = server_side;
    change.before = old != nullptr ? old->client : AllocClientStatus::Pending;
    change.after = row.client;
    change.was_terminal = old != nullptr && AllocView(*old).terminal();
    change.is_terminal = view.terminal();
    effects_.allocs.push_back(change);

    count_in_summary(old, row);
    count_in_deployment(old, row);
    take_from_node(old, &row);
    if (old == nullptr || old->client != row.client) {
        mark_job(view.namespace_(), view.job_id());
        if (view.client_terminal()) {
            remove_services_of_alloc(row.id);
        }
    }
    if (known == kNoSlot) {
        tables_.allocs.insert(heap_, row_of(std::move(row)));
    } else {
        tables_.allocs.replace(heap_, known, row_of(std::move(row)));
    }
}

void Applying::remove_alloc(const Uuid& id) {
    const Slot slot = tables_.allocs.slot_of<AllocById>({id});
    if (slot == kNoSlot) {
        return;
    }
    const AllocRow& row = *tables_.allocs.at(slot);
    const AllocView view(row);
    note_alloc(row, Change::Kind::Delete);
    AllocChange change{.id = id, .node_id = row.node->id};
    change.deleted = true;
    change.for_node = true;
    change.before = row.client;
    change.after = row.client;
    change.was_terminal = view.terminal();
    change.is_terminal = true;
    effects_.allocs.push_back(change);
    take_from_node(&row, nullptr);
    // Only an allocation that still counts as living leaves the counts.
    model::JobSummary* sums =
        view.client_terminal() ? nullptr : summary(view.namespace_(), view.job_id());
    if (sums != nullptr && sums->create_index == view.job().create_index) {
        const auto found = sums->summary.find(view.task_group());
        if (found != sums->summary.end()) {
            lower(
                row.client == AllocClientStatus::Pending   ? found->second.starting
                : row.client == AllocClientStatus::Running ? found->second.running
                                                           : found->second.unknown
            );
        }
    }
    mark_job(view.namespace_(), view.job_id()).eval_deleted = true;
    tables_.allocs.erase(heap_, slot);
}

void Applying::take_from_node(const AllocRow* before, const AllocRow* after) {
    const bool did = before != nullptr && !AllocView(*before).terminal();
    const bool does = after != nullptr && !AllocView(*after).terminal();
    if (!did && !does) {
        return;
    }
    const ResourceSum took = did ? AllocView(*before).takes() : ResourceSum{};
    const ResourceSum takes = does ? AllocView(*after).takes() : ResourceSum{};
    if (did && does && took == takes) {
        return;
    }
    const Uuid& node = (after != nullptr ? after : before)->node->id;
    const Slot slot = tables_.nodes.slot_of<NodeById>({node});
    if (slot == kNoSlot) {
        return;
    }
    if (did) {
        tables_.columns.use(heap_, slot, took, -1);
    }
    if (does) {
        tables_.columns.use(heap_, slot, takes, 1);
    }
}

void Applying::count_in_summary(const AllocRow* before, const AllocRow& after) {
    if (before != nullptr && before->client == after.client) {
        return;
    }
    const model::Job& job = *after.share->job;
    model::JobSummary* sums = summary(job.namespace_, job.id);
    // Allocations of an earlier job of the same name do not count for this one.
    if (sums == nullptr || sums->create_index != job.create_index) {
        return;
    }
    model::TaskGroupSummary& sum = sums->summary[after.share->task_group().name];
    if (before == nullptr) {
        lower(sum.queued);
    } else {
        switch (before->client) {
            case AllocClientStatus::Pending:
                lower(sum.starting);
                break;
            case AllocClientStatus::Running:
                lower(sum.running);
                break;
            case AllocClientStatus::Lost:
                lower(sum.lost);
                break;
            case AllocClientStatus::Unknown:
                lower(sum.unknown);
                break;
            case AllocClientStatus::Complete:
            case AllocClientStatus::Failed:
                break;
        }
    }
    switch (after.client) {
        case AllocClientStatus::Pending:
            ++sum.starting;
            break;
        case AllocClientStatus::Running:
            ++sum.running;
            break;
        case AllocClientStatus::Complete:
            ++sum.complete;
            break;
        case AllocClientStatus::Failed:
            ++sum.failed;
            break;
        case AllocClientStatus::Lost:
            ++sum.lost;
            break;
        case AllocClientStatus::Unknown:
            ++sum.unknown;
            break;
    }
}

// ---- deployments

model::Deployment* Applying::deployment(const Uuid& id) {
    const auto working = deployments_.find(id);
    if (working != deployments_.end()) {
        return &working->second;
    }
    const model::Deployment* stored = tables_.deployments.find<DeploymentById>({id});
    return stored == nullptr ? nullptr : &deployments_.emplace(id, *stored).first->second;
}

void Applying::put_deployment(model::Deployment deployment) {
    const Uuid id = deployment.id;
    deployments_.insert_or_assign(id, std::move(deployment));
}

void Applying::remove_deployment(const Uuid& id) {
    deployments_.erase(id);
    const Slot slot = tables_.deployments.slot_of<DeploymentById>({id});
    if (slot == kNoSlot) {
        return;
    }
    const model::Deployment& row = *tables_.deployments.at(slot);
    Change& change = note(TableId::Deployments, Change::Kind::Delete);
    change.id = id;
    change.namespace_ = row.namespace_;
    change.job_id = row.job_id;
    tables_.deployments.erase(heap_, slot);
}

void Applying::count_in_deployment(const AllocRow* before, const AllocRow& after) {
    if (after.deployment_id.is_nil()) {
        return;
    }
    const bool joins = before == nullptr || before->deployment_id != after.deployment_id;
    const bool had = !joins && has_health(before);
    const bool has = has_health(&after);
    const bool was = had && *before->details->deployment_status->healthy;
    const bool is = has && *after.details->deployment_status->healthy;
    if (!joins && had == has && was == is) {
        return;
    }
    const model::Deployment* known =
        tables_.deployments.find<DeploymentById>({after.deployment_id});
    if (known == nullptr && !deployments_.contains(after.deployment_id)) {
        return;
    }
    model::Deployment& owner = *deployment(after.deployment_id);
    const auto found = owner.task_groups.find(after.share->task_group().name);
    if (found == owner.task_groups.end()) {
        return;
    }
    model::DeploymentState& state = found->second;
    if (joins) {
        ++state.placed_allocs;
        if (AllocView(after).canary() &&
            std::ranges::find(state.placed_canaries, after.id) == state.placed_canaries.end()) {
            state.placed_canaries.push_back(after.id);
        }
        if (state.progress_deadline.ns != 0 && state.require_progress_by.is_zero()) {
            state.require_progress_by = time() + state.progress_deadline;
        }
    }
    if (had) {
        lower(was ? state.healthy_allocs : state.unhealthy_allocs);
    }
    if (has) {
        ++(is ? state.healthy_allocs : state.unhealthy_allocs);
    }
    if (has && is && !was && state.progress_deadline.ns != 0) {
        const WallTime by = after.details->deployment_status->timestamp + state.progress_deadline;
        state.require_progress_by = std::max(state.require_progress_by, by);
    }
}

void Applying::mark_stable(const model::Deployment& deployment) {
    const VersionKey key{deployment.namespace_, deployment.job_id, deployment.job_version};
    const JobVersionRow* row = tables_.job_versions.find<VersionById>(key);
    if (row == nullptr || row->job->stable) {
        return;
    }
    auto job = std::make_shared<model::Job>(*row->job);
    job->stable = true;
    job->modify_index = index();
    put_job_version(job);
    const Slot slot = tables_.jobs.slot_of<JobById>({deployment.namespace_, deployment.job_id, {}});
    if (slot != kNoSlot && tables_.jobs.at(slot)->job->version == deployment.job_version) {
        model::Job current = *tables_.jobs.at(slot)->job;
        current.stable = true;
        put_job(std::move(current));
    }
}

// ---- services

void Applying::remove_services_of_alloc(const Uuid& alloc) {
    std::vector<Slot> slots;
    const auto range = tables_.services.range<ServiceByAlloc>({alloc, {}}, {alloc, kLastText});
    for (auto it = range.begin(); it != range.end(); ++it) {
        slots.push_back(it.slot());
    }
    for (const Slot slot : slots) {
        const model::ServiceRegistration& row = *tables_.services.at(slot);
        Change& change = note(TableId::Services, Change::Kind::Delete);
        change.namespace_ = row.namespace_;
        change.key = row.id;
        change.job_id = row.job_id;
        change.node_id = row.node_id;
        tables_.services.erase(heap_, slot);
    }
}

void Applying::remove_services_of_node(const Uuid& node) {
    std::vector<Uuid> allocs;
    for (const model::ServiceRegistration& row :
         tables_.services.range<ServiceByNode>({node, {}}, {node, kLastText})) {
        allocs.push_back(row.alloc_id);
    }
    for (const Uuid& alloc : allocs) {
        remove_services_of_alloc(alloc);
    }
}

// ---- the end

void Applying::finish() {
    // Statuses first: they move the counts of parents.
    for (const auto& [name, mark] : jobs_) {
        set_status(name, mark);
    }
    for (auto& [name, sums] : summaries_) {
        const Slot slot = tables_.job_summaries.slot_of<SummaryById>({name.first, name.second, {}});
        if (slot != kNoSlot && *tables_.job_summaries.at(slot) == sums) {
            continue;
        }
        sums.modify_index = index();
        Change& change = note(
            TableId::JobSummaries, slot == kNoSlot ? Change::Kind::Create : Change::Kind::Update
        );
        change.namespace_ = name.first;
        change.key = name.second;
        change.job_id = name.second;
        if (slot == kNoSlot) {
            tables_.job_summaries.insert(heap_, row_of(std::move(sums)));
        } else {
            tables_.job_summaries.replace(heap_, slot, row_of(std::move(sums)));
        }
    }
    for (auto& [id, deployment] : deployments_) {
        const Slot slot = tables_.deployments.slot_of<DeploymentById>({id});
        const model::Deployment* old = slot == kNoSlot ? nullptr : tables_.deployments.at(slot);
        if (old != nullptr && *old == deployment) {
            continue;
        }
        stamp(deployment, old);
        if (deployment.create_time == 0) {
            deployment.create_time = time().unix_ns;
        }
        deployment.modify_time = time().unix_ns;
        Change& change = note(
            TableId::Deployments, old == nullptr ? Change::Kind::Create : Change::Kind::Update
        );
        change.id = id;
        change.namespace_ = deployment.namespace_;
        change.job_id = deployment.job_id;
        effects_.deployments.push_back(id);
        if (old == nullptr) {
            tables_.deployments.insert(heap_, row_of(std::move(deployment)));
        } else {
            tables_.deployments.replace(heap_, slot, row_of(std::move(deployment)));
        }
    }
}

}  // namespace nl::state
