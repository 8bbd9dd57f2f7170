#pragma once
// Workload identities: a JSON Web Token that says which task of which job its bearer is, signed with
// the keyring's active key when it is first asked for. Pure: the time and the keys come in.
// Source: RFC 7515, RFC 7519; Nomad's workload identity claims.

#include "base/error.h"
#include "base/time.h"
#include "base/value.h"
#include "policy/keyring.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::policy {

/// The audience of identities that the servers themselves accept.
inline constexpr std::string_view kOwnAudience = "nomadproject.io";

struct Claims {
    std::string namespace_;
    /// The parent's id for a dispatched or periodic job.
    std::string job_id;
    std::string group;
    std::string task;
    std::string alloc_id;
    /// The name of the identity block; "default" for the one every task has.
    std::string identity = "default";
    std::string service;
    std::string region = "global";
    std::vector<std::string> audience{std::string(kOwnAudience)};
    /// The configured issuer; "" leaves it out.
    std::string issuer;
    /// Unique to the token.
    std::string id;
    WallTime issued_at;
    /// Zero: it does not expire.
    WallTime expires_at;
    /// Further claims, by name.
    StringMap extra;
};

enum class SigningAlgorithm : unsigned char { EdDSA, RS256 };

/// Errors: FailedPrecondition: RS256 asked of a key that has no RSA part yet.
Result<std::string> sign_identity(const Claims& claims, const RootKey& key, SigningAlgorithm with);

/// Finds a root key's public part by its id; nullopt if there is no such key.
using FindPublicKeys = std::function<std::optional<PublicKeys>(std::string_view key_id)>;

/// Checks signature, times and that the token is meant for the servers. Errors: Unauthenticated,
/// saying what is wrong without repeating any of the token.
Result<Claims> verify_identity(std::string_view token, const FindPublicKeys& find, WallTime now);

/// Whether a bearer token has the shape of a JSON Web Token.
bool looks_like_identity(std::string_view token);

/// The `keys` of a JSON Web Key Set for one root key: RS256 first, if it has one, then EdDSA.
Value::List json_web_keys(std::string_view key_id, const PublicKeys& keys);

}  // namespace nl::policy
