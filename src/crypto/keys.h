#pragma once
// Asymmetric keys: signatures (Ed25519; RSA with PKCS#1 v1.5 and SHA-256) and key agreement
// (X25519). Private keys of the curves are 32 bytes of entropy that come in; an RSA key comes in as
// PKCS#8 DER, made where there is chance. Source: RFC 8032, RFC 7748, RFC 8017.

#include "base/bytes.h"
#include "base/error.h"

#include <cstddef>

namespace nl::crypto {

inline constexpr std::size_t kCurveKeyBytes = 32;

Bytes ed25519_public(BytesView private_key);
/// 64 bytes.
Bytes ed25519_sign(BytesView private_key, BytesView message);
bool ed25519_verify(BytesView public_key, BytesView message, BytesView signature);

Bytes x25519_public(BytesView private_key);
/// The secret both sides find. Errors: InvalidArgument for a public key that gives none.
Result<Bytes> x25519_shared(BytesView private_key, BytesView public_key);

/// Big-endian numbers without leading zeros, as a JSON Web Key has them.
struct RsaPublic {
    Bytes modulus;
    Bytes exponent;
};
/// Errors: InvalidArgument: not an RSA key in PKCS#8.
Result<RsaPublic> rsa_public(BytesView private_der);
Result<Bytes> rsa_sign(BytesView private_der, BytesView message);
bool rsa_verify(const RsaPublic& key, BytesView message, BytesView signature);

}  // namespace nl::crypto
