#include "hcl/internal/function_groups.h"

#include <array>
#include <charconv>

namespace nl::hcl::internal {
namespace {

using Address = std::array<std::uint8_t, 16>;

struct Prefix {
    Address address{};
    int width{32};  // 32 or 128 bits.
    int length{0};
};

std::optional<std::array<std::uint8_t, 4>> parse_v4(std::string_view text) {
    std::array<std::uint8_t, 4> out{};
    for (std::size_t i = 0; i < 4; ++i) {
        const char* end = text.data() + text.size();
        unsigned n = 0;
        const auto r = std::from_chars(text.data(), end, n);
        const auto used = static_cast<std::size_t>(r.ptr - text.data());
        // A leading zero would make it octal to some.
        if (r.ec != std::errc{} || n > 255 || used > 3 || (used > 1 && text[0] == '0')) {
            return std::nullopt;
        }
        text.remove_prefix(used);
        out[i] = static_cast<std::uint8_t>(n);
        if (i < 3) {
            if (!text.starts_with('.')) {
                return std::nullopt;
            }
            text.remove_prefix(1);
        }
    }
    return text.empty() ? std::optional(out) : std::nullopt;
}

std::optional<Address> parse_v6(std::string_view text) {
    std::vector<std::uint8_t> head;
    std::vector<std::uint8_t> tail;
    bool gap = false;
    std::vector<std::uint8_t>* part = &head;
    if (text.starts_with("::")) {
        gap = true;
        part = &tail;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(':'), text.size());
        const std::string_view group = text.substr(0, end);
        if (group.find('.') != std::string_view::npos && end == text.size()) {
            const auto v4 = parse_v4(group);
            if (!v4) {
                return std::nullopt;
            }
            part->insert(part->end(), v4->begin(), v4->end());
            break;
        }
        unsigned n = 0;
        const auto r = std::from_chars(group.data(), group.data() + group.size(), n, 16);
        if (group.empty() || group.size() > 4 || r.ec != std::errc{} ||
            r.ptr != group.data() + group.size()) {
            return std::nullopt;
        }
        part->push_back(static_cast<std::uint8_t>(n >> 8));
        part->push_back(static_cast<std::uint8_t>(n & 255));
        text.remove_prefix(end);
        if (text.starts_with("::")) {
            if (gap) {
                return std::nullopt;
            }
            gap = true;
            part = &tail;
            text.remove_prefix(2);
        } else if (text.starts_with(':')) {
            text.remove_prefix(1);
            if (text.empty()) {
                return std::nullopt;
            }
        }
    }
    const std::size_t used = head.size() + tail.size();
    if (used > 16 || (!gap && used != 16)) {
        return std::nullopt;
    }
    Address out{};
    std::copy(head.begin(), head.end(), out.begin());
    std::copy(tail.begin(), tail.end(), out.end() - static_cast<std::ptrdiff_t>(tail.size()));
    return out;
}

std::optional<Prefix> parse_prefix(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    Prefix out;
    const std::string_view address = text.substr(0, slash);
    if (const auto v4 = parse_v4(address)) {
        std::copy(v4->begin(), v4->end(), out.address.begin());
    } else if (const auto v6 = parse_v6(address)) {
        out.address = *v6;
        out.width = 128;
    } else {
        return std::nullopt;
    }
    const std::string_view length = text.substr(slash + 1);
    const auto r = std::from_chars(length.data(), length.data() + length.size(), out.length);
    if (length.empty() || r.ec != std::errc{} || r.ptr != length.data() + length.size() ||
        out.length < 0 || out.length > out.width) {
        return std::nullopt;
    }
    for (int bit = out.length; bit < out.width; ++bit) {
        out.address[static_cast<std::size_t>(bit / 8)] &=
            static_cast<std::uint8_t>(~(0x80 >> (bit % 8)));
    }
    return out;
}

std::string text_of(const Address& a, int width) {
    if (width == 32) {
        return fmt::format("{}.{}.{}.{}", a[0], a[1], a[2], a[3]);
    }
    // RFC 5952: the longest run of two or more zero groups is left out.
    std::array<unsigned, 8> groups{};
    for (std::size_t i = 0; i < 8; ++i) {
        groups[i] = static_cast<unsigned>(a[i * 2] << 8 | a[i * 2 + 1]);
    }
    std::size_t best = 8;
    std::size_t best_length = 1;
    for (std::size_t i = 0; i < 8; ++i) {
        std::size_t n = 0;
        while (i + n < 8 && groups[i + n] == 0) {
            ++n;
        }
        if (n > best_length) {
            best = i;
            best_length = n;
        }
    }
    std::string out;
    for (std::size_t i = 0; i < 8;) {
        if (i == best) {
            out += "::";
            i += best_length;
            continue;
        }
        if (!out.empty() && !out.ends_with(':')) {
            out += ':';
        }
        out += fmt::format("{:x}", groups[i]);
        ++i;
    }
    return out;
}

/// Puts `number` into the bits [from, to) of the address; false if it does not fit.
bool place(Address& a, int from, int to, std::uint64_t number) {
    for (int bit = to - 1; bit >= from; --bit) {
        if ((number & 1) != 0) {
            a[static_cast<std::size_t>(bit / 8)] |= static_cast<std::uint8_t>(0x80 >> (bit % 8));
        }
        number >>= 1;
    }
    return number == 0;
}

constexpr int kMostBits = 32;  // That a prefix is extended by.

std::string too_many_bits() {
    return fmt::format("may not extend prefix by more than {} bits", kMostBits);
}

std::unexpected<FunctionError> bad_prefix(const Value& v, int argument = -1) {
    return wrong(
        fmt::format("invalid CIDR expression: invalid CIDR address: {}", v.as_string()), argument
    );
}

FunctionResult host(Arguments a, FunctionEnvironment&) {
    auto prefix = parse_prefix(a[0].as_string());
    if (!prefix) {
        return bad_prefix(a[0]);
    }
    const auto number = a[1].as_number().as_int();
    if (!number) {
        return not_whole();
    }
    const int bits = prefix->width - prefix->length;
    std::uint64_t n = static_cast<std::uint64_t>(*number);
    bool fits = true;
    if (*number < 0) {
        // Counted back from the end of the network.
        const std::uint64_t back = static_cast<std::uint64_t>(-(*number + 1)) + 1;
        fits = bits >= 64 || back <= (std::uint64_t{1} << bits);
        for (int bit = prefix->length; bit < prefix->width - 64; ++bit) {
            prefix->address[static_cast<std::size_t>(bit / 8)] |=
                static_cast<std::uint8_t>(0x80 >> (bit % 8));
        }
        n = bits >= 64 ? ~std::uint64_t{0} - back + 1 : (std::uint64_t{1} << bits) - back;
        fits =
            fits &&
            place(prefix->address, std::max(prefix->length, prefix->width - 64), prefix->width, n);
    } else {
        fits = place(prefix->address, prefix->length, prefix->width, n);
    }
    if (!fits) {
        return wrong(fmt::format(
            "prefix of {} does not accommodate a host numbered {}", prefix->length, *number
        ));
    }
    return Value::string(text_of(prefix->address, prefix->width));
}

FunctionResult netmask(Arguments a, FunctionEnvironment&) {
    const auto prefix = parse_prefix(a[0].as_string());
    if (!prefix) {
        return bad_prefix(a[0]);
    }
    Address mask{};
    for (int bit = 0; bit < prefix->length; ++bit) {
        mask[static_cast<std::size_t>(bit / 8)] |= static_cast<std::uint8_t>(0x80 >> (bit % 8));
    }
    return Value::string(text_of(mask, prefix->width));
}

FunctionResult subnet(Arguments a, FunctionEnvironment&) {
    auto prefix = parse_prefix(a[0].as_string());
    if (!prefix) {
        return bad_prefix(a[0]);
    }
    const auto more = a[1].as_number().as_int();
    const auto number = a[2].as_number().as_int();
    if (!more || !number) {
        return not_whole();
    }
    if (*more > kMostBits) {
        return wrong(too_many_bits());
    }
    if (*more > prefix->width - prefix->length || *more < -prefix->length) {
        return wrong(fmt::format(
            "insufficient address space to extend prefix of {} by {}", prefix->length, *more
        ));
    }
    const int length = prefix->length + static_cast<int>(*more);
    if (*number < 0 ||
        !place(prefix->address, prefix->length, length, static_cast<std::uint64_t>(*number))) {
        return wrong(fmt::format(
            "prefix extension of {} does not accommodate a subnet numbered {}", *more, *number
        ));
    }
    return Value::string(fmt::format("{}/{}", text_of(prefix->address, prefix->width), length));
}

/// Adds one to the bits before `length`; false on overflow out of the bits from `from` on.
bool next_network(Address& a, int from, int length) {
    for (int bit = length - 1; bit >= from; --bit) {
        auto& byte = a[static_cast<std::size_t>(bit / 8)];
        const auto mask = static_cast<std::uint8_t>(0x80 >> (bit % 8));
        byte = static_cast<std::uint8_t>(byte ^ mask);
        if ((byte & mask) != 0) {
            return true;
        }
    }
    return false;
}

FunctionResult subnets(Arguments a, FunctionEnvironment&) {
    const auto prefix = parse_prefix(a[0].as_string());
    if (!prefix) {
        return bad_prefix(a[0], 0);
    }
    Value::Items out;
    Address at = prefix->address;
    int last_length = prefix->length;
    bool full = false;
    for (std::size_t i = 1; i < a.size(); ++i) {
        const auto more = a[i].as_number().as_int();
        const int argument = static_cast<int>(i);
        if (!more) {
            return not_whole("", argument);
        }
        if (*more < 1) {
            return wrong("must extend prefix by at least one bit", argument);
        }
        if (*more > kMostBits) {
            return wrong(too_many_bits(), argument);
        }
        if (*more > prefix->width - prefix->length) {
            return wrong(
                fmt::format(
                    "would extend prefix to {} bits, which is too long for an {} address",
                    prefix->length + *more,
                    prefix->width == 32 ? "IPv4" : "IPv6"
                ),
                argument
            );
        }
        const int length = prefix->length + static_cast<int>(*more);
        const Address before = at;
        if (i > 1) {
            // Beyond the end of the network before, then up to this one's own boundary.
            full = full || !next_network(at, prefix->length, last_length);
            bool rest = false;
            for (int bit = length; bit < last_length; ++bit) {
                auto& byte = at[static_cast<std::size_t>(bit / 8)];
                const auto mask = static_cast<std::uint8_t>(0x80 >> (bit % 8));
                rest = rest || (byte & mask) != 0;
                byte = static_cast<std::uint8_t>(byte & ~mask);
            }
            if (rest) {
                full = full || !next_network(at, prefix->length, length);
            }
        }
        if (full) {
            return wrong(
                fmt::format(
                    "not enough remaining address space for a subnet with a prefix of {} bits "
                    "after {}/{}",
                    length,
                    text_of(before, prefix->width),
                    last_length
                ),
                argument
            );
        }
        out.push_back(Value::string(fmt::format("{}/{}", text_of(at, prefix->width), length)));
        last_length = length;
    }
    return Value::list(Kind::String, std::move(out));
}

}  // namespace

void add_network_functions(FunctionTable& table) {
    const Parameter prefix{.name = "prefix", .type = Kind::String};
    table["cidrhost"] = {
        .parameters = {prefix, {.name = "hostnum", .type = Kind::Number}}, .call = host
    };
    table["cidrnetmask"] = {.parameters = {prefix}, .call = netmask};
    table["cidrsubnet"] = {
        .parameters =
            {prefix,
             {.name = "newbits", .type = Kind::Number},
             {.name = "netnum", .type = Kind::Number}},
        .call = subnet
    };
    table["cidrsubnets"] = {
        .parameters = {prefix},
        .rest = Parameter{.name = "newbits", .type = Kind::Number},
        .call = subnets
    };
}

}  // namespace nl::hcl::internal
