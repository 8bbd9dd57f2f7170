#pragma once
// The identity of a workload, made when it is first asked for: what its token says of an allocation
// and one of its tasks or services. Pure; the keys and the time come in. Whoever hands identities to
// nodes calls this with the leader's active key. Source: Nomad's workload identity claims.

#include "base/error.h"
#include "base/time.h"
#include "model/task_blocks.h"
#include "policy/identity.h"
#include "state/alloc_row.h"

#include <string>
#include <string_view>

namespace nl::server {

/// The identity every task has: for the servers themselves, without an end of its own.
inline constexpr std::string_view kDefaultIdentity = "default";

struct IdentityRequest {
    /// Of a task; or of a service of the group, when `identity.service_name` is set.
    std::string task;
    /// Name, audience and TTL as the job gives them; a name of "" is the default identity.
    model::WorkloadIdentity identity;
    std::string region = "global";
    /// The cluster's issuer, or "".
    std::string issuer;
    /// A fresh id for this token.
    std::string token_id;
};

/// Errors: NotFound: the allocation has no such task; FailedPrecondition: it has ended.
Result<policy::Claims> claims_of(
    const state::AllocView& alloc, const IdentityRequest& request, WallTime now
);

/// Claims, signed: the default identity with Ed25519, others with RSA, which every verifier knows,
/// once the key has its RSA part. Errors: as claims_of.
Result<std::string> identity_token(
    const state::AllocView& alloc,
    const IdentityRequest& request,
    const policy::RootKey& key,
    WallTime now
);

}  // namespace nl::server
