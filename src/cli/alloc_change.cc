// alloc stop, restart and signal.

#include "cli/context.h"
#include "cli/lookup.h"
#include "cli/monitor.h"

namespace nl::cli {

namespace {

int run_stop(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto alloc = find_by_id(context, *api, IdNoun::Allocation, context.argument(0));
    if (!alloc) {
        return 1;
    }
    Query query;
    if (context.on("no-shutdown-delay")) {
        query.emplace_back("no_shutdown_delay", "true");
    }
    if (context.on("no-replacement")) {
        query.emplace_back("replace", "false");
    }
    const auto answer = api->put(api_path({"allocation", Doc(*alloc)["ID"].text(), "stop"}), query);
    if (!answer) {
        return context.fail("Error stopping allocation: {}", answer.error().message);
    }
    const std::string evaluation = Doc(*answer)["EvalID"].text();
    if (context.on("detach")) {
        context.line("{}", evaluation);
        return 0;
    }
    return monitor_evaluation(context, *api, evaluation);
}

// The task from the flag, else from the second argument, else "" for the whole allocation.
std::string named_task(const Context& context) {
    return context.text("task").empty() ? context.argument(1) : context.text("task");
}

int run_restart(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    std::string task = named_task(context);
    if (context.on("all-tasks") && !task.empty()) {
        return context.usage_error(
            "The -all-tasks option is not allowed when restarting a specific task"
        );
    }
    const auto alloc = find_allocation(context, *api, context.argument(0));
    if (!alloc) {
        return 1;
    }
    if (!task.empty()) {
        const auto chosen = choose_task(context, *alloc, task);
        if (!chosen) {
            return 1;
        }
        task = *chosen;
    }
    const auto answer = api->put(
        api_path({"client", "allocation", Doc(*alloc)["ID"].text(), "restart"}),
        {},
        Value::Map{{"TaskName", task}, {"AllTasks", context.on("all-tasks")}}
    );
    if (!answer) {
        return context.fail("Failed to restart allocation:\n\n{}", answer.error().message);
    }
    return 0;
}

int run_signal(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto alloc = find_allocation(context, *api, context.argument(0));
    if (!alloc) {
        return 1;
    }
    std::string task = named_task(context);
    if (!task.empty()) {
        const auto chosen = choose_task(context, *alloc, task);
        if (!chosen) {
            return 1;
        }
        task = *chosen;
    }
    const auto answer = api->put(
        api_path({"client", "allocation", Doc(*alloc)["ID"].text(), "signal"}),
        {},
        Value::Map{{"Signal", context.text("s")}, {"Task", task}}
    );
    if (!answer) {
        return context.fail("Error signalling allocation: {}", answer.error().message);
    }
    return 0;
}

const FlagSpec kTask{
    .name = "task", .kind = FlagKind::Text, .help = "The task; without it, every task that fits."
};
const FlagSpec kVerbose{.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."};

}  // namespace

Command alloc_stop_command() {
    return {
        .path = "alloc stop",
        .usage = "[options] <allocation>",
        .synopsis = "Stop an allocation; the job gets another one",
        .help =
            "Stops the allocation and follows the evaluation that places its replacement.\n\n"
            "Example:\n\n  $ nomad-lite alloc stop 5a1c",
        .flags =
            {{.name = "detach",
              .kind = FlagKind::Bool,
              .help = "Return at once and print the evaluation's id."},
             {.name = "no-shutdown-delay",
              .kind = FlagKind::Bool,
              .help = "Do not wait for shutdown_delay."},
             {.name = "no-replacement",
              .kind = FlagKind::Bool,
              .help = "Leave its place empty until the job changes."},
             kVerbose},
        .arguments = {.least = 1, .most = 1, .words = "one argument: <allocation>"},
        .run = run_stop,
    };
}

Command alloc_restart_command() {
    return {
        .path = "alloc restart",
        .usage = "[options] <allocation> [<task>]",
        .synopsis = "Restart an allocation's tasks in place",
        .help =
            "Restarts one task, the running ones, or with -all-tasks all of them, where they "
            "are.\n\n"
            "Example:\n\n  $ nomad-lite alloc restart 5a1c web",
        .flags =
            {kTask,
             {.name = "all-tasks",
              .kind = FlagKind::Bool,
              .help = "Restart tasks that have ended as well."},
             kVerbose},
        .arguments =
            {.least = 1, .most = 2, .words = "one or two arguments: <allocation> [<task>]"},
        .run = run_restart,
    };
}

Command alloc_signal_command() {
    return {
        .path = "alloc signal",
        .usage = "[options] <allocation> [<task>]",
        .synopsis = "Send a signal to an allocation's tasks",
        .help =
            "Sends a signal to one task or to all of them.\n\n"
            "Example:\n\n  $ nomad-lite alloc signal -s SIGHUP 5a1c web",
        .flags =
            {{.name = "s", .kind = FlagKind::Text, .help = "The signal.", .fallback = "SIGKILL"},
             kTask,
             kVerbose},
        .arguments =
            {.least = 1, .most = 2, .words = "one or two arguments: <allocation> [<task>]"},
        .run = run_signal,
    };
}

}  // namespace nl::cli
