#include "policy/keyring.h"

#include "base/check.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/keys.h"

#include <algorithm>
#include <utility>

namespace nl::policy {
namespace {

constexpr std::size_t kSaltBytes = 16;
/// The key-encryption key of a wrap encrypts once, so that its nonce may stand still.
const Bytes kOnlyNonce(crypto::kAeadNonceBytes, '\0');

struct Recipient {
    Bytes public_key{};
    /// The other half of the agreement.
    Bytes ephemeral{};
    Bytes sealed_key{};
    NL_FIELDS(Recipient, (1, public_key), (2, ephemeral), (3, sealed_key))
};
struct Wrapped {
    std::vector<Recipient> recipients{};
    Bytes sealed{};
    NL_FIELDS(Wrapped, (1, recipients), (2, sealed))
};

Bytes part(BytesView entropy, std::string_view purpose, std::size_t size) {
    NL_ASSERT(entropy.size() == kEntropyBytes);
    return crypto::hkdf_sha256(entropy, "", purpose, size);
}

Bytes agreement_key(BytesView shared, BytesView ephemeral, BytesView recipient) {
    return crypto::hkdf_sha256(
        shared, Bytes(ephemeral) + Bytes(recipient), "nomad-lite root key", crypto::kAeadKeyBytes
    );
}

/// A key for each ciphertext: random nonces under one key would run into their bound of 2^32.
Bytes variable_key(const RootKey& key, BytesView salt) {
    return crypto::hmac_sha256(key.aead, "variable" + Bytes(salt));
}

Bytes place(std::string_view ns, std::string_view path) {
    Bytes out(ns);
    out += '\0';
    out += path;
    return out;
}

}  // namespace

PublicKeys public_keys(const RootKey& key) {
    PublicKeys out;
    out.ed25519 = crypto::ed25519_public(key.ed25519);
    if (!key.rsa.empty()) {
        if (auto rsa = crypto::rsa_public(key.rsa)) {
            out.rsa_modulus = std::move(rsa->modulus);
            out.rsa_exponent = std::move(rsa->exponent);
        }
    }
    return out;
}

RootKey make_root_key(std::string id, BytesView entropy) {
    return {
        std::move(id),
        part(entropy, "aead", crypto::kAeadKeyBytes),
        part(entropy, "ed25519", crypto::kCurveKeyBytes),
        {}
    };
}

Bytes wrap(const RootKey& key, std::span<const Bytes> recipients, BytesView entropy) {
    const Bytes sealing = part(entropy, "sealing", crypto::kAeadKeyBytes);
    Wrapped out;
    out.sealed = crypto::seal(sealing, kOnlyNonce, key.id, encode(key));
    for (const Bytes& recipient : recipients) {
        const Bytes private_half = part(entropy, "ephemeral" + recipient, crypto::kCurveKeyBytes);
        const auto shared = crypto::x25519_shared(private_half, recipient);
        if (!shared) {
            continue;
        }
        Recipient one{recipient, crypto::x25519_public(private_half), {}};
        one.sealed_key = crypto::seal(
            agreement_key(*shared, one.ephemeral, recipient), kOnlyNonce, key.id, sealing
        );
        out.recipients.push_back(std::move(one));
    }
    return key.id + '\n' + encode(out);
}

namespace {

Result<std::pair<std::string, Wrapped>> read_wrapped(BytesView wrapped) {
    const std::size_t line = wrapped.find('\n');
    if (line == BytesView::npos) {
        return fail(ErrorCode::Corruption, "a wrapped root key has no id");
    }
    NL_TRY(Wrapped parts, decode<Wrapped>(wrapped.substr(line + 1)));
    return std::pair(std::string(wrapped.substr(0, line)), std::move(parts));
}

}  // namespace

Result<RootKey> unwrap(BytesView wrapped, BytesView private_key) {
    NL_TRY(const auto read, read_wrapped(wrapped));
    const auto& [id, parts] = read;
    const Bytes own = crypto::x25519_public(private_key);
    const auto mine = std::ranges::find(parts.recipients, own, &Recipient::public_key);
    if (mine == parts.recipients.end()) {
        return fail(ErrorCode::NotFound, "root key {} is not wrapped for this server", id);
    }
    NL_TRY(const Bytes shared, crypto::x25519_shared(private_key, mine->ephemeral));
    NL_TRY(
        const Bytes sealing,
        crypto::open(agreement_key(shared, mine->ephemeral, own), id, mine->sealed_key)
    );
    if (sealing.size() != crypto::kAeadKeyBytes) {
        return fail(ErrorCode::Corruption, "root key {} is wrapped with a damaged key", id);
    }
    NL_TRY(const Bytes plain, crypto::open(sealing, id, parts.sealed));
    NL_TRY(RootKey key, decode<RootKey>(plain));
    if (key.id != id || key.aead.size() != crypto::kAeadKeyBytes ||
        key.ed25519.size() != crypto::kCurveKeyBytes) {
        return fail(ErrorCode::Corruption, "root key {} is incomplete", id);
    }
    return key;
}

std::vector<Bytes> recipients_of(BytesView wrapped) {
    std::vector<Bytes> out;
    if (auto read = read_wrapped(wrapped)) {
        for (Recipient& one : read->second.recipients) {
            out.push_back(std::move(one.public_key));
        }
    }
    return out;
}

Bytes seal_variable(
    const RootKey& key, std::string_view ns, std::string_view path, BytesView plain, BytesView entropy
) {
    NL_ASSERT(entropy.size() >= kSaltBytes + crypto::kAeadNonceBytes);
    const BytesView salt = entropy.substr(0, kSaltBytes);
    const BytesView nonce = entropy.substr(kSaltBytes, crypto::kAeadNonceBytes);
    return Bytes(salt) + crypto::seal(variable_key(key, salt), nonce, place(ns, path), plain);
}

Result<Bytes> open_variable(
    const RootKey& key, std::string_view ns, std::string_view path, BytesView sealed
) {
    if (sealed.size() < kSaltBytes) {
        return fail(ErrorCode::Corruption, "variable \"{}\" is stored incompletely", path);
    }
    return crypto::open(
        variable_key(key, sealed.substr(0, kSaltBytes)), place(ns, path), sealed.substr(kSaltBytes)
    );
}

}  // namespace nl::policy
