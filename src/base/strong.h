#pragma once
// Integers that cannot be swapped by accident. `struct TermTag; using Term = StrongInt<TermTag>;`

#include <fmt/format.h>

#include <compare>
#include <cstdint>
#include <functional>

namespace nl {

template <class Tag, class Rep = std::uint64_t>
struct StrongInt {
    Rep value{0};

    constexpr StrongInt() = default;
    constexpr explicit StrongInt(Rep v) : value(v) {}

    friend constexpr auto operator<=>(const StrongInt&, const StrongInt&) = default;
    friend constexpr bool operator==(const StrongInt&, const StrongInt&) = default;

    constexpr StrongInt next() const { return StrongInt(value + 1); }
    constexpr StrongInt& operator++() {
        ++value;
        return *this;
    }
    friend constexpr StrongInt operator+(StrongInt a, Rep n) { return StrongInt(a.value + n); }
    friend constexpr StrongInt operator-(StrongInt a, Rep n) { return StrongInt(a.value - n); }
    friend constexpr Rep operator-(StrongInt a, StrongInt b) { return a.value - b.value; }
};

/// A Raft term (Raft thesis 3.3); 0 is before the first election.
using Term = StrongInt<struct TermTag>;
/// A position in the Raft log, and with it a version of the state; 0 is before the first entry.
using Index = StrongInt<struct IndexTag>;
/// A server's identity in the Raft membership; never reused by another server. 0 is nobody.
using ServerId = StrongInt<struct ServerIdTag>;
/// Names an asynchronous call so that its end can be told from others; chosen by the caller.
using Ticket = StrongInt<struct TicketTag>;

}  // namespace nl

template <class Tag, class Rep>
struct std::hash<nl::StrongInt<Tag, Rep>> {
    std::size_t operator()(const nl::StrongInt<Tag, Rep>& v) const {
        return std::hash<Rep>{}(v.value);
    }
};

template <class Tag, class Rep>
struct fmt::formatter<nl::StrongInt<Tag, Rep>> : fmt::formatter<Rep> {
    template <class Context>
    auto format(const nl::StrongInt<Tag, Rep>& v, Context& context) const {
        return fmt::formatter<Rep>::format(v.value, context);
    }
};
