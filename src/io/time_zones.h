#pragma once
// Time zones of the system's database (package tzdata), as values. Reads a zone's file when it is
// first asked for and keeps it; a zone that is updated on disk is seen after a restart, so that one
// process never changes its mind. The rules that go on for ever are written out up to the last year
// a cron expression can name. Any thread.

#include "expr/zone.h"

#include <memory>

namespace nl::io {

/// Names with anything but letters, digits and `/ _ - +` are unknown, as are those tzdata lacks.
std::shared_ptr<const expr::ZoneSource> system_time_zones();

}  // namespace nl::io
