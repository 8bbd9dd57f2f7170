#include "cli/context.h"
#include "cli/lookup.h"
#include "cli/monitor.h"
#include "cli/tables.h"

#include <array>

namespace nl::cli {

namespace {

int run_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Query query;
    for (const auto& [flag, name] :
         {std::pair("filter", "filter"),
          std::pair("page-token", "next_token"),
          std::pair("job", "job"),
          std::pair("status", "status")}) {
        if (!context.text(flag).empty()) {
            query.emplace_back(name, context.text(flag));
        }
    }
    if (context.flags().given("per-page")) {
        query.emplace_back("per_page", fmt::format("{}", context.flags().integer("per-page")));
    }
    const auto answer = api->get(api_path({"evaluations"}), query);
    if (!answer) {
        return context.fail("Error querying evaluations: {}", answer.error().message);
    }
    const std::string next = api->next_token();
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    if (Doc(*answer).list().empty()) {
        context.line("No evals found");
        return 0;
    }
    context.ui().line(evaluation_list_table(context, Doc(*answer).list()));
    if (!next.empty()) {
        context.line(
            "\nResults have been paginated. To get the next page run:\n\n{} eval list -page-token "
            "{}",
            context.program(),
            next
        );
    }
    return 0;
}

Pairs evaluation_pairs(const Context& context, Doc eval) {
    const IdLength length = context.id_length();
    const bool verbose = length == IdLength::Full;
    const auto when = [&](const char* key) {
        return verbose ? context.time(eval[key]) : context.ago(eval[key]);
    };
    Pairs pairs{
        {"ID", short_id(eval["ID"].text(), length)},
        {"Create Time", when("CreateTime")},
        {"Modify Time", when("ModifyTime")},
        {"Status", eval["Status"].text()},
        {"Status Description", eval["StatusDescription"].text_or(eval["Status"].text())},
        {"Type", eval["Type"].text()},
        {"TriggeredBy", eval["TriggeredBy"].text()},
        {"Job ID", eval["JobID"].text()},
        {"Namespace", eval["Namespace"].text()},
    };
    if (const std::string node = eval["NodeID"].text(); !node.empty()) {
        pairs.emplace_back("Node ID", short_id(node, length));
    }
    pairs.emplace_back("Priority", eval["Priority"].text());
    pairs.emplace_back("Placement Failures", placement_failures(eval));
    for (const auto& [key, title] :
         {std::pair("PreviousEval", "Previous Eval"),
          std::pair("NextEval", "Next Eval"),
          std::pair("BlockedEval", "Blocked Eval")}) {
        if (const std::string other = eval[key].text(); !other.empty()) {
            pairs.emplace_back(title, short_id(other, length));
        }
    }
    if (const WallTime until = read_time(eval["WaitUntil"]); !until.is_zero()) {
        pairs.emplace_back("Wait Until", context.time(until));
    }
    return pairs;
}

void show_annotations(const Context& context, Doc eval) {
    const Value::Map& groups = eval["PlanAnnotations"]["DesiredTGUpdates"].map();
    if (groups.empty()) {
        return;
    }
    constexpr std::array<std::pair<const char*, const char*>, 5> kAlways{{
        {"Ignore", "Ignore"},
        {"Place", "Place"},
        {"Stop", "Stop"},
        {"InPlace", "InPlaceUpdate"},
        {"Destructive", "DestructiveUpdate"},
    }};
    constexpr std::array<std::pair<const char*, const char*>, 4> kSometimes{{
        {"Migrate", "Migrate"},
        {"Canary", "Canary"},
        {"Preemptions", "Preemptions"},
        {"Reconnect", "Reconnect"},
    }};
    std::vector<std::pair<const char*, const char*>> columns(kAlways.begin(), kAlways.end());
    for (const auto& column : kSometimes) {
        for (const auto& [name, counts] : groups) {
            if (Doc(counts)[column.second].integer() > 0) {
                columns.push_back(column);
                break;
            }
        }
    }
    std::vector<Row> rows{{"Task Group"}};
    for (const auto& column : columns) {
        rows[0].emplace_back(column.first);
    }
    for (const auto& [name, counts] : groups) {
        Row row{name};
        for (const auto& column : columns) {
            row.push_back(fmt::format("{}", Doc(counts)[column.second].integer()));
        }
        rows.push_back(std::move(row));
    }
    context.ui().section("Plan Annotations");
    context.ui().line(table(rows));
}

int run_status(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto stub = find_by_id(context, *api, IdNoun::Evaluation, context.argument(0));
    if (!stub) {
        return 1;
    }
    const std::string id = Doc(*stub)["ID"].text();
    if (context.on("monitor")) {
        return monitor_evaluation(context, *api, id);
    }
    const auto answer = api->get(api_path({"evaluation", id}), {{"related", "true"}});
    if (!answer) {
        return context.fail("Error querying evaluation: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Doc eval(*answer);
    context.ui().line(key_values(evaluation_pairs(context, eval)));
    if (const Value::List& related = eval["RelatedEvals"].list(); !related.empty()) {
        std::vector<Row> rows{{"ID", "Priority", "Triggered By", "Node ID", "Status", "Description"}
        };
        for (const Value& item : related) {
            const Doc other(item);
            rows.push_back(
                {short_id(other["ID"].text(), context.id_length()),
                 other["Priority"].text(),
                 other["TriggeredBy"].text(),
                 short_id(other["NodeID"].text(), context.id_length()),
                 other["Status"].text(),
                 other["StatusDescription"].text()}
            );
        }
        context.ui().section("Related Evaluations");
        context.ui().line(table(rows));
    }
    show_annotations(context, eval);
    const auto allocations = api->get(api_path({"evaluation", id, "allocations"}));
    if (!allocations) {
        return context.fail("Error querying related allocations: {}", allocations.error().message);
    }
    if (!Doc(*allocations).list().empty()) {
        context.ui().section("Placed Allocations");
        context.ui().line(allocation_table(context, Doc(*allocations).list()));
    }
    if (!eval["FailedTGAllocs"].map().empty()) {
        context.ui().section("Failed Placements");
        context.ui().line(failed_groups(context, eval["FailedTGAllocs"], ""));
        if (const std::string blocked = eval["BlockedEval"].text(); !blocked.empty()) {
            context.line(
                "\nEvaluation \"{}\" waiting for additional capacity to place remainder",
                short_id(blocked, context.id_length())
            );
        }
    }
    return 0;
}

}  // namespace

Command eval_list_command() {
    return {
        .path = "eval list",
        .usage = "[options]",
        .synopsis = "List evaluations",
        .help =
            "Lists the evaluations: what made the scheduler look at a job, and what came of it.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite eval list -job web\n"
            "  $ nomad-lite eval list -status blocked",
        .flags =
            std::vector<FlagSpec>{
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."},
                {.name = "job", .kind = FlagKind::Text, .help = "Only evaluations of this job."},
                {.name = "status", .kind = FlagKind::Text, .help = "Only this status."},
                {.name = "filter",
                 .kind = FlagKind::Text,
                 .help = "Only evaluations for which this expression holds."},
                {.name = "per-page", .kind = FlagKind::Integer, .help = "How many at once."},
                {.name = "page-token", .kind = FlagKind::Text, .help = "Where the page begins."},
                {.name = "ui",
                 .kind = FlagKind::Bool,
                 .help = "Open the web page.",
                 .fallback = {},
                 .alias = {},
                 .hidden = true},
            } +
            object_flags(),
        .arguments = {},
        .run = run_list,
    };
}

Command eval_status_command() {
    return {
        .path = "eval status",
        .usage = "[options] <evaluation>",
        .synopsis = "Show an evaluation and what it placed",
        .help =
            "Shows an evaluation, its relatives, what it placed and why something could not be "
            "placed.\n"
            "The beginning of its id is enough.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite eval status 8c3d\n"
            "  $ nomad-lite eval status -monitor 8c3d",
        .flags =
            std::vector<FlagSpec>{
                {.name = "monitor", .kind = FlagKind::Bool, .help = "Follow it to its end."},
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids and scores."},
                {.name = "ui",
                 .kind = FlagKind::Bool,
                 .help = "Open the web page.",
                 .fallback = {},
                 .alias = {},
                 .hidden = true},
            } +
            object_flags(),
        .arguments = {.least = 1, .most = 1, .words = "one argument: <evaluation>"},
        .run = run_status,
        .aliases = {"eval-status"},
    };
}

}  // namespace nl::cli
