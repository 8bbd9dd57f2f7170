#pragma once
// How well an allocation fits a node, for one node or a whole column of them. The column form is
// compiled for several instruction sets and gives the same bits as the single one: only additions,
// multiplications and divisions in a fixed order, never a fused one.
//
// Source: BestFit v3 as Google's "The Datacenter as a Computer" and Nomad use it:
// 20 - 10^free_cpu - 10^free_memory, over 18.

#include <cstdint>
#include <span>

namespace nl::sched {

enum class Algorithm { Binpack, Spread };

/// The largest score of a fit, by which it is normalised.
inline constexpr double kMaxFit = 18.0;

/// The fit of a node whose use would be `cpu_used` and `memory_used`: 0 to 18, higher is better.
double fit_score(
    Algorithm algorithm,
    std::int64_t cpu,
    std::int64_t memory,
    std::int64_t cpu_used,
    std::int64_t memory_used
);

/// Columns of one length; capacities and what is used now.
struct FitColumns {
    std::span<const std::int32_t> cpu;
    std::span<const std::int32_t> memory;
    std::span<const std::int32_t> disk;
    std::span<const std::int32_t> cpu_used;
    std::span<const std::int32_t> memory_used;
    std::span<const std::int32_t> disk_used;
    std::span<const std::int32_t> live_allocs;
    /// 0: no limit.
    std::span<const std::int32_t> max_allocs;
};

/// For every node the normalised fit (0 to 1) of one allocation more, and whether there is room for
/// it (1 or 0). `extra_cpu` is empty or a column of more cpu than `cpu`.
void score_columns(
    Algorithm algorithm,
    const FitColumns& nodes,
    std::int32_t cpu,
    std::int32_t memory,
    std::int32_t disk,
    std::span<const std::int32_t> extra_cpu,
    std::span<double> fit,
    std::span<std::uint8_t> room
);

}  // namespace nl::sched
