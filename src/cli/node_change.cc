// node eligibility and node drain, with the drain's monitor.

#include "cli/context.h"
#include "cli/lookup.h"

#include <map>
#include <set>

namespace nl::cli {

namespace {

constexpr Duration kDefaultDeadline = hours(1);
constexpr Duration kDrainPoll = milliseconds(200);

std::optional<Value> chosen_node(Context& context, Api& api) {
    std::string typed = context.argument(0);
    if (context.on("self")) {
        const auto own = own_node_id(context, api);
        if (!own) {
            return std::nullopt;
        }
        typed = *own;
    }
    return find_node(context, api, typed);
}

bool wrong_target(const Context& context) {
    const std::size_t count = context.arguments().size();
    return context.on("self") ? count != 0 : count != 1;
}

int run_eligibility(Context& context) {
    if (context.on("enable") == context.on("disable")) {
        return context.usage_error("Either the '-enable' or '-disable' flag must be set");
    }
    if (wrong_target(context)) {
        return context.usage_error("Node ID must be specified if -self isn't being used");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto node = chosen_node(context, *api);
    if (!node) {
        return 1;
    }
    const std::string id = Doc(*node)["ID"].text();
    const char* word = context.on("enable") ? "eligible" : "ineligible";
    const auto answer = api->put(
        api_path({"node", id, "eligibility"}), {}, Value::Map{{"NodeID", id}, {"Eligibility", word}}
    );
    if (!answer) {
        return context.fail("Error updating scheduling eligibility: {}", answer.error().message);
    }
    context.line("Node \"{}\" scheduling eligibility set: {} for scheduling", id, word);
    return 0;
}

class DrainMonitor {
public:
    DrainMonitor(Context& context, Api& api, std::string node)
        : context_(context), api_(api), node_(std::move(node)) {}

    int follow() {
        say(fmt::format("Monitoring node \"{}\": Ctrl-C to detach monitoring", node_));
        while (true) {
            const auto node = api_.get(api_path({"node", node_}));
            if (!node) {
                return context_.fail("Error monitoring node: {}", node.error().message);
            }
            const auto allocations = api_.get(api_path({"node", node_, "allocations"}));
            if (!allocations) {
                return context_.fail(
                    "Error monitoring allocations: {}", allocations.error().message
                );
            }
            const bool running = show(Doc(*allocations).list());
            const bool draining = !Doc(*node)["DrainStrategy"].is_null();
            if (!draining && !told_) {
                told_ = true;
                const std::string status = Doc(*node)["LastDrain"]["Status"].text();
                say(status == "canceled" ? fmt::format("Drain canceled for node {}", node_)
                                         : fmt::format("Drain complete for node {}", node_));
                if (status == "canceled") {
                    return 0;
                }
            }
            if (!draining && !running) {
                say(fmt::format("All allocations on node \"{}\" have stopped", node_));
                return 0;
            }
            context_.env().sleep(kDrainPoll);
        }
    }

private:
    void say(const std::string& text) const {
        context_.line("{}: {}", context_.time(context_.env().now()), text);
    }

    // True while one that the drain stops still runs.
    bool show(const Value::List& allocations) {
        bool running = false;
        for (const Value& item : allocations) {
            const Doc alloc(item);
            const std::string id = alloc["ID"].text();
            const std::string status = alloc["ClientStatus"].text();
            const bool ended = status == "complete" || status == "failed" || status == "lost";
            const bool system = alloc["Job"]["Type"].text() == "system" ||
                                alloc["Job"]["Type"].text() == "sysbatch";
            running = running || (!ended && !(system && context_.on("ignore-system")));
            const auto [known, is_new] = states_.emplace(id, status);
            if (is_new && ended) {
                continue;
            }
            if (alloc["DesiredTransition"]["Migrate"].flag() && marked_.insert(id).second) {
                say(fmt::format("Alloc \"{}\" marked for migration", id));
            }
            if (alloc["DesiredStatus"].text() == "stop" && !ended && draining_.insert(id).second) {
                say(fmt::format("Alloc \"{}\" draining", id));
            }
            if (known->second != status) {
                say(fmt::format("Alloc \"{}\" status {} -> {}", id, known->second, status));
                known->second = status;
            }
        }
        return running;
    }

    Context& context_;
    Api& api_;
    std::string node_;
    bool told_{false};
    std::map<std::string, std::string> states_;
    std::set<std::string> marked_;
    std::set<std::string> draining_;
};

std::string drain_mistake(const Context& context) {
    const int kinds = (context.on("enable") ? 1 : 0) + (context.on("disable") ? 1 : 0);
    if (kinds > 1 || (kinds == 0 && !context.on("monitor"))) {
        return "Either the '-enable' or '-disable' flag must be set, unless using '-monitor'";
    }
    const int deadlines = (context.on("force") ? 1 : 0) + (context.on("no-deadline") ? 1 : 0) +
                          (context.flags().given("deadline") ? 1 : 0);
    if (deadlines > 1) {
        return "Only one of -deadline, -no-deadline and -force can be given";
    }
    if (context.on("disable") && deadlines > 0) {
        return "-disable can't be combined with flags configuring drain strategy";
    }
    if (wrong_target(context)) {
        return "Node ID must be specified if -self isn't being used";
    }
    return "";
}

int run_drain(Context& context) {
    if (const std::string mistake = drain_mistake(context); !mistake.empty()) {
        return context.usage_error(mistake);
    }
    Duration deadline = kDefaultDeadline;
    if (context.flags().given("deadline")) {
        const auto parsed = parse_duration(context.text("deadline"));
        if (!parsed || parsed->ns <= 0) {
            return context.usage_error(fmt::format(
                "flag -deadline takes a duration above 0 such as 30m, not \"{}\"",
                context.text("deadline")
            ));
        }
        deadline = *parsed;
    } else if (context.on("force")) {
        deadline = nanoseconds(-1);
    } else if (context.on("no-deadline")) {
        deadline = Duration{};
    }
    Value::Map meta;
    for (const std::string& pair : context.flags().list("meta")) {
        const auto equals = pair.find('=');
        if (equals == std::string::npos) {
            return context.usage_error(fmt::format("flag -meta takes key=value, not \"{}\"", pair));
        }
        meta.insert_or_assign(pair.substr(0, equals), pair.substr(equals + 1));
    }
    if (!context.text("m").empty()) {
        meta.insert_or_assign("message", context.text("m"));
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto node = chosen_node(context, *api);
    if (!node) {
        return 1;
    }
    const std::string id = Doc(*node)["ID"].text();
    if (context.on("monitor")) {
        return DrainMonitor(context, *api, id).follow();
    }
    const bool enable = context.on("enable");
    if (enable && !context.on("yes") && context.env().in_is_terminal &&
        !context.confirm(
            fmt::format("Are you sure you want to enable drain mode for node \"{}\"?", id)
        )) {
        context.line("Canceling drain toggle");
        return 0;
    }
    const auto answer = api->put(
        api_path({"node", id, "drain"}),
        {},
        Value::Map{
            {"NodeID", id},
            {"DrainSpec",
             enable
                 ? Value(Value::Map{
                       {"Deadline", deadline.ns}, {"IgnoreSystemJobs", context.on("ignore-system")}
                   })
                 : Value()},
            {"MarkEligible", !enable && !context.on("keep-ineligible")},
            {"Meta", meta.empty() ? Value() : Value(std::move(meta))},
        }
    );
    if (!answer) {
        return context.fail("Error updating drain specification: {}", answer.error().message);
    }
    context.line("Node \"{}\" drain strategy {}", id, enable ? "set" : "unset");
    if (!enable || context.on("detach")) {
        return 0;
    }
    return DrainMonitor(context, *api, id).follow();
}

}  // namespace

Command node_eligibility_command() {
    return {
        .path = "node eligibility",
        .usage = "[options] <node>",
        .synopsis = "Say whether a node may get new allocations",
        .help =
            "An ineligible node keeps what it runs and gets nothing new.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite node eligibility -disable 46f1\n"
            "  $ nomad-lite node eligibility -enable -self",
        .flags =
            {
                {.name = "enable", .kind = FlagKind::Bool, .help = "Make it eligible."},
                {.name = "disable", .kind = FlagKind::Bool, .help = "Make it ineligible."},
                {.name = "self",
                 .kind = FlagKind::Bool,
                 .help = "The node of the agent that is asked."},
            },
        .arguments = {.least = 0, .most = 1, .words = "one argument: <node>"},
        .run = run_eligibility,
    };
}

Command node_drain_command() {
    return {
        .path = "node drain",
        .usage = "[options] <node>",
        .synopsis = "Move a node's allocations elsewhere",
        .help =
            "Starts or ends a drain: the node's allocations are moved, the node is ineligible "
            "meanwhile.\n"
            "What still runs at the deadline is stopped.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite node drain -enable -deadline 30m -m 'new disk' 46f1\n"
            "  $ nomad-lite node drain -disable 46f1",
        .flags =
            {
                {.name = "enable", .kind = FlagKind::Bool, .help = "Start a drain."},
                {.name = "disable", .kind = FlagKind::Bool, .help = "End it."},
                {.name = "monitor", .kind = FlagKind::Bool, .help = "Follow a drain that goes on."},
                {.name = "deadline",
                 .kind = FlagKind::Text,
                 .help = "How long it may take; 1h unless given."},
                {.name = "force", .kind = FlagKind::Bool, .help = "Stop everything at once."},
                {.name = "no-deadline",
                 .kind = FlagKind::Bool,
                 .help = "Let it take as long as it takes."},
                {.name = "ignore-system",
                 .kind = FlagKind::Bool,
                 .help = "Leave system jobs running."},
                {.name = "keep-ineligible",
                 .kind = FlagKind::Bool,
                 .help = "With -disable: the node stays ineligible."},
                {.name = "m", .kind = FlagKind::Text, .help = "Why; kept with the drain."},
                {.name = "meta", .kind = FlagKind::List, .help = "Further notes: key=value."},
                {.name = "self",
                 .kind = FlagKind::Bool,
                 .help = "The node of the agent that is asked."},
                {.name = "detach", .kind = FlagKind::Bool, .help = "Return at once."},
                {.name = "yes", .kind = FlagKind::Bool, .help = "Answer yes to every question."},
            },
        .arguments = {.least = 0, .most = 1, .words = "one argument: <node>"},
        .run = run_drain,
        .aliases = {"node-drain"},
    };
}

}  // namespace nl::cli
