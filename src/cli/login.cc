// login: a token of Nomad's for one of another authority, through an auth method.

#include "cli/commands.h"
#include "cli/context.h"

#include <optional>

namespace nl::cli {

namespace {

/// The method that is named, or the default one of that type. Nothing after saying why.
std::optional<std::string> method_of(Context& context, Api& api, std::string& type) {
    const auto answer = api.get(api_path({"acl", "auth-methods"}));
    if (!answer) {
        context.fail("Error listing ACL auth methods: {}", answer.error().message);
        return {};
    }
    const std::string wanted = context.text("method");
    for (const Value& item : Doc(*answer).list()) {
        const Doc method(item);
        const bool fits = wanted.empty() ? method["Default"].flag() &&
                                               (type.empty() || method["Type"].text() == type)
                                         : method["Name"].text() == wanted;
        if (fits) {
            type = method["Type"].text();
            return method["Name"].text();
        }
    }
    if (wanted.empty()) {
        context.fail("Must specify an auth method name, no default found");
    } else {
        context.fail("Error: method {} not found in the state store", wanted);
    }
    return {};
}

int run(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    std::string type = context.text("type");
    for (char& c : type) {
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    if (!type.empty() && type != "OIDC" && type != "JWT") {
        return context.fail("Unsupported authentication type \"{}\"", type);
    }
    const auto method = method_of(context, *api, type);
    if (!method) {
        return 1;
    }
    if (type == "OIDC") {
        return context.fail(
            "Method {} asks for a browser, which this command does not serve; log in with a token "
            "of the authority through a method of type JWT",
            *method
        );
    }
    if (context.text("login-token").empty()) {
        return context.usage_error("Flag -login-token is needed for a method of type JWT");
    }
    const auto answer = api->post(
        api_path({"acl", "login"}),
        {},
        Value(Value::Map{
            {"AuthMethodName", *method}, {"LoginToken", context.text("login-token")}
        })
    );
    if (!answer) {
        return context.fail("Error performing login: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Doc token(*answer);
    context.line(
        "{}\n",
        context.ui().bold(fmt::format("Successfully logged in via {} and {}\n", type, *method))
    );
    context.ui().line(key_values({
        {"Accessor ID", token["AccessorID"].text()},
        {"Secret ID", token["SecretID"].text()},
        {"Name", token["Name"].text()},
        {"Type", token["Type"].text()},
        {"Expiry Time", context.time(token["ExpirationTime"])},
    }));
    return 0;
}

int create_introduction(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Value::Map body{
        {"NodeName", context.text("node-name")}, {"NodePool", context.text("node-pool")}
    };
    if (const std::string life = context.text("ttl"); !life.empty()) {
        const auto parsed = parse_duration(life);
        if (!parsed) {
            return context.fail("Error parsing TTL: {}", parsed.error().message);
        }
        body.insert_or_assign("TTL", parsed->ns);
    }
    const auto answer = api->put(
        api_path({"acl", "identity", "client-introduction-token"}), {}, Value(std::move(body))
    );
    if (!answer) {
        return context.fail("Error generating introduction token: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    context.line("Successfully generated client introduction token\n");
    context.line("{}", Doc(*answer)["JWT"].text());
    return 0;
}

FlagSpec text(const char* name, const char* help) {
    return {.name = name, .kind = FlagKind::Text, .help = help};
}

}  // namespace

Command login_command() {
    return {
        .path = "login",
        .usage = "[options]",
        .synopsis = "Log in with a token of another authority",
        .help = "Exchanges a JWT for a token, as the auth method's binding rules say.\n\n"
                "Example:\n\n  $ nomad-lite login -method ci -login-token \"$CI_JOB_JWT\"",
        .flags =
            std::vector<FlagSpec>{
                text("method", "The auth method; else the default one."),
                text("type", "The method's type, JWT or OIDC, to choose a default by."),
                text("login-token", "The JWT."),
                {.name = "oidc-callback-addr",
                 .kind = FlagKind::Text,
                 .help = "Where a browser comes back to.",
                 .fallback = "localhost:4649",
                 .alias = {},
                 .hidden = true},
            } +
            object_flags(),
        .arguments = {},
        .run = run,
    };
}

Command node_intro_create_command() {
    return {
        .path = "node intro create",
        .usage = "[options]",
        .synopsis = "Make a token that introduces a new node",
        .help = "Makes a token with which a node may register; it is good for one name and pool if "
                "they are given.\n\n"
                "Example:\n\n  $ nomad-lite node intro create -node-pool gpu -ttl 10m",
        .flags =
            std::vector<FlagSpec>{
                text("ttl", "How long it is good for, such as 5m."),
                text("node-name", "The only node that may use it."),
                text("node-pool", "The pool the node joins."),
            } +
            object_flags(),
        .arguments = {},
        .run = create_introduction,
    };
}

}  // namespace nl::cli
