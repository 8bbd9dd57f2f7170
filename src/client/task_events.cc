#include "client/task_events.h"

#include <utility>

namespace nl::client {
namespace events {

using model::TaskEvent;

TaskEvent plain(std::string type) {
    TaskEvent event;
    event.type = std::move(type);
    return event;
}

namespace {

TaskEvent with_message(std::string type, std::string message) {
    TaskEvent event = plain(std::move(type));
    event.details["message"] = message;
    event.message = std::move(message);
    return event;
}

}  // namespace

TaskEvent received() {
    return plain("Received");
}
TaskEvent setup(std::string message) {
    return with_message("Task Setup", std::move(message));
}
TaskEvent started() {
    return plain("Started");
}

TaskEvent terminated(const ExitResult& result) {
    TaskEvent event = plain("Terminated");
    event.exit_code = result.exit_code;
    event.signal = result.signal;
    event.details["exit_code"] = std::to_string(result.exit_code);
    event.details["signal"] = std::to_string(result.signal);
    event.details["oom_killed"] = result.oom_killed ? "true" : "false";
    if (!result.error.empty()) {
        event.message = result.error;
        event.details["exit_message"] = result.error;
    }
    return event;
}

TaskEvent restarting(std::string reason, Duration delay) {
    TaskEvent event = plain("Restarting");
    event.start_delay = delay.ns;
    event.details["start_delay"] = std::to_string(delay.ns);
    if (!reason.empty()) {
        event.details["restart_reason"] = reason;
        event.restart_reason = std::move(reason);
    }
    return event;
}

TaskEvent not_restarting(std::string reason) {
    TaskEvent event = plain("Not Restarting");
    event.fails_task = true;
    event.details["fails_task"] = "true";
    if (!reason.empty()) {
        event.details["restart_reason"] = reason;
        event.restart_reason = std::move(reason);
    }
    return event;
}

TaskEvent killing(Duration timeout, std::string reason) {
    TaskEvent event = plain("Killing");
    event.kill_timeout = timeout;
    event.details["kill_timeout"] = to_string(timeout);
    if (!reason.empty()) {
        event.details["kill_reason"] = reason;
        event.kill_reason = std::move(reason);
    }
    return event;
}

TaskEvent killed() {
    return plain("Killed");
}

TaskEvent signaling(std::string signal, std::string reason) {
    TaskEvent event = plain("Signaling");
    event.details["task_signal"] = signal;
    event.task_signal = std::move(signal);
    if (!reason.empty()) {
        event.details["task_signal_reason"] = reason;
        event.task_signal_reason = std::move(reason);
    }
    return event;
}

TaskEvent restart_signaled(std::string reason) {
    TaskEvent event = plain("Restart Signaled");
    if (!reason.empty()) {
        event.details["restart_reason"] = reason;
        event.restart_reason = std::move(reason);
    }
    return event;
}

TaskEvent setup_failure(std::string error) {
    TaskEvent event = plain("Setup Failure");
    event.details["setup_error"] = error;
    event.setup_error = std::move(error);
    return event;
}

TaskEvent driver_failure(std::string error) {
    TaskEvent event = plain("Driver Failure");
    event.details["driver_error"] = error;
    event.driver_error = std::move(error);
    return event;
}

TaskEvent failed_validation(std::string error) {
    TaskEvent event = plain("Failed Validation");
    event.fails_task = true;
    event.details["fails_task"] = "true";
    event.details["validation_error"] = error;
    event.validation_error = std::move(error);
    return event;
}

TaskEvent sibling_failed(std::string sibling) {
    TaskEvent event = plain("Sibling Task Failed");
    event.details["failed_sibling"] = sibling;
    event.failed_sibling = std::move(sibling);
    return event;
}

TaskEvent leader_dead() {
    return plain("Leader Task Dead");
}
TaskEvent main_tasks_dead() {
    return plain("Main Tasks Dead");
}

TaskEvent hook_failed(std::string hook, std::string error) {
    return with_message("Task hook failed", hook + ": " + error);
}

TaskEvent failed_restoring(std::string error) {
    return with_message("Failed Restoring Task", std::move(error));
}

TaskEvent driver_message(std::string message) {
    TaskEvent event = plain("Driver");
    event.details["driver_message"] = message;
    event.driver_message = std::move(message);
    return event;
}

TaskEvent shutdown_delay(Duration delay) {
    return with_message(
        "Waiting for shutdown delay",
        "Waiting for shutdown_delay of " + to_string(delay) + " before killing the task."
    );
}

TaskEvent skipping_shutdown_delay() {
    return plain("Skipping shutdown delay");
}

TaskEvent downloading_artifacts() {
    return plain("Downloading Artifacts");
}

TaskEvent artifact_failure(std::string error) {
    TaskEvent event = plain("Failed Artifact Download");
    event.details["download_error"] = error;
    event.download_error = std::move(error);
    return event;
}

TaskEvent disk_exceeded(std::int64_t limit_mb) {
    TaskEvent event = plain("Disk Resources Exceeded");
    event.details["disk_limit"] = std::to_string(limit_mb);
    event.disk_limit = limit_mb;
    event.fails_task = true;
    event.details["fails_task"] = "true";
    return event;
}

TaskEvent said(std::string type, std::string message) {
    return with_message(std::move(type), std::move(message));
}

TaskEvent unhealthy(std::string message) {
    return with_message("Alloc Unhealthy", std::move(message));
}

}  // namespace events

void append_event(model::TaskState& state, model::TaskEvent event, WallTime at) {
    event.time = at.unix_ns;
    if (state.events.size() >= kMaxTaskEvents) {
        state.events.erase(state.events.begin());
    }
    state.events.push_back(std::move(event));
}

}  // namespace nl::client
