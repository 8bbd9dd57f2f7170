#include "agent/saved_lists.h"

#include "server/saved_state.h"
#include "state/effects.h"
#include "wire/json.h"

#include <string>
#include <utility>

namespace nl::agent {

namespace {

/// The saved state of an archive, given out in pieces.
Result<state::Store> load(BytesView saved) {
    NL_TRY(auto loaded, server::load_saved([&](std::size_t max) -> Result<Bytes> {
        Bytes part(saved.substr(0, max));
        saved.remove_prefix(part.size());
        return part;
    }));
    return std::move(loaded.store);
}

/// Lists under the names of Nomad's tables, of what the filter matches.
class Lists {
public:
    explicit Lists(expr::Filter filter) : filter_(std::move(filter)) {}

    void put(const std::string& name, Value item) {
        Value::List& list = *lists_.try_emplace(name, Value::List{}).first->second.as_list();
        if (filter_.matches(item)) {
            list.push_back(std::move(item));
        }
    }
    template <class Rows, class ToValue>
    void put_all(const std::string& name, Rows&& rows, ToValue to_value) {
        lists_.try_emplace(name, Value::List{});
        for (auto&& row : rows) {
            put(name, to_value(row));
        }
    }
    template <class Rows>
    void put_all(const std::string& name, Rows&& rows) {
        put_all(name, std::forward<Rows>(rows), [](const auto& row) { return wire::to_value(row); });
    }
    Value::Map take() { return std::move(lists_); }

private:
    expr::Filter filter_;
    Value::Map lists_;
};

Value number(Index index) {
    return static_cast<std::int64_t>(index.value);
}

void put_jobs(Lists& out, const state::Snapshot& s) {
    const auto job_of = [](const auto& row) { return wire::to_value(*row.job); };
    out.put_all("Jobs", s.jobs(), job_of);
    for (const std::string_view name : {"JobVersions", "JobSummaries", "ScalingEvents"}) {
        out.put_all(std::string(name), std::vector<model::JobSummary>{});
    }
    for (const state::JobRow& row : s.jobs()) {
        const model::Job& job = *row.job;
        out.put_all("JobVersions", s.job_versions(job.namespace_, job.id), job_of);
        if (const auto* summary = s.job_summary(job.namespace_, job.id)) {
            out.put("JobSummaries", wire::to_value(*summary));
        }
        if (const auto* events = s.scaling_events(job.namespace_, job.id)) {
            Value::Map groups;
            for (const auto& [group, list] : events->groups) {
                Value::List items;
                for (const model::ScalingEvent& event : list) {
                    items.push_back(wire::to_value(event));
                }
                groups.emplace(group, std::move(items));
            }
            out.put(
                "ScalingEvents",
                Value::Map{
                    {"Namespace", events->namespace_},
                    {"JobID", events->job_id},
                    {"ScalingEvents", std::move(groups)},
                    {"ModifyIndex", number(events->modify_index)}
                }
            );
        }
    }
    out.put_all("PeriodicLaunches", s.periodic_launches(), [](const state::PeriodicLaunch& launch) {
        return Value(Value::Map{
            {"Namespace", launch.namespace_},
            {"ID", launch.job_id},
            {"Launch", to_rfc3339(launch.launch)},
            {"CreateIndex", number(launch.create_index)},
            {"ModifyIndex", number(launch.modify_index)}
        });
    });
}

// Variables and root keys are shown without what they keep secret: the file holds it sealed.
Value::Map lists_of(const state::Snapshot& s, expr::Filter filter) {
    Lists out(std::move(filter));
    put_jobs(out, s);
    out.put_all("Nodes", s.nodes());
    out.put_all("NodePools", s.node_pools());
    out.put_all("Namespaces", s.namespaces());
    out.put_all("Evals", s.evals());
    out.put_all("Allocs", s.allocs(), [](const state::AllocView& alloc) {
        return wire::to_value(alloc.expand());
    });
    out.put_all("Deployments", s.deployments());
    out.put_all("ScalingPolicies", s.scaling_policies());
    out.put_all("Services", s.services());
    out.put_all("ACLPolicies", s.acl_policies());
    out.put_all("ACLTokens", s.acl_tokens());
    out.put_all("ACLRoles", s.acl_roles());
    out.put_all("ACLAuthMethods", s.acl_auth_methods());
    out.put_all("ACLBindingRules", s.acl_binding_rules());
    out.put_all("HostVolumes", s.host_volumes());
    out.put_all("CSIVolumes", s.csi_volumes());
    out.put_all("CSIPlugins", s.csi_plugins());
    const auto meta_of = [](const auto& row) { return wire::to_value(row.meta); };
    out.put_all("Variables", s.variables(), meta_of);
    out.put_all("RootKeys", s.root_keys(), meta_of);
    for (std::size_t i = 0; i < state::kTableCount; ++i) {
        const auto table = static_cast<state::TableId>(i);
        out.put(
            "Indexes",
            Value::Map{
                {"Key", std::string(to_string(table))}, {"Value", number(s.table_index(table))}
            }
        );
    }
    return out.take();
}

}  // namespace

Result<Value::Map> list_saved(BytesView saved, expr::Filter filter) {
    NL_TRY(auto store, load(saved));
    return lists_of(store.snapshot(), std::move(filter));
}

}  // namespace nl::agent
