#pragma once
// A program run beside a task in a container (the engine's exec): one connection that carries its
// input and output, one thread that reads it. Ends with the agent.

#include "client/driver.h"
#include "drivers/engine/http.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace nl::drivers {

/// Input that waits for one program at most.
inline constexpr std::size_t kEngineExecInputMax = std::size_t{4} << 20;

/// Errors: NotFound (no such container or command), Conflict (it does not run), Unavailable.
Result<std::unique_ptr<client::ExecProcess>> start_engine_exec(
    const EngineClient& engine,
    const std::string& container,
    const client::ExecSpec& spec,
    client::ExecHandlers handlers
);

}  // namespace nl::drivers
