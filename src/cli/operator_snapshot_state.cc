// operator snapshot state: what a saved state holds, as JSON. Works on the file alone.
#include "agent/saved_lists.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "expr/filter.h"
#include "io/snapshot_archive.h"

#include <utility>

namespace nl::cli {

namespace {

int run_state(Context& context) {
    auto filter = expr::Filter::parse(context.text("filter"));
    if (!filter) {
        return context.fail("Failed to parse filter expression: {}", filter.error().message);
    }
    const auto content = context.env().read_file(context.argument(0));
    if (!content) {
        return context.fail("Error opening snapshot file: {}", content.error().message);
    }
    const auto unpacked = io::unpack_snapshot(*content);
    if (!unpacked) {
        return context.fail("Failed to read archive file: {}", unpacked.error().message);
    }
    auto meta = parse_json(unpacked->meta);
    if (!meta) {
        return context.fail("Failed to read archive file: {}", meta.error().message);
    }
    auto lists = agent::list_saved(unpacked->state, std::move(*filter));
    if (!lists) {
        return context.fail("Failed to read archive file: {}", lists.error().message);
    }
    // There whatever the filter.
    lists->emplace("SnapshotMeta", Value::List{std::move(*meta)});
    context.ui().line(write_json(Value(std::move(*lists)), JsonStyle::Indented));
    return 0;
}

}  // namespace

Command operator_snapshot_state_command() {
    return {
        .path = "operator snapshot state",
        .usage = "[options] <file>",
        .synopsis = "Show what a saved state holds",
        .help =
            "Prints the jobs, nodes, allocations and all else that a saved state holds as JSON, "
            "without a server. Root keys and the content of variables are not shown; ACL tokens "
            "are, so treat the output like the file.\n\nExample:\n\n  $ nomad-lite operator snapshot "
            "state -filter='ID == \"web\"' backup.snap",
        .flags =
            {{.name = "filter",
              .kind = FlagKind::Text,
              .help = "Only objects for which this expression holds."}},
        .arguments = {.least = 1, .most = 1, .words = "one argument: <file>"},
        .run = run_state,
    };
}

}  // namespace nl::cli
