#include "base/uuid.h"

namespace nl {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

constexpr bool is_dash_before(std::size_t byte) {
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

Uuid stamped(std::uint64_t high, std::uint64_t low) {
    Uuid id;
    std::memcpy(id.bytes.data(), &high, 8);
    std::memcpy(id.bytes.data() + 8, &low, 8);
    // RFC 9562: version 4, variant 10.
    id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

}  // namespace

std::string Uuid::str() const {
    if (is_nil()) {
        return {};
    }
    std::string out;
    out.reserve(36);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (is_dash_before(i)) {
            out.push_back('-');
        }
        out.push_back(kHex[bytes[i] >> 4]);
        out.push_back(kHex[bytes[i] & 0x0f]);
    }
    return out;
}

Uuid Uuid::random(Rng& rng) {
    const std::uint64_t high = rng.next();
    return stamped(high, rng.next());
}

Uuid Uuid::derived(const Uuid& seed, std::uint64_t n) {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::memcpy(&a, seed.bytes.data(), 8);
    std::memcpy(&b, seed.bytes.data() + 8, 8);
    Rng rng(a ^ (b * 0x9e3779b97f4a7c15ULL) ^ ((n + 1) * 0xd1342543de82ef95ULL));
    const std::uint64_t high = rng.next() ^ b;
    return stamped(high, rng.next() ^ a);
}

Result<Uuid> Uuid::parse(std::string_view text) {
    if (text.empty()) {
        return Uuid{};
    }
    if (text.size() != 36) {
        return fail(ErrorCode::InvalidArgument, "UUID must be 36 characters");
    }
    Uuid id;
    std::size_t at = 0;
    for (std::size_t i = 0; i < id.bytes.size(); ++i) {
        if (is_dash_before(i)) {
            if (text[at] != '-') {
                return fail(
                    ErrorCode::InvalidArgument, "\"{}\" is not a UUID: a dash is missing", text
                );
            }
            ++at;
        }
        const int high = hex_value(text[at]);
        const int low = hex_value(text[at + 1]);
        if (high < 0 || low < 0) {
            return fail(
                ErrorCode::InvalidArgument,
                "\"{}\" is not a UUID: only hexadecimal digits are allowed",
                text
            );
        }
        id.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
        at += 2;
    }
    return id;
}

}  // namespace nl
