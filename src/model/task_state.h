#pragma once
// A task's state on its node, and the events that led there.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct TaskEvent {
    std::string type{};
    std::int64_t time{};
    std::string message{};
    std::string display_message{};
    StringMap details{};
    bool fails_task{};
    std::string restart_reason{};
    std::string setup_error{};
    std::string driver_error{};
    std::int64_t exit_code{};
    std::int64_t signal{};
    Duration kill_timeout{};
    std::string kill_error{};
    std::string kill_reason{};
    std::int64_t start_delay{};
    std::string download_error{};
    std::string validation_error{};
    std::int64_t disk_limit{};
    std::string failed_sibling{};
    std::string vault_error{};
    std::string task_signal_reason{};
    std::string task_signal{};
    std::string driver_message{};
    std::string generic_source{};

    NL_FIELDS(
        TaskEvent,
        (1, type),
        (2, time),
        (3, message),
        (4, display_message),
        (5, details),
        (6, fails_task),
        (7, restart_reason),
        (8, setup_error),
        (9, driver_error),
        (10, exit_code),
        (11, signal),
        (12, kill_timeout),
        (13, kill_error),
        (14, kill_reason),
        (15, start_delay),
        (16, download_error),
        (17, validation_error),
        (18, disk_limit),
        (19, failed_sibling),
        (20, vault_error),
        (21, task_signal_reason),
        (22, task_signal),
        (23, driver_message),
        (24, generic_source)
    )
};

struct TaskState {
    std::string state{};
    bool failed{};
    std::int64_t restarts{};
    WallTime last_restart{};
    WallTime started_at{};
    WallTime finished_at{};
    std::vector<TaskEvent> events{};
    std::string paused{};

    NL_FIELDS(
        TaskState,
        (1, state),
        (2, failed),
        (3, restarts),
        (4, last_restart),
        (5, started_at),
        (6, finished_at),
        (7, events),
        (8, paused)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::TaskEvent>();
extern template const StructType& struct_type<model::TaskState>();
}  // namespace nl::codec
