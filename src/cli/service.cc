// Nomad's own service discovery and scaling policies.
#include "cli/context.h"

#include <algorithm>
#include <map>

namespace nl::cli {
namespace {

std::string tag_list(Doc tags) {
    return "[" + join(texts(tags.list()), ",") + "]";
}

/// -filter, -per-page and -page-token as the lists take them.
Query paging(const Context& context) {
    Query query;
    if (!context.text("filter").empty()) {
        query.emplace_back("filter", context.text("filter"));
    }
    if (context.flags().given("per-page")) {
        query.emplace_back("per_page", fmt::format("{}", context.flags().integer("per-page")));
    }
    if (!context.text("page-token").empty()) {
        query.emplace_back("next_token", context.text("page-token"));
    }
    return query;
}

std::vector<FlagSpec> paging_flags() {
    return {
        {.name = "filter", .kind = FlagKind::Text, .help = "Show what matches this expression."},
        {.name = "per-page", .kind = FlagKind::Integer, .help = "How many to show."},
        {.name = "page-token", .kind = FlagKind::Text, .help = "Where the page begins."},
    };
}

int list_services(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"services"}));
    if (!answer) {
        return context.fail("Error listing service registrations: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const bool every = api->settings().namespace_ == "*";
    std::vector<Row> rows;
    for (const Value& item : Doc(*answer).list()) {
        for (const Value& service : Doc(item)["Services"].list()) {
            const std::string name = Doc(service)["ServiceName"].text();
            if (!context.text("name").empty() && name != context.text("name")) {
                continue;
            }
            Row row{name};
            if (every) {
                row.push_back(Doc(item)["Namespace"].text());
            }
            row.push_back(tag_list(Doc(service)["Tags"]));
            rows.push_back(std::move(row));
        }
    }
    if (rows.empty()) {
        context.line("No service registrations found");
        return 0;
    }
    std::ranges::sort(rows);
    rows.insert(
        rows.begin(), every ? Row{"Service Name", "Namespace", "Tags"} : Row{"Service Name", "Tags"}
    );
    context.ui().line(table(rows));
    return 0;
}

int show_service(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"service", context.argument(0)}), paging(context));
    if (!answer) {
        return context.fail("Error listing service registrations: {}", answer.error().message);
    }
    const std::string next = api->next_token();
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Value::List& found = Doc(*answer).list();
    if (found.empty()) {
        context.line("No service registrations found");
        return 0;
    }
    const auto address = [](Doc one) {
        const std::string port = one["Port"].text();
        return port == "0" ? one["Address"].text() : one["Address"].text() + ":" + port;
    };
    if (context.on("verbose")) {
        bool first = true;
        for (const Value& item : found) {
            const Doc one(item);
            if (!std::exchange(first, false)) {
                context.line("");
            }
            context.ui().line(key_values({
                {"ID", one["ID"].text()},
                {"Service Name", one["ServiceName"].text()},
                {"Namespace", one["Namespace"].text()},
                {"Job ID", one["JobID"].text()},
                {"Alloc ID", one["AllocID"].text()},
                {"Node ID", one["NodeID"].text()},
                {"Datacenter", one["Datacenter"].text()},
                {"Address", address(one)},
                {"Tags", tag_list(one["Tags"])},
            }));
        }
    } else {
        std::vector<Row> rows{{"Job ID", "Address", "Tags", "Node ID", "Alloc ID"}};
        for (const Value& item : found) {
            const Doc one(item);
            rows.push_back(
                {one["JobID"].text(),
                 address(one),
                 tag_list(one["Tags"]),
                 short_id(one["NodeID"].text(), IdLength::Short),
                 short_id(one["AllocID"].text(), IdLength::Short)}
            );
        }
        context.ui().line(table(rows));
    }
    if (!next.empty()) {
        context.line("\nResults have been paginated. To get the next page add: -page-token {}", next);
    }
    return 0;
}

int delete_service(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer =
        api->remove(api_path({"service", context.argument(0), context.argument(1)}));
    if (!answer) {
        return context.fail("Error deleting service registration: {}", answer.error().message);
    }
    context.line("Successfully deleted service registration");
    return 0;
}

std::string target_text(Doc target) {
    std::string out;
    for (const auto& [key, value] : target.map()) {
        out += fmt::format("{}{}:{}", out.empty() ? "" : ",", key, Doc(value).text());
    }
    return out;
}

int list_policies(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Query query;
    for (const char* flag : {"type", "job"}) {
        if (!context.text(flag).empty()) {
            query.emplace_back(flag, context.text(flag));
        }
    }
    const auto answer = api->get(api_path({"scaling", "policies"}), query);
    if (!answer) {
        return context.fail("Error listing scaling policies: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    if (Doc(*answer).list().empty()) {
        context.line("No policies found");
        return 0;
    }
    std::vector<Row> rows{{"ID", "Enabled", "Type", "Target"}};
    for (const Value& item : Doc(*answer).list()) {
        const Doc one(item);
        rows.push_back(
            {short_id(one["ID"].text(), context.id_length()),
             one["Enabled"].flag() ? "true" : "false",
             one["Type"].text(),
             target_text(one["Target"])}
        );
    }
    context.ui().line(table(rows));
    return 0;
}

int show_policy(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string typed = context.argument(0);
    const auto list = api->get(api_path({"scaling", "policies"}), {{"prefix", typed}});
    if (!list) {
        return context.fail("Error querying scaling policy: {}", list.error().message);
    }
    const Value::List& found = Doc(*list).list();
    std::string id;
    for (const Value& item : found) {
        if (Doc(item)["ID"].text() == typed || found.size() == 1) {
            id = Doc(item)["ID"].text();
        }
    }
    if (found.empty()) {
        return context.fail("No scaling policies with prefix or id \"{}\" found", typed);
    }
    if (id.empty()) {
        std::vector<Row> rows{{"ID", "Enabled", "Type", "Target"}};
        for (const Value& item : found) {
            const Doc one(item);
            rows.push_back(
                {one["ID"].text(),
                 one["Enabled"].flag() ? "true" : "false",
                 one["Type"].text(),
                 target_text(one["Target"])}
            );
        }
        return context.fail("Prefix matched multiple scaling policies\n\n{}", table(rows));
    }
    const auto answer = api->get(api_path({"scaling", "policy", id}));
    if (!answer) {
        return context.fail("Error querying scaling policy: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Doc one(*answer);
    context.ui().line(key_values({
        {"ID", short_id(one["ID"].text(), context.id_length())},
        {"Enabled", one["Enabled"].flag() ? "true" : "false"},
        {"Target", target_text(one["Target"])},
        {"Min", one["Min"].text()},
        {"Max", one["Max"].text()},
    }));
    context.ui().section("Policy:");
    context.ui().line(write_json(one["Policy"].value(), JsonStyle::Indented));
    return 0;
}

}  // namespace

Command service_list_command() {
    return {
        .path = "service list",
        .usage = "[options]",
        .synopsis = "List services",
        .help = "Lists the services of Nomad's own discovery.\n\n"
                "Example:\n\n  $ nomad-lite service list -namespace '*'",
        .flags = object_flags() +
                 std::vector<FlagSpec>{
                     {.name = "name", .kind = FlagKind::Text, .help = "Only this service."}
                 },
        .arguments = {},
        .run = list_services,
    };
}

Command service_info_command() {
    return {
        .path = "service info",
        .usage = "[options] <service>",
        .synopsis = "Show the instances of a service",
        .help = "Shows where a service's instances are.\n\n"
                "Example:\n\n  $ nomad-lite service info web",
        .flags = object_flags() + paging_flags() +
                 std::vector<FlagSpec>{
                     {.name = "verbose", .kind = FlagKind::Bool, .help = "Show everything."}
                 },
        .arguments = {.least = 1, .most = 1, .words = "one argument: <service_name>"},
        .run = show_service,
    };
}

Command service_delete_command() {
    return {
        .path = "service delete",
        .usage = "[options] <service> <id>",
        .synopsis = "Delete an instance of a service",
        .help = "Deletes a registration that a lost task left behind.\n\n"
                "Example:\n\n  $ nomad-lite service delete web _nomad-task-5a1c...",
        .flags = {},
        .arguments = {.least = 2, .most = 2, .words = "two arguments: <service_name> and <service_id>"},
        .run = delete_service,
    };
}

Command scaling_policy_list_command() {
    return {
        .path = "scaling policy list",
        .usage = "[options]",
        .synopsis = "List scaling policies",
        .help = "Lists the scaling blocks of jobs.\n\n"
                "Example:\n\n  $ nomad-lite scaling policy list -job web",
        .flags =
            object_flags() +
            std::vector<FlagSpec>{
                {.name = "type", .kind = FlagKind::Text, .help = "Only policies of this type."},
                {.name = "job", .kind = FlagKind::Text, .help = "Only policies of this job."},
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."},
            },
        .arguments = {},
        .run = list_policies,
    };
}

Command scaling_policy_info_command() {
    return {
        .path = "scaling policy info",
        .usage = "[options] <policy>",
        .synopsis = "Show a scaling policy",
        .help = "Shows a scaling policy with its body.\n\n"
                "Example:\n\n  $ nomad-lite scaling policy info 14cc3908",
        .flags = object_flags() +
                 std::vector<FlagSpec>{
                     {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."}
                 },
        .arguments = {.least = 1, .most = 1, .words = "one argument: <policy_id>"},
        .run = show_policy,
    };
}

}  // namespace nl::cli
