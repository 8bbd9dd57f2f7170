#include "cli/context.h"

namespace nl::cli {

Command version_command() {
    return {
        .path = "version",
        .usage = "",
        .synopsis = "Print the version",
        .help = "Prints the version of Nomad whose interfaces this program has, and its own.",
        .flags = {},
        .arguments = {},
        .run =
            [](Context& context) {
                context.line("Nomad v{}", agent::kNomadVersion);
                context.line("nomad-lite v{}", agent::kVersion);
                return 0;
            },
        .family = Family::Local,
    };
}

}  // namespace nl::cli
