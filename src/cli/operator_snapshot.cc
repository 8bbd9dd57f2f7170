// operator snapshot: the whole state as a file, put back, and looked into.

#include "cli/commands.h"
#include "cli/context.h"
#include "io/snapshot_archive.h"

namespace nl::cli {

namespace {

std::string size_text(std::uint64_t bytes) {
    constexpr std::uint64_t kUnit = 1024;
    if (bytes < kUnit) {
        return fmt::format("{} B", bytes);
    }
    double size = static_cast<double>(bytes);
    std::string_view unit;
    for (const std::string_view next : {"KiB", "MiB", "GiB"}) {
        if (size < static_cast<double>(kUnit)) {
            break;
        }
        size /= static_cast<double>(kUnit);
        unit = next;
    }
    return fmt::format("{:.1f} {}", size, unit);
}

int run_save(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    std::string file = context.argument(0);
    if (file.empty()) {
        const std::string now = to_rfc3339(context.env().now());
        file = fmt::format(
            "nomad-{}{}{}-{}.snap",
            now.substr(0, 4),
            now.substr(5, 2),
            now.substr(8, 2),
            context.env().now().unix_ns / 1'000'000'000
        );
    }
    Query query;
    if (context.on("stale")) {
        query.emplace_back("stale", "");
    }
    const auto reply = api->exchange("GET", api_path({"operator", "snapshot"}), query, "");
    if (!reply) {
        return context.fail("Failed to get snapshot from cluster: {}", reply.error().message);
    }
    if (reply->status != 200) {
        return context.fail(
            "Failed to get snapshot from cluster: Unexpected response code: {} ({})",
            reply->status,
            reply->body
        );
    }
    if (const std::string told = reply->header("digest");
        told != io::snapshot_digest(reply->body)) {
        return context.fail(
            "Failed to validate snapshot: it does not match the digest that came with it ({})", told
        );
    }
    if (const auto unpacked = io::unpack_snapshot(reply->body); !unpacked) {
        return context.fail("Failed to validate snapshot: {}", unpacked.error().message);
    }
    if (const auto written = context.env().write_file(file, reply->body); !written) {
        return context.fail("Failed to write snapshot file: {}", written.error().message);
    }
    context.line("State file written to {}", file);
    return 0;
}

int run_restore(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    auto content = context.env().read_file(context.argument(0));
    if (!content) {
        return context.fail("Error opening snapshot file: {}", content.error().message);
    }
    if (const auto unpacked = io::unpack_snapshot(*content); !unpacked) {
        return context.fail("Error reading snapshot file: {}", unpacked.error().message);
    }
    const auto reply = api->exchange(
        "PUT", api_path({"operator", "snapshot"}), {}, std::move(*content),
        {{"Content-Type", "application/octet-stream"}}
    );
    if (!reply) {
        return context.fail("Failed to get restore snapshot: {}", reply.error().message);
    }
    if (reply->status != 200) {
        return context.fail(
            "Failed to get restore snapshot: Unexpected response code: {} ({})",
            reply->status,
            reply->body
        );
    }
    context.line("Snapshot Restored");
    return 0;
}

int run_inspect(Context& context) {
    const auto content = context.env().read_file(context.argument(0));
    if (!content) {
        return context.fail("Error opening snapshot file: {}", content.error().message);
    }
    const auto unpacked = io::unpack_snapshot(*content);
    if (!unpacked) {
        return context.fail("Error verifying snapshot: {}", unpacked.error().message);
    }
    const auto meta = parse_json(unpacked->meta);
    if (!meta) {
        return context.fail("Error verifying snapshot: {}", meta.error().message);
    }
    if (context.on("json")) {
        context.ui().line(write_json(*meta, JsonStyle::Indented));
        return 0;
    }
    const Doc doc(*meta);
    context.ui().line(key_values({
        {"ID", doc["ID"].text()},
        {"Size", fmt::format("{}", doc["Size"].integer())},
        {"Index", fmt::format("{}", doc["Index"].integer())},
        {"Term", fmt::format("{}", doc["Term"].integer())},
        {"Version", fmt::format("{}", doc["Version"].integer())},
        {"Created", doc["Created"].text()},
    }));
    context.ui().line("");
    std::vector<Row> rows{{"Type", "Count", "Size"}};
    std::int64_t total = 0;
    for (const Value& item : doc["Tables"].list()) {
        const Doc one(item);
        total += one["Size"].integer();
        rows.push_back(
            {one["Name"].text(),
             fmt::format("{}", one["Count"].integer()),
             size_text(static_cast<std::uint64_t>(one["Size"].integer()))}
        );
    }
    rows.push_back({"Total", "-", size_text(static_cast<std::uint64_t>(total))});
    context.ui().line(table(rows));
    return 0;
}

ArgumentRule one_file() {
    return {.least = 1, .most = 1, .words = "one argument: <file>"};
}

}  // namespace

Command operator_snapshot_save_command() {
    return {
        .path = "operator snapshot save",
        .usage = "[options] <file>",
        .synopsis = "Save the servers' whole state to a file",
        .help =
            "Saves the state of all regions' servers as one file, which is checked before it is "
            "written.\n\nExample:\n\n  $ nomad-lite operator snapshot save backup.snap",
        .flags =
            {{.name = "stale",
              .kind = FlagKind::Bool,
              .help = "Let any server answer, also without a leader."}},
        .arguments = {.least = 0, .most = 1, .words = "at most one argument: <file>"},
        .run = run_save,
    };
}

Command operator_snapshot_restore_command() {
    return {
        .path = "operator snapshot restore",
        .usage = "[options] <file>",
        .synopsis = "Replace the servers' whole state by a saved one",
        .help =
            "Everything the servers hold is replaced by what the file holds. Tasks that run and are "
            "not part of it are stopped.\n\nExample:\n\n  $ nomad-lite operator snapshot restore "
            "backup.snap",
        .flags = {},
        .arguments = one_file(),
        .run = run_restore,
    };
}

Command operator_snapshot_inspect_command() {
    return {
        .path = "operator snapshot inspect",
        .usage = "[options] <file>",
        .synopsis = "Show what a saved state is of",
        .help = "Checks the file's hashes and shows its index and how much it holds of what.",
        .flags = {{.name = "json", .kind = FlagKind::Bool, .help = "As JSON."}},
        .arguments = one_file(),
        .run = run_inspect,
    };
}

}  // namespace nl::cli
