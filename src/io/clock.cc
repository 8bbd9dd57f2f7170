#include "io/clock.h"

#include <chrono>

namespace nl::io {

namespace {

template <class Clock>
std::int64_t since_epoch() {
    const auto span = Clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(span).count();
}

}  // namespace

Instant now() {
    return {since_epoch<std::chrono::steady_clock>()};
}

WallTime wall_now() {
    return {since_epoch<std::chrono::system_clock>()};
}

}  // namespace nl::io
