#include "api/task_messages.h"

#include "base/time.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

namespace nl::api {
namespace {

using model::TaskEvent;

std::string or_else(const std::string& text, std::string_view otherwise) {
    return std::string(text.empty() ? otherwise : std::string_view(text));
}

std::string terminated(const TaskEvent& event) {
    std::string out = fmt::format("Exit Code: {}", event.exit_code);
    if (event.signal != 0) {
        out += fmt::format(", Signal: {}", event.signal);
    }
    if (!event.message.empty()) {
        out += fmt::format(", Exit Message: \"{}\"", event.message);
    }
    return out;
}

std::string restarting(const TaskEvent& event) {
    const std::string in =
        fmt::format("Task restarting in {}", to_string(Duration{event.start_delay}));
    const bool reason =
        !event.restart_reason.empty() && event.restart_reason != "Restart within policy";
    return reason ? event.restart_reason + " - " + in : in;
}

std::string killing(const TaskEvent& event) {
    if (!event.kill_reason.empty()) {
        return event.kill_reason;
    }
    return event.kill_timeout.ns > 0
               ? fmt::format(
                     "Sent interrupt. Waiting {} before force killing",
                     to_string(event.kill_timeout)
                 )
               : "Sent interrupt";
}

std::string signaling(const TaskEvent& event) {
    if (event.task_signal.empty() && event.task_signal_reason.empty()) {
        return "Task being sent a signal";
    }
    if (event.task_signal.empty()) {
        return event.task_signal_reason;
    }
    std::string out = fmt::format("Task being sent signal {}", event.task_signal);
    return event.task_signal_reason.empty() ? out : out + ": " + event.task_signal_reason;
}

/// Types whose sentence is a field, or stands for itself when the field is empty.
struct Plain {
    std::string_view type;
    std::string TaskEvent::*field;
    std::string_view otherwise;
};
constexpr std::array<Plain, 17> kPlain{{
    {"Received", nullptr, "Task received by client"},
    {"Task Setup", &TaskEvent::message, ""},
    {"Building Task Directory", &TaskEvent::message, "Building Task Directory"},
    {"Started", nullptr, "Task started by client"},
    {"Downloading Artifacts", nullptr, "Client is downloading artifacts"},
    {"Failed Artifact Download", &TaskEvent::download_error, "Failed to download artifacts"},
    {"Not Restarting", &TaskEvent::restart_reason, "Task exceeded restart policy"},
    {"Restart Signaled", &TaskEvent::restart_reason, "Task signaled to restart"},
    {"Setup Failure", &TaskEvent::setup_error, "Task setup failed"},
    {"Driver Failure", &TaskEvent::driver_error, "Failed to start task"},
    {"Failed Validation", &TaskEvent::validation_error, "Validation of task failed"},
    {"Driver", &TaskEvent::driver_message, ""},
    {"Leader Task Dead", nullptr, "Leader Task in Group dead"},
    {"Main Tasks Dead", nullptr, "Main tasks in the group died"},
    {"Reconnected", nullptr, "Client reconnected"},
    {"Plugin became healthy", nullptr, "Plugin became healthy"},
    {"Plugin became unhealthy", nullptr, "Plugin became unhealthy"},
}};

}  // namespace

std::string display_message(const TaskEvent& event) {
    for (const Plain& plain : kPlain) {
        if (plain.type == event.type) {
            return or_else(
                plain.field == nullptr ? std::string() : event.*plain.field, plain.otherwise
            );
        }
    }
    if (event.type == "Terminated") {
        return terminated(event);
    }
    if (event.type == "Restarting") {
        return restarting(event);
    }
    if (event.type == "Killing") {
        return killing(event);
    }
    if (event.type == "Killed") {
        return or_else(event.kill_error, "Task successfully killed");
    }
    if (event.type == "Signaling") {
        return signaling(event);
    }
    if (event.type == "Sibling Task Failed") {
        return event.failed_sibling.empty()
                   ? "Task's sibling failed"
                   : fmt::format("Task's sibling \"{}\" failed", event.failed_sibling);
    }
    if (event.type == "Disk Resources Exceeded") {
        return event.disk_limit != 0
                   ? fmt::format(
                         "Disk resources exceeded the limit of {} bytes", event.disk_limit
                     )
                   : "Disk resources exceeded";
    }
    return event.message;
}

void fill_display_messages(Map<model::TaskState>& states) {
    for (auto& [name, state] : states) {
        for (TaskEvent& event : state.events) {
            if (event.display_message.empty()) {
                event.display_message = display_message(event);
            }
        }
    }
}

}  // namespace nl::api
