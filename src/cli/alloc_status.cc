#include "cli/context.h"
#include "cli/lookup.h"
#include "cli/tables.h"

#include <algorithm>

namespace nl::cli {

namespace {

std::string health(Doc alloc) {
    const Doc status = alloc["DeploymentStatus"];
    if (status.is_null() || status["Healthy"].is_null()) {
        return "unset";
    }
    return status["Healthy"].flag() ? "healthy" : "unhealthy";
}

// What happened last, and when.
std::pair<std::string, std::string> last_event(const Context& context, Doc state) {
    const Value::List& events = state["Events"].list();
    if (events.empty()) {
        return {"", ""};
    }
    const Doc event(events.back());
    return {event["Type"].text(), context.time(event["Time"])};
}

std::string lifecycle(Doc alloc, const std::string& task) {
    const Doc group = job_group(alloc["Job"], alloc["TaskGroup"].text());
    for (const Value& item : group["Tasks"].list()) {
        if (Doc(item)["Name"].text() != task || Doc(item)["Lifecycle"].is_null()) {
            continue;
        }
        const Doc rule = Doc(item)["Lifecycle"];
        return rule["Hook"].text() + (rule["Sidecar"].flag() ? " sidecar" : "");
    }
    return "main";
}

// The event in words: the node's own, else what its fields say.
std::string event_text(Doc event) {
    for (const char* key :
         {"DisplayMessage",
          "Message",
          "DriverError",
          "ValidationError",
          "SetupError",
          "DownloadError",
          "KillError",
          "KillReason",
          "RestartReason",
          "DriverMessage"}) {
        if (std::string text = event[key].text(); !text.empty()) {
            return text;
        }
    }
    const std::string type = event["Type"].text();
    if (type == "Received") {
        return "Task received by client";
    }
    if (type == "Started") {
        return "Task started by client";
    }
    if (type == "Terminated") {
        const std::int64_t signal = event["Signal"].integer();
        return fmt::format(
            "Exit Code: {}{}",
            event["ExitCode"].integer(),
            signal == 0 ? "" : fmt::format(", Signal: {}", signal)
        );
    }
    if (type == "Restarting") {
        return fmt::format(
            "Task restarting in {}", to_string(Duration{event["StartDelay"].integer()})
        );
    }
    if (type == "Killing") {
        return "Sent interrupt";
    }
    if (type == "Killed") {
        return "Task successfully killed";
    }
    return "";
}

class AllocStatus {
public:
    AllocStatus(Context& context, Api& api, Doc alloc)
        : context_(context), api_(api), alloc_(alloc), verbose_(context.on("verbose")) {}

    void show() {
        context_.ui().line(key_values(pairs()));
        if (context_.on("short")) {
            show_short();
        } else {
            show_addresses();
            show_checks();
            show_tasks();
        }
        const bool unplaced = alloc_["NodeID"].text().empty();
        if (verbose_ || unplaced || alloc_["DesiredStatus"].text() == "failed") {
            context_.ui().section("Placement Metrics");
            context_.ui().line(metric_lines(context_, alloc_["Metrics"], "  ", true));
        }
    }

private:
    std::string id(Doc value) const { return short_id(value.text(), context_.id_length()); }
    std::string when(Doc time) const { return verbose_ ? context_.time(time) : context_.ago(time); }

    Pairs pairs() const {
        Pairs out{
            {"ID", alloc_["ID"].text()},
            {"Eval ID", id(alloc_["EvalID"])},
            {"Name", alloc_["Name"].text()},
            {"Node ID", id(alloc_["NodeID"])},
            {"Node Name", alloc_["NodeName"].text()},
            {"Job ID", alloc_["JobID"].text()},
            {"Job Version", alloc_["Job"]["Version"].text()},
            {"Client Status", alloc_["ClientStatus"].text()},
            {"Client Description", alloc_["ClientDescription"].text()},
            {"Desired Status", alloc_["DesiredStatus"].text()},
            {"Desired Description", alloc_["DesiredDescription"].text()},
            {"Created", when(alloc_["CreateTime"])},
            {"Modified", when(alloc_["ModifyTime"])},
        };
        if (const std::string deployment = alloc_["DeploymentID"].text(); !deployment.empty()) {
            out.emplace_back("Deployment ID", id(alloc_["DeploymentID"]));
            out.emplace_back("Deployment Health", health(alloc_));
            if (alloc_["DeploymentStatus"]["Canary"].flag()) {
                out.emplace_back("Canary", "true");
            }
        }
        add_reschedule(out);
        if (verbose_) {
            const Doc metrics = alloc_["Metrics"];
            out.emplace_back("Evaluated Nodes", metrics["NodesEvaluated"].text());
            out.emplace_back("Filtered Nodes", metrics["NodesFiltered"].text());
            out.emplace_back("Exhausted Nodes", metrics["NodesExhausted"].text());
            out.emplace_back(
                "Allocation Time", to_string(Duration{metrics["AllocationTime"].integer()})
            );
            out.emplace_back("Failures", metrics["CoalescedFailures"].text());
        }
        return out;
    }

    void add_reschedule(Pairs& out) const {
        const auto tries =
            static_cast<std::int64_t>(alloc_["RescheduleTracker"]["Events"].list().size());
        const Doc policy = job_group(alloc_["Job"], alloc_["TaskGroup"].text())["ReschedulePolicy"];
        if (tries > 0 && !policy["Unlimited"].flag()) {
            out.emplace_back(
                "Reschedule Attempts", fmt::format("{}/{}", tries, policy["Attempts"].integer())
            );
        }
        if (const std::string next = alloc_["NextAllocation"].text(); !next.empty()) {
            out.emplace_back("Replacement Alloc ID", id(alloc_["NextAllocation"]));
        }
        const std::string followup = alloc_["FollowupEvalID"].text();
        if (followup.empty() || !alloc_["NextAllocation"].text().empty()) {
            return;
        }
        const auto eval = api_.get(api_path({"evaluation", followup}));
        if (eval && !Doc(*eval)["WaitUntil"].is_null()) {
            const WallTime until = read_time(Doc(*eval)["WaitUntil"]);
            if (!until.is_zero() && until > context_.env().now()) {
                out.emplace_back(
                    "Reschedule Eligibility", time_distance(until, context_.env().now())
                );
            }
        }
    }

    void show_short() const {
        std::vector<Row> rows{{"Name", "State", "Last Event", "Time", "Lifecycle"}};
        for (const auto& [name, state] : alloc_["TaskStates"].map()) {
            const auto [event, time] = last_event(context_, state);
            rows.push_back({name, Doc(state)["State"].text(), event, time, lifecycle(alloc_, name)}
            );
        }
        context_.ui().section("Tasks");
        context_.ui().line(table(rows));
    }

    void show_addresses() const {
        const Doc shared = alloc_["AllocatedResources"]["Shared"];
        const Value::List& ports = shared["Ports"].list();
        const Doc network = shared["Networks"].at(0);
        if (ports.empty()) {
            return;
        }
        std::vector<Row> rows{{"Label", "Dynamic", "Address"}};
        for (const Value& item : ports) {
            const Doc port(item);
            const std::string label = port["Label"].text();
            const bool dynamic =
                std::ranges::any_of(network["DynamicPorts"].list(), [&](const Value& other) {
                    return Doc(other)["Label"].text() == label;
                });
            std::string address =
                fmt::format("{}:{}", port["HostIP"].text(), port["Value"].integer());
            if (const std::int64_t to = port["To"].integer(); to > 0) {
                address += fmt::format(" -> {}", to);
            }
            rows.push_back({"*" + label, dynamic ? "yes" : "no", std::move(address)});
        }
        const std::string mode = network["Mode"].text();
        context_.ui().section(
            mode.empty() ? "Allocation Addresses:"
                         : fmt::format("Allocation Addresses (mode = \"{}\"):", mode)
        );
        context_.ui().line(table(rows));
    }

    void show_checks() const {
        const auto checks =
            api_.get(api_path({"client", "allocation", alloc_["ID"].text(), "checks"}));
        if (!checks || Doc(*checks).map().empty()) {
            return;
        }
        std::vector<Row> rows{{"Service", "Task", "Name", "Mode", "Status"}};
        for (const auto& [name, value] : Doc(*checks).map()) {
            const Doc check(value);
            const std::string task = check["Task"].text();
            rows.push_back(
                {check["Service"].text(),
                 task.empty() ? "(group)" : task,
                 check["Check"].text(),
                 check["Mode"].text(),
                 check["Status"].text()}
            );
        }
        context_.ui().section("Nomad Service Checks:");
        context_.ui().line(table(rows));
    }

    void show_tasks() {
        // Use is only known while the node answers; without it the plain limits are shown.
        Value stats;
        if (alloc_["ClientStatus"].text() == "running") {
            auto answer =
                api_.get(api_path({"client", "allocation", alloc_["ID"].text(), "stats"}));
            if (answer) {
                stats = std::move(*answer);
            } else {
                context_.ui().warn(
                    fmt::format("Couldn't retrieve stats: {}", answer.error().message)
                );
            }
        }
        for (const auto& [name, state] : alloc_["TaskStates"].map()) {
            const std::string role = lifecycle(alloc_, name);
            context_.line("");
            context_.line(
                "{}",
                context_.ui().bold(fmt::format(
                    "Task \"{}\"{} is \"{}\"",
                    name,
                    role == "main" ? "" : fmt::format(" ({})", role),
                    Doc(state)["State"].text()
                ))
            );
            const Doc usage = Doc(stats)["Tasks"][name]["ResourceUsage"];
            show_resources(name, usage);
            if (context_.on("stats") && !usage.is_null()) {
                show_measured("Memory Stats", usage["MemoryStats"]);
                show_measured("CPU Stats", usage["CpuStats"]);
            }
            show_events(state);
        }
    }

    /// What the driver measures, a column for each figure.
    void show_measured(const char* title, Doc stats) const {
        Row names;
        Row figures;
        for (const Value& item : stats["Measured"].list()) {
            const std::string name = Doc(item).text();
            std::string key = name;
            std::erase(key, ' ');
            const Doc figure = stats[key];
            const bool is_share = name == "Percent" || name == "System Mode" || name == "User Mode";
            names.push_back(name);
            figures.push_back(
                is_share || name.starts_with("Throttled") || name == "Total Ticks"
                    ? fmt::format("{:.2f}{}", figure.number(), is_share ? "%" : "")
                    : binary_size(static_cast<std::uint64_t>(std::max(0.0, figure.number())))
            );
        }
        if (!names.empty()) {
            context_.line("");
            context_.line("{}", title);
            context_.ui().line(table({names, figures}));
        }
    }

    void show_resources(const std::string& task, Doc usage) const {
        const Doc resources = alloc_["TaskResources"][task];
        if (resources.is_null()) {
            return;
        }
        std::string cpu = fmt::format("{} MHz", resources["CPU"].integer());
        constexpr std::uint64_t kMiB = 1024 * 1024;
        const auto limit = static_cast<std::uint64_t>(resources["MemoryMB"].integer()) * kMiB;
        std::string memory = binary_size(limit);
        if (!usage.is_null()) {
            const Doc ticks = usage["CpuStats"];
            cpu = fmt::format(
                "{:.0f}/{} MHz", ticks["TotalTicks"].number(), resources["CPU"].integer()
            );
            const Doc used = usage["MemoryStats"];
            const std::int64_t bytes = std::max(used["RSS"].integer(), used["Usage"].integer());
            memory = fmt::format(
                "{}/{}",
                binary_size(static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0))),
                binary_size(limit)
            );
        }
        std::vector<Row> rows{
            {"CPU", "Memory", "Disk", "Addresses"},
            {std::move(cpu),
             std::move(memory),
             binary_size(
                 static_cast<std::uint64_t>(alloc_["Resources"]["DiskMB"].integer()) * kMiB
             ),
             " "}
        };
        bool first = true;
        for (const Value& network : resources["Networks"].list()) {
            for (const char* kind : {"DynamicPorts", "ReservedPorts"}) {
                for (const Value& port : Doc(network)[kind].list()) {
                    const std::string address = fmt::format(
                        "{}: {}:{}",
                        Doc(port)["Label"].text(),
                        Doc(network)["IP"].text(),
                        Doc(port)["Value"].integer()
                    );
                    if (first) {
                        rows[1][3] = address;
                    } else {
                        rows.push_back({" ", " ", " ", address});
                    }
                    first = false;
                }
            }
        }
        context_.line("Task Resources:");
        context_.ui().line(table(rows));
    }

    void show_events(Doc state) const {
        const auto time_or = [&](const char* key) {
            const std::string time = context_.time(state[key]);
            return time.empty() ? std::string("N/A") : time;
        };
        context_.line("");
        context_.line("Task Events:");
        context_.ui().line(key_values({
            {"Started At", time_or("StartedAt")},
            {"Finished At", time_or("FinishedAt")},
            {"Total Restarts", fmt::format("{}", state["Restarts"].integer())},
            {"Last Restart", time_or("LastRestart")},
        }));
        std::vector<Row> rows{{"Time", "Type", "Description"}};
        const Value::List& events = state["Events"].list();
        for (auto event = events.rbegin(); event != events.rend(); ++event) {
            std::string text = event_text(*event);
            std::ranges::replace(text, '\n', ' ');
            rows.push_back({context_.time(Doc(*event)["Time"]), Doc(*event)["Type"].text(), text});
        }
        context_.line("");
        context_.line("Recent Events:");
        context_.ui().line(table(rows));
    }

    Context& context_;
    Api& api_;
    Doc alloc_;
    bool verbose_;
};

}  // namespace

int show_alloc_status(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    if (context.arguments().empty()) {
        const auto answer = api->get(api_path({"allocations"}));
        if (!answer) {
            return context.fail("Error querying allocations: {}", answer.error().message);
        }
        return context.print_object(*answer);
    }
    const auto alloc = find_allocation(context, *api, context.argument(0));
    if (!alloc) {
        return 1;
    }
    if (context.wants_object()) {
        return context.print_object(*alloc);
    }
    AllocStatus(context, *api, *alloc).show();
    return 0;
}

Command alloc_status_command() {
    return {
        .path = "alloc status",
        .usage = "[options] <allocation>",
        .synopsis = "Show an allocation, its tasks and their events",
        .help =
            "Shows what the allocation runs, where, and what has happened to its tasks. The "
            "beginning of\n"
            "its id is enough. Without an argument it prints every allocation, with -json or "
            "-t.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite alloc status 5a1c\n"
            "  $ nomad-lite alloc status -json | head",
        .flags =
            std::vector<FlagSpec>{
                {.name = "short", .kind = FlagKind::Bool, .help = "One line a task."},
                {.name = "verbose",
                 .kind = FlagKind::Bool,
                 .help = "Show whole ids and why the node was chosen."},
                {.name = "stats",
                 .kind = FlagKind::Bool,
                 .help = "Show what each task uses in detail."},
                {.name = "ui",
                 .kind = FlagKind::Bool,
                 .help = "Open the web page.",
                 .fallback = {},
                 .alias = {},
                 .hidden = true},
            } +
            object_flags(),
        .arguments = {.least = 0, .most = 1, .words = "one argument: <allocation>"},
        .run = show_alloc_status,
        .aliases = {"alloc-status"},
    };
}

}  // namespace nl::cli
