#pragma once
// Task events in Nomad's words (JSON conventions, section 4): each maker fills the type, the legacy
// field and the details entry that Nomad's clients read. A task keeps the newest kMaxTaskEvents.
// DisplayMessage is made when an event is read, elsewhere.

#include "base/time.h"
#include "client/driver.h"
#include "model/task_state.h"

#include <string>

namespace nl::client {

inline constexpr std::size_t kMaxTaskEvents = 10;

namespace events {

model::TaskEvent plain(std::string type);
model::TaskEvent received();
model::TaskEvent setup(std::string message);
model::TaskEvent started();
model::TaskEvent terminated(const ExitResult& result);
model::TaskEvent restarting(std::string reason, Duration delay);
model::TaskEvent not_restarting(std::string reason);
model::TaskEvent killing(Duration timeout, std::string reason);
model::TaskEvent killed();
model::TaskEvent signaling(std::string signal, std::string reason);
model::TaskEvent restart_signaled(std::string reason);
model::TaskEvent setup_failure(std::string error);
model::TaskEvent driver_failure(std::string error);
model::TaskEvent failed_validation(std::string error);
model::TaskEvent sibling_failed(std::string sibling);
model::TaskEvent leader_dead();
model::TaskEvent main_tasks_dead();
model::TaskEvent hook_failed(std::string hook, std::string error);
model::TaskEvent failed_restoring(std::string error);
model::TaskEvent driver_message(std::string message);
model::TaskEvent shutdown_delay(Duration delay);
model::TaskEvent skipping_shutdown_delay();
model::TaskEvent downloading_artifacts();
model::TaskEvent artifact_failure(std::string error);
model::TaskEvent disk_exceeded(std::int64_t limit_mb);
/// What a hook has to say: type "Template", "Network" and so on.
model::TaskEvent said(std::string type, std::string message);
model::TaskEvent unhealthy(std::string message);

}  // namespace events

/// Appends with the time, and lets the oldest go.
void append_event(model::TaskState& state, model::TaskEvent event, WallTime at);

}  // namespace nl::client
