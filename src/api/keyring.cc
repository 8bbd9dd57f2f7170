// Routes of the root keyring, of what the world may know of it, and of the gossip keyring.
// Source: Nomad HTTP API, 12, 14 and 15; RFC 7517; OpenID Connect Discovery 1.0.
#include "api/keyring.h"

#include "api/acl.h"
#include "api/body.h"
#include "api/listing.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/status.h"
#include "api/writing.h"
#include "policy/identity.h"
#include "state/commands/records.h"
#include "wire/json.h"
#include "wire/value_json.h"

namespace nl::api {
namespace {

using state::TableId;
namespace commands = state::commands;

constexpr std::string_view kAlgorithm = "aes256-gcm";
constexpr Duration kIntroductionLife = minutes(5);
constexpr Duration kIntroductionLifeMax = minutes(30);

/// How long a new key's RSA part may be on its way.
constexpr Duration kRsaWait = seconds(5);

/// Calls `then` once `ready`, at the latest at the deadline.
Outcome await_keys(
    Instant deadline,
    bool (*ready)(const Context&),
    std::function<Outcome(const Context&)> then,
    Index seen
) {
    Parked parked;
    parked.on = WaitChange{{state::watch_table(TableId::RootKeys)}, seen, deadline};
    parked.resume = [deadline, ready, then = std::move(then)](const Context& c, const WaitEnd&) {
        return ready(c) || c.now >= deadline ? then(c)
                                             : await_keys(deadline, ready, then, c.state.index());
    };
    return parked;
}

bool has_active_key(const Context& c) {
    return active_key(c) != nullptr;
}

/// Making an RSA key takes a while: until then a new key has only its other part, which many
/// verifiers of identities do not know. A key that is older never had one, and is not waited for.
bool has_rsa_keys(const Context& c) {
    for (const auto& row : c.state.root_keys()) {
        const auto parts = decode<policy::PublicKeys>(row.public_key.bytes);
        const bool is_new = WallTime{row.meta.create_time} + kRsaWait > c.wall;
        if (is_new && parts && !parts->ed25519.empty() && parts->rsa_modulus.empty()) {
            return false;
        }
    }
    return true;
}

// ---- root keys

Outcome keys(const Request& request, const PathValues&, const Context& context) {
    return read(request, context, [](const Context& c, const ReadOptions& options) -> Result<Look> {
        std::vector<const model::RootKeyMeta*> rows;
        for (const auto& row : c.state.root_keys()) {
            rows.push_back(&row.meta);
        }
        NL_TRY(
            Look look,
            list_page(
                rows,
                options,
                TokenKind::Text,
                [](const auto* row) { return SortToken{0, row->key_id}; },
                [](const auto* row) { return wire::to_value(*row); },
                [](std::string& out, const auto* row) { wire::append_json(out, *row); }
            )
        );
        look.index = c.state.table_index(TableId::RootKeys);
        look.keys = {state::watch_table(TableId::RootKeys)};
        return look;
    });
}

Outcome remove_key(const Request& request, const PathValues& path, const Context& context) {
    const std::string text = text_param(request, "force");
    const auto force = text.empty() ? std::optional(false) : parse_bool(text);
    if (!force) {
        return coded_response(
            422, fmt::format("invalid value for force: strconv.ParseBool: parsing \"{}\": invalid syntax", text)
        );
    }
    const auto* row = context.state.root_key(path[0]);
    if (row == nullptr) {
        return coded_response(500, "root key not found");
    }
    if (row->meta.state == "active") {
        return coded_response(500, "active root key cannot be deleted - call rotate first");
    }
    commands::RootKeyDelete command;
    command.names = {path[0]};
    command.force = *force;
    return propose(
        command,
        context,
        [](const Context&, const Applied& applied) -> Outcome {
            return write_response("{}", applied.index);
        },
        [](const Context&, const Applied&) -> Outcome {
            return coded_response(500, "root key in use, cannot delete");
        }
    );
}

Outcome rotate(const Request& request, const PathValues&, const Context&) {
    const auto full = bool_param(request, "full");
    if (!full) {
        return error_response(full.error());
    }
    if (const std::string algorithm = text_param(request, "algo");
        !algorithm.empty() && algorithm != kAlgorithm) {
        return coded_response(400, fmt::format("root key algorithm cannot be \"{}\"", algorithm));
    }
    RotateRootKey call;
    call.full = full->value_or(false);
    if (const std::string text = text_param(request, "publish_time"); !text.empty()) {
        std::int64_t time = 0;
        for (const char c : text) {
            if (c < '0' || c > '9' || time > (INT64_MAX - 9) / 10) {
                return coded_response(
                    400,
                    fmt::format("strconv.ParseInt: parsing \"{}\": invalid syntax", text)
                );
            }
            time = time * 10 + (c - '0');
        }
        call.publish = WallTime{time};
    }
    if (call.full && !call.publish.is_zero()) {
        return coded_response(
            400, "keyring cannot be prepublished and full rotated at the same time"
        );
    }
    return ask_servers({call}, [](const Context& c, const ServerAnswered& answered) -> Outcome {
        if (!answered.result) {
            return error_response(answered.result.error());
        }
        const auto* row = c.state.root_key(answered.text);
        return write_response(
            fmt::format(
                "{{\"Key\":{}}}", row != nullptr ? wire::to_json(row->meta) : std::string("null")
            ),
            answered.index
        );
    });
}

// ---- discovery

Outcome show_web_keys(const Request& request, const Context& context) {
    return read(request, context, [](const Context& c, const ReadOptions&) -> Result<Look> {
        Value::List all;
        for (const auto& row : c.state.root_keys()) {
            const auto parts = decode<policy::PublicKeys>(row.public_key.bytes);
            if (parts) {
                for (Value& key : policy::json_web_keys(row.meta.key_id, *parts)) {
                    all.push_back(std::move(key));
                }
            }
        }
        Look look;
        look.response = json_response(wire::write_json(Value::Map{{"keys", std::move(all)}}));
        look.response.headers.push_back({"Cache-Control", "max-age=60, stale-while-revalidate=60"});
        look.index = c.state.table_index(TableId::RootKeys);
        look.keys = {state::watch_table(TableId::RootKeys)};
        return look;
    });
}

Outcome web_keys(const Request& request, const PathValues&, const Context& context) {
    if (has_rsa_keys(context)) {
        return show_web_keys(request, context);
    }
    return await_keys(
        context.now + kRsaWait,
        has_rsa_keys,
        [request](const Context& c) { return show_web_keys(request, c); },
        context.state.index()
    );
}

Outcome discovery(const Request&, const PathValues&, const Context& context) {
    const std::string& issuer = context.agent->oidc_issuer;
    if (issuer.empty()) {
        return coded_response(404, "OIDC Discovery endpoint disabled");
    }
    return json_response(wire::write_json(Value::Map{
        {"issuer", issuer},
        {"jwks_uri", issuer + "/.well-known/jwks.json"},
        {"id_token_signing_alg_values_supported", Value::List{"RS256", "EdDSA"}},
        {"response_types_supported", Value::List{"code"}},
        {"subject_types_supported", Value::List{"public"}}
    }));
}

// ---- the introduction of a client

Outcome introduce(const Request& request, const PathValues&, const Context& context) {
    const auto body = optional_body(request);
    if (!body) {
        return error_response(body.error());
    }
    const policy::RootKey* key = active_key(context);
    if (key == nullptr) {
        return await_key(context, [request](const Context& c) { return introduce(request, {}, c); });
    }
    Duration life = kIntroductionLife;
    if (const Value* given = member(*body, "TTL")) {
        if (const auto* text = given->as_string()) {
            const auto parsed = text->empty() ? Result<Duration>(Duration{}) : parse_duration(*text);
            if (!parsed) {
                return error_response(parsed.error());
            }
            life = parsed->ns > 0 ? *parsed : life;
        } else if (const auto* number = given->as_int(); number != nullptr && *number > 0) {
            life = Duration{*number};
        }
    }
    if (life > kIntroductionLifeMax) {
        return coded_response(
            400,
            fmt::format(
                "requested introduction TTL {} is more than {}",
                to_string(life),
                to_string(kIntroductionLifeMax)
            )
        );
    }
    policy::Claims claims;
    claims.region = context.agent->region;
    claims.issuer = context.agent->oidc_issuer;
    claims.identity = "node-introduction";
    claims.id = secret_id(context).str();
    claims.issued_at = context.wall;
    claims.expires_at = context.wall + life;
    claims.extra["nomad_node_name"] = text_member(*body, "NodeName");
    const std::string pool = text_member(*body, "NodePool");
    claims.extra["nomad_node_pool"] = pool.empty() ? "default" : pool;
    const auto token = policy::sign_identity(claims, *key, policy::SigningAlgorithm::EdDSA);
    if (!token) {
        return error_response(token.error());
    }
    return json_response(wire::write_json(Value::Map{{"JWT", *token}}));
}

// ---- the gossip keyring

Outcome gossip(GossipKeyring call, const Context& context) {
    if (!context.agent->server) {
        return coded_response(501, std::string(kInvalidMethod));
    }
    const bool lists = call.op == GossipKeyring::Op::List;
    return ask_servers({std::move(call)}, [lists](const Context&, const ServerAnswered& answered) -> Outcome {
        if (!answered.result) {
            return coded_response(500, answered.result.error().message);
        }
        Value::Map counts;
        if (lists) {
            for (const std::string& key : answered.keys) {
                counts.insert_or_assign(key, 1);
            }
        }
        return json_response(wire::write_json(Value::Map{
            {"Messages", Value::Map{}},
            {"Keys", std::move(counts)},
            {"NumNodes", lists ? 1 : 0}
        }));
    });
}

Outcome list_gossip(const Request&, const PathValues&, const Context& context) {
    return gossip({GossipKeyring::Op::List, ""}, context);
}

template <GossipKeyring::Op Op>
Outcome change_gossip(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const std::string key = text_member(*body, "Key");
    const auto raw = base64_decode(key);
    if (!raw || (raw->size() != 16 && raw->size() != 24 && raw->size() != 32)) {
        return coded_response(500, "a gossip key is 16, 24 or 32 bytes in base64");
    }
    return gossip({Op, key}, context);
}

constexpr Route kRoutes[] = {
    {kGet,
     "/v1/operator/keyring/keys",
     Where::Server,
     "operator:keyring-read",
     "",
     "List root keys.",
     keys},
    {kDelete,
     "/v1/operator/keyring/key/{id}",
     Where::Leader,
     "operator:keyring-delete",
     "force",
     "Delete a root key.",
     remove_key},
    {kPut,
     "/v1/operator/keyring/rotate",
     Where::Leader,
     "operator:keyring-rotate",
     "full algo publish_time",
     "Make a new root key.",
     rotate},
    {kGet, "/.well-known/jwks.json", Where::Server, "anon", "", "Keys of identities.", web_keys},
    {kGet,
     "/.well-known/openid-configuration",
     Where::Local,
     "anon",
     "",
     "How identities are verified.",
     discovery},
    {kPut,
     "/v1/acl/identity/client-introduction-token",
     Where::Leader,
     "node:write",
     "",
     "Introduce a client.",
     introduce},
    {kGet,
     "/v1/agent/keyring/list",
     Where::Local,
     "agent:write",
     "",
     "List gossip keys.",
     list_gossip},
    {kPut,
     "/v1/agent/keyring/install",
     Where::Local,
     "agent:write",
     "",
     "Install a gossip key.",
     change_gossip<GossipKeyring::Op::Install>},
    {kPut,
     "/v1/agent/keyring/use",
     Where::Local,
     "agent:write",
     "",
     "Make a gossip key the primary one.",
     change_gossip<GossipKeyring::Op::Use>},
    {kPut,
     "/v1/agent/keyring/remove",
     Where::Local,
     "agent:write",
     "",
     "Remove a gossip key.",
     change_gossip<GossipKeyring::Op::Remove>},
};

}  // namespace

const policy::RootKey* active_key(const Context& context) {
    if (!context.keyring) {
        return nullptr;
    }
    for (const auto& row : context.state.root_keys()) {
        if (row.meta.state == "active") {
            return context.keyring->find(row.meta.key_id);
        }
    }
    return nullptr;
}

Outcome await_key(const Context& context, std::function<Outcome(const Context&)> then) {
    return await_keys(
        context.now + kAwaitKey,
        has_active_key,
        [then = std::move(then)](const Context& c) -> Outcome {
            return has_active_key(c) ? then(c)
                                     : coded_response(500, "keyring has not been initialized yet");
        },
        context.state.index()
    );
}

std::span<const Route> keyring_routes() {
    return kRoutes;
}

}  // namespace nl::api
