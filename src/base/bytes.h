#pragma once
// Bytes and their checks: crc32c (RFC 3720, Castagnoli), base64 (RFC 4648) and hexadecimal text.

#include "base/error.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace nl {

/// Raw bytes; std::string because every consumer (RocksDB, gRPC, Beast) takes it without a copy.
using Bytes = std::string;
using BytesView = std::string_view;

/// Bytes as a field: base64 in JSON, raw in the binary form.
struct Blob {
    Bytes bytes;

    friend bool operator==(const Blob&, const Blob&) = default;
};

/// CRC-32C of `data`, continued from `seed` (0 to begin).
std::uint32_t crc32c(BytesView data, std::uint32_t seed = 0);

std::string base64_encode(BytesView data);
/// Standard alphabet with padding; line breaks are not allowed. Errors: InvalidArgument.
Result<Bytes> base64_decode(std::string_view text);
/// URL-safe alphabet without padding (RFC 7515).
std::string base64url_encode(BytesView data);
Result<Bytes> base64url_decode(std::string_view text);

std::string hex_encode(BytesView data);
Result<Bytes> hex_decode(std::string_view text);

}  // namespace nl
