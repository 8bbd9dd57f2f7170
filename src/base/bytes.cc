#include "base/bytes.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace nl {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value & 1) != 0 ? (value >> 1) ^ 0x82f63b78U : value >> 1;
        }
        table[i] = value;
    }
    return table;
}
constexpr std::array<std::uint32_t, 256> kTable = make_table();

std::uint32_t crc_by_table(BytesView data, std::uint32_t crc) {
    for (const char c : data) {
        crc = kTable[(crc ^ static_cast<std::uint8_t>(c)) & 0xff] ^ (crc >> 8);
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc_by_instruction(
    BytesView data, std::uint32_t crc
) {
    std::uint64_t wide = crc;
    while (data.size() >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, data.data(), 8);
        wide = _mm_crc32_u64(wide, word);
        data.remove_prefix(8);
    }
    auto narrow = static_cast<std::uint32_t>(wide);
    for (const char c : data) {
        narrow = _mm_crc32_u8(narrow, static_cast<std::uint8_t>(c));
    }
    return narrow;
}
#endif

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode64(BytesView data, std::string_view alphabet, bool pad) {
    std::string out;
    out.reserve((data.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < data.size(); i += 3) {
        const std::size_t n = std::min<std::size_t>(3, data.size() - i);
        std::uint32_t word = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            word = word << 8 | (k < n ? static_cast<std::uint8_t>(data[i + k]) : 0U);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            if (k <= n) {
                out.push_back(alphabet[word >> (18 - 6 * k) & 0x3f]);
            } else if (pad) {
                out.push_back('=');
            }
        }
    }
    return out;
}

Result<Bytes> decode64(std::string_view text, std::string_view alphabet, bool padded) {
    if (padded) {
        if (text.size() % 4 != 0) {
            return fail(
                ErrorCode::InvalidArgument,
                "illegal base64 data: length {} is not a multiple of 4",
                text.size()
            );
        }
        for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) {
            text.remove_suffix(1);
        }
    }
    if (text.size() % 4 == 1) {
        return fail(ErrorCode::InvalidArgument, "illegal base64 data: a lone character at the end");
    }
    Bytes out;
    out.reserve(text.size() * 3 / 4);
    std::uint32_t word = 0;
    int bits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::size_t digit = alphabet.find(text[i]);
        if (digit == std::string_view::npos) {
            return fail(ErrorCode::InvalidArgument, "illegal base64 data at input byte {}", i);
        }
        word = word << 6 | static_cast<std::uint32_t>(digit);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out.push_back(static_cast<char>(word >> bits & 0xff));
        }
    }
    return out;
}

}  // namespace

std::uint32_t crc32c(BytesView data, std::uint32_t seed) {
    const std::uint32_t start = ~seed;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        return ~crc_by_instruction(data, start);
    }
#endif
    return ~crc_by_table(data, start);
}

std::string base64_encode(BytesView data) {
    return encode64(data, kStandard, true);
}
Result<Bytes> base64_decode(std::string_view text) {
    return decode64(text, kStandard, true);
}
std::string base64url_encode(BytesView data) {
    return encode64(data, kUrl, false);
}
Result<Bytes> base64url_decode(std::string_view text) {
    return decode64(text, kUrl, false);
}

std::string hex_encode(BytesView data) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    std::string out;
    out.reserve(data.size() * 2);
    for (const char c : data) {
        out.push_back(kHex[static_cast<std::uint8_t>(c) >> 4]);
        out.push_back(kHex[static_cast<std::uint8_t>(c) & 0x0f]);
    }
    return out;
}

Result<Bytes> hex_decode(std::string_view text) {
    if (text.size() % 2 != 0) {
        return fail(ErrorCode::InvalidArgument, "encoding/hex: odd length hex string");
    }
    Bytes out;
    out.reserve(text.size() / 2);
    const auto digit = [](char c) -> int {
        if (c >= '0' && c <= '9') {
            return c - '0';
        }
        if (c >= 'a' && c <= 'f') {
            return c - 'a' + 10;
        }
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    };
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]);
        const int low = digit(text[i + 1]);
        if (high < 0 || low < 0) {
            return fail(
                ErrorCode::InvalidArgument, "encoding/hex: invalid byte at {}", high < 0 ? i : i + 1
            );
        }
        out.push_back(static_cast<char>(high * 16 + low));
    }
    return out;
}

}  // namespace nl
