#pragma once
// gzip of whole answers (RFC 1952), through zlib.

#include "base/bytes.h"
#include "base/error.h"

#include <string_view>

namespace nl::io::http {

/// Compressed at the fast level: answers are made once and sent once.
Bytes gzip_compress(BytesView data);
/// Errors: Corruption; TooLarge when the result would pass `bytes_max`.
Result<Bytes> gzip_decompress(BytesView data, std::size_t bytes_max);

/// Whether an Accept-Encoding header allows gzip (its q-value is not 0).
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace nl::io::http
