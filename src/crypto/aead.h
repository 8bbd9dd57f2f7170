#pragma once
// AES-256-GCM: encryption that also shows whether anything was changed. The nonce comes in; one
// pair of key and nonce must never encrypt two texts. Source: NIST SP 800-38D.

#include "base/bytes.h"
#include "base/error.h"

#include <cstddef>

namespace nl::crypto {

inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadNonceBytes = 12;
inline constexpr std::size_t kAeadTagBytes = 16;

/// Nonce, ciphertext and tag in one piece. `bound` is not in it but must be the same to open it.
Bytes seal(BytesView key, BytesView nonce, BytesView bound, BytesView plain);
/// Errors: Corruption: another key, another `bound`, or not what seal() made.
Result<Bytes> open(BytesView key, BytesView bound, BytesView sealed);

}  // namespace nl::crypto
