// volume snapshot: snapshots of CSI volumes, which their plugins make and keep.

#include "cli/commands.h"
#include "cli/context.h"

#include <algorithm>
#include <optional>

namespace nl::cli {

namespace {

/// key=value pairs of a flag that may be given several times; nothing after saying what is wrong.
std::optional<Value::Map> pairs_of(Context& context, const char* flag) {
    Value::Map out;
    for (const std::string& pair : context.flags().list(flag)) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string::npos || equals == 0) {
            context.fail("Error parsing -{}: \"{}\" is not key=value", flag, pair);
            return {};
        }
        out.insert_or_assign(pair.substr(0, equals), pair.substr(equals + 1));
    }
    return out;
}

/// Secrets travel in a header, so that no log of addresses shows them.
std::optional<Headers> secrets_header(Context& context) {
    const auto secrets = pairs_of(context, "secret");
    if (!secrets) {
        return {};
    }
    std::string text;
    for (const auto& [key, value] : *secrets) {
        text += fmt::format("{}{}={}", text.empty() ? "" : ",", key, Doc(value).text());
    }
    return text.empty() ? Headers{} : Headers{{"X-Nomad-CSI-Secrets", text}};
}

std::string size_of(const Doc& snapshot) {
    return binary_size(static_cast<std::uint64_t>(
        std::max<std::int64_t>(snapshot["SizeBytes"].integer(), 0)
    ));
}

void show(const Context& context, Doc list) {
    std::vector<Row> rows{
        {"Snapshot ID", "Volume ID", "Size", "Create Time", "Ready?"}
    };
    for (const Value& item : list.list()) {
        const Doc one(item);
        rows.push_back(
            {one["ID"].text(),
             one["ExternalSourceVolumeID"].text(),
             size_of(one),
             context.time(WallTime{one["CreateTime"].integer() * 1'000'000'000}),
             one["IsReady"].flag() ? "true" : "false"}
        );
    }
    context.ui().line(table(rows));
}

int refused(Context& context, const char* what, const HttpReply& reply) {
    return context.fail("{}: Unexpected response code: {} ({})", what, reply.status, reply.body);
}

int create(Context& context) {
    Api* api = context.api();
    const auto parameters = pairs_of(context, "parameter");
    const auto secrets = pairs_of(context, "secret");
    if (api == nullptr || !parameters || !secrets) {
        return 1;
    }
    Value::Map snapshot{
        {"SourceVolumeID", context.argument(0)},
        {"Name", context.argument(1)},
        {"Parameters", *parameters},
        {"Secrets", *secrets},
    };
    const auto answer = api->put(
        api_path({"volumes", "snapshot"}),
        {},
        Value(Value::Map{{"Snapshots", Value::List{Value(std::move(snapshot))}}})
    );
    if (!answer) {
        return context.fail("Error snapshotting volume: {}", answer.error().message);
    }
    show(context, Doc(*answer)["Snapshots"]);
    return 0;
}

int remove(Context& context) {
    Api* api = context.api();
    auto headers = secrets_header(context);
    if (api == nullptr || !headers) {
        return 1;
    }
    const auto reply = api->exchange(
        "DELETE",
        api_path({"volumes", "snapshot"}),
        {{"plugin_id", context.argument(0)}, {"snapshot_id", context.argument(1)}},
        "",
        std::move(*headers)
    );
    if (!reply) {
        return context.fail("Error deleting snapshot: {}", reply.error().message);
    }
    if (reply->status != 200) {
        return refused(context, "Error deleting snapshot", *reply);
    }
    context.line("Successfully deleted snapshot \"{}\"!", context.argument(1));
    return 0;
}

/// The plugin that is named, or the only one there is.
std::optional<std::string> plugin_of(Context& context, Api& api) {
    const std::string wanted = context.text("plugin");
    const auto plugins = api.get(
        api_path({"plugins"}), {{"type", "csi"}, {"prefix", wanted}}
    );
    if (!plugins) {
        context.fail("Error querying CSI plugins: {}", plugins.error().message);
        return {};
    }
    const Value::List& list = Doc(*plugins).list();
    if (list.size() == 1) {
        return Doc(list.front())["ID"].text();
    }
    if (list.empty()) {
        context.fail("No plugins(s) with prefix or ID \"{}\" found", wanted);
    } else {
        context.fail("{} CSI plugins fit: say -plugin <id>", list.size());
    }
    return {};
}

int list(Context& context) {
    Api* api = context.api();
    auto headers = secrets_header(context);
    if (api == nullptr || !headers) {
        return 1;
    }
    const auto plugin = plugin_of(context, *api);
    if (!plugin) {
        return 1;
    }
    Query query{
        {"plugin_id", *plugin}, {"per_page", fmt::format("{}", context.flags().integer("per-page"))}
    };
    if (const std::string token = context.text("page-token"); !token.empty()) {
        query.emplace_back("next_token", token);
    }
    const auto reply = api->exchange(
        "GET", api_path({"volumes", "snapshot"}), std::move(query), "", std::move(*headers)
    );
    if (!reply) {
        return context.fail("Error querying CSI snapshots: {}", reply.error().message);
    }
    if (reply->status != 200) {
        return refused(context, "Error querying CSI snapshots", *reply);
    }
    const auto answer = parse_json(reply->body);
    if (!answer) {
        return context.fail("Error querying CSI snapshots: {}", answer.error().message);
    }
    const Doc found(*answer);
    if (found["Snapshots"].list().empty()) {
        context.line("No snapshots");
        return 0;
    }
    show(context, found["Snapshots"]);
    if (const std::string next = found["NextToken"].text(); !next.empty()) {
        context.line("\nResults have been paginated. To get the next page run:\n");
        context.line(
            "{} volume snapshot list -plugin {} -page-token {}", context.program(), *plugin, next
        );
    }
    return 0;
}

FlagSpec flag(const char* name, FlagKind kind, const char* help, const char* fallback = "") {
    return {.name = name, .kind = kind, .help = help, .fallback = fallback};
}

}  // namespace

std::vector<Command> volume_snapshot_commands() {
    const FlagSpec secret =
        flag("secret", FlagKind::List, "A secret the plugin asks for: key=value.");
    std::vector<Command> out;
    out.push_back({
        .path = "volume snapshot create",
        .usage = "[options] <volume id> [<snapshot name>]",
        .synopsis = "Snapshot a CSI volume",
        .help = "Has the volume's plugin make a snapshot of it.\n\n"
                "Example:\n\n  $ nomad-lite volume snapshot create database before-upgrade",
        .flags =
            {flag("parameter", FlagKind::List, "For the plugin: key=value."),
             secret,
             flag("verbose", FlagKind::Bool, "Show whole ids.")},
        .arguments = {.least = 1, .most = 2, .words = "one or two arguments: <volume id> [<name>]"},
        .run = create,
    });
    out.push_back({
        .path = "volume snapshot delete",
        .usage = "[options] <plugin id> <snapshot id>",
        .synopsis = "Delete a snapshot of a CSI volume",
        .help = "Has the plugin delete a snapshot it keeps.\n\n"
                "Example:\n\n  $ nomad-lite volume snapshot delete ebs snap-12345",
        .flags = {secret},
        .arguments =
            {.least = 2, .most = 2, .words = "two arguments: <plugin id> and <snapshot id>"},
        .run = remove,
    });
    out.push_back({
        .path = "volume snapshot list",
        .usage = "[options] [-plugin plugin_id]",
        .synopsis = "List the snapshots a CSI plugin keeps",
        .help = "Lists what the plugin keeps, whatever made it.\n\n"
                "Example:\n\n  $ nomad-lite volume snapshot list -plugin ebs",
        .flags =
            {flag("plugin", FlagKind::Text, "The plugin; needed where there are several."),
             secret,
             flag("per-page", FlagKind::Integer, "How many at once.", "30"),
             flag("page-token", FlagKind::Text, "Where the page begins."),
             flag("verbose", FlagKind::Bool, "Show whole ids.")},
        .arguments = {},
        .run = list,
    });
    return out;
}

}  // namespace nl::cli
