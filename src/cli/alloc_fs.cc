#include "cli/context.h"
#include "cli/frames.h"
#include "cli/lookup.h"

#include <algorithm>

namespace nl::cli {

namespace {

constexpr std::int64_t kTailLines = 10;
constexpr std::int64_t kBytesPerLine = 120;

Row entry_row(const Context& context, Doc entry, bool with_type) {
    const auto size =
        static_cast<std::uint64_t>(std::max<std::int64_t>(entry["Size"].integer(), 0));
    Row row{
        entry["FileMode"].text(),
        context.on("H") ? fmt::format("{}", size) : binary_size(size),
        context.time(entry["ModTime"])
    };
    if (with_type) {
        row.push_back(entry["ContentType"].text());
    }
    row.push_back(entry["Name"].text() + (entry["IsDir"].flag() ? "/" : ""));
    return row;
}

int show_stat(const Context& context, Doc entry) {
    context.ui().line(table(
        {{"Mode", "Size", "Modified Time", "Content Type", "Name"}, entry_row(context, entry, true)}
    ));
    return 0;
}

int show_folder(const Context& context, Api& api, const std::string& id, const std::string& path) {
    const auto list = api.get(api_path({"client", "fs", "ls", id}), {{"path", path}});
    if (!list) {
        return context.fail("Error listing alloc dir: {}", list.error().message);
    }
    std::vector<Row> rows{{"Mode", "Size", "Modified Time", "Name"}};
    for (const Value& entry : Doc(*list).list()) {
        rows.push_back(entry_row(context, entry, false));
    }
    context.ui().line(table(rows));
    return 0;
}

int show_file(
    Context& context, Api& api, const std::string& id, const std::string& path, Doc entry
) {
    const bool tail =
        context.on("tail") || context.flags().given("n") || context.flags().given("c");
    Result<void> done;
    if (!context.on("f") && !tail) {
        done = api.stream(
            api_path({"client", "fs", "cat", id}),
            {{"path", path}},
            [&](std::string_view part) {
                context.env().out(part);
                return true;
            }
        );
    } else {
        std::int64_t bytes = kTailLines * kBytesPerLine;
        if (context.flags().given("c")) {
            bytes = std::max<std::int64_t>(context.flags().integer("c"), 0);
        } else if (context.flags().given("n")) {
            bytes = std::max<std::int64_t>(context.flags().integer("n"), 0) * kBytesPerLine;
        }
        bytes = std::min(bytes, entry["Size"].integer());
        FrameReader reader([&](const Frame& frame) {
            context.env().out(frame.data);
            return true;
        });
        done = api.stream(
            api_path({"client", "fs", "stream", id}),
            {{"path", path},
             {"origin", tail ? "end" : "start"},
             {"offset", fmt::format("{}", tail ? bytes : 0)},
             {"follow", context.on("f") ? "true" : "false"}},
            [&](std::string_view part) { return reader.feed(part); }
        );
        if (done) {
            done = reader.status();
        }
    }
    if (!done) {
        return context.fail("Error reading file: {}", done.error().message);
    }
    return 0;
}

int run(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string typed = context.argument(0);
    const auto alloc = context.on("job")
                           ? find_allocation_of_job(context, *api, typed, context.text("group"))
                           : find_allocation(context, *api, typed);
    if (!alloc) {
        return 1;
    }
    const std::string id = Doc(*alloc)["ID"].text();
    const std::string path = context.argument(1).empty() ? "/" : context.argument(1);
    const auto stat = api->get(api_path({"client", "fs", "stat", id}), {{"path", path}});
    if (!stat) {
        return context.fail("Error reading {}: {}", path, stat.error().message);
    }
    if (context.on("stat")) {
        return show_stat(context, *stat);
    }
    return Doc(*stat)["IsDir"].flag() ? show_folder(context, *api, id, path)
                                      : show_file(context, *api, id, path, *stat);
}

}  // namespace

Command alloc_fs_command() {
    return {
        .path = "alloc fs",
        .usage = "[options] <allocation> [<path>]",
        .synopsis = "Look into an allocation's folder",
        .help =
            "Lists a folder of the allocation or prints a file.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite alloc fs 5a1c\n"
            "  $ nomad-lite alloc fs -f -tail 5a1c alloc/logs/web.stdout.0",
        .flags =
            {
                {.name = "H", .kind = FlagKind::Bool, .help = "Sizes in bytes."},
                {.name = "stat", .kind = FlagKind::Bool, .help = "Describe the file instead."},
                {.name = "f", .kind = FlagKind::Bool, .help = "Go on as more is written."},
                {.name = "tail", .kind = FlagKind::Bool, .help = "Only the end."},
                {.name = "n",
                 .kind = FlagKind::Integer,
                 .help = "About how many lines from the end."},
                {.name = "c", .kind = FlagKind::Integer, .help = "How many bytes from the end."},
                {.name = "job",
                 .kind = FlagKind::Bool,
                 .help = "The argument is a job; one of its allocations is taken."},
                {.name = "group",
                 .kind = FlagKind::Text,
                 .help = "With -job: an allocation of this group."},
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."},
            },
        .arguments =
            {.least = 1, .most = 2, .words = "one or two arguments: <allocation> [<path>]"},
        .run = run,
        .aliases = {"fs"},
    };
}

}  // namespace nl::cli
