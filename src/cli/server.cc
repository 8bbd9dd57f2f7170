#include "cli/context.h"

#include <algorithm>

namespace nl::cli {

namespace {

int run_members(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"agent", "members"}));
    if (!answer) {
        return context.fail("Error querying servers: {}", answer.error().message);
    }
    Value::List members = Doc(*answer)["Members"].list();
    std::ranges::stable_sort(members, [](const Value& a, const Value& b) {
        return Doc(a)["Name"].text() < Doc(b)["Name"].text();
    });
    if (context.wants_object()) {
        return context.print_object(Value(members));
    }
    if (members.empty()) {
        return context.fail("Agent doesn't know about server members");
    }
    // Each region has its own leader; a region that cannot be reached has none to show.
    std::map<std::string, std::string> leaders;
    std::string trouble;
    for (const Value& member : members) {
        const std::string region = Doc(member)["Tags"]["region"].text();
        if (leaders.contains(region)) {
            continue;
        }
        const auto leader = api->get(api_path({"status", "leader"}), {{"region", region}});
        leaders[region] = leader ? Doc(*leader).text() : "";
        if (!leader) {
            trouble += fmt::format("\n* Region \"{}\": {}", region, leader.error().message);
        }
    }
    const bool detailed = context.on("verbose") || context.on("detailed");
    Row title{"Name", "Address", "Port", "Status", "Leader"};
    if (detailed) {
        title.emplace_back("Protocol");
    }
    for (const char* word : {"Raft Version", "Build", "Datacenter", "Region"}) {
        title.emplace_back(word);
    }
    if (detailed) {
        title.emplace_back("Tags");
    }
    std::vector<Row> rows{std::move(title)};
    for (const Value& item : members) {
        const Doc member(item);
        const Doc tags = member["Tags"];
        const std::string address = member["Addr"].text();
        const std::string rpc = fmt::format("{}:{}", address, tags["port"].text());
        const std::string leader = leaders[tags["region"].text()];
        Row row{
            member["Name"].text(),
            address,
            member["Port"].text(),
            member["Status"].text(),
            !leader.empty() && leader == rpc ? "true" : "false"
        };
        if (detailed) {
            row.push_back(member["ProtocolCur"].text());
        }
        for (const char* tag : {"raft_vsn", "build", "dc", "region"}) {
            row.push_back(tags[tag].text());
        }
        if (detailed) {
            std::vector<std::string> all;
            for (const auto& [key, value] : tags.map()) {
                all.push_back(fmt::format("{}={}", key, Doc(value).text()));
            }
            row.push_back(join(all, ","));
        }
        rows.push_back(std::move(row));
    }
    context.ui().line(table(rows));
    if (!trouble.empty()) {
        return context.fail("\nError determining leaders: {}", trouble.substr(1));
    }
    return 0;
}

int run_join(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Query query;
    for (const std::string& address : context.arguments()) {
        query.emplace_back("address", address);
    }
    const auto answer = api->put(api_path({"agent", "join"}), query);
    if (!answer) {
        return context.fail("Error joining: {}", answer.error().message);
    }
    if (const std::string error = Doc(*answer)["error"].text(); !error.empty()) {
        return context.fail("Error joining: {}", error);
    }
    context.line("Joined {} servers successfully", Doc(*answer)["num_joined"].integer());
    return 0;
}

int run_force_leave(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Query query{{"node", context.argument(0)}};
    if (context.on("prune")) {
        query.emplace_back("prune", "1");
    }
    const auto answer = api->put(api_path({"agent", "force-leave"}), query);
    if (!answer) {
        return context.fail(
            "Error force-leaving server {}: {}", context.argument(0), answer.error().message
        );
    }
    return 0;
}

int run_agent_info(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"agent", "self"}));
    if (!answer) {
        return context.fail("Error querying agent info: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    for (const auto& [group, values] : Doc(*answer)["stats"].map()) {
        context.line("{}", group);
        for (const auto& [key, value] : Doc(values).map()) {
            context.line("  {} = {}", key, Doc(value).text());
        }
    }
    return 0;
}

// A probe for scripts: silent and 0 while the agent is well, else a line and 2.
int run_check(Context& context) {
    constexpr int kCritical = 2;
    Api* api = context.api();
    if (api == nullptr) {
        return kCritical;
    }
    const auto answer = api->get(api_path({"agent", "self"}));
    if (!answer) {
        context.line("unable to query agent info: {}", answer.error().message);
        return kCritical;
    }
    const Doc stats = Doc(*answer)["stats"];
    if (!stats["nomad"].is_null()) {
        const std::int64_t peers = parse_integer(stats["raft"]["num_peers"].text()).value_or(0);
        if (peers < context.flags().integer("min-peers")) {
            context.line(
                "known peers: {}, expected number of peers: {}",
                peers,
                context.flags().integer("min-peers")
            );
            return kCritical;
        }
    }
    if (!stats["client"].is_null()) {
        const std::int64_t servers =
            parse_integer(stats["client"]["known_servers"].text()).value_or(1);
        if (stats["client"]["known_servers"].text().find(':') == std::string::npos &&
            servers < context.flags().integer("min-servers")) {
            context.line(
                "known servers: {}, expected number of servers: {}",
                servers,
                context.flags().integer("min-servers")
            );
            return kCritical;
        }
    }
    return 0;
}

}  // namespace

Command server_members_command() {
    return {
        .path = "server members",
        .usage = "[options]",
        .synopsis = "List the servers and which of them leads",
        .help =
            "Lists the servers that the agent knows.\n\nExample:\n\n  $ nomad-lite server members",
        .flags =
            std::vector<FlagSpec>{
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Show protocol and tags."},
                {.name = "detailed",
                 .kind = FlagKind::Bool,
                 .help = "As -verbose."},
                {.name = "ui",
                 .kind = FlagKind::Bool,
                 .help = "Open the web page.",
                 .fallback = {},
                 .alias = {},
                 .hidden = true},
            } +
            object_flags(),
        .arguments = {},
        .run = run_members,
        .aliases = {"server-members"},
    };
}

Command server_join_command() {
    return {
        .path = "server join",
        .usage = "[options] <address> [<address>...]",
        .synopsis = "Let the agent's server join others",
        .help =
            "Joins the server that is asked with the servers at those addresses.\n\n"
            "Example:\n\n  $ nomad-lite server join 10.0.0.8:4648",
        .flags = {},
        .arguments =
            {.least = 1, .most = kManyArguments, .words = "at least one argument: <address>"},
        .run = run_join,
        .aliases = {"server-join"},
    };
}

Command server_force_leave_command() {
    return {
        .path = "server force-leave",
        .usage = "[options] <server>",
        .synopsis = "Remove a server that has failed",
        .help =
            "Marks a failed server as left, so that it no longer counts.\n\n"
            "Example:\n\n  $ nomad-lite server force-leave node3.global",
        .flags =
            {{.name = "prune", .kind = FlagKind::Bool, .help = "Take it off the list of members."}},
        .arguments = {.least = 1, .most = 1, .words = "one argument: <server>"},
        .run = run_force_leave,
        .aliases = {"server-force-leave"},
    };
}

Command agent_info_command() {
    return {
        .path = "agent-info",
        .usage = "[options]",
        .synopsis = "Show what the agent says of itself",
        .help =
            "Prints the agent's figures, group by group.\n\nExample:\n\n  $ nomad-lite agent-info",
        .flags = object_flags(),
        .arguments = {},
        .run = run_agent_info,
    };
}

Command check_command() {
    return {
        .path = "check",
        .usage = "[options]",
        .synopsis = "Probe the agent's health",
        .help = "Says nothing and exits 0 while the agent is well; else says why not and exits 2.",
        .flags =
            {
                {.name = "min-peers",
                 .kind = FlagKind::Integer,
                 .help = "Fewest peers a server must have.",
                 .fallback = "0"},
                {.name = "min-servers",
                 .kind = FlagKind::Integer,
                 .help = "Fewest servers a client must know.",
                 .fallback = "1"},
            },
        .arguments = {},
        .run = run_check,
        .hidden = true,
    };
}

}  // namespace nl::cli
