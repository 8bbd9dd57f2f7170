#include "cli/acl.h"
#include "cli/commands.h"

namespace nl::cli {

namespace {

// ---- auth methods

int show_method(Context& context, const Value& method) {
    if (context.wants_object()) {
        return context.print_object(method);
    }
    const Doc doc(method);
    context.ui().line(key_values({
        {"Name", doc["Name"].text()},
        {"Type", doc["Type"].text()},
        {"Locality", doc["TokenLocality"].text()},
        {"Max Token TTL", doc["MaxTokenTTL"].text()},
        {"Token Name Format", doc["TokenNameFormat"].text()},
        {"Default", doc["Default"].flag() ? "true" : "false"},
        {"Create Index", fmt::format("{}", doc["CreateIndex"].integer())},
        {"Modify Index", fmt::format("{}", doc["ModifyIndex"].integer())},
    }));
    if (const Value::Map& config = doc["Config"].map(); !config.empty()) {
        context.ui().section("Auth Method Config");
        Pairs pairs;
        for (const auto& [name, value] : config) {
            std::string text = Doc(value).text();
            if (value.as_list() != nullptr || value.as_map() != nullptr) {
                text = write_json(value, JsonStyle::Compact);
            } else if (const auto* flag = value.as_bool()) {
                text = *flag ? "true" : "false";
            }
            pairs.emplace_back(name, text.empty() ? "<none>" : text);
        }
        context.ui().line(key_values(pairs));
    }
    return 0;
}

int run_method_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"acl", "auth-methods"}));
    if (!answer) {
        return context.fail("Error listing ACL auth methods: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Value::List& methods = Doc(*answer).list();
    if (methods.empty()) {
        context.ui().line("No ACL auth methods found");
        return 0;
    }
    std::vector<Row> rows{{"Name", "Type", "Default"}};
    for (const Value& item : methods) {
        const Doc method(item);
        rows.push_back(
            {method["Name"].text(),
             method["Type"].text(),
             method["Default"].flag() ? "true" : "false"}
        );
    }
    context.ui().line(table(rows));
    return 0;
}

int run_method_info(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"acl", "auth-method", context.argument(0)}));
    if (!answer) {
        return context.fail("Error reading ACL auth method: {}", answer.error().message);
    }
    return show_method(context, *answer);
}

/// Puts the flags that were given over the body. False: the failure is printed.
bool take_method_flags(Context& context, Value::Map& body) {
    const FlagValues& flags = context.flags();
    const auto take = [&](std::string_view flag, const char* field) {
        if (flags.given(flag)) {
            body.insert_or_assign(field, context.text(flag));
        }
    };
    take("type", "Type");
    take("token-locality", "TokenLocality");
    take("token-name-format", "TokenNameFormat");
    if (flags.given("max-token-ttl")) {
        body.insert_or_assign("MaxTokenTTL", to_string(flags.duration("max-token-ttl")));
    }
    if (flags.given("default")) {
        body.insert_or_assign("Default", context.on("default"));
    }
    if (const std::string file = context.text("config"); !file.empty()) {
        std::string text = file;
        if (!file.starts_with('{')) {
            const auto read =
                context.env().read_file(file.starts_with('@') ? file.substr(1) : file);
            if (!read) {
                context.fail("Error reading the configuration: {}", read.error().message);
                return false;
            }
            text = *read;
        }
        const auto config = parse_json(text);
        if (!config || config->as_map() == nullptr) {
            context.fail("Unable to parse configuration: it must be a JSON object");
            return false;
        }
        body.insert_or_assign("Config", *config);
    }
    return true;
}

int run_method_create(Context& context) {
    for (const char* needed : {"name", "token-locality", "type", "config"}) {
        if (context.text(needed).empty()) {
            return context.fail(
                "ACL auth method {} must be specified using the -{} flag", needed, needed
            );
        }
    }
    if (context.flags().duration("max-token-ttl") <= Duration{}) {
        return context.fail("Max token TTL must be set to a value between min and max TTL "
                            "configured for the server.");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Value::Map body{{"Name", context.text("name")}};
    if (!take_method_flags(context, body)) {
        return 1;
    }
    const auto answer = api->put(api_path({"acl", "auth-method"}), {}, Value(std::move(body)));
    if (!answer) {
        return context.fail("Error creating ACL auth method: {}", answer.error().message);
    }
    return show_method(context, *answer);
}

int run_method_update(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string name = context.argument(0);
    const auto present = api->get(api_path({"acl", "auth-method", name}));
    if (!present || present->as_map() == nullptr) {
        return context.fail(
            "Error when retrieving ACL auth method: {}",
            present ? "no such method" : present.error().message
        );
    }
    Value::Map body = *present->as_map();
    if (!take_method_flags(context, body)) {
        return 1;
    }
    const auto answer =
        api->put(api_path({"acl", "auth-method", name}), {}, Value(std::move(body)));
    if (!answer) {
        return context.fail("Error updating ACL auth method: {}", answer.error().message);
    }
    return show_method(context, *answer);
}

int run_method_delete(Context& context) {
    const std::string name = context.argument(0);
    return delete_object(
        context,
        api_path({"acl", "auth-method", name}),
        "ACL auth method",
        fmt::format("ACL auth method {} successfully deleted", name)
    );
}

std::vector<FlagSpec> method_flags() {
    return object_flags() +
           std::vector<FlagSpec>{
               text_flag("type", "OIDC or JWT."),
               text_flag("token-locality", "local or global: where its tokens are valid."),
               text_flag("token-name-format", "How its tokens are named."),
               {.name = "max-token-ttl",
                .kind = FlagKind::Duration,
                .help = "How long its tokens are valid.",
                .fallback = "0s"},
               text_flag("config", "The configuration: a JSON object, or the file that holds one."),
               {.name = "default", .kind = FlagKind::Bool, .help = "The one that logins use."},
           };
}

// ---- binding rules

int show_rule(Context& context, const Value& rule) {
    if (context.wants_object()) {
        return context.print_object(rule);
    }
    const Doc doc(rule);
    context.ui().line(key_values({
        {"ID", doc["ID"].text()},
        {"Description", doc["Description"].text_or("<none>")},
        {"Auth Method", doc["AuthMethod"].text()},
        {"Selector", fmt::format("\"{}\"", doc["Selector"].text())},
        {"Bind Type", doc["BindType"].text()},
        {"Bind Name", doc["BindName"].text_or("<none>")},
        {"Create Time", go_time(doc["CreateTime"])},
        {"Modify Time", go_time(doc["ModifyTime"])},
        {"Create Index", fmt::format("{}", doc["CreateIndex"].integer())},
        {"Modify Index", fmt::format("{}", doc["ModifyIndex"].integer())},
    }));
    return 0;
}

int run_rule_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"acl", "binding-rules"}));
    if (!answer) {
        return context.fail("Error listing ACL binding rules: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Value::List& rules = Doc(*answer).list();
    if (rules.empty()) {
        context.ui().line("No ACL binding rules found");
        return 0;
    }
    std::vector<Row> rows{{"ID", "Description", "Auth Method"}};
    for (const Value& item : rules) {
        const Doc rule(item);
        rows.push_back({rule["ID"].text(), rule["Description"].text(), rule["AuthMethod"].text()});
    }
    context.ui().line(table(rows));
    return 0;
}

int run_rule_info(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"acl", "binding-rule", context.argument(0)}));
    if (!answer) {
        return context.fail("Error reading ACL binding rule: {}", answer.error().message);
    }
    return show_rule(context, *answer);
}

void take_rule_flags(const Context& context, Value::Map& body) {
    const auto take = [&](std::string_view flag, const char* field) {
        if (context.flags().given(flag)) {
            body.insert_or_assign(field, context.text(flag));
        }
    };
    take("description", "Description");
    take("selector", "Selector");
    take("bind-type", "BindType");
    take("bind-name", "BindName");
}

int run_rule_create(Context& context) {
    if (context.text("auth-method").empty()) {
        return context.fail(
            "ACL binding rule auth method must be specified using the -auth-method flag"
        );
    }
    if (context.text("bind-type").empty()) {
        return context.fail(
            "ACL binding rule bind type must be specified using the -bind-type flag"
        );
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Value::Map body{{"AuthMethod", context.text("auth-method")}};
    take_rule_flags(context, body);
    const auto answer = api->put(api_path({"acl", "binding-rule"}), {}, Value(std::move(body)));
    if (!answer) {
        return context.fail("Error creating ACL binding rule: {}", answer.error().message);
    }
    return show_rule(context, *answer);
}

int run_rule_update(Context& context) {
    const FlagValues& flags = context.flags();
    if (!flags.given("description") && !flags.given("selector") && !flags.given("bind-type") &&
        !flags.given("bind-name")) {
        return context.fail("Please provide at least one flag to update the ACL binding rule");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string id = context.argument(0);
    const auto present = api->get(api_path({"acl", "binding-rule", id}));
    if (!present || present->as_map() == nullptr) {
        return context.fail(
            "Error when retrieving ACL binding rule: {}",
            present ? "no such rule" : present.error().message
        );
    }
    Value::Map body = *present->as_map();
    if (context.on("no-merge")) {
        body = {{"ID", body.at("ID")}, {"AuthMethod", body.at("AuthMethod")}};
    }
    take_rule_flags(context, body);
    const auto answer = api->put(api_path({"acl", "binding-rule", id}), {}, Value(std::move(body)));
    if (!answer) {
        return context.fail("Error updating ACL binding rule: {}", answer.error().message);
    }
    return show_rule(context, *answer);
}

int run_rule_delete(Context& context) {
    const std::string id = context.argument(0);
    return delete_object(
        context,
        api_path({"acl", "binding-rule", id}),
        "ACL binding rule",
        fmt::format("ACL binding rule {} successfully deleted", id)
    );
}

std::vector<FlagSpec> rule_flags() {
    return object_flags() +
           std::vector<FlagSpec>{
               text_flag("description", "What it is for."),
               text_flag("selector", "Which logins it is for."),
               text_flag("bind-type", "role, policy or management."),
               text_flag("bind-name", "The role or policy it gives."),
           };
}

}  // namespace

Command acl_auth_method_list_command() {
    return {
        .path = "acl auth-method list",
        .usage = "[options]",
        .synopsis = "List ACL auth methods",
        .help = "Lists the auth methods.",
        .flags = object_flags(),
        .arguments = {},
        .run = run_method_list,
    };
}

Command acl_auth_method_info_command() {
    return {
        .path = "acl auth-method info",
        .usage = "[options] <acl_method_name>",
        .synopsis = "Show an ACL auth method",
        .help = "Shows an auth method without its secrets.",
        .flags = object_flags(),
        .arguments = one_argument("acl_method_name"),
        .run = run_method_info,
    };
}

Command acl_auth_method_create_command() {
    return {
        .path = "acl auth-method create",
        .usage = "[options]",
        .synopsis = "Make an ACL auth method",
        .help = "Makes an auth method.",
        .flags = method_flags() + std::vector<FlagSpec>{text_flag("name", "Its name.")},
        .arguments = {},
        .run = run_method_create,
    };
}

Command acl_auth_method_update_command() {
    return {
        .path = "acl auth-method update",
        .usage = "[options] <acl_auth_method_name>",
        .synopsis = "Change an ACL auth method",
        .help = "Changes an auth method; what is not given stays.",
        .flags = method_flags(),
        .arguments = one_argument("acl_auth_method_name"),
        .run = run_method_update,
    };
}

Command acl_auth_method_delete_command() {
    return {
        .path = "acl auth-method delete",
        .usage = "[options] <acl_method_name>",
        .synopsis = "Delete an ACL auth method",
        .help = "Deletes an auth method.",
        .flags = {},
        .arguments = one_argument("acl_method_name"),
        .run = run_method_delete,
    };
}

Command acl_binding_rule_list_command() {
    return {
        .path = "acl binding-rule list",
        .usage = "[options]",
        .synopsis = "List ACL binding rules",
        .help = "Lists the binding rules.",
        .flags = object_flags(),
        .arguments = {},
        .run = run_rule_list,
    };
}

Command acl_binding_rule_info_command() {
    return {
        .path = "acl binding-rule info",
        .usage = "[options] <acl_binding_rule_id>",
        .synopsis = "Show an ACL binding rule",
        .help = "Shows a binding rule.",
        .flags = object_flags(),
        .arguments = one_argument("acl_binding_rule_id"),
        .run = run_rule_info,
    };
}

Command acl_binding_rule_create_command() {
    return {
        .path = "acl binding-rule create",
        .usage = "[options]",
        .synopsis = "Make an ACL binding rule",
        .help = "Makes a binding rule: which logins get which role or policy.",
        .flags = rule_flags() +
                 std::vector<FlagSpec>{text_flag("auth-method", "The auth method of the logins.")},
        .arguments = {},
        .run = run_rule_create,
    };
}

Command acl_binding_rule_update_command() {
    return {
        .path = "acl binding-rule update",
        .usage = "[options] <acl_binding_rule_id>",
        .synopsis = "Change an ACL binding rule",
        .help = "Changes a binding rule. What is not given stays, unless -no-merge is given.",
        .flags = rule_flags() +
                 std::vector<FlagSpec>{
                     {.name = "no-merge",
                      .kind = FlagKind::Bool,
                      .help = "Replace the whole rule by what is given."}
                 },
        .arguments = one_argument("acl_binding_rule_id"),
        .run = run_rule_update,
    };
}

Command acl_binding_rule_delete_command() {
    return {
        .path = "acl binding-rule delete",
        .usage = "[options] <acl_binding_rule_id>",
        .synopsis = "Delete an ACL binding rule",
        .help = "Deletes a binding rule.",
        .flags = {},
        .arguments = one_argument("acl_binding_rule_id"),
        .run = run_rule_delete,
    };
}

}  // namespace nl::cli
