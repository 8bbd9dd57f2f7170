#include "state/keys.h"

#include <array>

namespace nl::state {

std::uint64_t text_prefix(std::string_view first, std::string_view second, std::string_view third) {
    std::uint64_t prefix = 0;
    int left = 8;
    for (const std::string_view text : {first, second, third}) {
        for (const char c : text) {
            if (left == 0) {
                return prefix;
            }
            prefix = prefix << 8 | static_cast<std::uint8_t>(c);
            --left;
        }
        if (left == 0) {
            return prefix;
        }
        prefix <<= 8;
        --left;
    }
    return prefix << (8 * left);
}

std::uint32_t pair_hash(std::string_view first, std::string_view second) {
    std::uint32_t hash = 2166136261U;
    const auto mix = [&hash](std::uint8_t byte) { hash = (hash ^ byte) * 16777619U; };
    for (const char c : first) {
        mix(static_cast<std::uint8_t>(c));
    }
    mix(0);
    for (const char c : second) {
        mix(static_cast<std::uint8_t>(c));
    }
    return hash;
}

bool uuid_range(std::string_view text, Uuid& low, Uuid& high) {
    constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (text.size() > kShape.size()) {
        return false;
    }
    low = Uuid{};
    high = kLastUuid;
    std::size_t digit = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (kShape[i] == '-') {
            if (c != '-') {
                return false;
            }
            continue;
        }
        int value = 0;
        if (c >= '0' && c <= '9') {
            value = c - '0';
        } else if (c >= 'a' && c <= 'f') {
            value = c - 'a' + 10;
        } else if (c >= 'A' && c <= 'F') {
            value = c - 'A' + 10;
        } else {
            return false;
        }
        const unsigned shift = digit % 2 == 0 ? 4 : 0;
        const auto mask = static_cast<std::uint8_t>(0xfU << shift);
        const auto bits = static_cast<std::uint8_t>(static_cast<unsigned>(value) << shift);
        low.bytes[digit / 2] = static_cast<std::uint8_t>((low.bytes[digit / 2] & ~mask) | bits);
        high.bytes[digit / 2] = static_cast<std::uint8_t>((high.bytes[digit / 2] & ~mask) | bits);
        ++digit;
    }
    return true;
}

}  // namespace nl::state
