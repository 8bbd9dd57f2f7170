#include "cli/context.h"
#include "cli/lookup.h"
#include "cli/tables.h"

#include <algorithm>

namespace nl::cli {

namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

std::string mib(std::int64_t count) {
    return binary_size(static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0)) * kMiB);
}

std::string bytes_text(double bytes) {
    return binary_size(bytes < 0 ? 0 : static_cast<std::uint64_t>(bytes));
}

std::string keys(const Value::Map& map) {
    std::vector<std::string> names;
    for (const auto& [name, value] : map) {
        names.push_back(name);
    }
    return join(names, ",");
}

std::string healthy_drivers(Doc node) {
    std::vector<std::string> names;
    for (const auto& [name, info] : node["Drivers"].map()) {
        if (Doc(info)["Detected"].flag()) {
            names.push_back(Doc(info)["Healthy"].flag() ? name : name + " (unhealthy)");
        }
    }
    return join(names, ",");
}

std::string drain_word(Doc node) {
    return node["Drain"].flag() || !node["DrainStrategy"].is_null() ? "true" : "false";
}

class NodeStatus {
public:
    NodeStatus(Context& context, Api& api, Doc node)
        : context_(context), api_(api), node_(node), verbose_(context.on("verbose")) {}

    int show() {
        const std::string id = node_["ID"].text();
        Value stats;
        if (node_["Status"].text() == "ready") {
            auto answer = api_.get(api_path({"client", "stats"}), {{"node_id", id}});
            if (answer) {
                stats = std::move(*answer);
            } else if (!context_.on("short")) {
                context_.ui().warn(
                    fmt::format("Error fetching node stats: {}", answer.error().message)
                );
            }
        }
        context_.ui().line(key_values(pairs(stats)));
        const auto allocations = api_.get(api_path({"node", id, "allocations"}));
        if (!allocations) {
            return context_.fail(
                "Error querying node allocations: {}", allocations.error().message
            );
        }
        if (!context_.on("short")) {
            if (verbose_) {
                show_drivers();
            }
            show_events();
            show_allocated(Doc(*allocations).list());
            show_use(Doc(*allocations).list(), stats);
            if (context_.on("stats")) {
                show_stats(stats);
            }
        }
        context_.ui().section("Allocations");
        context_.ui().line(allocation_table(context_, Doc(*allocations).list()));
        if (verbose_) {
            show_map("Attributes", node_["Attributes"]);
            show_map("Meta", node_["Meta"]);
        }
        return 0;
    }

private:
    Pairs pairs(Doc stats) const {
        Pairs out{
            {"ID", node_["ID"].text()},
            {"Name", node_["Name"].text()},
            {"Node Pool", node_["NodePool"].text()},
            {"Class", node_["NodeClass"].text()},
            {"DC", node_["Datacenter"].text()},
            {"Drain", drain_word(node_)},
            {"Eligibility", node_["SchedulingEligibility"].text()},
            {"Status", node_["Status"].text()},
            {"CSI Controllers", keys(node_["CSIControllerPlugins"].map())},
            {"CSI Drivers", keys(node_["CSINodePlugins"].map())},
        };
        if (const std::int64_t uptime = stats["Uptime"].integer(); uptime > 0) {
            out.emplace_back("Uptime", to_string(seconds(uptime)));
        }
        out.emplace_back("Host Volumes", keys(node_["HostVolumes"].map()));
        out.emplace_back("Host Networks", keys(node_["HostNetworks"].map()));
        out.emplace_back("CSI Volumes", "");
        out.emplace_back("Driver Status", healthy_drivers(node_));
        return out;
    }

    void show_drivers() const {
        std::vector<Row> rows{{"Driver", "Detected", "Healthy", "Message", "Time"}};
        for (const auto& [name, value] : node_["Drivers"].map()) {
            const Doc info(value);
            rows.push_back(
                {name,
                 info["Detected"].flag() ? "true" : "false",
                 info["Healthy"].flag() ? "true" : "false",
                 info["HealthDescription"].text(),
                 context_.time(info["UpdateTime"])}
            );
        }
        context_.ui().section("Drivers");
        context_.ui().line(table(rows));
    }

    void show_events() const {
        Row title{"Time", "Subsystem", "Message"};
        if (verbose_) {
            title.emplace_back("Details");
        }
        std::vector<Row> rows{std::move(title)};
        const Value::List& events = node_["Events"].list();
        for (auto item = events.rbegin(); item != events.rend(); ++item) {
            const Doc event(*item);
            Row row{
                context_.time(event["Timestamp"]),
                event["Subsystem"].text(),
                event["Message"].text()
            };
            if (verbose_) {
                std::vector<std::string> details;
                for (const auto& [key, value] : event["Details"].map()) {
                    details.push_back(fmt::format("{} : {}", key, Doc(value).text()));
                }
                row.push_back(join(details, " "));
            }
            rows.push_back(std::move(row));
        }
        context_.ui().section("Node Events");
        context_.ui().line(table(rows));
    }

    static bool is_live(Doc alloc) {
        const std::string status = alloc["ClientStatus"].text();
        return status == "running" || status == "pending";
    }

    void show_allocated(const Value::List& allocations) const {
        std::int64_t cpu = 0;
        std::int64_t memory = 0;
        std::int64_t disk = 0;
        std::int64_t count = 0;
        for (const Value& item : allocations) {
            const Doc alloc(item);
            if (!is_live(alloc)) {
                continue;
            }
            ++count;
            disk += alloc["AllocatedResources"]["Shared"]["DiskMB"].integer();
            for (const auto& [task, resources] : alloc["AllocatedResources"]["Tasks"].map()) {
                cpu += Doc(resources)["Cpu"]["CpuShares"].integer();
                memory += Doc(resources)["Memory"]["MemoryMB"].integer();
            }
        }
        const Doc total = node_["NodeResources"];
        const Doc kept = node_["ReservedResources"];
        const std::int64_t cpu_total =
            total["Cpu"]["CpuShares"].integer() - kept["Cpu"]["CpuShares"].integer();
        const std::int64_t memory_total =
            total["Memory"]["MemoryMB"].integer() - kept["Memory"]["MemoryMB"].integer();
        const std::int64_t disk_total =
            total["Disk"]["DiskMB"].integer() - kept["Disk"]["DiskMB"].integer();
        context_.ui().section("Allocated Resources");
        context_.ui().line(table(
            {{"CPU", "Memory", "Disk", "Alloc Count"},
             {fmt::format("{}/{} MHz", cpu, cpu_total),
              fmt::format("{}/{}", mib(memory), mib(memory_total)),
              fmt::format("{}/{}", mib(disk), mib(disk_total)),
              fmt::format("{}", count)}}
        ));
    }

    void show_use(const Value::List& allocations, Doc stats) const {
        if (stats.is_null()) {
            return;
        }
        double cpu = 0;
        double memory = 0;
        for (const Value& item : allocations) {
            if (Doc(item)["ClientStatus"].text() != "running") {
                continue;
            }
            const auto use =
                api_.get(api_path({"client", "allocation", Doc(item)["ID"].text(), "stats"}));
            if (use) {
                const Doc resources = Doc(*use)["ResourceUsage"];
                cpu += resources["CpuStats"]["TotalTicks"].number();
                memory += std::max(
                    resources["MemoryStats"]["RSS"].number(),
                    resources["MemoryStats"]["Usage"].number()
                );
            }
        }
        const Doc total = node_["NodeResources"];
        const std::int64_t cpu_total = total["Cpu"]["CpuShares"].integer();
        const std::string memory_total = mib(total["Memory"]["MemoryMB"].integer());
        context_.ui().section("Allocation Resource Utilization");
        context_.ui().line(table(
            {{"CPU", "Memory"},
             {fmt::format("{:.0f}/{} MHz", cpu, cpu_total),
              fmt::format("{}/{}", bytes_text(memory), memory_total)}}
        ));
        double disk_used = 0;
        double disk_size = 0;
        for (const Value& item : stats["DiskStats"].list()) {
            const Doc disk(item);
            if (disk["Device"].text() == node_["Attributes"]["unique.storage.volume"].text() ||
                disk_size == 0) {
                disk_used = disk["Used"].number();
                disk_size = disk["Size"].number();
            }
        }
        context_.ui().section("Host Resource Utilization");
        context_.ui().line(table(
            {{"CPU", "Memory", "Disk"},
             {fmt::format("{:.0f}/{} MHz", stats["CPUTicksConsumed"].number(), cpu_total),
              fmt::format(
                  "{}/{}",
                  bytes_text(stats["Memory"]["Used"].number()),
                  bytes_text(stats["Memory"]["Total"].number())
              ),
              fmt::format("{}/{}", bytes_text(disk_used), bytes_text(disk_size))}}
        ));
    }

    /// Each CPU, the memory and each disk by itself.
    void show_stats(Doc stats) const {
        const auto percent = [](Doc value) { return fmt::format("{:.2f}%", value.number()); };
        context_.ui().section("CPU Stats");
        bool first = true;
        for (const Value& item : stats["CPU"].list()) {
            const Doc cpu(item);
            context_.ui().line(
                (first ? "" : "\n") + key_values({
                                          {"CPU", cpu["CPU"].text()},
                                          {"User", percent(cpu["User"])},
                                          {"System", percent(cpu["System"])},
                                          {"Idle", percent(cpu["Idle"])},
                                      })
            );
            first = false;
        }
        const Doc memory = stats["Memory"];
        context_.ui().section("Memory Stats");
        context_.ui().line(key_values({
            {"Total", bytes_text(memory["Total"].number())},
            {"Available", bytes_text(memory["Available"].number())},
            {"Used", bytes_text(memory["Used"].number())},
            {"Free", bytes_text(memory["Free"].number())},
        }));
        context_.ui().section("Disk Stats");
        first = true;
        for (const Value& item : stats["DiskStats"].list()) {
            const Doc disk(item);
            context_.ui().line(
                (first ? "" : "\n") +
                key_values({
                    {"Device", disk["Device"].text()},
                    {"MountPoint", disk["Mountpoint"].text()},
                    {"Size", bytes_text(disk["Size"].number())},
                    {"Used", bytes_text(disk["Used"].number())},
                    {"Available", bytes_text(disk["Available"].number())},
                    {"Used Percent", percent(disk["UsedPercent"])},
                    {"Inodes Percent", percent(disk["InodesUsedPercent"])},
                })
            );
            first = false;
        }
    }

    void show_map(const char* title, Doc map) const {
        Pairs pairs;
        for (const auto& [key, value] : map.map()) {
            pairs.emplace_back(key, Doc(value).text());
        }
        context_.ui().section(title);
        context_.ui().line(key_values(pairs));
    }

    Context& context_;
    Api& api_;
    Doc node_;
    bool verbose_;
};

int list_nodes(Context& context, Api& api) {
    Query query;
    if (context.on("os")) {
        query.emplace_back("os", "true");
    }
    for (const auto& [flag, name] :
         {std::pair("filter", "filter"), std::pair("page-token", "next_token")}) {
        if (!context.text(flag).empty()) {
            query.emplace_back(name, context.text(flag));
        }
    }
    if (context.flags().given("per-page")) {
        query.emplace_back("per_page", fmt::format("{}", context.flags().integer("per-page")));
    }
    const auto answer = api.get(api_path({"nodes"}), query);
    if (!answer) {
        return context.fail("Error querying node status: {}", answer.error().message);
    }
    const std::string next = api.next_token();
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Value::List& nodes = Doc(*answer).list();
    if (nodes.empty()) {
        context.line("No nodes registered");
        return 0;
    }
    if (context.on("quiet")) {
        for (const Value& node : nodes) {
            context.ui().line(short_id(Doc(node)["ID"].text(), context.id_length()));
        }
        return 0;
    }
    NodeColumns columns;
    columns.os = context.on("os");
    if (context.on("allocs")) {
        for (const Value& item : nodes) {
            const std::string id = Doc(item)["ID"].text();
            const auto allocations = api.get(api_path({"node", id, "allocations"}));
            std::int64_t running = 0;
            if (allocations) {
                for (const Value& alloc : Doc(*allocations).list()) {
                    running += Doc(alloc)["ClientStatus"].text() == "running" ? 1 : 0;
                }
            }
            columns.running.emplace(id, fmt::format("{}", running));
        }
    }
    context.ui().line(node_table(context, nodes, columns));
    if (!next.empty()) {
        context.line(
            "\nResults have been paginated. To get the next page run:\n\n{} node status "
            "-page-token {}",
            context.program(),
            next
        );
    }
    return 0;
}

}  // namespace

int show_node_status(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    std::string typed = context.argument(0);
    if (context.on("self")) {
        const auto own = own_node_id(context, *api);
        if (!own) {
            return 1;
        }
        typed = *own;
    }
    if (typed.empty()) {
        return list_nodes(context, *api);
    }
    const auto node = find_node(context, *api, typed);
    if (!node) {
        return 1;
    }
    if (context.wants_object()) {
        return context.print_object(*node);
    }
    return NodeStatus(context, *api, *node).show();
}

Command node_status_command() {
    return {
        .path = "node status",
        .usage = "[options] [<node>]",
        .synopsis = "Show nodes, or one node in detail",
        .help =
            "Without an argument lists the nodes. With a node's id, or the beginning of one, shows "
            "its\n"
            "state, what is given out of its resources and used, and its allocations.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite node status\n"
            "  $ nomad-lite node status -self -verbose",
        .flags =
            std::vector<FlagSpec>{
                {.name = "self",
                 .kind = FlagKind::Bool,
                 .help = "The node of the agent that is asked."},
                {.name = "short",
                 .kind = FlagKind::Bool,
                 .help = "Only the node and its allocations."},
                {.name = "verbose",
                 .kind = FlagKind::Bool,
                 .help = "Show whole ids, drivers, attributes."},
                {.name = "stats",
                 .kind = FlagKind::Bool,
                 .help = "Show each CPU and each disk by itself."},
                {.name = "os", .kind = FlagKind::Bool, .help = "Show the operating systems."},
                {.name = "quiet", .kind = FlagKind::Bool, .help = "Only the ids."},
                {.name = "allocs",
                 .kind = FlagKind::Bool,
                 .help = "Count each node's running allocations."},
                {.name = "filter",
                 .kind = FlagKind::Text,
                 .help = "Only nodes for which this expression holds."},
                {.name = "per-page", .kind = FlagKind::Integer, .help = "How many nodes at once."},
                {.name = "page-token", .kind = FlagKind::Text, .help = "Where the page begins."},
                {.name = "ui",
                 .kind = FlagKind::Bool,
                 .help = "Open the web page.",
                 .fallback = {},
                 .alias = {},
                 .hidden = true},
            } +
            object_flags(),
        .arguments = {.least = 0, .most = 1, .words = "either no arguments or one: <node>"},
        .run = show_node_status,
        .aliases = {"node-status"},
    };
}

}  // namespace nl::cli
