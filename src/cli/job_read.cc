// Commands that only read a job: inspect, history, deployments, allocs, scaling-events.

#include "cli/context.h"
#include "cli/diff.h"
#include "cli/lookup.h"
#include "cli/tables.h"

#include <algorithm>

namespace nl::cli {

namespace {

const FlagSpec kVerbose{.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."};

ArgumentRule one_job() {
    return {.least = 1, .most = 1, .words = "one argument: <job>"};
}

// The versions of a job, newest first, with the differences when they are asked for.
Result<Value> versions(Api& api, const std::string& id, const Query& query) {
    return api.get(api_path({"job", id, "versions"}), query);
}

int run_inspect(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    if (context.arguments().empty()) {
        const auto jobs = api->get(api_path({"jobs"}));
        if (!jobs) {
            return context.fail("Error querying jobs: {}", jobs.error().message);
        }
        return context.wants_object()
                   ? context.print_object(*jobs)
                   : context.usage_error("This command takes one argument: <job>");
    }
    const auto found = find_job(context, *api, context.argument(0));
    if (!found) {
        return 1;
    }
    const std::string version = context.text("version");
    if (context.on("hcl")) {
        const auto job = api->get(api_path({"job", found->id}));
        const std::string number = version.empty() && job ? Doc(*job)["Version"].text() : version;
        const auto source =
            api->get(api_path({"job", found->id, "submission"}), {{"version", number}});
        if (!source) {
            return context.fail("Error inspecting job: {}", source.error().message);
        }
        context.ui().raw(Doc(*source)["Source"].text());
        if (context.on("with-vars")) {
            context.line("\nVariables:\n{}", Doc(*source)["Variables"].text());
        }
        return 0;
    }
    if (version.empty()) {
        const auto text = api->get_text(api_path({"job", found->id}));
        if (!text) {
            return context.fail("Error inspecting job: {}", text.error().message);
        }
        if (!context.text("t").empty()) {
            const auto job = parse_json(*text);
            return job ? context.print_object(*job) : context.fail("{}", job.error().message);
        }
        // The server's own order of fields is kept.
        context.ui().line(indent_json("{\"Job\":" + *text + "}", 4));
        return 0;
    }
    const auto all = versions(*api, found->id, {});
    if (!all) {
        return context.fail("Error retrieving job versions: {}", all.error().message);
    }
    for (const Value& job : Doc(*all)["Versions"].list()) {
        if (Doc(job)["Version"].text() == version) {
            return context.text("t").empty() ? (context.ui().line(write_json(
                                                    Value::Map{{"Job", job}}, JsonStyle::Indented
                                                )),
                                                0)
                                             : context.print_object(job);
        }
    }
    return context.fail("job \"{}\" with version {} couldn't be found", found->id, version);
}

/// "" or what is wrong with the flags of job history, taken together.
std::string history_flags_problem(const Context& context) {
    const bool diffs = context.on("p");
    const std::string version = context.text("diff-version");
    if (context.wants_object() && (diffs || context.on("full"))) {
        return "-json and -t are exclusive with -p and -full";
    }
    if (!diffs && (!version.empty() || !context.text("diff-tag").empty())) {
        return "-diff-tag and -diff-version can only be used with -p";
    }
    if (!version.empty() && !context.text("diff-tag").empty()) {
        return "-diff-tag and -diff-version are mutually exclusive";
    }
    const auto number = parse_integer(version);
    if (!version.empty() && (!number || *number < 0)) {
        return fmt::format("Error parsing -diff-version: \"{}\" is no version number", version);
    }
    return "";
}

void show_version(const Context& context, Doc job, Doc diff) {
    Pairs pairs{
        {"Version", job["Version"].text()},
        {"Stable", job["Stable"].flag() ? "true" : "false"},
        {"Submit Date", context.time(job["SubmitTime"])},
    };
    if (const Doc tag = job["VersionTag"]; !tag.is_null()) {
        pairs.emplace_back("Tag Name", tag["Name"].text());
        if (const std::string text = tag["Description"].text(); !text.empty()) {
            pairs.emplace_back("Tag Description", text);
        }
    }
    if (!diff.is_null() && diff["Type"].text() != "None") {
        pairs.emplace_back("Diff", "\n" + job_diff_text(context.ui(), diff, DiffStyle::Heads));
    }
    if (context.on("full")) {
        pairs.emplace_back("Full", "JSON Job:\n" + write_json(job.value(), JsonStyle::Indented));
    }
    context.ui().line(key_values(pairs));
}

int run_history(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    if (const std::string why = history_flags_problem(context); !why.empty()) {
        return context.fail("{}", why);
    }
    const std::string wanted = context.text("version");
    if (const auto number = parse_integer(wanted); !wanted.empty() && (!number || *number < 0)) {
        return context.fail("Error parsing version value \"{}\": it is no version number", wanted);
    }
    const auto found = find_job(context, *api, context.argument(0));
    if (!found) {
        return 1;
    }
    Query query;
    if (context.on("p")) {
        query.emplace_back("diffs", "true");
    }
    for (const auto& [flag, name] :
         {std::pair("diff-version", "diff_version"), std::pair("diff-tag", "diff_tag")}) {
        if (!context.text(flag).empty()) {
            query.emplace_back(name, context.text(flag));
        }
    }
    const auto answer = versions(*api, found->id, query);
    if (!answer) {
        return context.fail("Error retrieving job versions: {}", answer.error().message);
    }
    const Value::List& list = Doc(*answer)["Versions"].list();
    if (context.wants_object() && wanted.empty()) {
        return context.print_object(Value(list));
    }
    bool first = true;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const Doc job(list[i]);
        if (!wanted.empty() && job["Version"].text() != wanted) {
            continue;
        }
        if (context.wants_object()) {
            return context.print_object(list[i]);
        }
        if (!first) {
            context.line("");
        }
        first = false;
        show_version(context, job, Doc(*answer)["Diffs"].at(i));
    }
    return first ? context.fail("Error printing job history for non-existing job or job version")
                 : 0;
}

int run_deployments(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto found = find_job(context, *api, context.argument(0));
    if (!found) {
        return 1;
    }
    const bool latest = context.on("latest");
    const auto answer = latest ? api->get(api_path({"job", found->id, "deployment"}))
                               : api->get(
                                     api_path({"job", found->id, "deployments"}),
                                     {{"all", context.on("all") ? "true" : "false"}}
                                 );
    if (!answer) {
        return context.fail("Error retrieving deployments: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    if (Doc(*answer).is_null() || (!latest && Doc(*answer).list().empty())) {
        context.line("No deployments found");
        return 0;
    }
    if (!latest) {
        context.ui().line(deployment_table(context, Doc(*answer).list()));
        return 0;
    }
    context.ui().line(deployment_pairs(context, *answer));
    context.ui().section("Deployed");
    context.ui().line(deployment_groups(context, *answer));
    return 0;
}

int run_allocs(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto found = find_job(context, *api, context.argument(0));
    if (!found) {
        return 1;
    }
    const auto answer = api->get(
        api_path({"job", found->id, "allocations"}), {{"all", context.on("all") ? "true" : "false"}}
    );
    if (!answer) {
        return context.fail("Error retrieving allocations: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    context.ui().line(allocation_table(context, Doc(*answer).list()));
    return 0;
}

int run_scaling_events(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto found = find_job(context, *api, context.argument(0));
    if (!found) {
        return 1;
    }
    const auto answer = api->get(api_path({"job", found->id, "scale"}));
    if (!answer) {
        return context.fail("Error listing scaling events: {}", answer.error().message);
    }
    const bool verbose = context.on("verbose");
    struct Event {
        std::int64_t time;
        Row row;
    };
    std::vector<Event> events;
    for (const auto& [group, status] : Doc(*answer)["TaskGroups"].map()) {
        for (const Value& item : Doc(status)["Events"].list()) {
            const Doc event(item);
            Row row{
                group,
                event["Count"].text(),
                event["PreviousCount"].text(),
                context.time(event["Time"])
            };
            if (verbose) {
                row.insert(row.begin() + 3, event["Error"].flag() ? "true" : "false");
                row.insert(row.begin() + 4, event["Message"].text());
                row.insert(row.begin() + 5, event["EvalID"].text());
            }
            events.push_back({.time = event["Time"].integer(), .row = std::move(row)});
        }
    }
    if (events.empty()) {
        context.line("No events found");
        return 0;
    }
    std::ranges::stable_sort(events, std::greater<>{}, &Event::time);
    std::vector<Row> rows{
        verbose ? Row{"Task Group", "Count", "PrevCount", "Error", "Message", "Eval ID", "Date"}
                : Row{"Task Group", "Count", "PrevCount", "Date"}
    };
    for (Event& event : events) {
        rows.push_back(std::move(event.row));
    }
    context.ui().line(table(rows));
    return 0;
}

}  // namespace

Command job_inspect_command() {
    return {
        .path = "job inspect",
        .usage = "[options] <job>",
        .synopsis = "Print a job as the servers know it",
        .help =
            "Prints the whole job as JSON, or with -hcl the text it was submitted as.\n\n"
            "Example:\n\n  $ nomad-lite job inspect -version 3 web",
        .flags =
            std::vector<FlagSpec>{
                {.name = "version", .kind = FlagKind::Text, .help = "An earlier version."},
                {.name = "hcl", .kind = FlagKind::Bool, .help = "The text it was submitted as."},
                {.name = "with-vars",
                 .kind = FlagKind::Bool,
                 .help = "With -hcl: its variables as well."},
            } +
            object_flags(),
        .arguments = {.least = 0, .most = 1, .words = "one argument: <job>"},
        .run = run_inspect,
        .aliases = {"inspect"},
    };
}

Command job_history_command() {
    return {
        .path = "job history",
        .usage = "[options] <job>",
        .synopsis = "Show a job's versions",
        .help =
            "Shows the versions that are kept, newest first.\n\n"
            "Example:\n\n  $ nomad-lite job history -p web",
        .flags =
            std::vector<FlagSpec>{
                {.name = "p", .kind = FlagKind::Bool, .help = "Show what changed."},
                {.name = "full", .kind = FlagKind::Bool, .help = "Print the versions as JSON."},
                {.name = "version", .kind = FlagKind::Text, .help = "Only this version."},
                {.name = "diff-version",
                 .kind = FlagKind::Text,
                 .help = "With -p: compare with this version."},
                {.name = "diff-tag",
                 .kind = FlagKind::Text,
                 .help = "With -p: compare with the version of this tag."},
            } +
            object_flags(),
        .arguments = one_job(),
        .run = run_history,
    };
}

Command job_deployments_command() {
    return {
        .path = "job deployments",
        .usage = "[options] <job>",
        .synopsis = "List a job's deployments",
        .help = "Lists the deployments of a job.",
        .flags =
            std::vector<FlagSpec>{
                {.name = "latest", .kind = FlagKind::Bool, .help = "Only the latest, in detail."},
                {.name = "all",
                 .kind = FlagKind::Bool,
                 .help = "Those of earlier jobs of that id as well."},
                kVerbose,
            } +
            object_flags(),
        .arguments = one_job(),
        .run = run_deployments,
    };
}

Command job_allocs_command() {
    return {
        .path = "job allocs",
        .usage = "[options] <job>",
        .synopsis = "List a job's allocations",
        .help = "Lists the allocations of a job.",
        .flags =
            std::vector<FlagSpec>{
                {.name = "all",
                 .kind = FlagKind::Bool,
                 .help = "Those of earlier jobs of that id as well."},
                kVerbose,
            } +
            object_flags(),
        .arguments = one_job(),
        .run = run_allocs,
    };
}

Command job_scaling_events_command() {
    return {
        .path = "job scaling-events",
        .usage = "[options] <job>",
        .synopsis = "Show how a job was scaled",
        .help = "Shows the last changes of the groups' counts, newest first.",
        .flags = {kVerbose},
        .arguments = one_job(),
        .run = run_scaling_events,
    };
}

}  // namespace nl::cli
