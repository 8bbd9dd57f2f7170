#pragma once
// Who asks, and what that caller may do. The `rule` of a route's row says what the route needs; it
// is checked here, before the handler runs, for every route alike. What only the handler knows (the
// rows of a list, a namespace named in a body) it asks with `may` and its like.
//
// A rule is alternatives separated by "|", each a conjunction of terms separated by "&":
//     anon                   anyone
//     any                    whoever a policy allows anything at all, and any valid token
//     token                  an ACL token, not an identity or a node
//     management             a management token
//     ns:CAP                 the capability in the namespace asked for ("*": in some namespace)
//     ns:any                 any right in the namespace asked for
//     some-ns:CAP            the capability in some namespace; the handler checks which
//     name:any               any right in the namespace that is the path's first value
//     own-ns                 a workload identity of the namespace asked for
//     alloc:CAP eval:CAP     the capability in the namespace of the allocation, evaluation,
//     deployment:CAP         deployment or scaling policy that the path's first value names. An
//     scaling:CAP            object the caller may not see is answered as one that is not there
//     node:LEVEL agent:LEVEL operator:LEVEL quota:LEVEL plugin:LEVEL
//     operator:CAP           for example operator:keyring-read
//     pool:CAP               for the node pool that is the path's first value
//     some-pool:CAP          for some node pool; the handler checks which
//     var:CAP                for the variable that is the path's first value
//     some-var:CAP           for some variable of the namespace asked for
//     written-var:CAP        for some variable; the handler checks which
// LEVEL is list, read or write. Without ACLs every caller may do everything.
// Source: http_api.md 0.4, 17.

#include "api/context.h"
#include "api/outcome.h"
#include "api/request.h"
#include "api/routes.h"
#include "base/error.h"
#include "model/acl.h"
#include "policy/acl.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::api {

struct Caller {
    /// Never null.
    std::shared_ptr<const policy::Acl> acl;
    /// ACLs are off.
    bool everyone = false;
    /// No token was given.
    bool anonymous = false;
    std::optional<model::ACLToken> token;
    /// The bearer of a workload identity, and its allocation.
    std::optional<policy::Workload> workload;
    Uuid alloc;
    /// A node that gave its own secret.
    Uuid node;
    /// When the token ends; nothing for never.
    std::optional<WallTime> expires;
};

/// The secret a request carries: X-Nomad-Token, else a bearer token, else "".
std::string_view token_of(const Request& request);

/// Errors: PermissionDenied with Nomad's text for a token that is not valid.
Result<std::shared_ptr<const Caller>> authenticate(std::string_view secret, const Context& context);

/// How a request may go on.
struct Admission {
    std::shared_ptr<const Caller> caller;
    /// The object the path names exists, but the caller may not know of it.
    bool hidden = false;
};
/// Errors: PermissionDenied with Nomad's text.
Result<Admission> admit(
    const Request& request, const Route& route, const PathValues& path, const Context& context
);
/// As admit, for a session that asks when its token has come: finds the path's values itself and
/// sets the context's caller. Errors: also NotFound, for a hidden allocation.
Result<void> authorize(const Request& request, const Route& route, const Context& context);

/// Admits the request, lets `route` handle it, and keeps watch over what goes on afterwards: a
/// parked read and every input of a stream or a session are checked again, and a stream ends within
/// kRecheck of its token.
Outcome handle_admitted(
    const Request& request, const Route& route, const PathValues& path, const Context& context
);
inline constexpr Duration kRecheck = seconds(2);

// ---- for handlers

/// The caller of this context. Without one (a test that calls a handler itself) whoever ACLs let.
const Caller& caller_of(const Context& context);
/// Any of the capabilities in the namespace.
bool may(const Context& context, std::string_view ns, policy::CapabilitySet any_of);
inline bool may(const Context& context, std::string_view ns, policy::Capability capability) {
    return may(context, ns, policy::bit(capability));
}
bool may_variable(
    const Context& context,
    std::string_view ns,
    std::string_view path,
    policy::VariableCapability capability
);
bool may_pool(const Context& context, std::string_view pool, policy::PoolCapability capability);
bool may_manage(const Context& context);
/// "Permission denied", 403.
Response denied();

/// Takes out what the caller may not see; `ns_of` gives an item's namespace. Only lists of all
/// namespaces need it, for others the route's rule has decided.
template <class Items, class NamespaceOf>
void keep_visible(
    const Context& context, Items& items, policy::CapabilitySet any_of, const NamespaceOf& ns_of
) {
    const Caller& caller = caller_of(context);
    if (caller.acl->is_management()) {
        return;
    }
    std::erase_if(items, [&](const auto& item) {
        return !caller.acl->allows(ns_of(item), any_of);
    });
}

}  // namespace nl::api
