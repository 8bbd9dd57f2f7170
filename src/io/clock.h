#pragma once
// The two clocks of the machine. Only loops in io and agent ask them; everything below takes the
// time as an argument. now() never jumps when the calendar is set; wall_now() may.

#include "base/time.h"

namespace nl::io {

Instant now();
WallTime wall_now();

}  // namespace nl::io
