#pragma once
// How allocations are kept: a fixed-size row of ids, shared pointers, states and times; what most
// allocations lack stands in `AllocDetails`, what they have in common in `GroupShare`. Readers see
// an AllocView, whose getters cost nothing and whose `expand()` makes the whole model::Allocation.
// Rows and details are immutable. Layout is no one else's business: use the view.

#include "model/alloc_list_stub.h"
#include "model/allocation.h"
#include "state/packed_states.h"
#include "state/range.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace nl::state {

/// What an allocation takes from its node.
struct ResourceSum {
    std::int64_t cpu{};
    std::int64_t memory_mb{};
    std::int64_t memory_max_mb{};
    std::int64_t disk_mb{};

    ResourceSum& operator+=(const ResourceSum& other) {
        cpu += other.cpu;
        memory_mb += other.memory_mb;
        memory_max_mb += other.memory_max_mb;
        disk_mb += other.disk_mb;
        return *this;
    }
    friend bool operator==(const ResourceSum&, const ResourceSum&) = default;
};

/// What runs at the same time, and the shared disk: the larger of the prestart tasks, the main ones
/// (with poststart) and the poststop ones, and on top of it prestart sidecars. `memory_max_mb` is
/// at least `memory_mb`.
ResourceSum sum_of(const model::AllocatedResources& resources);
ResourceSum sum_of(const model::TaskGroup& group);

/// What the group asks for without ports, cores and devices, in the form an allocation shows.
model::AllocatedResources group_resources(const model::TaskGroup& group);

/// One group of one job version, shared by its allocations.
struct GroupShare {
    std::shared_ptr<const model::Job> job;
    std::uint32_t group{};
    std::uint32_t job_hash{};
    ResourceSum ask;

    const model::TaskGroup& task_group() const { return job->task_groups[group]; }
};
std::shared_ptr<const GroupShare> make_group_share(
    std::shared_ptr<const model::Job> job, std::uint32_t group
);

/// A node as its allocations remember it, also after the node is gone.
struct NodeTag {
    Uuid id{};
    std::string name{};
    NL_FIELDS(NodeTag, (1, id), (2, name))
};

/// What few allocations have. Shared by the versions of a row.
struct AllocDetails {
    Box<model::AllocatedResources> resources{};
    std::string desired_description{};
    std::string client_description{};
    model::DesiredTransition desired_transition{};
    std::vector<model::AllocState> alloc_states{};
    Uuid previous_allocation{};
    Uuid next_allocation{};
    Box<model::AllocDeploymentStatus> deployment_status{};
    Box<model::RescheduleTracker> reschedule_tracker{};
    Box<model::AllocNetworkStatus> network_status{};
    Uuid followup_eval_id{};
    std::vector<Uuid> preempted_allocations{};
    Uuid preempted_by_allocation{};
    std::string signing_key_id{};

    NL_FIELDS(
        AllocDetails,
        (1, resources),
        (2, desired_description),
        (3, client_description),
        (4, desired_transition),
        (5, alloc_states),
        (6, previous_allocation),
        (7, next_allocation),
        (8, deployment_status),
        (9, reschedule_tracker),
        (10, network_status),
        (11, followup_eval_id),
        (12, preempted_allocations),
        (13, preempted_by_allocation),
        (14, signing_key_id)
    )
};

struct AllocRow {
    Uuid id;
    Uuid eval_id;
    Uuid deployment_id;
    std::shared_ptr<const GroupShare> share;
    std::shared_ptr<const NodeTag> node;
    /// Null: every field has its default.
    std::shared_ptr<const AllocDetails> details;
    PackedStates task_states;
    /// Shared by the placements of one group in one pass.
    std::shared_ptr<const model::AllocMetric> metrics;
    Index create_index;
    Index modify_index;
    Index alloc_modify_index;
    std::int64_t create_time{};
    std::int64_t modify_time{};
    std::uint32_t name_index{};
    /// The node's normalized score at placement; the metrics hold the other nodes.
    float score{};
    model::AllocDesiredStatus desired{};
    model::AllocClientStatus client{};
    /// Positions in the table of common descriptions; 0 with text in the details for any other.
    std::uint8_t desired_description{};
    std::uint8_t client_description{};
};

/// Stores a description: as a position in the common table, else in the details.
void set_desired_description(AllocRow& row, AllocDetails& details, std::string_view text);
void set_client_description(AllocRow& row, AllocDetails& details, std::string_view text);

class AllocView {
public:
    explicit AllocView(const AllocRow& row) : row_(&row) {}

    const Uuid& id() const { return row_->id; }
    const Uuid& eval_id() const { return row_->eval_id; }
    const Uuid& node_id() const { return row_->node->id; }
    const std::string& node_name() const { return row_->node->name; }
    const Uuid& deployment_id() const { return row_->deployment_id; }

    /// The job version the allocation was placed (or last updated in place) with.
    const model::Job& job() const { return *row_->share->job; }
    const std::shared_ptr<const model::Job>& job_ptr() const { return row_->share->job; }
    const std::string& namespace_() const { return job().namespace_; }
    const std::string& job_id() const { return job().id; }
    const model::TaskGroup& group() const { return row_->share->task_group(); }
    const std::string& task_group() const { return group().name; }
    /// The N of "job.group[N]".
    std::uint32_t name_index() const { return row_->name_index; }
    std::string name() const;

    model::AllocDesiredStatus desired_status() const { return row_->desired; }
    model::AllocClientStatus client_status() const { return row_->client; }
    std::string_view desired_description() const;
    std::string_view client_description() const;
    /// Desired to stop or evicted.
    bool server_terminal() const { return row_->desired != model::AllocDesiredStatus::Run; }
    /// Complete, failed or lost.
    bool client_terminal() const { return model::is_terminal(row_->client); }
    /// Either: takes nothing from its node any more.
    bool terminal() const { return server_terminal() || client_terminal(); }

    Index create_index() const { return row_->create_index; }
    Index modify_index() const { return row_->modify_index; }
    Index alloc_modify_index() const { return row_->alloc_modify_index; }
    std::int64_t create_time() const { return row_->create_time; }
    std::int64_t modify_time() const { return row_->modify_time; }

    /// What it takes from its node.
    ResourceSum takes() const;
    /// Null when the group's resources say all (no ports, cores, devices).
    const model::AllocatedResources* own_resources() const;
    const std::optional<bool>& healthy() const;
    bool canary() const;
    /// The rest, with its defaults where nothing is set.
    const AllocDetails& details() const;

    bool has_task_states() const { return static_cast<bool>(row_->task_states); }
    Map<model::TaskState> task_states() const;
    /// May be null.
    const model::AllocMetric* metrics() const { return row_->metrics.get(); }

    /// The whole noun, as the API shows it (job included).
    model::Allocation expand() const;
    model::AllocListStub stub() const;

    const AllocRow& row() const { return *row_; }

private:
    const AllocRow* row_;
};

template <>
struct ViewOf<AllocRow> {
    using Type = AllocView;
    static Type make(const void* row) { return AllocView(*static_cast<const AllocRow*>(row)); }
};

}  // namespace nl::state
