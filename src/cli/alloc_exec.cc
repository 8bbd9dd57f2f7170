#include "cli/exec_session.h"
#include "cli/lookup.h"

namespace nl::cli {
namespace {

int run(Context& context) {
    const auto flags = read_exec_flags(context);
    if (!flags) {
        return context.usage_error(flags.error().message);
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string typed = context.argument(0);
    const auto alloc = context.on("job")
                           ? find_allocation_of_job(context, *api, typed, context.text("group"))
                           : find_allocation(context, *api, typed);
    if (!alloc) {
        return 1;
    }
    const auto task = choose_task(context, *alloc, context.text("task"));
    if (!task) {
        return 1;
    }
    const std::vector<std::string>& words = context.arguments();
    const Value::List command(words.begin() + 1, words.end());
    return run_exec_session(
        context,
        system_terminal(),
        api_path({"client", "allocation", Doc(*alloc)["ID"].text(), "exec"}),
        {{"task", *task},
         {"namespace", api->settings().namespace_},
         {"tty", flags->tty ? "true" : "false"},
         {"command", write_json(command, JsonStyle::Compact)}},
        *flags
    );
}

int run_action(Context& context) {
    const auto flags = read_exec_flags(context);
    if (!flags) {
        return context.usage_error(flags.error().message);
    }
    const std::string action = context.argument(0);
    std::string job = context.text("job");
    const std::string task = context.text("task");
    const std::string alloc_typed = context.text("alloc");
    const std::string group = context.text("group");
    if (job.empty()) {
        return context.usage_error("A job ID is required");
    }
    if (task.empty()) {
        return context.usage_error("A task name is required");
    }
    if (alloc_typed.empty() && group.empty()) {
        return context.usage_error("A group name is required if no allocation is given");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto found = find_job(context, *api, job);
    if (!found) {
        return 1;
    }
    job = found->id;
    std::string alloc_id;
    if (!alloc_typed.empty()) {
        const auto alloc = find_allocation(context, *api, alloc_typed);
        if (!alloc) {
            return 1;
        }
        alloc_id = Doc(*alloc)["ID"].text();
    }
    return run_exec_session(
        context,
        system_terminal(),
        api_path({"job", job, "action"}),
        {{"action", action},
         {"namespace", api->settings().namespace_},
         {"task", task},
         {"allocID", alloc_id},
         {"group", group},
         {"tty", flags->tty ? "true" : "false"},
         {"command", "[]"}},
        *flags
    );
}

}  // namespace

Command alloc_exec_command() {
    return {
        .path = "alloc exec",
        .usage = "[options] <allocation> <command> [<argument>...]",
        .synopsis = "Run a command beside a task",
        .help =
            "Runs a command in the surroundings of a running task (its user, environment, directory "
            "and\n"
            "whatever keeps it in) and ends with the command's exit code. The task may be left out "
            "when\n"
            "there is only one. On a terminal the command gets one too; ~. at the start of a line "
            "leaves.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite alloc exec 5a1c /bin/sh\n"
            "  $ nomad-lite alloc exec -task web 5a1c ls -l local\n"
            "  $ echo hello | nomad-lite alloc exec -t=false -job web cat",
        .flags = exec_flags() +
                 std::vector<FlagSpec>{
                     {.name = "task", .kind = FlagKind::Text, .help = "The task."},
                     {.name = "job",
                      .kind = FlagKind::Bool,
                      .help = "The argument is a job; one of its allocations is taken."},
                     {.name = "group",
                      .kind = FlagKind::Text,
                      .help = "With -job: an allocation of this group."},
                 },
        .arguments =
            {.least = 2,
             .most = kManyArguments,
             .words = "at least two arguments: <allocation> <command>"},
        .run = run,
        .runs_a_program = true,
        .aliases = {"exec"},
    };
}

Command job_action_command() {
    return {
        .path = "job action",
        .usage = "[options] <action>",
        .synopsis = "Run an action that a job defines",
        .help =
            "Runs one of the actions a task of a job defines, beside the running task, and ends "
            "with its\n"
            "exit code. Without -alloc any running allocation of the group is taken.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite job action -job web -group app -task server flush-cache\n"
            "  $ nomad-lite job action -job web -alloc 5a1c -task server flush-cache",
        .flags = exec_flags() +
                 std::vector<FlagSpec>{
                     {.name = "job", .kind = FlagKind::Text, .help = "The job."},
                     {.name = "task", .kind = FlagKind::Text, .help = "The task."},
                     {.name = "group",
                      .kind = FlagKind::Text,
                      .help = "An allocation of this group is taken."},
                     {.name = "alloc", .kind = FlagKind::Text, .help = "The allocation."},
                 },
        .arguments = {.least = 1, .most = 1, .words = "one argument: <action>"},
        .run = run_action,
        .aliases = {"action"},
    };
}

}  // namespace nl::cli
