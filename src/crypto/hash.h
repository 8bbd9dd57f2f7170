#pragma once
// Digests, keyed digests and a comparison that takes the same time whatever differs: libcrypto
// behind plain functions of their inputs. Source: FIPS 180-4, RFC 2104, RFC 5869.

#include "base/bytes.h"

#include <cstddef>

namespace nl::crypto {

inline constexpr std::size_t kSha256Bytes = 32;

/// 32 raw bytes.
Bytes sha256(BytesView data);
Bytes hmac_sha256(BytesView key, BytesView data);
/// `size` bytes (at most 8160) derived from a secret, for one purpose named by `info`.
Bytes hkdf_sha256(BytesView secret, BytesView salt, BytesView info, std::size_t size);

/// Whether two secrets are the same; the time depends on their sizes only.
bool equal_secrets(BytesView a, BytesView b);

}  // namespace nl::crypto
