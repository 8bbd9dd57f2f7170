#pragma once
// Root keys: what variables are encrypted and identities signed with, and how their material is
// kept. A root key travels and rests only wrapped: sealed once under a key of its own, which in turn
// is sealed for each server by X25519, so that only a server's own private key (in its data
// directory) opens it. Pure: entropy comes in. Source: RFC 7748, RFC 5869, NIST SP 800-38D; Nomad's
// keyring.

#include "base/bytes.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/value.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nl::policy {

/// Entropy that sealing takes, in bytes.
inline constexpr std::size_t kEntropyBytes = 32;

/// The material of one root key. Never in a log, a response or anything stored but wrapped.
struct RootKey {
    std::string id;
    /// AES-256.
    Bytes aead{};
    /// Ed25519.
    Bytes ed25519{};
    /// PKCS#8 DER; empty until it is made.
    Bytes rsa{};

    NL_FIELDS(RootKey, (1, id), (2, aead), (3, ed25519), (4, rsa))
};

/// What anyone may know of a root key: `RootKeyRow::public_key` holds its binary form.
struct PublicKeys {
    Bytes ed25519{};
    Bytes rsa_modulus{};
    Bytes rsa_exponent{};

    NL_FIELDS(PublicKeys, (1, ed25519), (2, rsa_modulus), (3, rsa_exponent))
};
PublicKeys public_keys(const RootKey& key);

/// A new key without its RSA part.
RootKey make_root_key(std::string id, BytesView entropy);

/// Whoever holds the private key of one of the recipients (X25519 public keys) can unwrap.
Bytes wrap(const RootKey& key, std::span<const Bytes> recipients, BytesView entropy);
/// Errors: NotFound: not wrapped for this server; Corruption.
Result<RootKey> unwrap(BytesView wrapped, BytesView private_key);
/// The recipients of a wrapped key; none for what cannot be read.
std::vector<Bytes> recipients_of(BytesView wrapped);

/// The unwrapped keys of one server, by id. Immutable; shared by the calls of the API.
struct Keyring {
    Map<std::shared_ptr<const RootKey>> keys;

    const RootKey* find(std::string_view id) const {
        const auto found = keys.find(id);
        return found == keys.end() ? nullptr : found->second.get();
    }
};

/// Encrypts a variable's items. `ns` and `path` are bound to the ciphertext: it does not open in
/// another place. `entropy` as above.
Bytes seal_variable(
    const RootKey& key, std::string_view ns, std::string_view path, BytesView plain, BytesView entropy
);
Result<Bytes> open_variable(
    const RootKey& key, std::string_view ns, std::string_view path, BytesView sealed
);

}  // namespace nl::policy
