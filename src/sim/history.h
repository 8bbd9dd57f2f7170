#pragma once
// What clients saw, and whether it could have come from one copy of the state in which every
// operation happened at one moment between its call and its answer (linearizability, Herlihy and
// Wing). The checker knows nothing of Raft: it serves the simulator and the tests of real processes
// alike. Keys are independent, so each is checked alone; within one key it is the search of Wing and
// Gong with the memory of Lowe ("Testing for linearizability", 2017): a configuration (set of
// operations taken, state) is visited once.
//
// As text, one operation a line, for `sim --check FILE`:
//     <client> <kind> <key> <argument> <other argument> <begin> <end or -> <result>
// times in nanoseconds, texts without spaces, "-" for empty; an end of "-" means that nobody knows
// whether the operation happened.

#include "base/error.h"
#include "base/time.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nl::sim {

enum class OpKind : unsigned char {
    /// Sets the value to `a`.
    Put,
    /// Result: the value, "" if there is none.
    Get,
    /// Sets the value to `b` if it is `a`. Result: "ok" or "no".
    Cas,
    /// Adds `a` and a comma to the value. Result: how many commas it holds then.
    Append,
    /// Adds the number `a` to the value, which counts as 0 while it is none. Result: the sum.
    Add,
    /// Removes the value. Result: "ok" or "no" (there was none).
    Delete,
};
std::string_view to_string(OpKind kind);

/// What an operation does to a value and what it answers; the one definition that checker and state
/// machine share.
std::string carry_out(OpKind kind, const std::string& a, const std::string& b, std::string& value);

struct Op {
    std::uint64_t client{0};
    OpKind kind{OpKind::Get};
    std::string key;
    std::string a;
    std::string b;
    Instant begin;
    /// Instant::max(): never answered; it may have happened or not, or may happen still.
    Instant end = Instant::max();
    std::string result;
    /// A hint where it stands in the order, from whoever knows (reads after the write of the same
    /// number); 0: nobody does. It only says where to look first and is never believed.
    std::uint64_t place{0};
};
std::string to_string(const Op& op);

struct HistoryVerdict {
    /// Empty: linearizable. Else the key and the operations around the first that cannot be placed.
    std::string violation;
    /// True: a key took more than `steps_max` and was given up; nothing is known of it.
    bool gave_up{false};
    std::uint64_t steps{0};
};

HistoryVerdict check_history(std::span<const Op> ops, std::uint64_t steps_max = 5'000'000);

/// Errors: InvalidArgument, naming the line.
Result<std::vector<Op>> parse_history(std::string_view text);

}  // namespace nl::sim
