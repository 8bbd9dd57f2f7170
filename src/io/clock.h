#pragma once
// The two clocks of the machine. Only loops in io and agent ask them; everything below takes the
// time as an argument. now() is CLOCK_BOOTTIME's cheaper sister CLOCK_MONOTONIC: it does not jump
// when the calendar is set. wall_now() may jump.

#include "base/time.h"

namespace nl::io {

Instant now();
WallTime wall_now();

}  // namespace nl::io
