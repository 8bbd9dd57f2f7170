#include "cli/context.h"
#include "cli/seed.h"

namespace nl::cli {

namespace {

int run_status(Context& context) {
    io::SeedClient* seed = context.seed();
    if (seed == nullptr) {
        return 1;
    }
    const auto cluster = seed->get_cluster_status();
    if (!cluster) {
        return seed_failure(context, cluster.error());
    }
    if (wants_json(context)) {
        Value::List nodes;
        for (const auto& node : cluster->nodes) {
            nodes.push_back(Value::Map{
                {"node_id", static_cast<std::int64_t>(node.node_id)},
                {"address", node.address},
                {"is_alive", node.is_alive},
            });
        }
        print_seed_json(
            context,
            Value::Map{
                {"current_term", static_cast<std::int64_t>(cluster->current_term)},
                {"leader_id", static_cast<std::int64_t>(cluster->leader_id)},
                {"nodes", std::move(nodes)},
            }
        );
        return 0;
    }
    context.line("Term:   {}", cluster->current_term);
    context.line(
        "Leader: {}",
        cluster->leader_id == 0 ? std::string("none") : fmt::format("{}", cluster->leader_id)
    );
    std::vector<Row> rows{{"NODE", "ADDRESS", "STATUS"}};
    for (const auto& node : cluster->nodes) {
        std::string status = node.is_alive ? "alive" : "dead";
        if (node.node_id == cluster->leader_id) {
            status += " (leader)";
        }
        rows.push_back({fmt::format("{}", node.node_id), node.address, std::move(status)});
    }
    context.line("");
    context.ui().line(table(rows));
    return 0;
}

int run_transfer(Context& context) {
    const std::int64_t target = context.flags().integer("to");
    if (target < 0) {
        return context.usage_error("flag -to takes a node's number");
    }
    io::SeedClient* seed = context.seed();
    if (seed == nullptr) {
        return 1;
    }
    const auto answer =
        seed->transfer_leadership({.target_node_id = static_cast<std::uint64_t>(target)});
    if (!answer) {
        return seed_failure(context, answer.error());
    }
    if (wants_json(context)) {
        print_seed_json(
            context,
            Value::Map{
                {"success", answer->success},
                {"message", answer->message},
                {"new_leader_id", static_cast<std::int64_t>(answer->new_leader_id)},
            }
        );
        return answer->success ? 0 : 1;
    }
    if (!answer->success) {
        return context.fail("Error: {}", answer->message);
    }
    context.line("{}", answer->message.empty() ? "Leadership transferred" : answer->message);
    context.line("New leader: {}", answer->new_leader_id);
    return 0;
}

int run_drain(Context& context) {
    io::SeedClient* seed = context.seed();
    if (seed == nullptr) {
        return 1;
    }
    const auto answer = seed->drain_node();
    if (!answer) {
        return seed_failure(context, answer.error());
    }
    if (wants_json(context)) {
        print_seed_json(
            context, Value::Map{{"success", answer->success}, {"message", answer->message}}
        );
        return answer->success ? 0 : 1;
    }
    if (!answer->success) {
        return context.fail("Error: {}", answer->message);
    }
    context.line("{}", answer->message.empty() ? "The node is drained" : answer->message);
    return 0;
}

}  // namespace

Command cluster_status_command() {
    return {
        .path = "cluster status",
        .usage = "[-a URL] [-o table|json]",
        .synopsis = "Show the term, the leader and which nodes are alive",
        .help =
            "Shows the seed cluster as one of its servers sees it.\n\n"
            "Example:\n\n"
            "  $ nomad-lite cluster -a http://127.0.0.1:50051 status",
        .flags = {},
        .arguments = {},
        .run = run_status,
        .family = Family::Seed,
    };
}

Command cluster_transfer_leader_command() {
    return {
        .path = "cluster transfer-leader",
        .usage = "[-a URL] [-o table|json] [--to NODE]",
        .synopsis = "Hand leadership to another node",
        .help =
            "Asks the leader to step down in favour of the node with that number, or of the one "
            "that is\n"
            "most up to date.\n\n"
            "Example:\n\n"
            "  $ nomad-lite cluster transfer-leader --to 2",
        .flags = {{.name = "to", .kind = FlagKind::Integer, .help = "The node that shall lead."}},
        .arguments = {},
        .run = run_transfer,
        .family = Family::Seed,
    };
}

Command cluster_drain_command() {
    return {
        .path = "cluster drain",
        .usage = "[-a URL] [-o table|json]",
        .synopsis = "Drain the node at that address",
        .help =
            "The node takes no more jobs, finishes those it runs and hands over its leadership. It "
            "still\n"
            "answers reads.\n\n"
            "Example:\n\n"
            "  $ nomad-lite cluster -a http://127.0.0.1:50052 drain",
        .flags = {},
        .arguments = {},
        .run = run_drain,
        .family = Family::Seed,
    };
}

}  // namespace nl::cli
