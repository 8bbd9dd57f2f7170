// Routes of ACL policies and roles. Source: Nomad HTTP API, 10.
#include "api/acl.h"
#include "api/body.h"
#include "api/named.h"
#include "api/reading.h"
#include "api/status.h"
#include "api/writing.h"
#include "policy/policy.h"
#include "state/commands/records.h"
#include "wire/json.h"

#include <algorithm>

namespace nl::api {
namespace {

using state::TableId;
namespace commands = state::commands;

Outcome refused(const Context&, const Applied& applied) {
    return coded_response(400, applied.result.error().message);
}

// ---- policies

bool holds_policy(const Context& c, std::string_view name) {
    return may_manage(c) || std::ranges::binary_search(policies_of(c, caller_of(c)), name);
}

model::ACLPolicyListStub policy_stub(const model::ACLPolicy& row) {
    model::ACLPolicyListStub stub;
    stub.name = row.name;
    stub.description = row.description;
    stub.job_acl = row.job_acl;
    stub.hash = row.hash;
    stub.create_index = row.create_index;
    stub.modify_index = row.modify_index;
    return stub;
}

Result<Look> list_policies(
    const Context& c, const ReadOptions& options, const std::vector<std::string>* only
) {
    std::vector<const model::ACLPolicy*> rows;
    for (const auto& policy : c.state.acl_policies(options.prefix)) {
        if (only == nullptr || std::ranges::binary_search(*only, policy.name)) {
            rows.push_back(&policy);
        }
    }
    NL_TRY(
        Look look,
        list_named(rows, options, [](const auto& row) { return row.name; }, policy_stub)
    );
    return of_table(std::move(look), c, TableId::AclPolicies);
}

Outcome policies(const Request& request, const PathValues&, const Context& context) {
    return read(request, context, [](const Context& c, const ReadOptions& options) -> Result<Look> {
        if (may_manage(c)) {
            return list_policies(c, options, nullptr);
        }
        const auto own = policies_of(c, caller_of(c));
        return list_policies(c, options, &own);
    });
}

Outcome own_policies(const Request& request, const PathValues&, const Context& context) {
    return read(request, context, [](const Context& c, const ReadOptions& options) -> Result<Look> {
        const auto own = policies_of(c, caller_of(c));
        return list_policies(c, options, &own);
    });
}

Outcome policy(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [name = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            if (!holds_policy(c, name)) {
                return fail(ErrorCode::PermissionDenied, "{}", kPermissionDenied);
            }
            const auto* row = c.state.acl_policy(name);
            if (row == nullptr) {
                return missing(c, TableId::AclPolicies, "ACL policy not found");
            }
            model::ACLPolicy shown = *row;
            if (const auto rules = policy::parse_policy(row->rules)) {
                shown.rules_json = policy::rules_json(*rules);
            }
            return Look{
                json_response(wire::to_json(shown)),
                row->modify_index,
                {state::watch_table(TableId::AclPolicies)},
                {}
            };
        }
    );
}

Outcome put_policy(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto given = wire::from_value<model::ACLPolicy>(*body);
    if (!given) {
        return error_response(given.error());
    }
    model::ACLPolicy row = std::move(*given);
    row.rules_json = {};
    if (row.name != path[0]) {
        return coded_response(400, "ACL policy name does not match request path");
    }
    std::vector<std::string> problems;
    if (!is_name(row.name)) {
        problems.push_back(fmt::format("invalid name '{}'", row.name));
    }
    if (const auto rules = policy::parse_policy(row.rules); !rules) {
        problems.push_back("failed to parse rules: " + rules.error().message);
    }
    if (row.description.size() > kDescriptionCharsMax) {
        problems.push_back(fmt::format("description longer than {}", kDescriptionCharsMax));
    }
    if (row.job_acl) {
        const model::JobACL& bound = *row.job_acl;
        if (!bound.job_id.empty() && bound.namespace_.empty()) {
            problems.emplace_back("namespace must be set to set job ID");
        }
        if (!bound.group.empty() && bound.job_id.empty()) {
            problems.emplace_back("job ID must be set to set group");
        }
        if (!bound.task.empty() && bound.group.empty()) {
            problems.emplace_back("group must be set to set task");
        }
    }
    if (!problems.empty()) {
        return invalid_response("policy", problems);
    }
    std::vector<std::string> parts{row.name, row.description, row.rules};
    if (row.job_acl) {
        const model::JobACL& bound = *row.job_acl;
        parts.insert(parts.end(), {bound.namespace_, bound.job_id, bound.group, bound.task});
    }
    row.hash = content_hash(parts);
    commands::AclPolicyUpsert command{{std::move(row)}};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

Outcome remove_policy(const Request&, const PathValues& path, const Context& context) {
    commands::AclPolicyDelete command{{path[0]}};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

/// Whether the caller may make a request: asked by agents that have no state to find it in.
Outcome admission(const Request& request, const PathValues&, const Context& context) {
    Request asked;
    asked.method = text_param(request, "method");
    asked.path = text_param(request, "path");
    asked.headers = request.headers;
    for (const auto& parameter : request.query) {
        if (parameter.name == "namespace") {
            asked.query.push_back(parameter);
        }
    }
    const Found found = find_route(asked.method, asked.path);
    if (found.route == nullptr) {
        return coded_response(404, "there is no such route");
    }
    const auto admitted = admit(asked, *found.route, found.values, context);
    return admitted && !admitted->hidden ? Outcome(empty_response()) : Outcome(denied());
}

// ---- roles

bool holds_role(const Context& c, const std::string& id) {
    const Caller& caller = caller_of(c);
    return may_manage(c) ||
           (caller.token && std::ranges::find(
                                caller.token->roles, id, &model::ACLTokenRoleLink::id
                            ) != caller.token->roles.end());
}

Outcome roles(const Request& request, const PathValues&, const Context& context) {
    return read(request, context, [](const Context& c, const ReadOptions& options) -> Result<Look> {
        std::vector<const model::ACLRole*> rows;
        for (const auto& role : c.state.acl_roles(options.prefix)) {
            if (holds_role(c, role.id)) {
                rows.push_back(&role);
            }
        }
        NL_TRY(
            Look look, list_named(rows, options, [](const auto& row) { return row.id; })
        );
        return of_table(std::move(look), c, TableId::AclRoles);
    });
}

Result<Look> role_look(const Context& c, const model::ACLRole* role) {
    if (role == nullptr && may_manage(c)) {
        return missing(c, TableId::AclRoles, "ACL role not found");
    }
    if (role == nullptr || !holds_role(c, role->id)) {
        return fail(ErrorCode::PermissionDenied, "{}", kPermissionDenied);
    }
    return Look{
        json_response(wire::to_json(*role)),
        role->modify_index,
        {state::watch_table(TableId::AclRoles)},
        {}
    };
}

Outcome role(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [id = path[0]](const Context& c, const ReadOptions&) {
            return role_look(c, c.state.acl_role(id));
        }
    );
}

Outcome role_by_name(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [name = path[0]](const Context& c, const ReadOptions&) {
            return role_look(c, c.state.acl_role_by_name(name));
        }
    );
}

Outcome put_role(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto given = wire::from_value<model::ACLRole>(*body);
    if (!given) {
        return error_response(given.error());
    }
    model::ACLRole row = std::move(*given);
    if (!path.values.empty() && row.id != path[0]) {
        return coded_response(400, "ACL role ID does not match request path");
    }
    std::vector<model::ACLRolePolicyLink> links;
    for (const auto& link : row.policies) {
        if (std::ranges::find(links, link) == links.end()) {
            links.push_back(link);
        }
    }
    row.policies = std::move(links);
    std::vector<std::string> problems;
    if (!is_name(row.name)) {
        problems.push_back(fmt::format("invalid name '{}'", row.name));
    }
    if (row.description.size() > kDescriptionCharsMax) {
        problems.push_back(fmt::format("description longer than {}", kDescriptionCharsMax));
    }
    if (row.policies.empty()) {
        problems.emplace_back("at least one policy should be specified");
    }
    if (!problems.empty()) {
        return invalid_response("role", problems);
    }
    if (row.id.empty()) {
        row.id = new_id(context).str();
    } else if (context.state.acl_role(row.id) == nullptr) {
        return coded_response(400, fmt::format("cannot find role {}", row.id));
    }
    const auto* namesake = context.state.acl_role_by_name(row.name);
    if (namesake != nullptr && namesake->id != row.id) {
        return coded_response(400, fmt::format("role with name {} already exists", row.name));
    }
    std::vector<std::string> parts{row.name, row.description};
    for (const auto& link : row.policies) {
        if (context.state.acl_policy(link.name) == nullptr) {
            return coded_response(400, fmt::format("cannot find policy {}", link.name));
        }
        parts.push_back(link.name);
    }
    row.hash = content_hash(parts);
    const std::string id = row.id;
    commands::AclRoleUpsert command{{std::move(row)}};
    return propose(
        command,
        context,
        [id](const Context& c, const Applied& applied) -> Outcome {
            const auto* stored = c.state.acl_role(id);
            Response out = json_response(stored != nullptr ? wire::to_json(*stored) : "null");
            out.headers.push_back({"X-Nomad-Index", fmt::format("{}", applied.index)});
            return out;
        },
        refused
    );
}

Outcome remove_role(const Request&, const PathValues& path, const Context& context) {
    if (context.state.acl_role(path[0]) == nullptr) {
        return coded_response(404, "ACL role not found");
    }
    commands::AclRoleDelete command{{path[0]}};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

constexpr Route kRoutes[] = {
    {kGet, "/v1/acl/policies", Where::Server, "any", "", "List policies.", with_acls<policies>},
    {kGet,
     "/v1/acl/policy/self",
     Where::Server,
     "any",
     "",
     "The caller's policies.",
     with_acls<own_policies>},
    {kGet, "/v1/acl/policy/{name}", Where::Server, "any", "", "A policy.", with_acls<policy>},
    {kPut,
     "/v1/acl/policy/{name}",
     Where::Leader,
     "management",
     "",
     "Write a policy.",
     with_acls<put_policy>},
    {kDelete,
     "/v1/acl/policy/{name}",
     Where::Leader,
     "management",
     "",
     "Delete a policy.",
     with_acls<remove_policy>},
    {kGet,
     "/v1/acl/admission",
     Where::Server,
     "anon",
     "method path",
     "Whether the caller may make a request.",
     admission},
    {kGet, "/v1/acl/roles", Where::Server, "any", "", "List roles.", with_acls<roles>},
    {kPut, "/v1/acl/role", Where::Leader, "management", "", "Make a role.", with_acls<put_role>},
    {kGet,
     "/v1/acl/role/name/{name}",
     Where::Server,
     "any",
     "",
     "A role by its name.",
     with_acls<role_by_name>},
    {kGet, "/v1/acl/role/{id}", Where::Server, "any", "", "A role.", with_acls<role>},
    {kPut,
     "/v1/acl/role/{id}",
     Where::Leader,
     "management",
     "",
     "Change a role.",
     with_acls<put_role>},
    {kDelete,
     "/v1/acl/role/{id}",
     Where::Leader,
     "management",
     "",
     "Delete a role.",
     with_acls<remove_role>},
};

}  // namespace

std::span<const Route> acl_policy_routes() {
    return kRoutes;
}

}  // namespace nl::api
