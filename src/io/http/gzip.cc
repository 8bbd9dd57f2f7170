#include "io/http/gzip.h"

#include "base/check.h"

#include <zlib.h>

#include <algorithm>

namespace nl::io::http {
namespace {

constexpr int kGzipWindow = 15 + 16;
constexpr int kMemoryLevel = 8;

/// zlib takes non-const input though it doesn't write to it.
Bytef* input_of(BytesView data) {
    return reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

}  // namespace

Bytes gzip_compress(BytesView data) {
    NL_ASSERT(data.size() < UINT32_MAX);
    z_stream stream{};
    const int begun = deflateInit2(
        &stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY
    );
    NL_ASSERT(begun == Z_OK);
    Bytes out;
    out.resize(deflateBound(&stream, static_cast<uLong>(data.size())));
    stream.next_in = input_of(data);
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int ended = deflate(&stream, Z_FINISH);
    NL_ASSERT(ended == Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

Result<Bytes> gzip_decompress(BytesView data, std::size_t bytes_max) {
    NL_ASSERT(data.size() < UINT32_MAX);
    z_stream stream{};
    const int begun = inflateInit2(&stream, kGzipWindow);
    NL_ASSERT(begun == Z_OK);
    stream.next_in = input_of(data);
    stream.avail_in = static_cast<uInt>(data.size());
    Bytes out;
    constexpr std::size_t kStep = 64 << 10;
    int status = Z_OK;
    while (status == Z_OK) {
        if (out.size() > bytes_max) {
            inflateEnd(&stream);
            return fail(ErrorCode::TooLarge, "unpacked data is larger than {} bytes", bytes_max);
        }
        const std::size_t at = out.size();
        out.resize(at + kStep);
        stream.next_out = reinterpret_cast<Bytef*>(out.data() + at);
        stream.avail_out = static_cast<uInt>(kStep);
        status = inflate(&stream, Z_NO_FLUSH);
        out.resize(at + (kStep - stream.avail_out));
        if (status == Z_BUF_ERROR ||
            (status == Z_OK && stream.avail_in == 0 && stream.avail_out != 0)) {
            break;
        }
    }
    inflateEnd(&stream);
    if (status != Z_STREAM_END) {
        return fail(ErrorCode::Corruption, "gzip data of {} bytes is damaged", data.size());
    }
    if (out.size() > bytes_max) {
        return fail(ErrorCode::TooLarge, "unpacked data is larger than {} bytes", bytes_max);
    }
    return out;
}

bool accepts_gzip(std::string_view accept_encoding) {
    while (!accept_encoding.empty()) {
        const std::size_t comma = accept_encoding.find(',');
        const std::string_view item = trim(accept_encoding.substr(0, comma));
        accept_encoding = comma == std::string_view::npos ? "" : accept_encoding.substr(comma + 1);
        const std::size_t semicolon = item.find(';');
        if (trim(item.substr(0, semicolon)) != "gzip") {
            continue;
        }
        if (semicolon == std::string_view::npos) {
            return true;
        }
        const std::string_view weight = trim(item.substr(semicolon + 1));
        // "q=0", "q=0.0" and so on refuse; anything else allows.
        return !(
            weight.starts_with("q=0") &&
            weight.substr(3).find_first_not_of(".0") == std::string_view::npos
        );
    }
    return false;
}

}  // namespace nl::io::http
