// Routes of auth methods, binding rules and logins. The records are kept and checked; a login
// through one is refused, saying so. Source: Nomad HTTP API, 10.
#include "api/acl.h"
#include "api/body.h"
#include "api/named.h"
#include "api/reading.h"
#include "api/status.h"
#include "api/writing.h"
#include "state/commands/records.h"
#include "wire/json.h"

#include <array>
#include <span>

namespace nl::api {
namespace {

using state::TableId;
namespace commands = state::commands;

constexpr std::string_view kRedacted = "redacted";

template <class Row>
Response row_response(const Row* row, Index index) {
    Response out = json_response(row != nullptr ? wire::to_json(*row) : "null");
    out.headers.push_back({"X-Nomad-Index", fmt::format("{}", index)});
    return out;
}

// ---- auth methods

model::ACLAuthMethod shown(const model::ACLAuthMethod& method) {
    model::ACLAuthMethod out = method;
    if (out.config) {
        model::ACLAuthMethodConfig& config = *out.config;
        if (!config.oidc_client_secret.empty()) {
            config.oidc_client_secret = kRedacted;
        }
        if (config.oidc_client_assertion && config.oidc_client_assertion->private_key &&
            !config.oidc_client_assertion->private_key->pem_key.empty()) {
            config.oidc_client_assertion->private_key->pem_key = kRedacted;
        }
    }
    return out;
}

/// A client that sends back what it was shown keeps the secret.
void keep_secrets(model::ACLAuthMethod& method, const model::ACLAuthMethod* old) {
    if (old == nullptr || !old->config || !method.config) {
        return;
    }
    if (method.config->oidc_client_secret == kRedacted) {
        method.config->oidc_client_secret = old->config->oidc_client_secret;
    }
    auto& now = method.config->oidc_client_assertion;
    const auto& before = old->config->oidc_client_assertion;
    if (now && now->private_key && before && before->private_key &&
        now->private_key->pem_key == kRedacted) {
        now->private_key->pem_key = before->private_key->pem_key;
    }
}

model::ACLAuthMethodStub method_stub(const model::ACLAuthMethod& row) {
    model::ACLAuthMethodStub stub;
    stub.name = row.name;
    stub.type = row.type;
    stub.default_ = row.default_;
    stub.hash = row.hash;
    stub.create_index = row.create_index;
    stub.modify_index = row.modify_index;
    return stub;
}

Outcome methods(const Request& request, const PathValues&, const Context& context) {
    return read(request, context, [](const Context& c, const ReadOptions& options) -> Result<Look> {
        std::vector<const model::ACLAuthMethod*> rows;
        for (const auto& row : c.state.acl_auth_methods(options.prefix)) {
            rows.push_back(&row);
        }
        NL_TRY(
            Look look,
            list_named(
                rows, options, [](const auto& row) { return row.name; }, method_stub, method_stub
            )
        );
        return of_table(std::move(look), c, TableId::AclAuthMethods);
    });
}

Outcome method(const Request& request, const PathValues& path, const Context& context) {
    return read_named(
        request,
        context,
        TableId::AclAuthMethods,
        "ACL auth-method not found",
        [name = path[0]](const Context& c) { return c.state.acl_auth_method(name); },
        shown
    );
}

std::vector<std::string> problems_of(const model::ACLAuthMethod& row, const AgentView& agent) {
    std::vector<std::string> out;
    if (!is_name(row.name)) {
        out.push_back(fmt::format("invalid name '{}'", row.name));
    }
    if (row.token_locality != "local" && row.token_locality != "global") {
        out.push_back(fmt::format("invalid token locality '{}'", row.token_locality));
    }
    if (row.type != "OIDC" && row.type != "JWT") {
        out.push_back(fmt::format("invalid token type '{}'", row.type));
    }
    if (row.max_token_ttl < agent.acl_token_ttl_min ||
        row.max_token_ttl > agent.acl_token_ttl_max) {
        out.push_back(fmt::format(
            "invalid MaxTokenTTL value '{}' (should be between {} and {})",
            to_string(row.max_token_ttl),
            to_string(agent.acl_token_ttl_min),
            to_string(agent.acl_token_ttl_max)
        ));
    }
    if (!row.config) {
        out.emplace_back("missing auth method Config");
    }
    return out;
}

Outcome put_method(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto given = wire::from_value<model::ACLAuthMethod>(*body);
    if (!given) {
        return error_response(given.error());
    }
    model::ACLAuthMethod row = std::move(*given);
    if (!path.values.empty() && row.name != path[0]) {
        return coded_response(400, "ACL auth method name does not match request path");
    }
    const auto* old = context.state.acl_auth_method(row.name);
    if (row.token_name_format.empty()) {
        row.token_name_format = "${auth_method_type}-${auth_method_name}";
    }
    if (const auto problems = problems_of(row, *context.agent); !problems.empty()) {
        return coded_response(
            400, fmt::format("auth method 0 invalid: {}", problems_text(problems))
        );
    }
    keep_secrets(row, old);
    row.create_time = old != nullptr ? old->create_time : context.wall;
    row.modify_time = context.wall;
    row.hash = content_hash(
        {row.name,
         row.type,
         row.token_locality,
         row.token_name_format,
         to_string(row.max_token_ttl),
         row.default_ ? "default" : "",
         encode(*row.config)}
    );
    const std::string name = row.name;
    commands::AclAuthMethodUpsert command{{std::move(row)}};
    return propose(
        command,
        context,
        [name](const Context& c, const Applied& applied) -> Outcome {
            const auto* stored = c.state.acl_auth_method(name);
            const model::ACLAuthMethod seen = stored != nullptr ? shown(*stored)
                                                                : model::ACLAuthMethod{};
            return row_response(stored != nullptr ? &seen : nullptr, applied.index);
        }
    );
}

Outcome remove_method(const Request&, const PathValues& path, const Context& context) {
    if (context.state.acl_auth_method(path[0]) == nullptr) {
        return coded_response(404, "ACL auth-method not found");
    }
    commands::AclAuthMethodDelete command{{path[0]}};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

// ---- binding rules

model::ACLBindingRuleListStub rule_stub(const model::ACLBindingRule& row) {
    model::ACLBindingRuleListStub stub;
    stub.id = row.id;
    stub.description = row.description;
    stub.auth_method = row.auth_method;
    stub.hash = row.hash;
    stub.create_index = row.create_index;
    stub.modify_index = row.modify_index;
    return stub;
}

Outcome rules(const Request& request, const PathValues&, const Context& context) {
    return read(request, context, [](const Context& c, const ReadOptions& options) -> Result<Look> {
        std::vector<const model::ACLBindingRule*> rows;
        for (const auto& row : c.state.acl_binding_rules()) {
            if (row.id.starts_with(options.prefix)) {
                rows.push_back(&row);
            }
        }
        NL_TRY(
            Look look,
            list_named(
                rows, options, [](const auto& row) { return row.id; }, rule_stub, rule_stub
            )
        );
        return of_table(std::move(look), c, TableId::AclBindingRules);
    });
}

Outcome rule(const Request& request, const PathValues& path, const Context& context) {
    return read_named(
        request,
        context,
        TableId::AclBindingRules,
        "ACL binding rule not found",
        [id = path[0]](const Context& c) { return c.state.acl_binding_rule(id); }
    );
}

Outcome put_rule(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto given = wire::from_value<model::ACLBindingRule>(*body);
    if (!given) {
        return error_response(given.error());
    }
    model::ACLBindingRule row = std::move(*given);
    if (!path.values.empty() && row.id != path[0]) {
        return coded_response(400, "ACL binding rule ID does not match request path");
    }
    const model::ACLBindingRule* old = nullptr;
    if (!row.id.empty()) {
        old = context.state.acl_binding_rule(row.id);
        if (old == nullptr) {
            return coded_response(400, fmt::format("cannot find binding rule {}", row.id));
        }
        // The method of a rule stays.
        if (row.auth_method.empty()) {
            row.auth_method = old->auth_method;
        }
    }
    std::vector<std::string> problems;
    if (row.auth_method.empty()) {
        problems.emplace_back("auth method is missing");
    }
    if (row.description.size() > kDescriptionCharsMax) {
        problems.push_back(fmt::format("description longer than {}", kDescriptionCharsMax));
    }
    if (row.bind_type == "management") {
        if (!row.bind_name.empty()) {
            problems.emplace_back("bind name should be empty");
        }
    } else if (row.bind_type != "role" && row.bind_type != "policy") {
        problems.push_back(fmt::format("unsupported bind type: \"{}\"", row.bind_type));
    } else if (row.bind_name.empty()) {
        problems.emplace_back("bind name is missing");
    }
    if (!problems.empty()) {
        return coded_response(
            400, fmt::format("binding rule 0 invalid: {}", problems_text(problems))
        );
    }
    if (context.state.acl_auth_method(row.auth_method) == nullptr) {
        return coded_response(400, fmt::format("auth method {} not found", row.auth_method));
    }
    if (old == nullptr) {
        row.id = new_id(context).str();
    }
    row.create_time = old != nullptr ? old->create_time : context.wall;
    row.modify_time = context.wall;
    row.hash = content_hash(
        {row.id, row.description, row.auth_method, row.selector, row.bind_type, row.bind_name}
    );
    const std::string id = row.id;
    commands::AclBindingRuleUpsert command{{std::move(row)}};
    return propose(command, context, [id](const Context& c, const Applied& applied) -> Outcome {
        return row_response(c.state.acl_binding_rule(id), applied.index);
    });
}

Outcome remove_rule(const Request&, const PathValues& path, const Context& context) {
    if (context.state.acl_binding_rule(path[0]) == nullptr) {
        return coded_response(404, "ACL binding rule not found");
    }
    commands::AclBindingRuleDelete command{{path[0]}};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

// ---- logins

/// What a request about a login must bring, and what Nomad says is missing.
struct Demand {
    std::string_view member;
    std::string_view complaint;
};
constexpr Demand kMethod{"AuthMethodName", "missing auth method name"};
constexpr Demand kNonce{"ClientNonce", "missing client nonce"};
constexpr Demand kRedirect{"RedirectURI", "missing redirect URI"};
constexpr std::array kUrlDemands{kMethod, kNonce, kRedirect};
constexpr std::array kCompleteDemands{
    kMethod,
    kNonce,
    Demand{"State", "missing state"},
    Demand{"Code", "missing code"},
    kRedirect,
};
constexpr std::array kLoginDemands{kMethod, Demand{"LoginToken", "missing login token"}};

/// Every login names a method, which has to be there.
Outcome begin_login(
    std::string_view what,
    std::span<const Demand> demands,
    const Request& request,
    const Context& context
) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    std::vector<std::string> problems;
    for (const Demand& demand : demands) {
        if (text_member(*body, demand.member).empty()) {
            problems.emplace_back(demand.complaint);
        }
    }
    if (!problems.empty()) {
        return coded_response(
            400, fmt::format("invalid {} request: {}", what, problems_text(problems))
        );
    }
    const std::string name = text_member(*body, "AuthMethodName");
    const auto* found = context.state.acl_auth_method(name);
    if (found == nullptr) {
        return coded_response(400, fmt::format("auth-method \"{}\" not found", name));
    }
    return coded_response(
        501,
        fmt::format(
            "logins through auth methods are not supported yet: method \"{}\" of type {} is kept, "
            "and tokens are made with /v1/acl/token",
            name,
            found->type
        )
    );
}

Outcome auth_url(const Request& request, const PathValues&, const Context& context) {
    return begin_login("OIDC auth-url", kUrlDemands, request, context);
}
Outcome complete_auth(const Request& request, const PathValues&, const Context& context) {
    return begin_login("OIDC complete-auth", kCompleteDemands, request, context);
}
Outcome login(const Request& request, const PathValues&, const Context& context) {
    return begin_login("login", kLoginDemands, request, context);
}

constexpr Route kRoutes[] = {
    {kGet, "/v1/acl/auth-methods", Where::Server, "anon", "", "List auth methods.", with_acls<methods>
    },
    {kPut,
     "/v1/acl/auth-method",
     Where::Leader,
     "management",
     "",
     "Write an auth method.",
     with_acls<put_method>},
    {kGet,
     "/v1/acl/auth-method/{name}",
     Where::Server,
     "management",
     "",
     "An auth method.",
     with_acls<method>},
    {kPut,
     "/v1/acl/auth-method/{name}",
     Where::Leader,
     "management",
     "",
     "Write an auth method.",
     with_acls<put_method>},
    {kDelete,
     "/v1/acl/auth-method/{name}",
     Where::Leader,
     "management",
     "",
     "Delete an auth method.",
     with_acls<remove_method>},
    {kGet,
     "/v1/acl/binding-rules",
     Where::Server,
     "management",
     "",
     "List binding rules.",
     with_acls<rules>},
    {kPut,
     "/v1/acl/binding-rule",
     Where::Leader,
     "management",
     "",
     "Make a binding rule.",
     with_acls<put_rule>},
    {kGet,
     "/v1/acl/binding-rule/{id}",
     Where::Server,
     "management",
     "",
     "A binding rule.",
     with_acls<rule>},
    {kPut,
     "/v1/acl/binding-rule/{id}",
     Where::Leader,
     "management",
     "",
     "Change a binding rule.",
     with_acls<put_rule>},
    {kDelete,
     "/v1/acl/binding-rule/{id}",
     Where::Leader,
     "management",
     "",
     "Delete a binding rule.",
     with_acls<remove_rule>},
    {kPut, "/v1/acl/oidc/auth-url", Where::Leader, "anon", "", "Begin a login.", with_acls<auth_url>},
    {kPut,
     "/v1/acl/oidc/complete-auth",
     Where::Leader,
     "anon",
     "",
     "Complete a login.",
     with_acls<complete_auth>},
    {kPut, "/v1/acl/login", Where::Leader, "anon", "", "Log in with a token.", with_acls<login>},
};

}  // namespace

std::span<const Route> acl_login_routes() {
    return kRoutes;
}

}  // namespace nl::api
