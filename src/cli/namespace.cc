#include "cli/context.h"

#include <algorithm>

namespace nl::cli {

namespace {

ArgumentRule one_namespace() {
    return {.least = 1, .most = 1, .words = "one argument: <namespace>"};
}

std::string yes_list(Doc list) {
    return join(texts(list.list()), ",");
}

int run_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"namespaces"}));
    if (!answer) {
        return context.fail("Error retrieving namespaces: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    std::vector<Row> rows;
    for (const Value& item : Doc(*answer).list()) {
        rows.push_back({Doc(item)["Name"].text(), Doc(item)["Description"].text()});
    }
    std::ranges::sort(rows);
    rows.insert(rows.begin(), Row{"Name", "Description"});
    context.ui().line(table(rows));
    return 0;
}

void show_pools_like(const Context& context, const char* title, Doc config) {
    if (config.is_null()) {
        return;
    }
    context.ui().section(title);
    context.ui().line(key_values({
        {"Default", config["Default"].text()},
        {"Allowed", yes_list(config["Allowed"])},
        {"Denied", yes_list(config["Denied"])},
    }));
}

int run_status(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"namespace", context.argument(0)}));
    if (!answer) {
        return context.fail("Error retrieving namespaces: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Doc found(*answer);
    const Doc able = found["Capabilities"];
    context.ui().line(key_values({
        {"Name", found["Name"].text()},
        {"Description", found["Description"].text()},
        {"Quota", found["Quota"].text()},
        {"EnabledDrivers",
         able["EnabledTaskDrivers"].list().empty() ? "*" : yes_list(able["EnabledTaskDrivers"])},
        {"DisabledDrivers", yes_list(able["DisabledTaskDrivers"])},
        {"EnabledNetworkModes",
         able["EnabledNetworkModes"].list().empty() ? "*" : yes_list(able["EnabledNetworkModes"])},
        {"DisabledNetworkModes", yes_list(able["DisabledNetworkModes"])},
    }));
    if (const Value::Map& meta = found["Meta"].map(); !meta.empty()) {
        Pairs pairs;
        for (const auto& [key, value] : meta) {
            pairs.emplace_back(key, Doc(value).text());
        }
        context.ui().section("Metadata");
        context.ui().line(key_values(pairs));
    }
    show_pools_like(context, "Node Pool Configuration", found["NodePoolConfiguration"]);
    show_pools_like(context, "Vault Configuration", found["VaultConfiguration"]);
    show_pools_like(context, "Consul Configuration", found["ConsulConfiguration"]);
    return 0;
}

int run_inspect(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto text = api->get_text(api_path({"namespace", context.argument(0)}));
    if (!text) {
        return context.fail("Error retrieving namespaces: {}", text.error().message);
    }
    if (!context.text("t").empty()) {
        const auto value = parse_json(*text);
        return value ? context.print_object(*value) : context.fail("{}", value.error().message);
    }
    context.ui().line(indent_json(*text, 4));
    return 0;
}

int run_apply(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string name = context.argument(0);
    // An existing namespace keeps what is not given.
    Value::Map body;
    const bool from_file = context.on("json") || name == "-" || context.env().file_exists(name);
    if (from_file) {
        const auto text = context.env().read_file(name);
        if (!text) {
            return context.fail("Error reading namespace: {}", text.error().message);
        }
        const auto parsed = parse_json(*text);
        if (!parsed || parsed->as_map() == nullptr) {
            return context.fail(
                "Error parsing input content: {}",
                parsed ? std::string("a namespace in JSON is an object") : parsed.error().message
            );
        }
        body = *parsed->as_map();
    } else {
        const auto present = api->get(api_path({"namespace", name}));
        if (present && present->as_map() != nullptr) {
            body = *present->as_map();
        } else if (!present && present.error().code != ErrorCode::NotFound) {
            return context.fail("Error looking up namespace: {}", present.error().message);
        }
        body.insert_or_assign("Name", name);
        if (context.flags().given("description")) {
            body.insert_or_assign("Description", context.text("description"));
        }
        if (context.flags().given("quota")) {
            body.insert_or_assign("Quota", context.text("quota"));
        }
    }
    const Value sent(std::move(body));
    const std::string applied = Doc(sent)["Name"].text();
    const auto answer = api->put(api_path({"namespace"}), {}, sent);
    if (!answer) {
        return context.fail("Error applying namespace: {}", answer.error().message);
    }
    context.line("Successfully applied namespace \"{}\"!", applied);
    return 0;
}

int run_delete(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string name = context.argument(0);
    const auto answer = api->remove(api_path({"namespace", name}));
    if (!answer) {
        return context.fail("Error deleting namespace: {}", answer.error().message);
    }
    context.line("Successfully deleted namespace \"{}\"!", name);
    return 0;
}

}  // namespace

Command namespace_list_command() {
    return {
        .path = "namespace list",
        .usage = "[options]",
        .synopsis = "List namespaces",
        .help = "Lists the namespaces.",
        .flags = object_flags(),
        .arguments = {},
        .run = run_list,
    };
}

Command namespace_status_command() {
    return {
        .path = "namespace status",
        .usage = "[options] <namespace>",
        .synopsis = "Show a namespace",
        .help = "Shows a namespace and what it allows.",
        .flags = object_flags(),
        .arguments = one_namespace(),
        .run = run_status,
    };
}

Command namespace_inspect_command() {
    return {
        .path = "namespace inspect",
        .usage = "[options] <namespace>",
        .synopsis = "Print a namespace as JSON",
        .help = "Prints a namespace as JSON.",
        .flags = {{.name = "t", .kind = FlagKind::Text, .help = "Print it through a Go template."}},
        .arguments = one_namespace(),
        .run = run_inspect,
    };
}

Command namespace_apply_command() {
    return {
        .path = "namespace apply",
        .usage = "[options] <namespace>",
        .synopsis = "Make or change a namespace",
        .help =
            "Makes a namespace of that name or changes it. The argument may also be a JSON file, "
            "or - for\n"
            "standard input.\n\n"
            "Example:\n\n  $ nomad-lite namespace apply -description 'try things' dev",
        .flags =
            {
                {.name = "description", .kind = FlagKind::Text, .help = "What it is for."},
                {.name = "quota", .kind = FlagKind::Text, .help = "The quota it is under."},
                {.name = "json", .kind = FlagKind::Bool, .help = "The argument is a JSON file."},
            },
        .arguments = one_namespace(),
        .run = run_apply,
    };
}

Command namespace_delete_command() {
    return {
        .path = "namespace delete",
        .usage = "[options] <namespace>",
        .synopsis = "Delete an empty namespace",
        .help = "Deletes a namespace without running jobs.",
        .flags = {},
        .arguments = one_namespace(),
        .run = run_delete,
    };
}

}  // namespace nl::cli
