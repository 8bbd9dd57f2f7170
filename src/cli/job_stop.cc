#include "cli/context.h"
#include "cli/lookup.h"
#include "cli/monitor.h"

#include <algorithm>

namespace nl::cli {

namespace {

int stop_one(Context& context, Api& api, const std::string& typed) {
    const auto found = find_job(context, api, typed);
    if (!found) {
        return 1;
    }
    const bool multiregion = !Doc(found->stub)["Multiregion"].is_null() && !context.on("global");
    if ((found->by_prefix || multiregion) && !context.on("yes")) {
        const std::string question =
            found->by_prefix
                ? fmt::format("Are you sure you want to stop job \"{}\"?", found->id)
                : fmt::format(
                      "Are you sure you want to stop multi-region job \"{}\" in a single region?",
                      found->id
                  );
        if (!context.confirm(question)) {
            context.line("Cancelling job stop");
            return 0;
        }
    }
    Query query;
    const auto add = [&](bool wanted, const char* name) {
        if (wanted) {
            query.emplace_back(name, "true");
        }
    };
    add(context.on("purge"), "purge");
    add(context.on("global"), "global");
    add(context.on("no-shutdown-delay"), "no_shutdown_delay");
    if (context.flags().given("eval-priority")) {
        query.emplace_back(
            "eval_priority", fmt::format("{}", context.flags().integer("eval-priority"))
        );
    }
    const auto answer = api.remove(api_path({"job", found->id}), query);
    if (!answer) {
        return context.fail(
            "Error deregistering job with id {}: {}", found->id, answer.error().message
        );
    }
    // A periodic or parameterized job leaves nothing to evaluate.
    const std::string evaluation = Doc(*answer)["EvalID"].text();
    if (evaluation.empty()) {
        return 0;
    }
    if (context.on("detach")) {
        context.line("{}", evaluation);
        return 0;
    }
    return monitor_evaluation(context, api, evaluation);
}

}  // namespace

int stop_jobs(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string chosen = api->settings().namespace_;
    int worst = 0;
    for (const std::string& typed : context.arguments()) {
        // The lookup moves the API into the job's own namespace; the next one starts afresh.
        api->use_namespace(chosen);
        worst = std::max(worst, stop_one(context, *api, typed));
    }
    return worst;
}

std::vector<FlagSpec> job_stop_flags() {
    return {
        {.name = "detach",
         .kind = FlagKind::Bool,
         .help = "Return at once and print the evaluation's id."},
        {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."},
        {.name = "purge", .kind = FlagKind::Bool, .help = "Forget the job as well."},
        {.name = "global", .kind = FlagKind::Bool, .help = "Stop a multi-region job everywhere."},
        {.name = "no-shutdown-delay",
         .kind = FlagKind::Bool,
         .help = "Do not wait for shutdown_delay."},
        {.name = "yes", .kind = FlagKind::Bool, .help = "Answer yes to every question."},
        {.name = "eval-priority",
         .kind = FlagKind::Integer,
         .help = "The priority of the evaluation."},
    };
}

Command job_stop_command() {
    return {
        .path = "job stop",
        .usage = "[options] <job> [<job>...]",
        .synopsis = "Stop a running job",
        .help =
            "Stops jobs and follows the evaluation. The beginning of a job's id is enough, but is "
            "asked\n"
            "about. A stopped job stays known until it is cleaned up or purged.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite job stop web\n"
            "  $ nomad-lite job stop -purge -yes web",
        .flags = job_stop_flags(),
        .arguments = {.least = 1, .most = kManyArguments, .words = "at least one argument: <job>"},
        .run = stop_jobs,
        .aliases = {"stop"},
    };
}

}  // namespace nl::cli
