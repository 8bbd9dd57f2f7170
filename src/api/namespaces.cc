// Routes of namespaces and node pools. Source: Nomad HTTP API, 2 and 9.
#include "api/acl.h"
#include "api/body.h"
#include "api/named.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "state/commands/records.h"
#include "wire/json.h"

#include <algorithm>

namespace nl::api {
namespace {

using policy::bit;
using state::TableId;
namespace commands = state::commands;

constexpr Duration kIdentityTtl = hours(24);

/// The row without what its history adds.
Blob namespace_hash(model::Namespace row) {
    row.hash = {};
    row.create_index = Index(0);
    row.modify_index = Index(0);
    return content_hash({encode(row)});
}
Blob pool_hash(model::NodePool row) {
    row.hash = {};
    row.create_index = Index(0);
    row.modify_index = Index(0);
    return content_hash({encode(row)});
}

// ---- namespaces

Outcome list(const Request& request, const PathValues&, const Context& context) {
    return read(request, context, [](const Context& c, const ReadOptions& options) -> Result<Look> {
        std::vector<const model::Namespace*> rows;
        for (const auto& row : c.state.namespaces(options.prefix)) {
            if (caller_of(c).acl->allows_namespace(row.name)) {
                rows.push_back(&row);
            }
        }
        NL_TRY(
            Look look, list_named(rows, options, [](const auto& row) { return row.name; })
        );
        return of_table(std::move(look), c, TableId::Namespaces);
    });
}

Outcome get(const Request& request, const PathValues& path, const Context& context) {
    return read_named(
        request,
        context,
        TableId::Namespaces,
        "Namespace not found",
        [name = path[0]](const Context& c) { return c.state.namespace_(name); }
    );
}

Outcome put(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto row = wire::from_value<model::Namespace>(*body);
    if (!row) {
        return error_response(row.error());
    }
    if (!path.values.empty() && row->name.empty()) {
        row->name = path[0];
    }
    if (!path.values.empty() && row->name != path[0]) {
        return text_response(400, "Namespace name does not match request path");
    }
    std::vector<std::string> problems;
    if (!is_name(row->name)) {
        problems.push_back(
            fmt::format("invalid name \"{}\". Must match regex ^[a-zA-Z0-9-]{{1,128}}$", row->name)
        );
    }
    if (row->description.size() > kDescriptionCharsMax) {
        problems.push_back(fmt::format("description longer than {}", kDescriptionCharsMax));
    }
    if (!problems.empty()) {
        return text_response(
            500, fmt::format("Invalid namespace \"{}\": {}", row->name, problems_text(problems))
        );
    }
    row->hash = namespace_hash(*row);
    commands::NamespaceUpsert command{{std::move(*row)}};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

Outcome remove(const Request&, const PathValues& path, const Context& context) {
    const std::string& name = path[0];
    if (name == "default") {
        return text_response(500, "can not delete default namespace");
    }
    if (context.state.namespace_(name) == nullptr) {
        return text_response(500, fmt::format("namespace {} not found", name));
    }
    const auto jobs = context.state.jobs(name);
    for (const auto& row : jobs) {
        if (row.job->status != "dead") {
            return text_response(
                500,
                problems_text({fmt::format(
                    "namespace \"{}\" has non-terminal jobs in regions: [{}]",
                    name,
                    context.agent->region
                )})
            );
        }
    }
    const auto variables = context.state.variables(name);
    if (variables.begin() != variables.end()) {
        return text_response(
            500,
            problems_text({fmt::format(
                "namespace \"{}\" has non-terminal variables in regions: [{}]", name, context.agent->region
            )})
        );
    }
    commands::NamespaceDelete command{{name}};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

// ---- node pools

bool is_built_in(std::string_view pool) {
    return pool == "all" || pool == "default";
}

Outcome list_pools(const Request& request, const PathValues&, const Context& context) {
    return read(request, context, [](const Context& c, const ReadOptions& options) -> Result<Look> {
        std::vector<const model::NodePool*> rows;
        for (const auto& row : c.state.node_pools(options.prefix)) {
            if (may_pool(c, row.name, policy::PoolCapability::Read)) {
                rows.push_back(&row);
            }
        }
        if (options.reverse) {
            std::ranges::reverse(rows);
        }
        NL_TRY(
            Look look, list_named(rows, options, [](const auto& row) { return row.name; })
        );
        return of_table(std::move(look), c, TableId::NodePools);
    });
}

Outcome get_pool(const Request& request, const PathValues& path, const Context& context) {
    return read_named(
        request,
        context,
        TableId::NodePools,
        "node pool not found",
        [name = path[0]](const Context& c) { return c.state.node_pool(name); }
    );
}

Outcome put_pool(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto row = wire::from_value<model::NodePool>(*body);
    if (!row) {
        return error_response(row.error());
    }
    if (!path.values.empty() && row->name.empty()) {
        row->name = path[0];
    }
    if (!path.values.empty() && row->name != path[0]) {
        return text_response(400, "Node pool name does not match request path");
    }
    if (is_built_in(row->name)) {
        return text_response(
            400, fmt::format("modifying node pool \"{}\" is not allowed", row->name)
        );
    }
    std::vector<std::string> problems;
    if (!is_name(row->name, "_")) {
        problems.push_back(
            fmt::format("invalid name \"{}\", must match regex ^[a-zA-Z0-9-_]{{1,128}}$", row->name)
        );
    }
    if (row->description.size() > kDescriptionCharsMax) {
        problems.push_back(fmt::format("description longer than {}", kDescriptionCharsMax));
    }
    if (row->scheduler_configuration) {
        const std::string& algorithm = row->scheduler_configuration->scheduler_algorithm;
        if (!algorithm.empty() && algorithm != "binpack" && algorithm != "spread") {
            problems.push_back(fmt::format("invalid scheduler algorithm: {}", algorithm));
        }
    }
    if (row->node_identity_ttl < Duration{}) {
        problems.emplace_back("node identity TTL must be greater than 0");
    }
    if (row->node_identity_ttl == Duration{}) {
        row->node_identity_ttl = kIdentityTtl;
    }
    if (!problems.empty()) {
        return text_response(
            400, fmt::format("invalid node pool \"{}\": {}", row->name, problems_text(problems))
        );
    }
    if (!may_pool(context, row->name, policy::PoolCapability::Write)) {
        return denied();
    }
    row->hash = pool_hash(*row);
    commands::NodePoolUpsert command{{std::move(*row)}};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

Outcome remove_pool(const Request&, const PathValues& path, const Context& context) {
    const std::string& name = path[0];
    if (is_built_in(name)) {
        return text_response(400, fmt::format("deleting node pool \"{}\" is not allowed", name));
    }
    if (context.state.node_pool(name) == nullptr) {
        return text_response(500, fmt::format("node pool {} not found", name));
    }
    std::vector<std::string> problems;
    for (const auto& row : context.state.jobs()) {
        if (row.job->node_pool == name && row.job->status != "dead") {
            problems.push_back(fmt::format(
                "node pool \"{}\" has non-terminal jobs in regions: [{}]",
                name,
                context.agent->region
            ));
            break;
        }
    }
    for (const auto& node : context.state.nodes()) {
        if (node.node_pool == name) {
            problems.push_back(fmt::format(
                "node pool \"{}\" has nodes in regions: [{}]", name, context.agent->region
            ));
            break;
        }
    }
    if (!problems.empty()) {
        return text_response(500, problems_text(problems));
    }
    commands::NodePoolDelete command{{name}};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

Outcome pool_nodes(const Request& request, const PathValues& path, const Context& context) {
    if (!text_param(request, "prefix").empty()) {
        return text_response(400, "prefix argument not allowed");
    }
    const auto resources = bool_param(request, "resources");
    const auto os = bool_param(request, "os");
    if (!resources || !os) {
        return error_response(resources ? os.error() : resources.error());
    }
    const NodeStubOptions stubs{resources->value_or(false), os->value_or(false)};
    return read(
        request,
        context,
        [name = path[0], stubs](const Context& c, const ReadOptions& options) -> Result<Look> {
            if (c.state.node_pool(name) == nullptr) {
                return missing(c, TableId::NodePools, "node pool not found");
            }
            std::vector<const model::Node*> rows;
            for (const auto& node : c.state.nodes()) {
                if (name == "all" || node.node_pool == name) {
                    rows.push_back(&node);
                }
            }
            NL_TRY(Look look, list_nodes(std::move(rows), options, stubs));
            look.index = c.state.table_index(TableId::Nodes);
            look.keys = {state::watch_table(TableId::Nodes)};
            return look;
        }
    );
}

Outcome pool_jobs(const Request& request, const PathValues& path, const Context& context) {
    if (!text_param(request, "prefix").empty()) {
        return text_response(400, "prefix argument not allowed");
    }
    return read(
        request,
        context,
        [name = path[0],
         ns = namespace_of(request)](const Context& c, const ReadOptions& options) -> Result<Look> {
            if (c.state.node_pool(name) == nullptr) {
                return missing(c, TableId::NodePools, "node pool not found");
            }
            std::vector<const model::Job*> jobs;
            for (const auto& row : ns == kAllNamespaces ? c.state.jobs() : c.state.jobs(ns)) {
                if (row.job->node_pool == name &&
                    visible(c, ns, row.job->namespace_, bit(policy::Capability::ListJobs))) {
                    jobs.push_back(row.job.get());
                }
            }
            NL_TRY(Look look, list_jobs(c, jobs, options, false));
            look.index = c.state.table_index({TableId::Jobs, TableId::JobSummaries});
            look.keys = {watch_list(TableId::Jobs, ns), watch_list(TableId::JobSummaries, ns)};
            return look;
        }
    );
}

constexpr Route kRoutes[] = {
    {kGet, "/v1/namespaces", Where::Server, "any", "", "List namespaces.", list},
    {kPut, "/v1/namespace", Where::Leader, "management", "", "Write a namespace.", put},
    {kGet, "/v1/namespace/{name}", Where::Server, "name:any", "", "A namespace.", get},
    {kPut, "/v1/namespace/{name}", Where::Leader, "management", "", "Write a namespace.", put},
    {kDelete, "/v1/namespace/{name}", Where::Leader, "management", "", "Delete a namespace.", remove
    },
};

constexpr Route kPoolRoutes[] = {
    {kGet, "/v1/node/pools", Where::Server, "some-pool:read", "", "List node pools.", list_pools},
    {kPut, "/v1/node/pools", Where::Leader, "some-pool:write", "", "Write a node pool.", put_pool},
    {kGet,
     "/v1/node/pool/{name}/nodes",
     Where::Server,
     "node:read&pool:read",
     "resources os",
     "Nodes of a pool.",
     pool_nodes},
    {kGet,
     "/v1/node/pool/{name}/jobs",
     Where::Server,
     "pool:read&ns:list-jobs",
     "",
     "Jobs of a pool.",
     pool_jobs},
    {kGet, "/v1/node/pool/{name}", Where::Server, "pool:read", "", "A node pool.", get_pool},
    {kPut,
     "/v1/node/pool/{name}",
     Where::Leader,
     "pool:write",
     "",
     "Write a node pool.",
     put_pool},
    {kDelete,
     "/v1/node/pool/{name}",
     Where::Leader,
     "pool:delete",
     "",
     "Delete a node pool.",
     remove_pool},
};

}  // namespace

std::span<const Route> namespace_routes() {
    return kRoutes;
}
std::span<const Route> node_pool_routes() {
    return kPoolRoutes;
}

}  // namespace nl::api
