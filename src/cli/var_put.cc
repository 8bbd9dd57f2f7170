// `var put` and `var lock`: what writes a variable.
#include "cli/commands.h"
#include "cli/var.h"
#include "hcl/body.h"
#include "hcl/eval.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace nl::cli {

namespace {

// ---- what is to be written

/// The specification of a variable in HCL: path, namespace, modify_index and items.
Result<Value> parse_hcl_spec(const std::string& text) {
    hcl::SourceNames names;
    hcl::Diagnostics diagnostics;
    std::size_t steps = 0;
    std::size_t made = 0;
    hcl::EvalContext context;
    context.steps = &steps;
    const auto document = hcl::read_document(text, names.add("input"), names, diagnostics);
    Value::Map out;
    if (!diagnostics.has_errors()) {
        const hcl::BodyContent content =
            document->view().read({{"items", 0}}, context, diagnostics, made);
        for (const hcl::BodyAttribute& attribute : content.attributes) {
            const Value value = hcl::to_plain(attribute.evaluate(context, diagnostics));
            if (attribute.name == "path" || attribute.name == "namespace") {
                out.insert_or_assign(attribute.name == "path" ? "Path" : "Namespace", value);
            } else if (attribute.name == "items") {
                out.insert_or_assign("Items", value);
            } else if (attribute.name == "modify_index") {
                out.insert_or_assign("ModifyIndex", value);
            } else if (attribute.name != "create_index") {
                return fail(ErrorCode::InvalidArgument, "unexpected key {}", attribute.name);
            }
        }
        for (const hcl::BodyBlock& block : content.blocks) {
            Value::Map items;
            for (const auto& item : block.body.read({}, context, diagnostics, made).attributes) {
                items.insert_or_assign(
                    item.name, hcl::to_plain(item.evaluate(context, diagnostics))
                );
            }
            out.insert_or_assign("Items", std::move(items));
        }
    }
    if (diagnostics.has_errors()) {
        return fail(ErrorCode::InvalidArgument, "{}", hcl::first_error(diagnostics, names));
    }
    return Value(std::move(out));
}

Result<Value> parse_spec(const std::string& text, const std::string& form) {
    if (form == "hcl") {
        return parse_hcl_spec(text);
    }
    NL_TRY(Value value, parse_json(text));
    if (value.as_map() == nullptr) {
        return fail(ErrorCode::InvalidArgument, "a variable in JSON is an object");
    }
    return value;
}

/// The value of an item: as it stands, or the content of @file or of standard input (-).
Result<std::string> item_value(const Context& context, const std::string& text) {
    if (text == "-") {
        return context.env().read_file("-");
    }
    if (text.starts_with('@')) {
        return context.env().read_file(text.substr(1));
    }
    return text.starts_with("\\@") ? text.substr(1) : text;
}

/// Arguments to a variable: [@spec | -] [path] [key=value ...].
Result<Value::Map> read_arguments(const Context& context, const std::vector<std::string>& given) {
    std::vector<std::string> words = given;
    Value::Map out;
    std::string form = context.text("in");
    if (!words.empty() && (words[0] == "-" || words[0].starts_with('@'))) {
        const std::string file = words[0] == "-" ? "-" : words[0].substr(1);
        if (!context.flags().given("in") && file.ends_with(".hcl")) {
            form = "hcl";
        }
        NL_TRY(const std::string text, context.env().read_file(file));
        NL_TRY(const Value spec, parse_spec(text, form));
        out = *spec.as_map();
        words.erase(words.begin());
    } else if (!words.empty() && words[0].find('=') == std::string::npos) {
        out.insert_or_assign("Path", words[0]);
        words.erase(words.begin());
        // `var put PATH @spec`: what is read is written under another path.
        if (!words.empty() && (words[0] == "-" || words[0].starts_with('@'))) {
            const std::string file = words[0] == "-" ? "-" : words[0].substr(1);
            if (!context.flags().given("in") && file.ends_with(".hcl")) {
                form = "hcl";
            }
            NL_TRY(const std::string text, context.env().read_file(file));
            NL_TRY(const Value spec, parse_spec(text, form));
            const Value path = out.at("Path");
            out = *spec.as_map();
            out.insert_or_assign("Path", path);
            words.erase(words.begin());
        }
    }
    Value::Map items;
    if (const auto found = out.find("Items"); found != out.end()) {
        items = Doc(found->second).map();
    }
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos || equals == 0) {
            return fail(
                ErrorCode::InvalidArgument, "\"{}\" is no item: items are written key=value", word
            );
        }
        NL_TRY(std::string value, item_value(context, word.substr(equals + 1)));
        items.insert_or_assign(word.substr(0, equals), std::move(value));
    }
    for (const auto& [name, value] : items) {
        if (value.as_string() == nullptr) {
            return fail(ErrorCode::InvalidArgument, "the value of item \"{}\" is no text", name);
        }
    }
    out.insert_or_assign("Items", std::move(items));
    return out;
}

int conflict(const Context& context, std::uint64_t asked, const std::string& body) {
    const auto current = parse_json(body);
    if (!current || current->as_map() == nullptr) {
        return context.fail("Error writing variable: {}", body);
    }
    return context.fail(
        "\nCheck-and-Set conflict\n\nYour provided check-index {} does not match the server-side "
        "index {}.\nRead the variable again, or overwrite it with -force or with -check-index={}.",
        asked,
        Doc(*current)["ModifyIndex"].integer(),
        Doc(*current)["ModifyIndex"].integer()
    );
}

int run_put(Context& context) {
    auto read = read_arguments(context, context.arguments());
    if (!read) {
        return context.fail("Failed to parse variable data: {}", read.error().message);
    }
    Value::Map& body = *read;
    const std::string path = Doc(body.contains("Path") ? body.at("Path") : Value()).text();
    if (path.empty()) {
        return context.usage_error("Unable to determine the variable's path: give it as argument");
    }
    if (Doc(body.at("Items")).map().empty()) {
        return context.fail("A variable needs at least one item, written key=value");
    }
    const std::string form = output_form(context, "none");
    const bool force = context.on("force");
    const std::string check = context.text("check-index");
    if (force && !check.empty()) {
        return context.fail("The -check-index and -force flags are mutually exclusive");
    }
    std::uint64_t index =
        static_cast<std::uint64_t>(body.contains("ModifyIndex") ? Doc(body.at("ModifyIndex")).integer() : 0);
    if (!check.empty()) {
        const auto parsed = parse_integer(check);
        if (!parsed || *parsed < 0) {
            return context.fail("Invalid -check-index value \"{}\": not a whole number", check);
        }
        index = static_cast<std::uint64_t>(*parsed);
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Query query;
    if (!force) {
        query.emplace_back("cas", fmt::format("{}", index));
    }
    if (!api->settings().namespace_.empty()) {
        body.insert_or_assign("Namespace", api->settings().namespace_);
    }
    const auto reply = api->exchange(
        "PUT", variable_path(path), query, write_json(Value(body), JsonStyle::Compact)
    );
    if (!reply) {
        return context.fail("Error creating variable: {}", reply.error().message);
    }
    if (reply->status == 409) {
        return conflict(context, index, reply->body);
    }
    if (reply->status != 200) {
        return context.fail(
            "Error creating variable: Unexpected response code: {} ({})", reply->status, reply->body
        );
    }
    const auto made = parse_json(reply->body);
    if (!made) {
        return context.fail("Error creating variable: {}", made.error().message);
    }
    const std::string done = fmt::format(
        "Created variable \"{}\" with modify index {}", path, Doc(*made)["ModifyIndex"].integer()
    );
    if (form == "none") {
        context.ui().line(done);
        return 0;
    }
    if (context.on("verbose")) {
        context.ui().error(done);
    }
    return show_variable(context, *made, form);
}

// ---- locks

/// A program of its own, until it ends; its exit code, 128 and the signal's number if one ended it.
/// `meanwhile` is called about every tenth of a second and says false to have it ended.
int run_program(
    const std::vector<std::string>& words, bool shell, const std::function<bool()>& meanwhile
) {
    std::vector<std::string> argv = words;
    if (shell) {
        std::string line;
        for (const std::string& word : words) {
            line += (line.empty() ? "" : " ") + word;
        }
        argv = {"/bin/sh", "-c", line};
    }
    std::vector<char*> pointers;
    for (std::string& word : argv) {
        pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);
    pid_t pid = 0;
    if (posix_spawnp(&pid, pointers[0], nullptr, nullptr, pointers.data(), environ) != 0) {
        return 127;
    }
    bool ended = false;
    while (true) {
        int status = 0;
        if (waitpid(pid, &status, WNOHANG) == pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        if (!meanwhile() && !ended) {
            ended = true;
            kill(pid, SIGTERM);
        }
    }
}

int run_lock(Context& context) {
    constexpr Duration kPause = milliseconds(100);
    const std::string path = context.argument(0);
    std::vector<std::string> words = context.arguments();
    words.erase(words.begin());
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Value::Map lock;
    if (const std::string ttl = context.text("ttl"); !ttl.empty()) {
        lock.emplace("TTL", ttl);
    }
    if (const std::string delay = context.text("delay"); !delay.empty()) {
        lock.emplace("LockDelay", delay);
    }
    const auto send = [&](const char* operation, const Value::Map& body) {
        return api->exchange(
            "PUT",
            variable_path(path) + "?" + operation,
            {},
            write_json(Value(body), JsonStyle::Compact)
        );
    };
    // Whoever holds it may hold it for long: waiting is what a lock is for.
    std::int64_t failures = 0;
    Value held;
    while (true) {
        const auto reply = send("lock-acquire", {{"Path", path}, {"Lock", lock}});
        if (reply && reply->status == 200) {
            const auto value = parse_json(reply->body);
            held = value ? *value : Value();
            break;
        }
        const bool taken =
            reply && reply->body.find("already holds a lock") != std::string::npos;
        if (taken && context.on("early-return")) {
            return context.fail("Lock is already held");
        }
        if (!taken && (!reply || reply->status < 500 ||
                       ++failures > context.flags().integer("max-retry"))) {
            return context.fail(
                "Error acquiring lock: {}",
                reply ? fmt::format("Unexpected response code: {} ({})", reply->status, reply->body)
                      : reply.error().message
            );
        }
        context.env().sleep(seconds(1));
    }
    const std::string id = Doc(held)["Lock"]["ID"].text();
    const auto ttl = parse_duration(Doc(held)["Lock"]["TTL"].text());
    const Duration every = (ttl ? *ttl : seconds(15)) / 3;
    const Value::Map mine{{"Path", path}, {"Lock", Value::Map{{"ID", id}}}};
    if (context.on("verbose")) {
        context.line("Lock acquired on \"{}\"", path);
    }
    bool lost = false;
    WallTime renewed = context.env().now();
    const int code = run_program(words, context.on("shell"), [&] {
        context.env().sleep(kPause);
        if (!lost && context.env().now() - renewed >= every) {
            const auto reply = send("lock-renew", mine);
            // A server that cannot be reached now may be reached before the lock runs out.
            lost = reply && reply->status == 409;
            renewed = context.env().now();
        }
        return !lost;
    });
    if (lost) {
        return context.fail("The lock on \"{}\" was lost while the command ran", path);
    }
    if (const auto reply = send("lock-release", mine); !reply || reply->status != 200) {
        return context.fail(
            "Error releasing lock: {}", reply ? reply->body : reply.error().message
        );
    }
    return code;
}

}  // namespace

Command var_put_command() {
    return {
        .path = "var put",
        .usage = "[options] <path> [<key>=<value>]...",
        .synopsis = "Write a variable",
        .help =
            "Writes a variable with the items given, or with a specification from a file (@file) or "
            "from\nstandard input (-). A value may be @file or - as well. Unless -force is given, an "
            "existing\nvariable is only overwritten if its index is the one given.\n\nExamples:\n\n"
            "  $ nomad-lite var put app/db user=u password=@secret.txt\n"
            "  $ nomad-lite var put @spec.nv.hcl",
        .flags =
            {
                {.name = "force", .kind = FlagKind::Bool, .help = "Overwrite whatever is there."},
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Say more."},
                text_flag("check-index", "Only if the variable's index is this one; 0: if there is none."),
                {.name = "in",
                 .kind = FlagKind::Text,
                 .help = "The form of a specification: hcl or json.",
                 .fallback = "json"},
                text_flag("out", "go-template, hcl, json, none or table."),
                text_flag("template", "A Go template, with -out go-template."),
                {.name = "ui", .kind = FlagKind::Bool, .help = "Accepted.", .hidden = true},
            },
        .arguments = {.least = 1, .most = kManyArguments, .words = "at least one argument: <path>"},
        .run = run_put,
    };
}

Command var_lock_command() {
    return {
        .path = "var lock",
        .usage = "[options] <lock path> <command>...",
        .synopsis = "Run a command while holding a variable's lock",
        .help = "Waits for the lock of a variable, runs the command while renewing the lock, and "
                "releases it.\nThe exit code is the command's.\n\nExample:\n\n"
                "  $ nomad-lite var lock backup/lock ./backup.sh",
        .flags =
            {
                text_flag("ttl", "How long the lock lives without being renewed."),
                text_flag("delay", "How long nobody may take the lock after it was lost."),
                {.name = "shell",
                 .kind = FlagKind::Bool,
                 .help = "Run the command through a shell.",
                 .fallback = "true"},
                {.name = "early-return",
                 .kind = FlagKind::Bool,
                 .help = "Fail at once if the lock is held."},
                {.name = "max-retry",
                 .kind = FlagKind::Integer,
                 .help = "Failures of the servers to bear.",
                 .fallback = "5"},
                {.name = "backoff",
                 .kind = FlagKind::Duration,
                 .help = "Accepted.",
                 .fallback = "0s",
                 .hidden = true},
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Say more."},
                {.name = "out", .kind = FlagKind::Text, .help = "Accepted.", .hidden = true},
            },
        .arguments =
            {.least = 2,
             .most = kManyArguments,
             .words = "at least two arguments: <lock path> and <command>"},
        .run = run_lock,
        .runs_a_program = true,
    };
}

}  // namespace nl::cli
