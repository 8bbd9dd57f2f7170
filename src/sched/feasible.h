#pragma once
// Where a group may run at all: constraints with every operator, drivers, host and CSI volumes,
// host networks, devices. The answer for a computed class is found once and shared by its nodes;
// only constraints on `unique.` attributes and volumes with claims look at each node. What depends
// on other placements (distinct_hosts, distinct_property, free resources) is decided by
// sched/placer.
// Source: jobspec reference, section 4; JSON conventions, AllocMetric texts.

#include "model/job.h"
#include "model/node.h"
#include "sched/regex_adapter.h"
#include "state/snapshot.h"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace nl::sched {

/// Constraints that look at the plan instead of the node.
struct DistinctProperty {
    std::string attribute;
    std::int64_t limit{1};
    /// Counts only allocations of this group; empty: of the whole job.
    std::string group;
};

class Feasibility {
public:
    Feasibility(
        const model::Job& job,
        const model::TaskGroup& group,
        const state::Snapshot& snapshot,
        RegexCache& regexes
    );

    /// Null if the group may run on nodes of this node's computed class, else why not, as
    /// AllocMetric names it.
    const std::string* check_class(const model::Node& node);
    /// The same for what may differ between nodes of a class.
    const std::string* check_node(const model::Node& node);
    /// The same for the volume an allocation of this name index has of its own.
    const std::string* check_index(const model::Node& node, std::uint32_t name_index);

    /// At least one constraint must look at every node: classes say nothing final.
    bool escaped() const { return !unique_.empty() || has_claims_; }
    bool looks_at_nodes() const { return escaped(); }
    bool looks_at_index() const { return has_own_volumes_; }

    bool distinct_hosts_of_job() const { return distinct_hosts_of_job_; }
    bool distinct_hosts_of_group() const { return distinct_hosts_of_group_; }
    const std::vector<DistinctProperty>& distinct_properties() const {
        return distinct_properties_;
    }

private:
    struct Rule {
        model::Constraint constraint;
        std::string text;
    };

    void add(const std::vector<model::Constraint>& constraints, const model::TaskGroup* group);
    bool passes(const Rule& rule, const model::Node& node);
    const std::string* reason(std::string text);
    const std::string* check_host_volume(
        const model::Node& node, const model::VolumeRequest& request, const std::string& source
    );
    const std::string* check_csi_volume(
        const model::Node& node, const model::VolumeRequest& request, const std::string& source
    );
    bool is_own(const model::Allocation& claim) const;
    std::int64_t csi_volumes_on(const model::Node& node, const std::string& plugin) const;

    const model::Job& job_;
    const model::TaskGroup& group_;
    const state::Snapshot& snapshot_;
    RegexCache& regexes_;
    std::vector<Rule> rules_;
    std::vector<Rule> unique_;
    std::vector<std::string> drivers_;
    bool distinct_hosts_of_job_{false};
    bool distinct_hosts_of_group_{false};
    std::vector<DistinctProperty> distinct_properties_;
    bool has_claims_{false};
    bool has_own_volumes_{false};
    /// Texts that are made on the way; a deque keeps their addresses.
    std::deque<std::string> reasons_;
};

/// The group's affinities on a node, -1 to 1: weights that hold over all weights.
double node_affinity(
    const model::Job& job,
    const model::TaskGroup& group,
    const model::Node& node,
    RegexCache& regexes
);
bool has_affinities(const model::Job& job, const model::TaskGroup& group);
/// Whether nodes of one computed class may differ in them.
bool has_unique_affinities(const model::Job& job, const model::TaskGroup& group);

}  // namespace nl::sched
