// config validate: an agent's configuration, read as the agent would read it.

#include "agent/config_file.h"
#include "cli/commands.h"
#include "cli/context.h"

namespace nl::cli {

namespace {

int run(Context& context) {
    const auto config = agent::load_config(context.arguments());
    if (!config) {
        return context.fail("{}", config.error().message);
    }
    const bool server = config->server && config->server->enabled.value_or(false);
    const bool client = config->client && config->client->enabled.value_or(false);
    if (!server && !client) {
        return context.fail("Must have at least client or server mode enabled");
    }
    if (config->data_dir.value_or("").empty()) {
        return context.fail("Must specify \"data_dir\" config option or \"data-dir\" CLI flag");
    }
    if (config->data_dir->front() != '/') {
        return context.fail("\"data_dir\" must be an absolute path, not {}", *config->data_dir);
    }
    if (server && config->server->bootstrap_expect.value_or(0) < 0) {
        return context.fail("bootstrap_expect must be 0 or more");
    }
    context.line("{}", context.ui().green("Configuration is valid!"));
    return 0;
}

}  // namespace

Command config_validate_command() {
    return {
        .path = "config validate",
        .usage = "<config_path> [<config_path...>]",
        .synopsis = "Check an agent's configuration",
        .help = "Reads configuration files or folders of them, laid over each other in order as "
                "the agent does,\nand says whether an agent could run with them.\n\n"
                "Example:\n\n  $ nomad-lite config validate /etc/nomad.d",
        .flags = {},
        .arguments =
            {.least = 1,
             .most = kManyArguments,
             .words = "at least one argument: <config_path>"},
        .run = run,
        .family = Family::Local,
    };
}

}  // namespace nl::cli
