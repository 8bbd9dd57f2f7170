#include "cli/acl.h"
#include "cli/commands.h"

#include <algorithm>

namespace nl::cli {

namespace {

int run_bootstrap(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Value body;
    if (const std::string file = context.argument(0); !file.empty()) {
        const auto text = context.env().read_file(file);
        if (!text) {
            return context.fail("Error reading bootstrap token: {}", text.error().message);
        }
        std::string secret = *text;
        while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) {
            secret.pop_back();
        }
        body = Value::Map{{"BootstrapSecret", std::move(secret)}};
    }
    const auto answer = api->put(api_path({"acl", "bootstrap"}), {}, body);
    if (!answer) {
        return context.fail("Error bootstrapping: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    show_token(context, *answer);
    return 0;
}

Value::List role_links(const Context& context) {
    Value::List out;
    for (const std::string& name : context.flags().list("role-name")) {
        out.emplace_back(Value::Map{{"Name", name}});
    }
    for (const std::string& id : context.flags().list("role-id")) {
        out.emplace_back(Value::Map{{"ID", id}});
    }
    return out;
}

Value::List policy_names(const Context& context) {
    Value::List out;
    for (const std::string& name : context.flags().list("policy")) {
        out.emplace_back(name);
    }
    return out;
}

int run_create(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Value::Map body;
    std::string path = api_path({"acl", "token"});
    if (const std::string file = context.argument(0); !file.empty()) {
        // A token with its secret, made elsewhere.
        const auto text = context.env().read_file(file);
        if (!text) {
            return context.fail("Error reading token: {}", text.error().message);
        }
        const auto parsed = parse_json(*text);
        if (!parsed || parsed->as_map() == nullptr) {
            return context.fail("Error parsing token: a token in JSON is an object");
        }
        body = *parsed->as_map();
    } else {
        const std::string type = context.text("type");
        for (const std::string& name : context.flags().list("policy")) {
            const auto found = api->get(api_path({"acl", "policy", name}));
            if (!found && found.error().code == ErrorCode::NotFound) {
                context.ui().warn(fmt::format("Warning: ACL policy \"{}\" does not exist", name));
            }
        }
        body = {
            {"Name", context.text("name")},
            {"Type", type},
            {"Policies", policy_names(context)},
            {"Roles", role_links(context)},
            {"Global", context.on("global")},
        };
        if (const std::string ttl = context.text("ttl"); !ttl.empty()) {
            if (const auto parsed = parse_duration(ttl); !parsed) {
                return context.fail("Failed to parse TTL as time duration: {}", parsed.error().message);
            }
            body.emplace("ExpirationTTL", ttl);
        }
        if (const std::string accessor = context.text("accessor"); !accessor.empty()) {
            body.emplace("AccessorID", accessor);
        }
    }
    const auto answer = api->put(path, {}, Value(std::move(body)));
    if (!answer) {
        return context.fail("Error creating token: {}", answer.error().message);
    }
    if (context.on("json") && context.text("t").empty()) {
        context.ui().line(write_json(*answer, JsonStyle::Compact));
        return 0;
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    show_token(context, *answer);
    return 0;
}

int run_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"acl", "tokens"}));
    if (!answer) {
        return context.fail("Error listing ACL tokens: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Value::List& tokens = Doc(*answer).list();
    if (tokens.empty()) {
        context.ui().line("No tokens found");
        return 0;
    }
    std::vector<Row> rows{{"Name", "Type", "Global", "Accessor ID", "Expired"}};
    for (const Value& item : tokens) {
        const Doc token(item);
        const WallTime expires = read_time(token["ExpirationTime"]);
        const bool expired = !expires.is_zero() && expires < context.env().now();
        rows.push_back(
            {token["Name"].text(),
             token["Type"].text(),
             token["Global"].flag() ? "true" : "false",
             token["AccessorID"].text(),
             expired ? "true" : "false"}
        );
    }
    context.ui().line(table(rows));
    return 0;
}

int run_info(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"acl", "token", context.argument(0)}));
    if (!answer) {
        return context.fail("Error fetching token: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    show_token(context, *answer);
    return 0;
}

int run_self(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"acl", "token", "self"}));
    if (!answer) {
        return context.fail("Error fetching self token: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    show_token(context, *answer);
    return 0;
}

int run_update(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string accessor = context.argument(0);
    const auto present = api->get(api_path({"acl", "token", accessor}));
    if (!present || present->as_map() == nullptr) {
        return context.fail(
            "Error fetching token: {}", present ? "no such token" : present.error().message
        );
    }
    Value::Map body = *present->as_map();
    const FlagValues& flags = context.flags();
    if (flags.given("name")) {
        body.insert_or_assign("Name", context.text("name"));
    }
    if (flags.given("type")) {
        body.insert_or_assign("Type", context.text("type"));
    }
    if (flags.given("policy")) {
        body.insert_or_assign("Policies", policy_names(context));
    }
    if (flags.given("role-name") || flags.given("role-id")) {
        body.insert_or_assign("Roles", role_links(context));
    }
    const auto answer = api->put(api_path({"acl", "token", accessor}), {}, Value(std::move(body)));
    if (!answer) {
        return context.fail("Error updating token: {}", answer.error().message);
    }
    show_token(context, *answer);
    return 0;
}

int run_delete(Context& context) {
    const std::string accessor = context.argument(0);
    return delete_object(
        context,
        api_path({"acl", "token", accessor}),
        "token",
        fmt::format("Token {} successfully deleted", accessor)
    );
}

std::vector<FlagSpec> link_flags() {
    return {
        list_flag("policy", "A policy of the token; may be given several times."),
        list_flag("role-name", "A role of the token by name; may be given several times."),
        list_flag("role-id", "A role of the token by id; may be given several times."),
    };
}

}  // namespace

Command acl_bootstrap_command() {
    return {
        .path = "acl bootstrap",
        .usage = "[options] [<path>]",
        .synopsis = "Make the first management token",
        .help = "Makes the first management token of a cluster, once. With a path (or - for "
                "standard input) the\nsecret is read from there.\n\nExample:\n\n"
                "  $ nomad-lite acl bootstrap",
        .flags = object_flags(),
        .arguments = {.least = 0, .most = 1, .words = "either no arguments or one: <path>"},
        .run = run_bootstrap,
    };
}

Command acl_token_create_command() {
    return {
        .path = "acl token create",
        .usage = "[options] [<path>]",
        .synopsis = "Make an ACL token",
        .help = "Makes a token with the rights of policies and roles. With a path the token is read "
                "from a JSON\nfile, its secret included.\n\nExample:\n\n"
                "  $ nomad-lite acl token create -name ci -policy deploy -ttl 8h",
        .flags =
            object_flags() + link_flags() +
            std::vector<FlagSpec>{
                text_flag("name", "A name for people."),
                {.name = "type",
                 .kind = FlagKind::Text,
                 .help = "client or management.",
                 .fallback = "client"},
                {.name = "global",
                 .kind = FlagKind::Bool,
                 .help = "Valid in every region."},
                text_flag("ttl", "How long the token is valid, for example 8h."),
                text_flag("accessor", "The accessor id to give it."),
            },
        .arguments = {.least = 0, .most = 1, .words = "either no arguments or one: <path>"},
        .run = run_create,
    };
}

Command acl_token_list_command() {
    return {
        .path = "acl token list",
        .usage = "[options]",
        .synopsis = "List ACL tokens",
        .help = "Lists the tokens without their secrets.",
        .flags = object_flags(),
        .arguments = {},
        .run = run_list,
    };
}

Command acl_token_info_command() {
    return {
        .path = "acl token info",
        .usage = "[options] <token_accessor_id>",
        .synopsis = "Show an ACL token",
        .help = "Shows a token, found by its accessor id.",
        .flags = object_flags(),
        .arguments = one_argument("token_accessor_id"),
        .run = run_info,
    };
}

Command acl_token_self_command() {
    return {
        .path = "acl token self",
        .usage = "[options]",
        .synopsis = "Show the token in use",
        .help = "Shows the token that this call is made with.",
        .flags = object_flags(),
        .arguments = {},
        .run = run_self,
    };
}

Command acl_token_update_command() {
    return {
        .path = "acl token update",
        .usage = "[options] <token_accessor_id>",
        .synopsis = "Change an ACL token",
        .help = "Changes a token's name, type, policies or roles; what is not given stays.",
        .flags = link_flags() +
                 std::vector<FlagSpec>{
                     text_flag("name", "A name for people."),
                     text_flag("type", "client or management."),
                 },
        .arguments = one_argument("token_accessor_id"),
        .run = run_update,
    };
}

Command acl_token_delete_command() {
    return {
        .path = "acl token delete",
        .usage = "[options] <token_accessor_id>",
        .synopsis = "Delete an ACL token",
        .help = "Deletes a token; whoever uses it is refused from then on.",
        .flags = {},
        .arguments = one_argument("token_accessor_id"),
        .run = run_delete,
    };
}

}  // namespace nl::cli
