#pragma once
// Sixteen-byte ids for nodes, allocations, evaluations and deployments. Text is the lower-case
// 8-4-4-4-12 form.

#include "base/error.h"
#include "base/rng.h"

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace nl {

struct Uuid {
    std::array<std::uint8_t, 16> bytes{};

    friend auto operator<=>(const Uuid&, const Uuid&) = default;
    friend bool operator==(const Uuid&, const Uuid&) = default;

    bool is_nil() const { return *this == Uuid{}; }

    /// The 36-character form; the nil id gives "" (as Nomad writes an unset id).
    std::string str() const;

    /// A version-4 id from the seeded stream.
    static Uuid random(Rng& rng);
    /// The n-th id derived from a seed: what a plan stores instead of the ids themselves. Same
    /// inputs, same id.
    static Uuid derived(const Uuid& seed, std::uint64_t n);
    /// Accepts exactly the 36-character form in either case; "" gives nil. Errors: InvalidArgument.
    static Result<Uuid> parse(std::string_view text);
};

}  // namespace nl

template <>
struct std::hash<nl::Uuid> {
    std::size_t operator()(const nl::Uuid& id) const {
        std::uint64_t a = 0;
        std::uint64_t b = 0;
        std::memcpy(&a, id.bytes.data(), 8);
        std::memcpy(&b, id.bytes.data() + 8, 8);
        return static_cast<std::size_t>(a ^ (b * 0x9e3779b97f4a7c15ULL));
    }
};

template <>
struct fmt::formatter<nl::Uuid> : fmt::formatter<std::string> {
    template <class Context>
    auto format(const nl::Uuid& id, Context& context) const {
        return fmt::formatter<std::string>::format(id.str(), context);
    }
};
