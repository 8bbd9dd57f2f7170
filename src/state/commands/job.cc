#include "state/commands/job.h"

#include "state/applying.h"

#include <algorithm>
#include <utility>

namespace nl::state::commands {
namespace {

using model::Job;

std::shared_ptr<const Job> find_job(Applying& a, std::string_view ns, std::string_view id) {
    const JobRow* row = a.tables().jobs.find<JobById>({ns, id, {}});
    return row == nullptr ? nullptr : row->job;
}

void put_eval(Applying& a, const Box<model::Evaluation>& eval, Index job_modify_index) {
    if (eval) {
        model::Evaluation copy = *eval;
        copy.job_modify_index = job_modify_index;
        a.put_eval(std::move(copy));
    }
}

Result<void> check_index(Applying& a, const JobRegister& command) {
    if (!command.enforce_index) {
        return {};
    }
    const auto known = find_job(a, command.job->namespace_, command.job->id);
    const Index wanted = command.check_index;
    if (known == nullptr && wanted != Index(0)) {
        return fail(
            ErrorCode::Conflict, "Enforcing job modify index {}: job does not exist", wanted
        );
    }
    if (known != nullptr && wanted == Index(0)) {
        return fail(ErrorCode::Conflict, "Enforcing job modify index 0: job already exists");
    }
    if (known != nullptr && known->job_modify_index != wanted) {
        a.effects().conflict_index = known->job_modify_index;
        return fail(
            ErrorCode::Conflict,
            "Enforcing job modify index {}: job exists with conflicting job modify index: {}",
            wanted,
            known->job_modify_index
        );
    }
    return {};
}

std::size_t kept_versions(std::uint32_t given) {
    return given != 0 ? given : kKeptJobVersions;
}

/// Keeps the newest versions, tagged ones, and one stable version to go back to.
void prune_versions(
    Applying& a, const std::string& ns, const std::string& id, std::size_t kept
) {
    auto& table = a.tables().job_versions;
    std::vector<std::pair<Slot, std::shared_ptr<const Job>>> untagged;
    const auto range = table.range<VersionById>({ns, id, 0}, {ns, id, UINT64_MAX});
    for (auto it = range.begin(); it != range.end(); ++it) {
        if (!(*it).job->version_tag) {
            untagged.emplace_back(it.slot(), (*it).job);
        }
    }
    while (untagged.size() > kept) {
        // Ascending: the first is the oldest. The only stable one stays; the next oldest goes.
        const auto stable =
            std::ranges::count_if(untagged, [](const auto& v) { return v.second->stable; });
        const std::size_t victim = untagged[0].second->stable && stable == 1 ? 1 : 0;
        Change& change = a.note(TableId::JobVersions, Change::Kind::Delete);
        change.namespace_ = ns;
        change.key = id;
        change.job_id = id;
        table.erase(a.heap(), untagged[victim].first);
        untagged.erase(untagged.begin() + static_cast<std::ptrdiff_t>(victim));
    }
    auto& submissions = a.tables().job_submissions;
    std::vector<Slot> slots;
    const auto sources = submissions.range<SubmissionById>({ns, id, 0}, {ns, id, UINT64_MAX});
    for (auto it = sources.begin(); it != sources.end(); ++it) {
        slots.push_back(it.slot());
    }
    for (std::size_t i = 0; i + kept < slots.size(); ++i) {
        a.touch(TableId::JobSubmissions);
        submissions.erase(a.heap(), slots[i]);
    }
}

void put_submission(Applying& a, const Box<model::JobSubmission>& submission, const Job& job) {
    if (!submission) {
        return;
    }
    model::JobSubmission row = *submission;
    row.namespace_ = job.namespace_;
    row.job_id = job.id;
    row.version = job.version;
    row.job_modify_index = job.job_modify_index;
    auto& table = a.tables().job_submissions;
    const Slot slot = table.slot_of<SubmissionById>({job.namespace_, job.id, job.version});
    a.touch(TableId::JobSubmissions);
    auto fresh = std::make_unique<const model::JobSubmission>(std::move(row));
    if (slot == kNoSlot) {
        table.insert(a.heap(), std::move(fresh));
    } else {
        table.replace(a.heap(), slot, std::move(fresh));
    }
}

/// The policies of the job's groups and tasks replace those it had; a policy of the same target
/// keeps its id.
void put_scaling_policies(Applying& a, const Job& job) {
    auto& table = a.tables().scaling_policies;
    std::map<std::string, Slot> old;
    const auto target_key = [](const model::ScalingPolicy& policy) {
        std::string key = policy.type;
        for (const auto& [name, value] : policy.target) {
            key += '\0' + name + '\0' + value;
        }
        return key;
    };
    const auto range =
        table.range<PolicyByJob>({job.namespace_, job.id, {}}, {job.namespace_, job.id, kLastText});
    for (auto it = range.begin(); it != range.end(); ++it) {
        old.emplace(target_key(*it), it.slot());
    }
    std::uint64_t number = 0;
    const auto put =
        [&](const model::ScalingPolicy& given, const std::string& group, const std::string& task) {
            model::ScalingPolicy policy = given;
            policy.namespace_ = job.namespace_;
            policy.type = policy.type.empty() ? "horizontal" : policy.type;
            policy.target = {{"Namespace", job.namespace_}, {"Job", job.id}, {"Group", group}};
            if (!task.empty()) {
                policy.target.emplace("Task", task);
            }
            const auto known = old.find(target_key(policy));
            const Slot slot = known == old.end() ? kNoSlot : known->second;
            const model::ScalingPolicy* before = slot == kNoSlot ? nullptr : table.at(slot);
            if (before != nullptr) {
                policy.id = before->id;
                old.erase(known);
            } else {
                Uuid seed;
                for (unsigned i = 0; i < 8; ++i) {
                    seed.bytes[i] = static_cast<std::uint8_t>(a.seed() >> (8 * i));
                    seed.bytes[8 + i] = static_cast<std::uint8_t>(a.index().value >> (8 * i));
                }
                policy.id = Uuid::derived(seed, number).str();
            }
            ++number;
            a.stamp(policy, before);
            Change& change = a.note(
                TableId::ScalingPolicies,
                before == nullptr ? Change::Kind::Create : Change::Kind::Update
            );
            change.namespace_ = job.namespace_;
            change.job_id = job.id;
            change.key = policy.id;
            auto row = std::make_unique<const model::ScalingPolicy>(std::move(policy));
            if (slot == kNoSlot) {
                table.insert(a.heap(), std::move(row));
            } else {
                table.replace(a.heap(), slot, std::move(row));
            }
        };
    if (!job.stop) {
        for (const model::TaskGroup& group : job.task_groups) {
            if (group.scaling) {
                put(*group.scaling, group.name, {});
            }
            for (const model::Task& task : group.tasks) {
                for (const model::ScalingPolicy& policy : task.scaling_policies) {
                    put(policy, group.name, task.name);
                }
            }
        }
    }
    for (const auto& [key, slot] : old) {
        Change& change = a.note(TableId::ScalingPolicies, Change::Kind::Delete);
        change.namespace_ = job.namespace_;
        change.job_id = job.id;
        change.key = table.at(slot)->id;
        table.erase(a.heap(), slot);
    }
}

/// The child of the job's parent that was dispatched with the same idempotency token.
const JobRow* same_dispatch(Applying& a, const Job& job) {
    const JobRow row{std::make_shared<const Job>(job)};
    return JobByToken::has(row) ? a.tables().jobs.find<JobByToken>(JobByToken::key(row)) : nullptr;
}

/// Stores a new version of the job and returns its job_modify_index.
Index store_version(Applying& a, const JobRegister& command) {
    Job job = *command.job;
    const auto known = find_job(a, job.namespace_, job.id);
    job.create_index = known != nullptr ? known->create_index : a.index();
    job.version = known != nullptr ? std::max(job.version, known->version + 1) : 0;
    job.modify_index = a.index();
    job.job_modify_index = a.index();
    job.stable = false;
    job.version_tag.reset();
    if (known != nullptr) {
        job.dispatch_idempotency_token = known->dispatch_idempotency_token;
    }
    if (job.submit_time == 0) {
        job.submit_time = a.time().unix_ns;
    }
    a.make_summary(job);
    a.put_job(job);
    const auto stored = find_job(a, job.namespace_, job.id);
    a.put_job_version(stored);
    put_submission(a, command.submission, *stored);
    put_scaling_policies(a, *stored);
    prune_versions(a, stored->namespace_, stored->id, kept_versions(command.keep_versions));
    return a.index();
}

}  // namespace

bool spec_changed(const Job& old, const Job& fresh) {
    Job a = old;
    const Job& b = fresh;
    a.status = b.status;
    a.status_description = b.status_description;
    a.stable = b.stable;
    a.version = b.version;
    a.create_index = b.create_index;
    a.modify_index = b.modify_index;
    a.job_modify_index = b.job_modify_index;
    a.submit_time = b.submit_time;
    a.nomad_token_id = b.nomad_token_id;
    a.version_tag = b.version_tag;
    return a != b;
}

Result<void> apply(Applying& a, const JobRegister& command) {
    if (command.job == nullptr) {
        return fail(ErrorCode::InvalidArgument, "the command to register a job holds no job");
    }
    NL_TRY_VOID(check_index(a, command));
    const auto known = find_job(a, command.job->namespace_, command.job->id);
    if (const JobRow* other = known == nullptr ? same_dispatch(a, *command.job) : nullptr) {
        return fail(
            ErrorCode::AlreadyExists, "job {} was dispatched with the same token", other->job->id
        );
    }
    Index job_modify_index;
    if (known != nullptr && !spec_changed(*known, *command.job)) {
        job_modify_index = known->job_modify_index;
    } else {
        job_modify_index = store_version(a, command);
    }
    put_eval(a, command.eval, job_modify_index);
    return {};
}

Result<void> apply(Applying& a, const JobBatchRegister& command) {
    for (const JobRegister& one : command.jobs) {
        if (one.job == nullptr) {
            return fail(ErrorCode::InvalidArgument, "the command to register jobs lacks a job");
        }
    }
    for (const JobRegister& one : command.jobs) {
        static_cast<void>(apply(a, one));
    }
    return {};
}

Result<void> apply(Applying& a, const JobDeregister& command) {
    const auto known = find_job(a, command.namespace_, command.job_id);
    if (known != nullptr && command.no_shutdown_delay) {
        std::vector<AllocRow> rows;
        const auto owns = [&](const AllocRow& row) {
            return row.share->job->id == known->id &&
                   row.share->job->namespace_ == known->namespace_;
        };
        for (const AllocView alloc : a.tables().allocs.owned<AllocByJob>(
                 JobOwnedKey::of(known->namespace_, known->id, Uuid{}),
                 JobOwnedKey::of(known->namespace_, known->id, kLastUuid),
                 owns
             )) {
            if (!alloc.terminal()) {
                rows.push_back(alloc.row());
            }
        }
        for (AllocRow& row : rows) {
            AllocDetails details = AllocView(row).details();
            details.desired_transition.no_shutdown_delay = true;
            row.details = std::make_shared<const AllocDetails>(std::move(details));
            a.put_alloc(std::move(row), true);
        }
    }
    Index job_modify_index = known != nullptr ? known->job_modify_index : Index(0);
    if (known != nullptr && command.purge) {
        a.remove_job(command.namespace_, command.job_id);
    } else if (known != nullptr && !known->stop) {
        Job job = *known;
        job.stop = true;
        job.submit_time = a.time().unix_ns;
        job_modify_index =
            store_version(
                a,
                {.job = std::make_shared<const Job>(std::move(job)),
                 .keep_versions = command.keep_versions}
            );
    }
    put_eval(a, command.eval, job_modify_index);
    return {};
}

Result<void> apply(Applying& a, const JobsReap& command) {
    for (const JobRef& ref : command.jobs) {
        a.remove_job(ref.namespace_, ref.job_id);
    }
    return {};
}

Result<void> apply(Applying& a, const JobStability& command) {
    const JobVersionRow* row = a.tables().job_versions.find<VersionById>(
        {command.namespace_, command.job_id, command.version}
    );
    if (row == nullptr) {
        return fail(
            ErrorCode::NotFound, "job \"{}\" has no version {}", command.job_id, command.version
        );
    }
    Job version = *row->job;
    version.stable = command.stable;
    version.modify_index = a.index();
    a.put_job_version(std::make_shared<const Job>(std::move(version)));
    const auto current = find_job(a, command.namespace_, command.job_id);
    if (current != nullptr && current->version == command.version) {
        Job job = *current;
        job.stable = command.stable;
        a.put_job(std::move(job));
    }
    return {};
}

Result<void> apply(Applying& a, const JobVersionTagSet& command) {
    const auto& table = a.tables().job_versions;
    std::shared_ptr<const Job> target;
    for (const JobVersionRow& row : table.range<VersionById>(
             {command.namespace_, command.job_id, 0},
             {command.namespace_, command.job_id, UINT64_MAX}
         )) {
        const bool named =
            row.job->version_tag &&
            row.job->version_tag->name == (command.tag ? command.tag->name : command.remove);
        if (command.tag && named && row.job->version != command.version) {
            return fail(
                ErrorCode::AlreadyExists,
                "\"{}\" already exists on a different version of job \"{}\"",
                command.tag->name,
                command.job_id
            );
        }
        if (command.tag ? row.job->version == command.version : named) {
            target = row.job;
        }
    }
    if (target == nullptr) {
        return command.tag ? fail(
                                 ErrorCode::NotFound,
                                 "job \"{}\" version {} not found",
                                 command.job_id,
                                 command.version
                             )
                           : fail(
                                 ErrorCode::NotFound,
                                 "tag \"{}\" not found for job \"{}\"",
                                 command.remove,
                                 command.job_id
                             );
    }
    Job job = *target;
    if (command.tag) {
        job.version_tag = *command.tag;
        if (job.version_tag->tagged_time == 0) {
            job.version_tag->tagged_time = a.time().unix_ns;
        }
    } else {
        job.version_tag.reset();
    }
    job.modify_index = a.index();
    const std::uint64_t version = job.version;
    const Box<model::JobVersionTag> tag = job.version_tag;
    a.put_job_version(std::make_shared<const Job>(std::move(job)));
    const auto current = find_job(a, command.namespace_, command.job_id);
    if (current != nullptr && current->version == version) {
        Job newest = *current;
        newest.version_tag = tag;
        a.put_job(std::move(newest));
    }
    prune_versions(a, command.namespace_, command.job_id, kept_versions(command.keep_versions));
    return {};
}

Result<void> apply(Applying& a, const JobScale& command) {
    if (command.registration) {
        NL_TRY_VOID(apply(a, *command.registration));
    }
    using ById =
        ByTexts<ScalingEventsRow, &ScalingEventsRow::namespace_, &ScalingEventsRow::job_id>;
    auto& table = a.tables().scaling_events;
    const Slot slot = table.slot_of<ById>({command.namespace_, command.job_id, {}});
    ScalingEventsRow row = slot == kNoSlot ? ScalingEventsRow{} : *table.at(slot);
    row.namespace_ = command.namespace_;
    row.job_id = command.job_id;
    row.modify_index = a.index();
    auto& events = row.groups[command.group];
    model::ScalingEvent event = command.event;
    event.create_index = a.index();
    if (event.time == 0) {
        event.time = a.time().unix_ns;
    }
    events.insert(events.begin(), std::move(event));
    if (events.size() > kMaxScalingEvents) {
        events.resize(kMaxScalingEvents);
    }
    Change& change = a.note(TableId::ScalingEvents, Change::Kind::Update);
    change.namespace_ = command.namespace_;
    change.key = command.job_id;
    change.job_id = command.job_id;
    auto fresh = std::make_unique<const ScalingEventsRow>(std::move(row));
    if (slot == kNoSlot) {
        table.insert(a.heap(), std::move(fresh));
    } else {
        table.replace(a.heap(), slot, std::move(fresh));
    }
    return {};
}

Result<void> apply(Applying& a, const PeriodicLaunchUpsert& command) {
    using ById = ByTexts<PeriodicLaunch, &PeriodicLaunch::namespace_, &PeriodicLaunch::job_id>;
    auto& table = a.tables().periodic_launches;
    PeriodicLaunch row = command.launch;
    const Slot slot = table.slot_of<ById>({row.namespace_, row.job_id, {}});
    if ((slot != kNoSlot && table.at(slot)->launch >= row.launch) ||
        find_job(a, row.namespace_, row.job_id) == nullptr) {
        return {};
    }
    if (command.registration) {
        NL_TRY_VOID(apply(a, *command.registration));
    }
    a.stamp(row, slot == kNoSlot ? nullptr : table.at(slot));
    Change& change = a.note(
        TableId::PeriodicLaunches, slot == kNoSlot ? Change::Kind::Create : Change::Kind::Update
    );
    change.namespace_ = row.namespace_;
    change.key = row.job_id;
    auto fresh = std::make_unique<const PeriodicLaunch>(std::move(row));
    if (slot == kNoSlot) {
        table.insert(a.heap(), std::move(fresh));
    } else {
        table.replace(a.heap(), slot, std::move(fresh));
    }
    return {};
}

}  // namespace nl::state::commands
