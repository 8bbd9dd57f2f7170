#include "model/task_event_words.h"

#include "base/time.h"

#include <fmt/format.h>

namespace nl::model {
namespace {

const std::string& first_of(const std::string& a, const std::string& b) {
    return a.empty() ? b : a;
}

std::string or_else(const std::string& text, std::string_view otherwise) {
    return text.empty() ? std::string(otherwise) : text;
}

std::string detail(const TaskEvent& event, std::string_view key) {
    const auto at = event.details.find(key);
    return at == event.details.end() ? std::string() : at->second;
}

std::string terminated(const TaskEvent& event) {
    std::string out = fmt::format("Exit Code: {}", event.exit_code);
    if (event.signal != 0) {
        out += fmt::format(", Signal: {}", event.signal);
    }
    const std::string said = first_of(event.message, detail(event, "exit_message"));
    if (!said.empty()) {
        out += fmt::format(", Exit Message: \"{}\"", said);
    }
    return out;
}

std::string killing(const TaskEvent& event) {
    if (!event.kill_reason.empty()) {
        return event.kill_reason;
    }
    if (event.kill_timeout.ns != 0) {
        return fmt::format(
            "Sent interrupt. Waiting {} before force killing", to_string(event.kill_timeout)
        );
    }
    return "Sent interrupt";
}

std::string signaling(const TaskEvent& event) {
    if (event.task_signal.empty() && event.task_signal_reason.empty()) {
        return "Task being sent a signal";
    }
    if (event.task_signal_reason.empty()) {
        return fmt::format("Task being sent signal {}", event.task_signal);
    }
    if (event.task_signal.empty()) {
        return fmt::format("Task being sent a signal: {}", event.task_signal_reason);
    }
    return fmt::format(
        "Task being sent signal {}: {}", event.task_signal, event.task_signal_reason
    );
}

}  // namespace

std::string display_message(const TaskEvent& event) {
    const std::string& type = event.type;
    if (type == "Received") {
        return "Task received by client";
    }
    if (type == "Started") {
        return "Task started by client";
    }
    if (type == "Terminated") {
        return terminated(event);
    }
    if (type == "Restarting") {
        const std::string delay =
            fmt::format("Task restarting in {}", to_string(Duration{event.start_delay}));
        return event.restart_reason.empty() ? delay : event.restart_reason + " - " + delay;
    }
    if (type == "Not Restarting") {
        return or_else(event.restart_reason, "Task exceeded restart policy");
    }
    if (type == "Killing") {
        return killing(event);
    }
    if (type == "Killed") {
        return or_else(event.kill_error, "Task successfully killed");
    }
    if (type == "Signaling") {
        return signaling(event);
    }
    if (type == "Restart Signaled") {
        return or_else(event.restart_reason, "Task signaled to restart");
    }
    if (type == "Setup Failure") {
        return or_else(event.setup_error, "Task setup failed");
    }
    if (type == "Driver Failure") {
        return or_else(event.driver_error, "Failed to start task");
    }
    if (type == "Failed Validation") {
        return or_else(event.validation_error, "Validation of task failed");
    }
    if (type == "Downloading Artifacts") {
        return "Client is downloading artifacts";
    }
    if (type == "Failed Artifact Download") {
        return or_else(event.download_error, "Failed to download artifacts");
    }
    if (type == "Disk Resources Exceeded") {
        return event.disk_limit != 0
                   ? fmt::format("Disk limit of {} MB was exceeded", event.disk_limit)
                   : or_else(event.message, "The disk limit was exceeded");
    }
    if (type == "Sibling Task Failed") {
        return event.failed_sibling.empty()
                   ? "Task's sibling failed"
                   : fmt::format("Task's sibling \"{}\" failed", event.failed_sibling);
    }
    if (type == "Leader Task Dead") {
        return "Leader Task in Group dead";
    }
    if (type == "Main Tasks Dead") {
        return "Main tasks in the group died";
    }
    if (type == "Reconnected") {
        return "Client reconnected";
    }
    if (type == "Driver") {
        return event.driver_message;
    }
    return event.message;
}

}  // namespace nl::model
