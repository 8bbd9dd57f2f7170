#pragma once
// Where a driver's events go: into the node's loop. Callable from any thread.

#include "client/driver.h"

#include <functional>

namespace nl::drivers {

using EventSink = std::function<void(client::DriverEvent)>;

}  // namespace nl::drivers
