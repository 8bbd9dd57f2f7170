#include "sched/fit.h"

#include "base/check.h"

#include <algorithm>
#include <cstddef>

// The loops below are written so that the compiler can make vectors of them; which one the machine
// can run is chosen when the program starts. Sanitizers do not know such functions.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define NL_VECTOR __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3", "no-trapping-math")))
#else
#define NL_VECTOR
#endif

namespace nl::sched {
namespace {

/// 10^x for x from 0 to 1, within 4 units in the last place: the fourth power of a polynomial of
/// e^(x ln 10 / 4). Exact at 0. std::pow would do as well but not eight at a time.
[[gnu::always_inline]] inline double power_of_ten(double x) {
    constexpr double kQuarterLn10 = 0.57564627324851142;
    const double z = x * kQuarterLn10;
    double p = 1.0 / 1307674368000.0;
    p = p * z + 1.0 / 87178291200.0;
    p = p * z + 1.0 / 6227020800.0;
    p = p * z + 1.0 / 479001600.0;
    p = p * z + 1.0 / 39916800.0;
    p = p * z + 1.0 / 3628800.0;
    p = p * z + 1.0 / 362880.0;
    p = p * z + 1.0 / 40320.0;
    p = p * z + 1.0 / 5040.0;
    p = p * z + 1.0 / 720.0;
    p = p * z + 1.0 / 120.0;
    p = p * z + 1.0 / 24.0;
    p = p * z + 1.0 / 6.0;
    p = p * z + 0.5;
    p = p * z + 1.0;
    p = p * z + 1.0;
    p = p * p;
    return p * p;
}

/// A node without any of a resource has none free; one that is over-committed has none either.
[[gnu::always_inline]] inline double free_share(double capacity, double used) {
    const double share = 1.0 - used / (capacity > 0.0 ? capacity : 1.0);
    const double bounded = share < 0.0 ? 0.0 : (share > 1.0 ? 1.0 : share);
    return capacity > 0.0 ? bounded : 0.0;
}

[[gnu::always_inline]] inline double fit_of(
    double sign, double offset, double cpu, double memory, double cpu_used, double memory_used
) {
    const double total =
        power_of_ten(free_share(cpu, cpu_used)) + power_of_ten(free_share(memory, memory_used));
    const double score = offset + sign * total;
    return score < 0.0 ? 0.0 : (score > kMaxFit ? kMaxFit : score);
}

double sign_of(Algorithm algorithm) {
    return algorithm == Algorithm::Binpack ? -1.0 : 1.0;
}

double offset_of(Algorithm algorithm) {
    return algorithm == Algorithm::Binpack ? 20.0 : -2.0;
}

NL_VECTOR void fits(
    const std::int32_t* __restrict cpu,
    const std::int32_t* __restrict memory,
    const std::int32_t* __restrict cpu_used,
    const std::int32_t* __restrict memory_used,
    double ask_cpu,
    double ask_memory,
    double sign,
    double offset,
    std::size_t n,
    double* __restrict out
) {
    for (std::size_t i = 0; i < n; ++i) {
        out[i] = fit_of(
                     sign,
                     offset,
                     static_cast<double>(cpu[i]),
                     static_cast<double>(memory[i]),
                     static_cast<double>(cpu_used[i]) + ask_cpu,
                     static_cast<double>(memory_used[i]) + ask_memory
                 ) /
                 kMaxFit;
    }
}

NL_VECTOR void rooms(
    const std::int32_t* __restrict capacity,
    const std::int32_t* __restrict used,
    std::int32_t ask,
    std::size_t n,
    std::uint8_t* __restrict room
) {
    for (std::size_t i = 0; i < n; ++i) {
        room[i] = static_cast<std::uint8_t>(
            room[i] & static_cast<std::uint8_t>(capacity[i] - used[i] >= ask ? 1 : 0)
        );
    }
}

}  // namespace

double fit_score(
    Algorithm algorithm,
    std::int64_t cpu,
    std::int64_t memory,
    std::int64_t cpu_used,
    std::int64_t memory_used
) {
    return fit_of(
        sign_of(algorithm),
        offset_of(algorithm),
        static_cast<double>(cpu),
        static_cast<double>(memory),
        static_cast<double>(cpu_used),
        static_cast<double>(memory_used)
    );
}

void score_columns(
    Algorithm algorithm,
    const FitColumns& nodes,
    std::int32_t cpu,
    std::int32_t memory,
    std::int32_t disk,
    std::span<const std::int32_t> extra_cpu,
    std::span<double> fit,
    std::span<std::uint8_t> room
) {
    const std::size_t n = nodes.cpu.size();
    NL_ASSERT(fit.size() == n);
    NL_ASSERT(room.size() == n);
    NL_ASSERT(extra_cpu.empty() || extra_cpu.size() == n);
    std::ranges::fill(room, std::uint8_t{1});
    rooms(nodes.memory.data(), nodes.memory_used.data(), memory, n, room.data());
    rooms(nodes.disk.data(), nodes.disk_used.data(), disk, n, room.data());
    for (std::size_t i = 0; i < n; ++i) {
        if (nodes.max_allocs[i] > 0 && nodes.live_allocs[i] >= nodes.max_allocs[i]) {
            room[i] = 0;
        }
    }
    if (extra_cpu.empty()) {
        rooms(nodes.cpu.data(), nodes.cpu_used.data(), cpu, n, room.data());
        fits(
            nodes.cpu.data(),
            nodes.memory.data(),
            nodes.cpu_used.data(),
            nodes.memory_used.data(),
            static_cast<double>(cpu),
            static_cast<double>(memory),
            sign_of(algorithm),
            offset_of(algorithm),
            n,
            fit.data()
        );
        return;
    }
    for (std::size_t i = 0; i < n; ++i) {
        const std::int64_t ask = std::int64_t{cpu} + extra_cpu[i];
        const std::int64_t used = nodes.cpu_used[i] + ask;
        room[i] = static_cast<std::uint8_t>(room[i] & (used <= nodes.cpu[i] ? 1 : 0));
        fit[i] = fit_score(
                     algorithm,
                     nodes.cpu[i],
                     nodes.memory[i],
                     used,
                     std::int64_t{nodes.memory_used[i]} + memory
                 ) /
                 kMaxFit;
    }
}

}  // namespace nl::sched
