#include "cli/context.h"

#include <algorithm>
#include <array>
#include <map>

namespace nl::cli {

namespace {

struct Route {
    std::string_view context;
    std::string_view command;
};

constexpr std::array<Route, 6> kRoutes{
    Route{.context = "jobs", .command = "job status"},
    Route{.context = "allocs", .command = "alloc status"},
    Route{.context = "evals", .command = "eval status"},
    Route{.context = "nodes", .command = "node status"},
    Route{.context = "deployment", .command = "deployment status"},
    Route{.context = "namespaces", .command = "namespace status"},
};

std::string_view route(std::string_view context) {
    for (const Route& item : kRoutes) {
        if (item.context == context) {
            return item.command;
        }
    }
    return "";
}

// Runs another command with our general flags and its own defaults.
int run_other(Context& context, std::string_view path, const std::vector<std::string>& arguments) {
    const Command* command = context.registry().find(path);
    std::vector<std::string> words;
    for (const FlagSpec& spec : general_flags(Family::Http)) {
        if (!context.flags().given(spec.name)) {
            continue;
        }
        words.push_back(
            spec.kind == FlagKind::Bool ? fmt::format("-{}={}", spec.name, context.on(spec.name))
                                        : fmt::format("-{}={}", spec.name, context.text(spec.name))
        );
    }
    const bool takes_verbose = std::ranges::any_of(command->flags, [](const FlagSpec& spec) {
        return spec.name == "verbose";
    });
    if (takes_verbose && context.on("verbose")) {
        words.emplace_back("-verbose");
    }
    words.insert(words.end(), arguments.begin(), arguments.end());
    auto line =
        parse_flags(command->flags + general_flags(command->family), words, FlagOrder::First);
    if (!line) {
        return context.usage_error(line.error().message);
    }
    Context routed = context.routed(*command, std::move(*line));
    return command->run(routed);
}

int run(Context& context) {
    if (context.arguments().empty()) {
        return run_other(context, "job status", {});
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string typed = context.argument(0);
    const auto answer =
        api->post(api_path({"search"}), {}, Value::Map{{"Prefix", typed}, {"Context", "all"}});
    if (!answer) {
        return context.fail("Error querying search with id: \"{}\"", answer.error().message);
    }
    std::map<std::string, std::vector<std::string>> matches;
    std::vector<std::pair<std::string, std::string>> exact;
    std::size_t count = 0;
    for (const auto& [name, ids] : Doc(*answer)["Matches"].map()) {
        if (route(name).empty()) {
            continue;
        }
        for (const std::string& id : texts(Doc(ids).list())) {
            matches[name].push_back(id);
            ++count;
            if (id == typed) {
                exact.emplace_back(name, id);
            }
        }
    }
    if (exact.size() == 1) {
        return run_other(context, route(exact[0].first), {exact[0].second});
    }
    if (count == 0) {
        return context.fail("Unable to resolve ID: \"{}\"", typed);
    }
    if (count == 1) {
        const auto& [name, ids] = *matches.begin();
        return run_other(context, route(name), {ids[0]});
    }
    std::string text;
    for (const auto& [name, ids] : matches) {
        text += fmt::format("\n\n{}:\n  {}", name, join(ids, "\n  "));
    }
    return context.fail("Multiple matches found for id \"{}\"{}", typed, text);
}

}  // namespace

Command status_command() {
    return {
        .path = "status",
        .usage = "[options] [<identifier>]",
        .synopsis = "Show whatever an id belongs to",
        .help =
            "Without an argument lists the jobs. Else finds the job, allocation, node, "
            "evaluation,\n"
            "deployment or namespace whose id begins so, and shows its status.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite status\n"
            "  $ nomad-lite status 5a1c",
        .flags =
            {
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."},
                {.name = "ui",
                 .kind = FlagKind::Bool,
                 .help = "Open the web page.",
                 .fallback = {},
                 .alias = {},
                 .hidden = true},
            },
        .arguments = {.least = 0, .most = 1, .words = "either no arguments or one: <identifier>"},
        .run = run,
    };
}

}  // namespace nl::cli
