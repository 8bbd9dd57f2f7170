#pragma once
// Where a group may run at all: constraints with every operator, drivers, host and CSI volumes,
// host networks, devices. The answer for a computed class is found once and shared by its nodes;
// only constraints on `unique.` attributes look at each node. What depends on other placements
// (distinct_hosts, distinct_property, free resources) is decided by sched/placer.
// Source: jobspec reference, section 4; JSON conventions, AllocMetric texts.

#include "model/job.h"
#include "model/node.h"
#include "sched/regex_adapter.h"

#include <cstdint>
#include <deque>
#include <map>
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
    /// The plugin of each CSI volume the group asks for; "" for one that is not registered.
    using VolumePlugins = Map<std::string>;

    Feasibility(
        const model::Job& job,
        const model::TaskGroup& group,
        VolumePlugins volume_plugins,
        RegexCache& regexes
    );

    /// Null if the group may run on the node, else why not, as AllocMetric names it.
    const std::string* check(const model::Node& node, std::uint32_t computed_class);

    /// At least one constraint must look at every node: classes say nothing final.
    bool escaped() const { return !unique_.empty(); }
    /// What was found so far, by computed class.
    const std::map<std::uint32_t, const std::string*>& classes() const { return classes_; }

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
    const std::string* check_class(const model::Node& node);
    const std::string* reason(std::string text);

    const model::TaskGroup& group_;
    VolumePlugins volume_plugins_;
    RegexCache& regexes_;
    std::vector<Rule> rules_;
    std::vector<Rule> unique_;
    std::vector<std::string> drivers_;
    bool distinct_hosts_of_job_{false};
    bool distinct_hosts_of_group_{false};
    std::vector<DistinctProperty> distinct_properties_;
    std::map<std::uint32_t, const std::string*> classes_;
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

}  // namespace nl::sched
