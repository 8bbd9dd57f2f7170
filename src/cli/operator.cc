// operator raft and operator scheduler, system, and the log of an agent (monitor).

#include "cli/context.h"
#include "cli/frames.h"
#include "cli/lookup.h"

#include <array>

namespace nl::cli {

namespace {

std::string yes_no(bool value) {
    return value ? "true" : "false";
}

int run_list_peers(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Query query;
    if (context.on("stale")) {
        query.emplace_back("stale", "");
    }
    const auto answer = api->get(api_path({"operator", "raft", "configuration"}), query);
    if (!answer) {
        return context.fail("Failed to retrieve raft configuration: {}", answer.error().message);
    }
    std::vector<Row> rows{{"Node", "ID", "Address", "State", "Voter", "RaftProtocol"}};
    for (const Value& item : Doc(*answer)["Servers"].list()) {
        const Doc server(item);
        rows.push_back(
            {server["Node"].text(),
             server["ID"].text(),
             server["Address"].text(),
             server["Leader"].flag() ? "leader" : "follower",
             yes_no(server["Voter"].flag()),
             server["RaftProtocol"].text()}
        );
    }
    context.ui().line(table(rows));
    return 0;
}

int run_remove_peer(Context& context) {
    if (context.text("peer-id").empty()) {
        return context.usage_error("Missing peer id required");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer =
        api->remove(api_path({"operator", "raft", "peer"}), {{"id", context.text("peer-id")}});
    if (!answer) {
        return context.fail("Error removing peer: {}", answer.error().message);
    }
    context.line("Removed peer with id \"{}\"", context.text("peer-id"));
    return 0;
}

int run_transfer(Context& context) {
    const std::string id = context.text("peer-id");
    const std::string address = context.text("peer-address");
    if (id.empty() == address.empty()) {
        return context.usage_error("Exactly one of -peer-id and -peer-address must be given");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->put(
        api_path({"operator", "raft", "transfer-leadership"}),
        {id.empty() ? std::pair<std::string, std::string>("address", address)
                    : std::pair<std::string, std::string>("id", id)}
    );
    if (!answer) {
        return context.fail("Error transferring leadership to peer: {}", answer.error().message);
    }
    if (id.empty()) {
        context.line("Transferred leadership to peer with address \"{}\"", address);
    } else {
        context.line("Transferred leadership to peer with id \"{}\"", id);
    }
    return 0;
}

int run_get_scheduler(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"operator", "scheduler", "configuration"}));
    if (!answer) {
        return context.fail("Error querying scheduler configuration: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Doc config = Doc(*answer)["SchedulerConfig"];
    const Doc preemption = config["PreemptionConfig"];
    context.ui().line(key_values({
        {"Scheduler Algorithm", config["SchedulerAlgorithm"].text()},
        {"Memory Oversubscription", yes_no(config["MemoryOversubscriptionEnabled"].flag())},
        {"Reject Job Registration", yes_no(config["RejectJobRegistration"].flag())},
        {"Pause Eval Broker", yes_no(config["PauseEvalBroker"].flag())},
        {"Preemption System Scheduler", yes_no(preemption["SystemSchedulerEnabled"].flag())},
        {"Preemption Service Scheduler", yes_no(preemption["ServiceSchedulerEnabled"].flag())},
        {"Preemption Batch Scheduler", yes_no(preemption["BatchSchedulerEnabled"].flag())},
        {"Preemption SysBatch Scheduler", yes_no(preemption["SysBatchSchedulerEnabled"].flag())},
        {"Node Limit For Feasibility Checks",
         fmt::format("{}", config["NodeLimitForFeasibilityChecks"].integer())},
        {"Modify Index", fmt::format("{}", config["ModifyIndex"].integer())},
    }));
    return 0;
}

struct Switch {
    const char* flag;
    const char* field;
    bool preemption;
};

constexpr std::array<Switch, 7> kSwitches{{
    {.flag = "memory-oversubscription",
     .field = "MemoryOversubscriptionEnabled",
     .preemption = false},
    {.flag = "reject-job-registration", .field = "RejectJobRegistration", .preemption = false},
    {.flag = "pause-eval-broker", .field = "PauseEvalBroker", .preemption = false},
    {.flag = "preempt-batch-scheduler", .field = "BatchSchedulerEnabled", .preemption = true},
    {.flag = "preempt-service-scheduler", .field = "ServiceSchedulerEnabled", .preemption = true},
    {.flag = "preempt-sysbatch-scheduler", .field = "SysBatchSchedulerEnabled", .preemption = true},
    {.flag = "preempt-system-scheduler", .field = "SystemSchedulerEnabled", .preemption = true},
}};

int run_set_scheduler(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto present = api->get(api_path({"operator", "scheduler", "configuration"}));
    if (!present) {
        return context.fail("Unable to get scheduler configuration: {}", present.error().message);
    }
    Value::Map config = Doc(*present)["SchedulerConfig"].map();
    Value::Map preemption = Doc(*present)["SchedulerConfig"]["PreemptionConfig"].map();
    if (!context.text("scheduler-algorithm").empty()) {
        config.insert_or_assign("SchedulerAlgorithm", context.text("scheduler-algorithm"));
    }
    for (const Switch& item : kSwitches) {
        const std::string text = context.text(item.flag);
        if (text.empty()) {
            continue;
        }
        const auto value = parse_bool(text);
        if (!value) {
            return context.usage_error(
                fmt::format("flag -{} takes true or false, not \"{}\"", item.flag, text)
            );
        }
        (item.preemption ? preemption : config).insert_or_assign(item.field, *value);
    }
    if (context.flags().given("node-limit-for-feasibility-checks")) {
        config.insert_or_assign(
            "NodeLimitForFeasibilityChecks",
            context.flags().integer("node-limit-for-feasibility-checks")
        );
    }
    config.insert_or_assign("PreemptionConfig", std::move(preemption));
    // A change made meanwhile by someone else is not overwritten.
    const std::string index = context.text("check-index").empty()
                                  ? Doc(*present)["SchedulerConfig"]["ModifyIndex"].text()
                                  : context.text("check-index");
    const auto answer = api->put(
        api_path({"operator", "scheduler", "configuration"}), {{"cas", index}}, Value(config)
    );
    if (!answer) {
        return context.fail("Error setting scheduler configuration: {}", answer.error().message);
    }
    if (!Doc(*answer)["Updated"].flag()) {
        return context.fail(
            "Scheduler configuration could not be atomically updated, please try again"
        );
    }
    context.line("Scheduler configuration updated!");
    return 0;
}

int run_gc(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->put(api_path({"system", "gc"}));
    if (!answer) {
        return context.fail("Error running system garbage-collection: {}", answer.error().message);
    }
    return 0;
}

int run_reconcile(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->put(api_path({"system", "reconcile", "summaries"}));
    if (!answer) {
        return context.fail(
            "Error running system summary reconciliation: {}", answer.error().message
        );
    }
    return 0;
}

int run_monitor(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Query query{{"log_level", context.text("log-level")}};
    if (!context.text("node-id").empty()) {
        const auto node = find_node(context, *api, context.text("node-id"));
        if (!node) {
            return 1;
        }
        query.emplace_back("node_id", Doc(*node)["ID"].text());
    }
    if (!context.text("server-id").empty()) {
        query.emplace_back("server_id", context.text("server-id"));
    }
    for (const auto& [flag, name] :
         {std::pair("json", "log_json"), std::pair("log-include-location", "log_include_location")
         }) {
        if (context.on(flag)) {
            query.emplace_back(name, "true");
        }
    }
    FrameReader reader([&](const Frame& frame) {
        context.env().out(frame.data);
        return true;
    });
    const auto done =
        api->stream(api_path({"agent", "monitor"}), query, [&](std::string_view part) {
            return reader.feed(part);
        });
    const Result<void>& ended = done ? reader.status() : done;
    if (!ended) {
        return context.fail("Error starting monitor: {}", ended.error().message);
    }
    return 0;
}

int run_metrics(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const bool prometheus = context.text("format") == "prometheus";
    const auto answer = api->get_text(
        api_path({"metrics"}), prometheus ? Query{{"format", "prometheus"}} : Query{}
    );
    if (!answer) {
        return context.fail("Error getting metrics: {}", answer.error().message);
    }
    if (prometheus) {
        context.ui().raw(*answer);
        return 0;
    }
    const auto parsed = parse_json(*answer);
    if (parsed && context.wants_object()) {
        return context.print_object(*parsed);
    }
    context.ui().line(context.on("pretty") ? indent_json(*answer, 4) : *answer);
    return 0;
}

FlagSpec text_flag(const char* name, const char* help) {
    return {.name = name, .kind = FlagKind::Text, .help = help};
}

}  // namespace

Command operator_raft_list_peers_command() {
    return {
        .path = "operator raft list-peers",
        .usage = "[options]",
        .synopsis = "List the servers of the Raft group",
        .help =
            "Lists who votes and who leads.\n\nExample:\n\n  $ nomad-lite operator raft list-peers",
        .flags =
            {{.name = "stale",
              .kind = FlagKind::Bool,
              .help = "Let any server answer, also without a leader."}},
        .arguments = {},
        .run = run_list_peers,
    };
}

Command operator_raft_remove_peer_command() {
    return {
        .path = "operator raft remove-peer",
        .usage = "-peer-id=<id>",
        .synopsis = "Remove a server from the Raft group",
        .help = "Removes a server that will not come back.",
        .flags = {text_flag("peer-id", "The server's id.")},
        .arguments = {},
        .run = run_remove_peer,
    };
}

Command operator_raft_transfer_leadership_command() {
    return {
        .path = "operator raft transfer-leadership",
        .usage = "-peer-id=<id>",
        .synopsis = "Hand leadership to another server",
        .help = "Asks the leader to hand over to that server.",
        .flags =
            {text_flag("peer-id", "The server's id."), text_flag("peer-address", "Its RPC address.")
            },
        .arguments = {},
        .run = run_transfer,
    };
}

Command operator_scheduler_get_config_command() {
    return {
        .path = "operator scheduler get-config",
        .usage = "[options]",
        .synopsis = "Show the scheduler's settings",
        .help = "Shows the scheduler's settings.",
        .flags = object_flags(),
        .arguments = {},
        .run = run_get_scheduler,
    };
}

Command operator_scheduler_set_config_command() {
    std::vector<FlagSpec> flags{
        text_flag("check-index", "Change only if the settings' modify index is still this one."),
        text_flag("scheduler-algorithm", "binpack or spread."),
        {.name = "node-limit-for-feasibility-checks",
         .kind = FlagKind::Integer,
         .help = "How many nodes are looked at; 0 is all."},
    };
    for (const Switch& item : kSwitches) {
        flags.push_back(text_flag(item.flag, "true or false."));
    }
    return {
        .path = "operator scheduler set-config",
        .usage = "[options]",
        .synopsis = "Change the scheduler's settings",
        .help =
            "Changes what is given and leaves the rest.\n\n"
            "Example:\n\n  $ nomad-lite operator scheduler set-config -scheduler-algorithm spread",
        .flags = std::move(flags),
        .arguments = {},
        .run = run_set_scheduler,
    };
}

Command operator_metrics_command() {
    return {
        .path = "operator metrics",
        .usage = "[options]",
        .synopsis = "Print the agent's metrics",
        .help = "Prints the metrics as JSON or in Prometheus's text form.",
        .flags =
            std::vector<FlagSpec>{
                {.name = "pretty", .kind = FlagKind::Bool, .help = "Indent the JSON."},
                text_flag("format", "prometheus for its text form."),
            } +
            object_flags(),
        .arguments = {},
        .run = run_metrics,
    };
}

Command system_gc_command() {
    return {
        .path = "system gc",
        .usage = "",
        .synopsis = "Clean up what has ended",
        .help =
            "Forgets jobs, evaluations, allocations and nodes that have ended. Silent on success.",
        .flags = {},
        .arguments = {},
        .run = run_gc,
    };
}

Command system_reconcile_summaries_command() {
    return {
        .path = "system reconcile summaries",
        .usage = "",
        .synopsis = "Count the jobs' summaries again",
        .help = "Counts every job's summary again. Silent on success.",
        .flags = {},
        .arguments = {},
        .run = run_reconcile,
    };
}

Command monitor_command() {
    return {
        .path = "monitor",
        .usage = "[options]",
        .synopsis = "Follow an agent's log",
        .help =
            "Prints the log of an agent until Ctrl-C.\n\nExample:\n\n  $ nomad-lite monitor "
            "-log-level DEBUG",
        .flags =
            {
                {.name = "log-level",
                 .kind = FlagKind::Text,
                 .help = "From this level on.",
                 .fallback = "INFO"},
                text_flag("node-id", "The agent of this node."),
                text_flag("server-id", "This server, or leader."),
                {.name = "json", .kind = FlagKind::Bool, .help = "As JSON."},
                {.name = "log-include-location",
                 .kind = FlagKind::Bool,
                 .help = "With the source's file and line."},
            },
        .arguments = {},
        .run = run_monitor,
    };
}

}  // namespace nl::cli
