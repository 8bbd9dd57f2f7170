// Volumes, their claims, and CSI plugins.
#include "cli/context.h"
#include "cli/lookup.h"
#include "cli/tables.h"

#include <algorithm>
#include <utility>

namespace nl::cli {
namespace {

std::string ratio(Doc one, const char* what) {
    return fmt::format(
        "{}/{}",
        one[fmt::format("{}Healthy", what)].integer(),
        one[fmt::format("{}Expected", what)].integer()
    );
}

Query type_query(const Context& context, const char* type) {
    Query query{{"type", type}};
    for (const auto& [flag, name] :
         {std::pair("node", "node_id"), std::pair("node-pool", "node_pool")}) {
        if (!context.text(flag).empty()) {
            query.emplace_back(name, context.text(flag));
        }
    }
    return query;
}

void show_host_volumes(const Context& context, const Value::List& volumes) {
    std::vector<Row> rows{
        {"ID", "Name", "Namespace", "Plugin ID", "Node ID", "Node Pool", "State"}
    };
    for (const Value& item : volumes) {
        const Doc one(item);
        rows.push_back(
            {short_id(one["ID"].text(), context.id_length()),
             one["Name"].text(),
             one["Namespace"].text(),
             one["PluginID"].text(),
             short_id(one["NodeID"].text(), context.id_length()),
             one["NodePool"].text(),
             one["State"].text()}
        );
    }
    context.ui().line(table(rows));
}

void show_csi_volumes(const Context& context, const Value::List& volumes) {
    std::vector<Row> rows{
        {"ID", "Name", "Namespace", "Plugin ID", "Schedulable", "Access Mode"}
    };
    for (const Value& item : volumes) {
        const Doc one(item);
        rows.push_back(
            {one["ID"].text(),
             one["Name"].text(),
             one["Namespace"].text(),
             one["PluginID"].text(),
             one["Schedulable"].flag() ? "true" : "false",
             one["AccessMode"].text()}
        );
    }
    context.ui().line(table(rows));
}

int list_volumes(Context& context, Api& api) {
    const std::string type = context.text("type");
    bool any = false;
    Value::List both;
    for (const char* kind : {"host", "csi"}) {
        if (!type.empty() && type != kind) {
            continue;
        }
        const auto answer = api.get(api_path({"volumes"}), type_query(context, kind));
        if (!answer) {
            return context.fail("Error querying volumes: {}", answer.error().message);
        }
        const Value::List& found = Doc(*answer).list();
        both.insert(both.end(), found.begin(), found.end());
        if (context.wants_object() || found.empty()) {
            continue;
        }
        if (std::exchange(any, true)) {
            context.line("");
        }
        const bool host = std::string_view(kind) == "host";
        context.line(
            "{}",
            context.ui().bold(host ? "Dynamic Host Volumes" : "Container Storage Interface")
        );
        if (host) {
            show_host_volumes(context, found);
        } else {
            show_csi_volumes(context, found);
        }
    }
    if (context.wants_object()) {
        return context.print_object(both);
    }
    if (!any) {
        context.line("No volumes");
    }
    return 0;
}

/// The volume of one kind whose id begins so; more than one is shown and refused.
std::optional<Value> find_volume(
    Context& context, Api& api, const char* kind, const std::string& typed, bool& several
) {
    const auto answer = api.get(api_path({"volumes"}), {{"type", kind}, {"prefix", typed}});
    if (!answer) {
        return std::nullopt;
    }
    const Value::List& found = Doc(*answer).list();
    for (const Value& item : found) {
        if (Doc(item)["ID"].text() == typed) {
            return item;
        }
    }
    if (found.size() > 1) {
        several = true;
        if (std::string_view(kind) == "host") {
            show_host_volumes(context, found);
        } else {
            show_csi_volumes(context, found);
        }
    }
    return found.size() == 1 ? std::optional(found.front()) : std::nullopt;
}

int show_volume(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string typed = context.argument(0);
    if (typed.empty()) {
        return list_volumes(context, *api);
    }
    const std::string type = context.text("type");
    bool several = false;
    for (const char* kind : {"host", "csi"}) {
        if (!type.empty() && type != kind) {
            continue;
        }
        const auto stub = find_volume(context, *api, kind, typed, several);
        if (!stub) {
            continue;
        }
        const std::string id = Doc(*stub)["ID"].text();
        const auto answer = api->get(
            api_path({"volume", kind, id}), {{"namespace", Doc(*stub)["Namespace"].text()}}
        );
        if (!answer) {
            return context.fail("Error querying volume: {}", answer.error().message);
        }
        if (context.wants_object()) {
            return context.print_object(*answer);
        }
        const Doc one(*answer);
        if (std::string_view(kind) == "host") {
            context.ui().line(key_values({
                {"ID", one["ID"].text()},
                {"Name", one["Name"].text()},
                {"Namespace", one["Namespace"].text()},
                {"Plugin ID", one["PluginID"].text()},
                {"Node ID", one["NodeID"].text()},
                {"Node Pool", one["NodePool"].text()},
                {"Capacity", binary_size(static_cast<std::uint64_t>(one["CapacityBytes"].integer()))
                },
                {"State", one["State"].text()},
                {"Host Path", one["HostPath"].text()},
            }));
        } else {
            context.ui().line(key_values({
                {"ID", one["ID"].text()},
                {"Name", one["Name"].text()},
                {"Namespace", one["Namespace"].text()},
                {"External ID", one["ExternalID"].text()},
                {"Plugin ID", one["PluginID"].text()},
                {"Provider", one["Provider"].text()},
                {"Version", one["ProviderVersion"].text()},
                {"Capacity", binary_size(static_cast<std::uint64_t>(one["Capacity"].integer()))},
                {"Schedulable", one["Schedulable"].flag() ? "true" : "false"},
                {"Controllers Healthy", ratio(one, "Controllers")},
                {"Nodes Healthy", ratio(one, "Nodes")},
                {"Access Mode", one["AccessMode"].text()},
                {"Attachment Mode", one["AttachmentMode"].text()},
            }));
        }
        context.ui().section("Allocations");
        const Value::List& allocs = one["Allocations"].list();
        context.ui().line(
            allocs.empty() ? std::string("No allocations placed") : allocation_table(context, allocs)
        );
        return 0;
    }
    return several ? context.fail("Prefix \"{}\" matched multiple volumes", typed)
                   : context.fail("No volume(s) with prefix or ID \"{}\" found", typed);
}

std::string kind_of(const Context& context) {
    return context.text("type").empty() ? "csi" : context.text("type");
}

Headers secrets_header(const Context& context) {
    std::string joined;
    for (const std::string& secret : context.flags().list("secret")) {
        joined += (joined.empty() ? "" : ",") + secret;
    }
    return joined.empty() ? Headers{} : Headers{{"X-Nomad-CSI-Secrets", joined}};
}

int remove(Context& context, const std::string& path, Query query, const std::string& done) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto reply =
        api->exchange("DELETE", path, std::move(query), {}, secrets_header(context));
    if (!reply) {
        return context.fail("Error deleting volume: {}", reply.error().message);
    }
    if (reply->status != 200) {
        return context.fail(
            "Error deleting volume: Unexpected response code: {} ({})", reply->status, reply->body
        );
    }
    context.ui().line(done);
    return 0;
}

int delete_volume(Context& context) {
    const std::string id = context.argument(0);
    Query query;
    if (context.on("force")) {
        query.emplace_back("force", "true");
    }
    const std::string path = kind_of(context) == "host"
                                 ? api_path({"volume", "host", id})
                                 : api_path({"volume", "csi", id, "delete"});
    return remove(context, path, query, fmt::format("Successfully deleted volume \"{}\"!", id));
}

int deregister_volume(Context& context) {
    const std::string id = context.argument(0);
    Query query;
    if (context.on("force")) {
        query.emplace_back("force", "true");
    }
    return remove(
        context,
        api_path({"volume", "csi", id}),
        query,
        fmt::format("Successfully deregistered volume \"{}\"!", id)
    );
}

int detach_volume(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto node = find_by_id(context, *api, IdNoun::Node, context.argument(1));
    if (!node) {
        return 1;
    }
    return remove(
        context,
        api_path({"volume", "csi", context.argument(0), "detach"}),
        {{"node", Doc(*node)["ID"].text()}},
        fmt::format("Successfully detached volume \"{}\"!", context.argument(0))
    );
}

int list_claims(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Query query;
    for (const auto& [flag, name] :
         {std::pair("job", "job_id"),
          std::pair("group", "task_group"),
          std::pair("volume-name", "volume_name")}) {
        if (!context.text(flag).empty()) {
            query.emplace_back(name, context.text(flag));
        }
    }
    if (!context.argument(0).empty()) {
        query.emplace_back("prefix", context.argument(0));
    }
    const auto answer = api->get(api_path({"volumes", "claims"}), query);
    if (!answer) {
        return context.fail("Error querying task group host volume claims: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    if (Doc(*answer).list().empty()) {
        context.line("No task group host volume claims found");
        return 0;
    }
    std::vector<Row> rows{{"ID", "Namespace", "Job ID", "Volume ID", "Volume Name"}};
    for (const Value& item : Doc(*answer).list()) {
        const Doc one(item);
        rows.push_back(
            {short_id(one["ID"].text(), context.id_length()),
             one["Namespace"].text(),
             one["JobID"].text(),
             short_id(one["VolumeID"].text(), context.id_length()),
             one["VolumeName"].text()}
        );
    }
    context.ui().line(table(rows));
    return 0;
}

int delete_claim(Context& context) {
    const std::string id = context.argument(0);
    if (!context.on("y") && context.env().in_is_terminal &&
        !context.confirm(fmt::format("Are you sure you want to delete claim \"{}\"?", id))) {
        context.line("Cancelling claim deletion");
        return 0;
    }
    return remove(
        context,
        api_path({"volumes", "claim", id}),
        {},
        fmt::format("Task group host volume claim {} successfully deleted", id)
    );
}

int show_plugins(Context& context) {
    if (!context.text("type").empty() && context.text("type") != "csi") {
        return context.usage_error(
            fmt::format("Unsupported plugin type: {}", context.text("type"))
        );
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string id = context.argument(0);
    if (!id.empty()) {
        const auto answer = api->get(api_path({"plugin", "csi", id}));
        if (!answer) {
            return context.fail("Error querying plugin: {}", answer.error().message);
        }
        if (context.wants_object()) {
            return context.print_object(*answer);
        }
        const Doc one(*answer);
        context.ui().line(key_values({
            {"ID", one["ID"].text()},
            {"Provider", one["Provider"].text()},
            {"Version", one["Version"].text()},
            {"Controllers Healthy/Expected", ratio(one, "Controllers")},
            {"Nodes Healthy/Expected", ratio(one, "Nodes")},
        }));
        if (!context.on("short")) {
            context.ui().section("Allocations");
            const Value::List& allocs = one["Allocations"].list();
            context.ui().line(
                allocs.empty() ? std::string("No allocations placed")
                               : allocation_table(context, allocs)
            );
        }
        return 0;
    }
    const auto answer = api->get(api_path({"plugins"}), {{"type", "csi"}});
    if (!answer) {
        return context.fail("Error querying CSI plugins: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    context.line("{}", context.ui().bold("Container Storage Interface"));
    if (Doc(*answer).list().empty()) {
        context.line("No CSI plugins");
        return 0;
    }
    std::vector<Row> rows{
        {"ID", "Provider", "Controllers Healthy/Expected", "Nodes Healthy/Expected"}
    };
    for (const Value& item : Doc(*answer).list()) {
        const Doc one(item);
        rows.push_back(
            {one["ID"].text(), one["Provider"].text(), ratio(one, "Controllers"), ratio(one, "Nodes")}
        );
    }
    context.ui().line(table(rows));
    return 0;
}

/// The page's address for a noun, as text: nothing is opened without a desktop.
int show_ui(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    std::string url = api->settings().address + "/ui/";
    if (const std::string typed = context.argument(0); !typed.empty()) {
        const auto answer = api->post(
            api_path({"search"}), {}, Value::Map{{"Prefix", typed}, {"Context", "all"}}
        );
        if (!answer) {
            return context.fail("Error querying search with id: {}", answer.error().message);
        }
        std::string place;
        for (const auto& [kind, page] :
             {std::pair("jobs", "jobs"),
              std::pair("allocs", "allocations"),
              std::pair("nodes", "clients")}) {
            for (const Value& match : Doc(*answer)["Matches"][kind].list()) {
                if (place.empty()) {
                    place = fmt::format("{}/{}", page, percent_encode(Doc(match).text()));
                }
            }
        }
        if (place.empty()) {
            return context.fail("Unable to resolve ID: {}", typed);
        }
        url += place;
    }
    context.line("URL for web UI: {}", url);
    return 0;
}

FlagSpec text_flag(const char* name, const char* help, const char* fallback = "") {
    return {.name = name, .kind = FlagKind::Text, .help = help, .fallback = fallback};
}
FlagSpec bool_flag(const char* name, const char* help) {
    return {.name = name, .kind = FlagKind::Bool, .help = help};
}

}  // namespace

std::vector<Command> volume_commands() {
    const FlagSpec secret{
        .name = "secret", .kind = FlagKind::List, .help = "A secret for the plugin: key=value."
    };
    const ArgumentRule one{.least = 1, .most = 1, .words = "one argument: <vol id>"};
    std::vector<Command> out;
    out.push_back({
        .path = "volume status",
        .usage = "[options] [<id>]",
        .synopsis = "List volumes or show one",
        .help = "Lists volumes, or shows the one whose id begins so.\n\n"
                "Examples:\n\n  $ nomad-lite volume status -type host\n"
                "  $ nomad-lite volume status 5a1c",
        .flags = object_flags() +
                 std::vector<FlagSpec>{
                     text_flag("type", "host or csi; both unless given."),
                     text_flag("node", "Host volumes of this node."),
                     text_flag("node-pool", "Host volumes of this pool."),
                     bool_flag("short", "Only the volume."),
                     bool_flag("verbose", "Show whole ids."),
                 },
        .arguments = {.least = 0, .most = 1, .words = "either no arguments or one: <id>"},
        .run = show_volume,
    });
    out.push_back({
        .path = "volume delete",
        .usage = "[options] <vol id>",
        .synopsis = "Delete a volume and what it holds",
        .help = "Deletes a volume. What it holds is gone.\n\n"
                "Example:\n\n  $ nomad-lite volume delete -type host 5a1c",
        .flags =
            {text_flag("type", "host or csi.", "csi"),
             bool_flag("force", "Even if its node is lost."),
             secret},
        .arguments = one,
        .run = delete_volume,
    });
    out.push_back({
        .path = "volume deregister",
        .usage = "[options] <id>",
        .synopsis = "Forget a CSI volume",
        .help = "Forgets a CSI volume without deleting it.\n\n"
                "Example:\n\n  $ nomad-lite volume deregister database",
        .flags = {bool_flag("force", "Even if it is claimed."), secret},
        .arguments = one,
        .run = deregister_volume,
    });
    out.push_back({
        .path = "volume detach",
        .usage = "[options] <vol id> <node id>",
        .synopsis = "Detach a CSI volume from a node",
        .help = "Detaches a CSI volume from a node that does not use it any more.\n\n"
                "Example:\n\n  $ nomad-lite volume detach database 46f1",
        .flags = {secret},
        .arguments = {.least = 2, .most = 2, .words = "two arguments: <vol id> <node id>"},
        .run = detach_volume,
    });
    out.push_back({
        .path = "volume claim list",
        .usage = "[options] [<claim id>]",
        .synopsis = "List claims to sticky host volumes",
        .help = "Lists which groups hold on to which host volumes.\n\n"
                "Example:\n\n  $ nomad-lite volume claim list -job db",
        .flags = object_flags() +
                 std::vector<FlagSpec>{
                     text_flag("job", "Of this job."),
                     text_flag("group", "Of this group."),
                     text_flag("volume-name", "To this volume."),
                     bool_flag("verbose", "Show whole ids."),
                 },
        .arguments = {.least = 0, .most = 1, .words = "either no arguments or one: <claim id>"},
        .run = list_claims,
    });
    out.push_back({
        .path = "volume claim delete",
        .usage = "[options] <id>",
        .synopsis = "Let go of a host volume",
        .help = "Deletes a claim; the group may be placed elsewhere then.\n\n"
                "Example:\n\n  $ nomad-lite volume claim delete 5a1c",
        .flags = {bool_flag("y", "Do not ask."), secret},
        .arguments = {.least = 1, .most = 1, .words = "one argument: <id>"},
        .run = delete_claim,
    });
    out.push_back({
        .path = "plugin status",
        .usage = "[options] [<plugin>]",
        .synopsis = "List CSI plugins or show one",
        .help = "Lists CSI plugins, or shows one.\n\n"
                "Example:\n\n  $ nomad-lite plugin status ebs",
        .flags = object_flags() +
                 std::vector<FlagSpec>{
                     text_flag("type", "csi."),
                     bool_flag("short", "Without allocations."),
                     bool_flag("verbose", "Show whole ids."),
                 },
        .arguments = {.least = 0, .most = 1, .words = "either no arguments or one: <plugin>"},
        .run = show_plugins,
    });
    out.push_back({
        .path = "ui",
        .usage = "[options] [<identifier>]",
        .synopsis = "Show the page's address",
        .help = "Shows the address of the page, or of a job, allocation or node on it.\n\n"
                "Example:\n\n  $ nomad-lite ui web",
        .flags =
            {bool_flag("authenticate", "Accepted; the page asks for a token itself."),
             bool_flag("show-url", "Accepted; the address is always shown.")},
        .arguments = {.least = 0, .most = 1, .words = "either no arguments or one: <identifier>"},
        .run = show_ui,
    });
    return out;
}

}  // namespace nl::cli
