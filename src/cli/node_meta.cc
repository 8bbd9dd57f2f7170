// A node's metadata, the servers it knows, and the checks and schedules of allocations.
#include "cli/context.h"
#include "cli/lookup.h"

#include <algorithm>

namespace nl::cli {
namespace {

/// The node that was named, by prefix, or the agent's own.
std::optional<std::string> chosen_node(Context& context, Api& api) {
    const std::string typed = context.text("node-id");
    if (typed.empty()) {
        return "";
    }
    const auto node = find_by_id(context, api, IdNoun::Node, typed);
    return node ? std::optional(Doc(*node)["ID"].text()) : std::nullopt;
}

void show_meta(const Context& context, const char* title, Doc values) {
    context.line("{}", context.ui().bold(title));
    Pairs pairs;
    for (const auto& [key, value] : values.map()) {
        pairs.emplace_back(key, value.is_null() ? "<unset>" : Doc(value).text());
    }
    context.ui().line(pairs.empty() ? "<none>" : key_values(pairs));
}

int read_meta(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto node = chosen_node(context, *api);
    if (!node) {
        return 1;
    }
    Query query;
    if (!node->empty()) {
        query.emplace_back("node_id", *node);
    }
    const auto answer = api->get(api_path({"client", "metadata"}), query);
    if (!answer) {
        return context.fail("Error reading dynamic node metadata: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Doc meta(*answer);
    show_meta(context, "All Meta", meta["Meta"]);
    context.line("");
    show_meta(context, "Dynamic Meta", meta["Dynamic"]);
    context.line("");
    show_meta(context, "Static Meta", meta["Static"]);
    return 0;
}

int apply_meta(Context& context) {
    Value::Map changes;
    const std::string unset = context.text("unset");
    for (std::size_t at = 0; at < unset.size();) {
        const std::size_t comma = std::min(unset.find(',', at), unset.size());
        if (comma > at) {
            changes.insert_or_assign(unset.substr(at, comma - at), Value());
        }
        at = comma + 1;
    }
    for (const std::string& word : context.arguments()) {
        const std::size_t equals = word.find('=');
        if (equals == 0 || equals == std::string::npos) {
            return context.usage_error(
                fmt::format("Metadata is written key=value; \"{}\" is not", word)
            );
        }
        changes.insert_or_assign(word.substr(0, equals), word.substr(equals + 1));
    }
    if (changes.empty()) {
        return context.usage_error("Must specify -unset or at least one key=value pair");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto node = chosen_node(context, *api);
    if (!node) {
        return 1;
    }
    Query query;
    if (!node->empty()) {
        query.emplace_back("node_id", *node);
    }
    const auto answer = api->post(
        api_path({"client", "metadata"}),
        query,
        Value::Map{{"NodeID", *node}, {"Meta", std::move(changes)}}
    );
    return answer ? 0
                  : context.fail(
                        "Error applying dynamic node metadata: {}", answer.error().message
                    );
}

int node_config(Context& context) {
    const bool update = context.on("update-servers");
    if (update == context.on("servers")) {
        return context.usage_error("The '-servers' or '-update-servers' flag must be set");
    }
    if (update && context.arguments().empty()) {
        return context.usage_error("If the '-update-servers' flag is set, at least one server is needed"
        );
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    if (update) {
        Query query;
        for (const std::string& address : context.arguments()) {
            query.emplace_back("address", address);
        }
        const auto answer = api->put(api_path({"agent", "servers"}), query);
        return answer ? 0
                      : context.fail("Error updating server list: {}", answer.error().message);
    }
    const auto answer = api->get(api_path({"agent", "servers"}));
    if (!answer) {
        return context.fail("Error querying server list: {}", answer.error().message);
    }
    for (const Value& address : Doc(*answer).list()) {
        context.ui().line(Doc(address).text());
    }
    return 0;
}

int show_checks(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto alloc = find_allocation(context, *api, context.argument(0));
    if (!alloc) {
        return 1;
    }
    const auto answer = api->get(
        api_path({"client", "allocation", Doc(*alloc)["ID"].text(), "checks"})
    );
    if (!answer) {
        return context.fail("Error querying allocation checks: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Value::Map& checks = Doc(*answer).map();
    context.line("Status of {} Nomad Service Checks", checks.size());
    for (const auto& [id, value] : checks) {
        const Doc check(value);
        Pairs pairs{
            {"ID", short_id(id, context.id_length())},
            {"Name", check["Check"].text()},
            {"Group", check["Group"].text()},
        };
        if (const std::string task = check["Task"].text(); !task.empty()) {
            pairs.emplace_back("Task", task);
        }
        pairs.emplace_back("Service", check["Service"].text());
        pairs.emplace_back("Status", check["Status"].text());
        if (const std::int64_t code = check["StatusCode"].integer(); code != 0) {
            pairs.emplace_back("StatusCode", fmt::format("{}", code));
        }
        pairs.emplace_back("Mode", check["Mode"].text());
        pairs.emplace_back(
            "Timestamp",
            context.time(WallTime{check["Timestamp"].integer() * 1'000'000'000})
        );
        std::string output = check["Output"].text();
        std::ranges::replace(output, '\n', ' ');
        pairs.emplace_back("Output", std::move(output));
        context.line("");
        context.ui().line(key_values(pairs));
    }
    return 0;
}

int pause(Context& context) {
    const std::string state = context.text("state");
    if (state != "pause" && state != "run" && state != "scheduled") {
        return context.usage_error("Flag -state must be one of: pause, run, scheduled");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto alloc = find_allocation(context, *api, context.argument(0));
    if (!alloc) {
        return 1;
    }
    const std::string named =
        context.text("task").empty() ? context.argument(1) : context.text("task");
    const auto task = choose_task(context, *alloc, named);
    if (!task) {
        return 1;
    }
    const std::string path =
        api_path({"client", "allocation", Doc(*alloc)["ID"].text(), "pause"});
    if (context.on("status")) {
        const auto answer = api->get(path, {{"task", *task}});
        if (!answer) {
            return context.fail("Error getting task schedule state: {}", answer.error().message);
        }
        context.ui().line(Doc(*answer)["ScheduleState"].text());
        return 0;
    }
    const auto answer =
        api->put(path, {}, Value::Map{{"Task", *task}, {"ScheduleState", state}});
    return answer ? 0 : context.fail("Error pausing task: {}", answer.error().message);
}

int delete_evals(Context& context) {
    const std::string filter = context.text("filter");
    const std::string id = context.argument(0);
    if (id.empty() == filter.empty()) {
        return context.usage_error(
            id.empty() ? "This command requires either an argument: <evaluation>, or -filter"
                       : "Evaluation ID and -filter cannot be used together"
        );
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto config = api->get(api_path({"operator", "scheduler", "configuration"}));
    if (!config) {
        return context.fail("Error querying scheduler configuration: {}", config.error().message);
    }
    if (!Doc(*config)["SchedulerConfig"]["PauseEvalBroker"].flag()) {
        return context.fail(
            "Eval broker is not paused; first run: {} operator scheduler set-config "
            "-pause-eval-broker=true",
            context.program()
        );
    }
    Value::Map body;
    if (filter.empty()) {
        const auto eval = find_by_id(context, *api, IdNoun::Evaluation, id);
        if (!eval) {
            return 1;
        }
        body.emplace("EvalIDs", Value::List{Doc(*eval)["ID"].text()});
    } else {
        const auto count =
            api->get(api_path({"evaluations", "count"}), {{"filter", filter}});
        if (!count) {
            return context.fail("Error counting evaluations: {}", count.error().message);
        }
        const std::int64_t found = Doc(*count)["Count"].integer();
        if (found == 0) {
            return context.fail("failed to find any evals that matched filter criteria");
        }
        if (!context.on("yes") &&
            !context.confirm(
                fmt::format("Do you want to delete {} evaluations matching the filter?", found)
            )) {
            context.line("Cancelling eval deletion");
            return 0;
        }
        body.emplace("Filter", filter);
    }
    const auto answer = api->remove(api_path({"evaluations"}), {}, body);
    if (!answer) {
        return context.fail("Error deleting evaluations: {}", answer.error().message);
    }
    const std::int64_t count = Doc(*answer)["Count"].integer();
    context.line("Successfully deleted {} evaluation{}", count, count == 1 ? "" : "s");
    return 0;
}

}  // namespace

Command node_meta_read_command() {
    return {
        .path = "node meta read",
        .usage = "[options]",
        .synopsis = "Show a node's metadata",
        .help = "Shows a node's metadata: all of it, what was set while it ran, and what its "
                "configuration\nsays. Without -node-id the agent's own node.\n\n"
                "Example:\n\n  $ nomad-lite node meta read -node-id 46f1",
        .flags = object_flags() +
                 std::vector<FlagSpec>{
                     {.name = "node-id", .kind = FlagKind::Text, .help = "The node."}
                 },
        .arguments = {},
        .run = read_meta,
    };
}

Command node_meta_apply_command() {
    return {
        .path = "node meta apply",
        .usage = "[options] <key>=<value>...",
        .synopsis = "Change a node's metadata while it runs",
        .help = "Sets metadata of a node, or takes it away with -unset. It outlives the agent.\n\n"
                "Example:\n\n  $ nomad-lite node meta apply -node-id 46f1 -unset old rack=r7",
        .flags =
            {
                {.name = "node-id", .kind = FlagKind::Text, .help = "The node."},
                {.name = "unset",
                 .kind = FlagKind::Text,
                 .help = "Keys to take away, separated by commas."},
            },
        .arguments = {.least = 0, .most = kManyArguments, .words = "arguments: <key>=<value>..."},
        .run = apply_meta,
    };
}

Command node_config_command() {
    return {
        .path = "node config",
        .usage = "[options] [<address>...]",
        .synopsis = "Show or set the servers a client tries",
        .help = "Shows the servers that the client knows, or gives it others.\n\n"
                "Examples:\n\n  $ nomad-lite node config -servers\n"
                "  $ nomad-lite node config -update-servers 10.0.0.1:4647 10.0.0.2:4647",
        .flags =
            {
                {.name = "servers", .kind = FlagKind::Bool, .help = "Show them."},
                {.name = "update-servers", .kind = FlagKind::Bool, .help = "Set them."},
            },
        .arguments = {.least = 0, .most = kManyArguments, .words = "arguments: <address>..."},
        .run = node_config,
        .aliases = {"client-config"},
    };
}

Command alloc_checks_command() {
    return {
        .path = "alloc checks",
        .usage = "[options] <allocation>",
        .synopsis = "Show the checks of an allocation's services",
        .help = "Shows what the checks of an allocation's services last said.\n\n"
                "Example:\n\n  $ nomad-lite alloc checks 5a1c",
        .flags = object_flags() +
                 std::vector<FlagSpec>{
                     {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."}
                 },
        .arguments = {.least = 1, .most = 1, .words = "one argument: <allocation>"},
        .run = show_checks,
    };
}

Command alloc_pause_command() {
    return {
        .path = "alloc pause",
        .usage = "[options] <allocation> [<task>]",
        .synopsis = "Pause, run or let run by its schedule a task",
        .help = "Overrides the schedule of a task that has one.\n\n"
                "Examples:\n\n  $ nomad-lite alloc pause 5a1c web\n"
                "  $ nomad-lite alloc pause -state scheduled 5a1c web\n"
                "  $ nomad-lite alloc pause -status 5a1c web",
        .flags =
            {
                {.name = "state",
                 .kind = FlagKind::Text,
                 .help = "pause, run or scheduled.",
                 .fallback = "pause"},
                {.name = "status", .kind = FlagKind::Bool, .help = "Only show the state."},
                {.name = "task", .kind = FlagKind::Text, .help = "The task."},
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."},
            },
        .arguments =
            {.least = 1, .most = 2, .words = "one or two arguments: <allocation> [<task>]"},
        .run = pause,
    };
}

Command eval_delete_command() {
    return {
        .path = "eval delete",
        .usage = "[options] [<evaluation>]",
        .synopsis = "Delete evaluations while the broker is paused",
        .help = "Deletes one evaluation, or all that match a filter. For a server that drowns in "
                "them; the\nbroker must be paused.\n\n"
                "Examples:\n\n  $ nomad-lite eval delete 5a1c\n"
                "  $ nomad-lite eval delete -filter 'Status == \"pending\"'",
        .flags =
            {
                {.name = "filter", .kind = FlagKind::Text, .help = "Delete what matches."},
                {.name = "yes", .kind = FlagKind::Bool, .help = "Do not ask."},
            },
        .arguments = {.least = 0, .most = 1, .words = "either no arguments or one: <evaluation>"},
        .run = delete_evals,
    };
}

}  // namespace nl::cli
