#include "cli/context.h"
#include "cli/lookup.h"
#include "cli/monitor.h"
#include "cli/tables.h"

namespace nl::cli {

namespace {

const FlagSpec kVerbose{.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."};
const FlagSpec kDetach{
    .name = "detach",
    .kind = FlagKind::Bool,
    .help = "Return at once and print the evaluation's id."
};
const FlagSpec kGroup{.name = "group", .kind = FlagKind::List, .help = "Promote this group only."};

int run_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Query query;
    if (!context.text("filter").empty()) {
        query.emplace_back("filter", context.text("filter"));
    }
    const auto answer = api->get(api_path({"deployments"}), query);
    if (!answer) {
        return context.fail("Error retrieving deployments: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    if (Doc(*answer).list().empty()) {
        context.line("No deployments found");
        return 0;
    }
    context.ui().line(deployment_table(context, Doc(*answer).list()));
    return 0;
}

int run_status(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    if (context.arguments().empty()) {
        const auto all = api->get(api_path({"deployments"}));
        if (!all) {
            return context.fail("Error retrieving deployments: {}", all.error().message);
        }
        return context.wants_object()
                   ? context.print_object(*all)
                   : context.usage_error("This command takes one argument: <deployment id>");
    }
    const auto stub = find_by_id(context, *api, IdNoun::Deployment, context.argument(0));
    if (!stub) {
        return 1;
    }
    const std::string id = Doc(*stub)["ID"].text();
    if (context.on("monitor") && !context.wants_object()) {
        return monitor_deployment(context, *api, id);
    }
    const auto answer = api->get(api_path({"deployment", id}));
    if (!answer) {
        return context.fail("Error retrieving deployment: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    context.ui().line(deployment_pairs(context, *answer));
    if (!Doc(*answer)["TaskGroups"].map().empty()) {
        context.ui().section("Deployed");
        context.ui().line(deployment_groups(context, *answer));
    }
    if (context.on("verbose")) {
        const auto allocations = api->get(api_path({"deployment", "allocations", id}));
        if (!allocations) {
            return context.fail("Error retrieving allocations: {}", allocations.error().message);
        }
        context.ui().section("Allocations");
        context.ui().line(allocation_table(context, Doc(*allocations).list()));
    }
    return 0;
}

// The same steps for every change: find, ask, say what came of it, follow the evaluation.
int change(
    Context& context, const char* verb, const char* done, const Value::Map& body, bool follow
) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto stub = find_by_id(context, *api, IdNoun::Deployment, context.argument(0));
    if (!stub) {
        return 1;
    }
    const std::string id = Doc(*stub)["ID"].text();
    Value::Map request = body;
    request.insert_or_assign("DeploymentID", id);
    const auto answer = api->put(api_path({"deployment", verb, id}), {}, Value(std::move(request)));
    if (!answer) {
        return context.fail("Error changing deployment: {}", answer.error().message);
    }
    const Doc reply(*answer);
    const std::string evaluation = reply["EvalID"].text();
    const bool created = !evaluation.empty();
    if (done != nullptr) {
        const Doc reverted = reply["RevertedJobVersion"];
        context.line(
            "Deployment \"{}\" {}{}",
            short_id(id, context.id_length()),
            done,
            reverted.is_null()
                ? ""
                : fmt::format(". Auto-reverted to job version {}.", reverted.integer())
        );
    }
    if (!created || !follow) {
        return 0;
    }
    if (context.on("detach")) {
        context.line("Evaluation ID: {}", evaluation);
        return 0;
    }
    context.line("");
    return monitor_evaluation(context, *api, evaluation);
}

Value::Map promotion_body(const Context& context) {
    Value::List groups;
    for (const std::string& group : context.flags().list("group")) {
        groups.emplace_back(group);
    }
    const bool all = groups.empty();
    return {{"All", all}, {"Groups", all ? Value() : Value(std::move(groups))}};
}

ArgumentRule one_deployment() {
    return {.least = 1, .most = 1, .words = "one argument: <deployment id>"};
}

}  // namespace

Command deployment_list_command() {
    return {
        .path = "deployment list",
        .usage = "[options]",
        .synopsis = "List deployments",
        .help = "Lists the deployments.\n\nExample:\n\n  $ nomad-lite deployment list",
        .flags =
            std::vector<FlagSpec>{
                kVerbose,
                {.name = "filter",
                 .kind = FlagKind::Text,
                 .help = "Only deployments for which this expression holds."},
            } +
            object_flags(),
        .arguments = {},
        .run = run_list,
    };
}

Command deployment_status_command() {
    return {
        .path = "deployment status",
        .usage = "[options] <deployment id>",
        .synopsis = "Show a deployment",
        .help =
            "Shows how far a deployment is. The beginning of its id is enough.\n\n"
            "Example:\n\n  $ nomad-lite deployment status -monitor 06ca",
        .flags =
            std::vector<FlagSpec>{
                {.name = "verbose",
                 .kind = FlagKind::Bool,
                 .help = "Show whole ids and the allocations."},
                {.name = "monitor", .kind = FlagKind::Bool, .help = "Follow it to its end."},
                {.name = "wait",
                 .kind = FlagKind::Duration,
                 .help = "How long one look waits.",
                 .fallback = "2s"},
                {.name = "ui",
                 .kind = FlagKind::Bool,
                 .help = "Open the web page.",
                 .fallback = {},
                 .alias = {},
                 .hidden = true},
            } +
            object_flags(),
        .arguments = {.least = 0, .most = 1, .words = "one argument: <deployment id>"},
        .run = run_status,
    };
}

Command deployment_fail_command() {
    return {
        .path = "deployment fail",
        .usage = "[options] <deployment id>",
        .synopsis = "End a deployment as failed",
        .help =
            "Ends the deployment; a group with auto_revert goes back to its last stable version.",
        .flags = {kVerbose, kDetach},
        .arguments = one_deployment(),
        .run = [](Context& context) { return change(context, "fail", "failed", {}, true); },
    };
}

Command deployment_pause_command() {
    return {
        .path = "deployment pause",
        .usage = "[options] <deployment id>",
        .synopsis = "Halt a deployment",
        .help = "Places nothing more until the deployment is resumed.",
        .flags = {kVerbose},
        .arguments = one_deployment(),
        .run = [](Context& context
               ) { return change(context, "pause", "paused", {{"Pause", true}}, false); },
    };
}

Command deployment_resume_command() {
    return {
        .path = "deployment resume",
        .usage = "[options] <deployment id>",
        .synopsis = "Let a paused deployment go on",
        .help = "Lets a paused deployment go on.",
        .flags = {kVerbose, kDetach},
        .arguments = one_deployment(),
        .run = [](Context& context
               ) { return change(context, "pause", "resumed", {{"Pause", false}}, true); },
    };
}

Command deployment_unblock_command() {
    return {
        .path = "deployment unblock",
        .usage = "[options] <deployment id>",
        .synopsis = "Let a region's deployment end without the others",
        .help = "Marks a deployment that waits for other regions as successful.",
        .flags = {kVerbose, kDetach},
        .arguments = one_deployment(),
        .run = [](Context& context) { return change(context, "unblock", "unblocked", {}, true); },
    };
}

Command deployment_promote_command() {
    return {
        .path = "deployment promote",
        .usage = "[options] <deployment id>",
        .synopsis = "Promote a deployment's canaries",
        .help =
            "Makes the canaries the new version and lets it replace the old one.\n\n"
            "Example:\n\n  $ nomad-lite deployment promote -group web 06ca",
        .flags = {kVerbose, kDetach, kGroup},
        .arguments = one_deployment(),
        .run = [](Context& context
               ) { return change(context, "promote", nullptr, promotion_body(context), true); },
    };
}

}  // namespace nl::cli
