// `operator root keyring` and `operator gossip keyring`.
#include "base/bytes.h"
#include "cli/acl.h"
#include "cli/commands.h"
#include "io/entropy.h"

#include <algorithm>

namespace nl::cli {

namespace {

std::string key_table(const Context& context, const Value::List& keys) {
    std::vector<Row> rows{{"Key", "State", "Create Time", "Publish Time"}};
    for (const Value& item : keys) {
        const Doc key(item);
        const WallTime published = read_time(key["PublishTime"]);
        rows.push_back(
            {short_id(
                 key["KeyID"].text(), context.on("verbose") ? IdLength::Full : IdLength::Short
             ),
             key["State"].text(),
             context.time(key["CreateTime"]),
             published.is_zero() ? "<none>" : context.time(published)}
        );
    }
    return table(rows);
}

int run_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"operator", "keyring", "keys"}));
    if (!answer) {
        return context.fail("error: {}", answer.error().message);
    }
    context.ui().line(key_table(context, Doc(*answer).list()));
    return 0;
}

int run_rotate(Context& context) {
    const Duration prepublish = context.flags().duration("prepublish");
    const bool full = context.on("full");
    if (full && prepublish > Duration{}) {
        return context.fail("The -prepublish flag cannot be used with -full");
    }
    if (context.on("now") && prepublish > Duration{}) {
        return context.fail("The -prepublish flag cannot be used with -now");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Query query;
    if (full) {
        query.emplace_back("full", "true");
    }
    if (prepublish > Duration{}) {
        query.emplace_back(
            "publish_time", fmt::format("{}", (context.env().now() + prepublish).unix_ns)
        );
    }
    const auto answer = api->put(api_path({"operator", "keyring", "rotate"}), query);
    if (!answer) {
        return context.fail("error: {}", answer.error().message);
    }
    context.ui().line(key_table(context, {Doc(*answer)["Key"].value()}));
    return 0;
}

int run_remove(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    std::string id = context.argument(0);
    constexpr std::size_t kIdChars = 36;
    if (id.size() < kIdChars) {
        const auto answer = api->get(api_path({"operator", "keyring", "keys"}));
        if (!answer) {
            return context.fail("error: {}", answer.error().message);
        }
        std::vector<std::string> found;
        for (const Value& key : Doc(*answer).list()) {
            if (const std::string whole = Doc(key)["KeyID"].text(); whole.starts_with(id)) {
                found.push_back(whole);
            }
        }
        if (found.size() > 1) {
            return context.fail("Prefix \"{}\" matched multiple keys: {}", id, join(found, ", "));
        }
        if (!found.empty()) {
            id = found.front();
        }
    }
    Query query;
    if (context.on("force")) {
        query.emplace_back("force", "true");
    }
    if (const auto answer = api->remove(api_path({"operator", "keyring", "key", id}), query);
        !answer) {
        return context.fail("error: {}", answer.error().message);
    }
    context.line("Removed encryption key {}", id);
    return 0;
}

// ---- gossip

int run_gossip_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    context.ui().line("Gathering installed encryption keys...");
    const auto answer = api->get(api_path({"agent", "keyring", "list"}));
    if (!answer) {
        return context.fail("error: {}", answer.error().message);
    }
    std::vector<Row> rows{{"Key", ""}};
    const std::int64_t nodes = Doc(*answer)["NumNodes"].integer();
    for (const auto& [key, count] : Doc(*answer)["Keys"].map()) {
        rows.push_back({key, fmt::format("[{}/{}]", Doc(count).integer(), nodes)});
    }
    rows.front()[1] = "Nodes";
    context.ui().line(table(rows));
    return 0;
}

int change_gossip(Context& context, const char* operation, std::string_view doing) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    context.ui().line(doing);
    const auto answer = api->put(
        api_path({"agent", "keyring", operation}), {}, Value::Map{{"Key", context.argument(0)}}
    );
    if (!answer) {
        return context.fail("error: {}", answer.error().message);
    }
    return 0;
}

int run_generate(Context& context) {
    constexpr std::size_t kKeyBytes = 32;
    context.ui().line(base64_encode(io::random_bytes(kKeyBytes)));
    return 0;
}

FlagSpec verbose_flag() {
    return {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."};
}

Command gossip_command(
    std::string_view word,
    std::string_view synopsis,
    std::string_view help,
    std::function<int(Context&)> run
) {
    return {
        .path = fmt::format("operator gossip keyring {}", word),
        .usage = "[options] <key>",
        .synopsis = std::string(synopsis),
        .help = std::string(help) + "\nKeys are kept for tools that manage them; servers of this "
                                    "program do not gossip, so that\nnothing is encrypted with "
                                    "them.",
        .flags = {},
        .arguments = one_argument("key"),
        .run = std::move(run),
    };
}

}  // namespace

Command operator_root_keyring_list_command() {
    return {
        .path = "operator root keyring list",
        .usage = "[options]",
        .synopsis = "List the root keys",
        .help = "Lists the keys that variables are encrypted and identities signed with.",
        .flags = {verbose_flag()},
        .arguments = {},
        .run = run_list,
        .help_path = "root keyring list",
    };
}

Command operator_root_keyring_rotate_command() {
    return {
        .path = "operator root keyring rotate",
        .usage = "[options]",
        .synopsis = "Make a new root key",
        .help = "Makes a new root key the active one. With -full every variable is encrypted with "
                "it.",
        .flags =
            {
                {.name = "full",
                 .kind = FlagKind::Bool,
                 .help = "Encrypt every variable with the new key."},
                {.name = "now",
                 .kind = FlagKind::Bool,
                 .help = "Make the key active at once (as without -prepublish)."},
                {.name = "prepublish",
                 .kind = FlagKind::Duration,
                 .help = "Publish the key now and make it active after this time.",
                 .fallback = "0s"},
                verbose_flag(),
            },
        .arguments = {},
        .run = run_rotate,
        .help_path = "root keyring rotate",
    };
}

Command operator_root_keyring_remove_command() {
    return {
        .path = "operator root keyring remove",
        .usage = "[options] <key ID>",
        .synopsis = "Delete a root key",
        .help = "Deletes a root key that is neither active nor in use.",
        .flags =
            {{.name = "force",
              .kind = FlagKind::Bool,
              .help = "Even if variables are encrypted with it: they are lost."}},
        .arguments = one_argument("key ID"),
        .run = run_remove,
        .help_path = "root keyring remove",
    };
}

Command operator_gossip_keyring_list_command() {
    return {
        .path = "operator gossip keyring list",
        .usage = "[options]",
        .synopsis = "List the gossip keys",
        .help = "Lists the gossip keys kept by the agent.",
        .flags = {},
        .arguments = {},
        .run = run_gossip_list,
    };
}

Command operator_gossip_keyring_install_command() {
    return gossip_command(
        "install",
        "Install a gossip key",
        "Adds a key to the gossip keyring.",
        [](Context& context) {
            return change_gossip(context, "install", "Installing new gossip encryption key...");
        }
    );
}

Command operator_gossip_keyring_use_command() {
    return gossip_command(
        "use",
        "Make a gossip key the primary one",
        "Makes an installed key the primary one.",
        [](Context& context) {
            return change_gossip(context, "use", "Changing primary gossip encryption key...");
        }
    );
}

Command operator_gossip_keyring_remove_command() {
    return gossip_command(
        "remove",
        "Remove a gossip key",
        "Takes a key out of the gossip keyring.",
        [](Context& context) {
            return change_gossip(context, "remove", "Removing gossip encryption key...");
        }
    );
}

Command operator_gossip_keyring_generate_command() {
    return {
        .path = "operator gossip keyring generate",
        .usage = "",
        .synopsis = "Make a gossip key",
        .help = "Prints a new key of 32 random bytes in base64.",
        .flags = {},
        .arguments = {},
        .run = run_generate,
        .family = Family::Local,
    };
}

}  // namespace nl::cli
