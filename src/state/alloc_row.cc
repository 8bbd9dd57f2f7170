#include "state/alloc_row.h"

#include "base/check.h"
#include "base/codec.h"
#include "state/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace nl::state {
namespace {

/// Descriptions most allocations have, by position. Positions are not stored anywhere: the saved
/// state has the text.
constexpr std::array<std::string_view, 15> kCommonDescriptions{
    "",
    "Tasks are running",
    "No tasks have started",
    "All tasks have completed",
    "Failed tasks",
    "alloc not needed due to job update",
    "alloc not needed due to disconnected client reconnect",
    "alloc is being migrated",
    "alloc is being updated due to job update",
    "alloc is lost since its node is down",
    "alloc is unknown since its node is disconnected",
    "alloc updating in-place",
    "alloc not needed as node is tainted",
    "alloc was rescheduled because it failed",
    "Preempted",
};

const AllocDetails& no_details() {
    static const AllocDetails kNone;
    return kNone;
}

const std::optional<bool>& no_health() {
    static const std::optional<bool> kNone;
    return kNone;
}

void set_description(std::uint8_t& position, std::string& text, std::string_view value) {
    const auto at = std::ranges::find(kCommonDescriptions, value);
    if (at != kCommonDescriptions.end()) {
        position = static_cast<std::uint8_t>(at - kCommonDescriptions.begin());
        text.clear();
    } else {
        position = 0;
        text = value;
    }
}

/// Tasks that run at the same time add up; a sidecar started first runs with all of them.
enum class Phase { Before, Beside, Main, After };

Phase phase_of(const model::TaskLifecycleConfig* lifecycle) {
    if (lifecycle == nullptr || lifecycle->hook.empty() || lifecycle->hook == "poststart") {
        return Phase::Main;
    }
    if (lifecycle->hook == "prestart") {
        return lifecycle->sidecar ? Phase::Beside : Phase::Before;
    }
    return Phase::After;
}

class PhaseSums {
public:
    void add(const model::TaskLifecycleConfig* lifecycle, const ResourceSum& sum) {
        sums_[static_cast<std::size_t>(phase_of(lifecycle))] += sum;
    }
    ResourceSum total() const {
        const auto most = [this](std::int64_t ResourceSum::* member) {
            return std::max(
                       {of(Phase::Before).*member, of(Phase::Main).*member, of(Phase::After).*member
                       }
                   ) +
                   of(Phase::Beside).*member;
        };
        return {
            most(&ResourceSum::cpu),
            most(&ResourceSum::memory_mb),
            most(&ResourceSum::memory_max_mb),
            0
        };
    }

private:
    const ResourceSum& of(Phase phase) const { return sums_[static_cast<std::size_t>(phase)]; }

    std::array<ResourceSum, 4> sums_{};
};

}  // namespace

ResourceSum sum_of(const model::AllocatedResources& resources) {
    PhaseSums sums;
    for (const auto& [name, task] : resources.tasks) {
        ResourceSum sum;
        sum.cpu = task.cpu ? task.cpu->cpu_shares : 0;
        if (task.memory) {
            sum.memory_mb = task.memory->memory_mb;
            sum.memory_max_mb = std::max(task.memory->memory_mb, task.memory->memory_max_mb);
        }
        const auto lifecycle = resources.task_lifecycles.find(name);
        sums.add(lifecycle == resources.task_lifecycles.end() ? nullptr : &lifecycle->second, sum);
    }
    ResourceSum total = sums.total();
    total.disk_mb = resources.shared ? resources.shared->disk_mb : 0;
    return total;
}

ResourceSum sum_of(const model::TaskGroup& group) {
    PhaseSums sums;
    for (const model::Task& task : group.tasks) {
        if (task.resources) {
            const model::Resources& ask = *task.resources;
            sums.add(
                task.lifecycle.get(),
                {ask.cpu, ask.memory_mb, std::max(ask.memory_mb, ask.memory_max_mb), 0}
            );
        }
    }
    ResourceSum total = sums.total();
    total.disk_mb = group.ephemeral_disk ? group.ephemeral_disk->size_mb : 0;
    return total;
}

model::AllocatedResources group_resources(const model::TaskGroup& group) {
    model::AllocatedResources resources;
    for (const model::Task& task : group.tasks) {
        model::AllocatedTaskResources& allocated = resources.tasks[task.name];
        allocated.cpu.ensure();
        allocated.memory.ensure();
        if (task.resources) {
            allocated.cpu->cpu_shares = task.resources->cpu;
            allocated.memory->memory_mb = task.resources->memory_mb;
            allocated.memory->memory_max_mb = task.resources->memory_max_mb;
        }
        if (task.lifecycle) {
            resources.task_lifecycles[task.name] = *task.lifecycle;
        }
    }
    resources.shared.ensure().disk_mb = group.ephemeral_disk ? group.ephemeral_disk->size_mb : 0;
    return resources;
}

std::shared_ptr<const GroupShare> make_group_share(
    std::shared_ptr<const model::Job> job, std::uint32_t group
) {
    NL_ASSERT(group < job->task_groups.size());
    const ResourceSum ask = sum_of(job->task_groups[group]);
    const std::uint32_t hash = pair_hash(job->namespace_, job->id);
    return std::make_shared<const GroupShare>(GroupShare{std::move(job), group, hash, ask});
}

void set_desired_description(AllocRow& row, AllocDetails& details, std::string_view text) {
    set_description(row.desired_description, details.desired_description, text);
}

void set_client_description(AllocRow& row, AllocDetails& details, std::string_view text) {
    set_description(row.client_description, details.client_description, text);
}

std::string AllocView::name() const {
    return fmt::format("{}.{}[{}]", job().id, task_group(), row_->name_index);
}

std::string_view AllocView::desired_description() const {
    return row_->desired_description != 0 ? kCommonDescriptions[row_->desired_description]
                                          : details().desired_description;
}

std::string_view AllocView::client_description() const {
    return row_->client_description != 0 ? kCommonDescriptions[row_->client_description]
                                         : details().client_description;
}

ResourceSum AllocView::takes() const {
    const model::AllocatedResources* own = own_resources();
    return own != nullptr ? sum_of(*own) : row_->share->ask;
}

const model::AllocatedResources* AllocView::own_resources() const {
    return row_->details != nullptr ? row_->details->resources.get() : nullptr;
}

const std::optional<bool>& AllocView::healthy() const {
    const auto& status = details().deployment_status;
    return status ? status->healthy : no_health();
}

bool AllocView::canary() const {
    const auto& status = details().deployment_status;
    return status && status->canary;
}

const AllocDetails& AllocView::details() const {
    return row_->details != nullptr ? *row_->details : no_details();
}

Map<model::TaskState> AllocView::task_states() const {
    return row_->task_states.tasks();
}

model::Allocation AllocView::expand() const {
    const AllocDetails& more = details();
    model::Allocation alloc;
    alloc.id = id();
    alloc.namespace_ = namespace_();
    alloc.eval_id = eval_id();
    alloc.name = name();
    alloc.node_id = node_id();
    alloc.node_name = node_name();
    alloc.job_id = job_id();
    alloc.job = job_ptr();
    alloc.task_group = task_group();
    alloc.allocated_resources = more.resources ? *more.resources : group_resources(group());
    // The forms of old clients: one Resources for the whole, one for each task.
    const ResourceSum sum = takes();
    model::Resources& total = alloc.resources.ensure();
    total.cpu = sum.cpu;
    total.memory_mb = sum.memory_mb;
    total.memory_max_mb = sum.memory_max_mb == sum.memory_mb ? 0 : sum.memory_max_mb;
    total.disk_mb = sum.disk_mb;
    alloc.shared_resources.ensure().disk_mb = sum.disk_mb;
    if (alloc.allocated_resources->shared) {
        alloc.shared_resources->networks = alloc.allocated_resources->shared->networks;
        total.networks = alloc.allocated_resources->shared->networks;
    }
    for (const auto& [task, allocated] : alloc.allocated_resources->tasks) {
        model::Resources& one = alloc.task_resources[task];
        one.cpu = allocated.cpu ? allocated.cpu->cpu_shares : 0;
        one.memory_mb = allocated.memory ? allocated.memory->memory_mb : 0;
        one.memory_max_mb = allocated.memory ? allocated.memory->memory_max_mb : 0;
        one.networks = allocated.networks;
    }
    if (row_->metrics != nullptr) {
        alloc.metrics = *row_->metrics;
    }
    alloc.desired_status = desired_status();
    alloc.desired_description = desired_description();
    alloc.desired_transition = more.desired_transition;
    alloc.client_status = client_status();
    alloc.client_description = client_description();
    alloc.task_states = task_states();
    alloc.alloc_states = more.alloc_states;
    alloc.previous_allocation = more.previous_allocation;
    alloc.next_allocation = more.next_allocation;
    alloc.deployment_id = deployment_id();
    alloc.deployment_status = more.deployment_status;
    alloc.reschedule_tracker = more.reschedule_tracker;
    alloc.network_status = more.network_status;
    alloc.followup_eval_id = more.followup_eval_id;
    alloc.preempted_allocations = more.preempted_allocations;
    alloc.preempted_by_allocation = more.preempted_by_allocation;
    alloc.signing_key_id = more.signing_key_id;
    alloc.create_index = create_index();
    alloc.modify_index = modify_index();
    alloc.alloc_modify_index = alloc_modify_index();
    alloc.create_time = create_time();
    alloc.modify_time = modify_time();
    return alloc;
}

model::AllocListStub AllocView::stub() const {
    const AllocDetails& more = details();
    model::AllocListStub stub;
    stub.id = id();
    stub.eval_id = eval_id();
    stub.name = name();
    stub.namespace_ = namespace_();
    stub.node_id = node_id();
    stub.node_name = node_name();
    stub.job_id = job_id();
    stub.job_type = job().type;
    stub.job_version = job().version;
    stub.task_group = task_group();
    stub.desired_status = desired_status();
    stub.desired_description = desired_description();
    stub.client_status = client_status();
    stub.client_description = client_description();
    stub.desired_transition = more.desired_transition;
    stub.task_states = task_states();
    stub.deployment_status = more.deployment_status;
    stub.followup_eval_id = more.followup_eval_id;
    stub.next_allocation = more.next_allocation;
    stub.reschedule_tracker = more.reschedule_tracker;
    stub.preempted_allocations = more.preempted_allocations;
    stub.preempted_by_allocation = more.preempted_by_allocation;
    stub.create_index = create_index();
    stub.modify_index = modify_index();
    stub.create_time = create_time();
    stub.modify_time = modify_time();
    return stub;
}

}  // namespace nl::state
