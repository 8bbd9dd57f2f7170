// Routes of ACL tokens: bootstrap, tokens, one-time tokens. Source: Nomad HTTP API, 10.
#include "api/acl.h"
#include "api/body.h"
#include "api/listing.h"
#include "api/reading.h"
#include "api/status.h"
#include "api/writing.h"
#include "state/commands/records.h"
#include "state/commands/settings.h"
#include "wire/json.h"

#include <algorithm>
#include <charconv>

namespace nl::api {
namespace {

using state::TableId;
namespace commands = state::commands;

constexpr std::size_t kTokenNameCharsMax = 256;
constexpr Duration kOneTimeLife = minutes(10);

Blob token_hash(const model::ACLToken& token) {
    std::vector<std::string> parts{token.name, token.type, token.global ? "global" : "local"};
    parts.insert(parts.end(), token.policies.begin(), token.policies.end());
    for (const auto& role : token.roles) {
        parts.push_back("role " + role.id);
    }
    return content_hash(parts);
}

/// A token that does not expire has no TTL in Nomad's JSON, where other durations say "0s".
std::string token_json(const model::ACLToken& token) {
    std::string json = wire::to_json(token);
    constexpr std::string_view kZero = "\"ExpirationTTL\":\"0s\"";
    if (const std::size_t at = json.find(kZero); at != std::string::npos) {
        json.replace(at, kZero.size(), "\"ExpirationTTL\":\"\"");
    }
    return json;
}

Outcome answer_token(const Context& context, const Applied& applied, const std::string& accessor) {
    const auto* row = context.state.acl_token(accessor);
    Response out = json_response(row != nullptr ? token_json(*row) : "null");
    out.headers.push_back({"X-Nomad-Index", fmt::format("{}", applied.index)});
    return out;
}

// ---- bootstrap

Outcome propose_bootstrap(model::ACLToken token, Index reset_index, const Context& context) {
    const std::string accessor = token.accessor_id;
    commands::AclBootstrap command{std::move(token), reset_index};
    return propose(
        command,
        context,
        [accessor](const Context& c, const Applied& applied) {
            return answer_token(c, applied, accessor);
        },
        [](const Context&, const Applied& applied) -> Outcome {
            return coded_response(400, applied.result.error().message);
        }
    );
}

Outcome bootstrap(const Request& request, const PathValues&, const Context& context) {
    const auto body = optional_body(request);
    if (!body) {
        return error_response(body.error());
    }
    model::ACLToken token;
    token.accessor_id = new_id(context).str();
    token.secret_id = secret_id(context).str();
    if (const std::string given = text_member(*body, "BootstrapSecret"); !given.empty()) {
        const auto id = Uuid::parse(given);
        if (!id || id->is_nil()) {
            return coded_response(400, "invalid acl token");
        }
        token.secret_id = id->str();
    }
    token.name = "Bootstrap Token";
    token.type = "management";
    token.global = true;
    token.create_time = context.wall;
    token.hash = token_hash(token);
    const Index done = context.state.cluster_meta().acl_bootstrap_index;
    if (done == Index(0)) {
        return propose_bootstrap(std::move(token), Index(0), context);
    }
    return ask_servers(
        {ReadBootstrapReset{}},
        [token = std::move(token), done](const Context& c, const ServerAnswered& answered) -> Outcome {
            std::uint64_t index = 0;
            const std::string& text = answered.text;
            const auto [end, failed] =
                std::from_chars(text.data(), text.data() + text.size(), index);
            if (!answered.result || text.empty() || failed != std::errc() ||
                end != text.data() + text.size()) {
                return coded_response(
                    400, fmt::format("ACL bootstrap already done (reset index: {})", done)
                );
            }
            if (Index(index) != done) {
                return coded_response(
                    400,
                    fmt::format(
                        "Invalid bootstrap reset index (specified {}, reset index: {})", index, done
                    )
                );
            }
            return propose_bootstrap(token, done, c);
        }
    );
}

// ---- tokens

model::ACLTokenListStub stub_of(const model::ACLToken& token) {
    model::ACLTokenListStub stub;
    stub.accessor_id = token.accessor_id;
    stub.name = token.name;
    stub.type = token.type;
    stub.policies = token.policies;
    stub.roles = token.roles;
    stub.global = token.global;
    stub.hash = token.hash;
    stub.create_time = token.create_time;
    stub.expiration_time = token.expiration_time;
    stub.create_index = token.create_index;
    stub.modify_index = token.modify_index;
    return stub;
}

Outcome list(const Request& request, const PathValues&, const Context& context) {
    const auto global = bool_param(request, "global");
    if (!global) {
        return error_response(global.error());
    }
    return read(
        request,
        context,
        [global = *global](const Context& c, const ReadOptions& options) -> Result<Look> {
            NL_TRY_VOID(check_uuid_prefix(options.prefix));
            std::vector<const model::ACLToken*> rows;
            for (const auto& token : c.state.acl_tokens(options.prefix)) {
                if (!global.value_or(false) || token.global) {
                    rows.push_back(&token);
                }
            }
            const bool by_id = !options.prefix.empty();
            sort_by(rows, options.reverse, [by_id](const auto* row) {
                return std::pair(by_id ? Index(0) : row->create_index, row->accessor_id);
            });
            NL_TRY(
                Look look,
                list_page(
                    rows,
                    options,
                    by_id ? TokenKind::Text : TokenKind::NumberText,
                    [by_id](const auto* row) {
                        return SortToken{by_id ? 0 : row->create_index.value, row->accessor_id};
                    },
                    [](const auto* row) { return wire::to_value(stub_of(*row)); },
                    [](std::string& out, const auto* row) {
                        wire::append_json(out, stub_of(*row));
                    }
                )
            );
            look.index = c.state.table_index(TableId::AclTokens);
            look.keys = {state::watch_table(TableId::AclTokens)};
            return look;
        }
    );
}

Look no_token(const Context& c) {
    return {
        coded_response(404, std::string(kTokenNotFound)),
        c.state.table_index(TableId::AclTokens),
        {state::watch_table(TableId::AclTokens)},
        {}
    };
}

Look token_look(const Context& c, const std::string& accessor) {
    const auto* row = c.state.acl_token(accessor);
    if (row == nullptr) {
        return no_token(c);
    }
    return {
        json_response(token_json(*row)),
        row->modify_index,
        {state::watch_table(TableId::AclTokens)},
        {}
    };
}

Outcome get(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [text = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            NL_TRY(const Uuid id, path_uuid(text, "acl token"));
            const Caller& caller = caller_of(c);
            if (!may_manage(c) && (!caller.token || caller.token->accessor_id != id.str())) {
                return fail(ErrorCode::PermissionDenied, "{}", kPermissionDenied);
            }
            return token_look(c, id.str());
        }
    );
}

Outcome self(const Request& request, const PathValues&, const Context& context) {
    return read(request, context, [](const Context& c, const ReadOptions&) -> Result<Look> {
        const Caller& caller = caller_of(c);
        return caller.token ? token_look(c, caller.token->accessor_id) : no_token(c);
    });
}

/// Gives every link its id and name. Errors: InvalidArgument, `cannot find role X`.
Result<void> resolve_roles(model::ACLToken& token, const state::Snapshot& state) {
    std::vector<model::ACLTokenRoleLink> links;
    for (const auto& link : token.roles) {
        const auto* role =
            link.id.empty() ? state.acl_role_by_name(link.name) : state.acl_role(link.id);
        if (role == nullptr) {
            return fail(
                ErrorCode::InvalidArgument,
                "cannot find role {}",
                link.id.empty() ? link.name : link.id
            );
        }
        if (std::ranges::find(links, role->id, &model::ACLTokenRoleLink::id) == links.end()) {
            links.push_back({role->id, role->name});
        }
    }
    token.roles = std::move(links);
    return {};
}

std::vector<std::string> problems_of(
    const model::ACLToken& token, const model::ACLToken* existing, const AgentView& agent
) {
    std::vector<std::string> out;
    if (token.name.size() > kTokenNameCharsMax) {
        out.emplace_back("token name too long");
    }
    const bool bound = !token.policies.empty() || !token.roles.empty();
    if (token.type == "client") {
        if (!bound) {
            out.emplace_back("client token missing policies or roles");
        }
    } else if (token.type == "management") {
        if (bound) {
            out.emplace_back("management token cannot be associated with policies or roles");
        }
    } else {
        out.emplace_back("token type must be client or management");
    }
    if (existing != nullptr) {
        if (existing->global != token.global) {
            out.emplace_back("cannot toggle global mode");
        }
        if (existing->expiration_ttl != token.expiration_ttl) {
            out.emplace_back("cannot update expiration TTL");
        }
        if (token.expiration_time && existing->expiration_time != token.expiration_time) {
            out.emplace_back("cannot update expiration time");
        }
        return out;
    }
    if (token.expiration_ttl < Duration{}) {
        out.push_back(fmt::format(
            "token expiration TTL '{}' should not be negative", to_string(token.expiration_ttl)
        ));
        return out;
    }
    if (token.expiration_time) {
        const Duration life = *token.expiration_time - token.create_time;
        if (life < Duration{}) {
            out.emplace_back("expiration time cannot be before create time");
        }
        if (life > agent.acl_token_ttl_max) {
            out.push_back(fmt::format(
                "expiration time cannot be more than {} in the future (was {})",
                to_string(agent.acl_token_ttl_max),
                to_string(life)
            ));
        }
        if (life < agent.acl_token_ttl_min) {
            out.push_back(fmt::format(
                "expiration time cannot be less than {} in the future (was {})",
                to_string(agent.acl_token_ttl_min),
                to_string(life)
            ));
        }
    }
    return out;
}

Outcome put(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    Value written = *body;
    if (text_member(written, "ExpirationTTL").empty()) {
        // "" as it was shown; a number stays.
        std::erase_if(*written.as_map(), [](const auto& field) {
            return field.second.as_string() != nullptr && field.second.as_string()->empty();
        });
    }
    auto given = wire::from_value<model::ACLToken>(written);
    if (!given) {
        return error_response(given.error());
    }
    model::ACLToken token = std::move(*given);
    if (!path.values.empty() && token.accessor_id != path[0]) {
        return coded_response(400, "ACL token accessor does not match request path");
    }
    const model::ACLToken* existing = nullptr;
    if (!token.accessor_id.empty()) {
        existing = context.state.acl_token(token.accessor_id);
        if (existing == nullptr && token.secret_id.empty()) {
            return coded_response(400, fmt::format("cannot find token {}", token.accessor_id));
        }
    }
    if (existing != nullptr) {
        // What a client cannot change.
        token.secret_id = existing->secret_id;
        token.create_time = existing->create_time;
    } else {
        for (const std::string* id : {&token.accessor_id, &token.secret_id}) {
            const auto parsed = Uuid::parse(*id);
            if (!parsed || parsed->str() != *id) {
                return coded_response(
                    400, "the accessor id and secret id of a token must be lower-case UUIDs"
                );
            }
        }
        if (token.accessor_id.empty()) {
            token.accessor_id = new_id(context).str();
        }
        if (token.secret_id.empty()) {
            token.secret_id = secret_id(context).str();
        }
        token.create_time = context.wall;
        if (token.expiration_ttl > Duration{}) {
            token.expiration_time = context.wall + token.expiration_ttl;
        }
    }
    if (const auto found = resolve_roles(token, context.state); !found) {
        return error_response(found.error());
    }
    std::ranges::sort(token.policies);
    const auto [first, last] = std::ranges::unique(token.policies);
    token.policies.erase(first, last);
    if (const auto problems = problems_of(token, existing, *context.agent); !problems.empty()) {
        return invalid_response("token", problems);
    }
    if (existing != nullptr) {
        token.expiration_time = existing->expiration_time;
    }
    token.hash = token_hash(token);
    const std::string accessor = token.accessor_id;
    commands::AclTokenUpsert command{{std::move(token)}};
    return propose(
        command,
        context,
        [accessor](const Context& c, const Applied& applied) {
            return answer_token(c, applied, accessor);
        },
        [](const Context&, const Applied& applied) -> Outcome {
            return coded_response(400, applied.result.error().message);
        }
    );
}

Outcome remove(const Request&, const PathValues& path, const Context& context) {
    if (context.state.acl_token(path[0]) == nullptr) {
        return coded_response(400, fmt::format("Cannot delete nonexistent tokens: {}", path[0]));
    }
    commands::AclTokenDelete command{{path[0]}};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

// ---- one-time tokens

Outcome one_time(const Request&, const PathValues&, const Context& context) {
    const Caller& caller = caller_of(context);
    if (!caller.token) {
        return denied();
    }
    model::OneTimeToken token;
    token.one_time_secret_id = secret_id(context).str();
    token.accessor_id = caller.token->accessor_id;
    token.expires_at = context.wall + kOneTimeLife;
    commands::OneTimeTokenUpsert command{{token}};
    return propose(
        command,
        context,
        [token](const Context&, const Applied& applied) -> Outcome {
            model::OneTimeToken shown = token;
            shown.create_index = applied.index;
            shown.modify_index = applied.index;
            return write_response(
                fmt::format("{{\"OneTimeToken\":{}}}", wire::to_json(shown)), applied.index
            );
        }
    );
}

Outcome exchange(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const std::string secret = text_member(*body, "OneTimeSecretID");
    const auto* row = context.state.one_time_token(secret);
    if (row == nullptr || row->expires_at <= context.wall) {
        return denied();
    }
    const auto* token = context.state.acl_token(row->accessor_id);
    if (token == nullptr || (token->expiration_time && *token->expiration_time <= context.wall)) {
        return denied();
    }
    commands::OneTimeTokenDelete command{{secret}};
    return propose(
        command,
        context,
        [held = *token](const Context&, const Applied& applied) -> Outcome {
            return write_response(
                fmt::format("{{\"Token\":{}}}", token_json(held)), applied.index
            );
        },
        [](const Context&, const Applied&) -> Outcome { return denied(); }
    );
}

constexpr Route kRoutes[] = {
    {kPut,
     "/v1/acl/bootstrap",
     Where::Leader,
     "anon",
     "",
     "Make the first management token.",
     with_acls<bootstrap>},
    {kGet,
     "/v1/acl/tokens",
     Where::Server,
     "management",
     "global",
     "List tokens.",
     with_acls<list>},
    {kPut,
     "/v1/acl/token/onetime/exchange",
     Where::Leader,
     "anon",
     "",
     "Exchange a one-time token.",
     with_acls<exchange>},
    {kPut,
     "/v1/acl/token/onetime",
     Where::Leader,
     "token",
     "",
     "Make a one-time token.",
     with_acls<one_time>},
    {kGet, "/v1/acl/token/self", Where::Server, "anon", "", "The caller's token.", with_acls<self>},
    {kPut, "/v1/acl/token", Where::Leader, "management", "", "Make a token.", with_acls<put>},
    {kGet, "/v1/acl/token/{accessor}", Where::Server, "token", "", "A token.", with_acls<get>},
    {kPut,
     "/v1/acl/token/{accessor}",
     Where::Leader,
     "management",
     "",
     "Change a token.",
     with_acls<put>},
    {kDelete,
     "/v1/acl/token/{accessor}",
     Where::Leader,
     "management",
     "",
     "Delete a token.",
     with_acls<remove>},
};

}  // namespace

std::span<const Route> acl_token_routes() {
    return kRoutes;
}

}  // namespace nl::api
