#include "cli/context.h"
#include "cli/job_source.h"
#include "cli/monitor.h"

namespace nl::cli {

namespace {

Value register_request(const Context& context, JobSource source) {
    Value::Map request{
        {"Job", std::move(source.job)},
        {"Submission", std::move(source.submission)},
        {"PolicyOverride", context.on("policy-override")},
        {"PreserveCounts", context.on("preserve-counts")},
        {"PreserveResources", context.on("preserve-resources")},
        {"EvalPriority", context.flags().integer("eval-priority")},
    };
    if (context.flags().given("check-index")) {
        request.insert_or_assign("EnforceIndex", true);
        request.insert_or_assign("JobModifyIndex", context.flags().integer("check-index"));
    }
    return request;
}

// For a periodic job, when it starts: the server knows, since planning says it.
void show_next_launch(Context& context, Api& api, const Value& job, const std::string& id) {
    const auto plan =
        api.put(api_path({"job", id, "plan"}), {}, Value::Map{{"Job", job}, {"Diff", false}});
    if (!plan) {
        return;
    }
    const WallTime next = read_time(Doc(*plan)["NextPeriodicLaunch"]);
    if (!next.is_zero()) {
        context.line(
            "Approximate next launch time: {} ({})",
            context.time(next),
            time_distance(next, context.env().now())
        );
    }
}

int run(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    auto source = read_job(context, *api, context.argument(0));
    if (!source) {
        return 1;
    }
    const Doc job(source->job);
    const Value kept = source->job;
    const bool periodic = !job["Periodic"].is_null();
    const bool parameterized = !job["ParameterizedJob"].is_null();
    const std::string id = job["ID"].text();
    if (context.on("output")) {
        context.ui().line(write_json(Value::Map{{"Job", source->job}}, JsonStyle::Indented));
        return 0;
    }
    const auto answer =
        api->put(api_path({"jobs"}), {}, register_request(context, std::move(*source)));
    if (!answer) {
        const std::string& message = answer.error().message;
        context.fail("Error submitting job: {}", message);
        if (message.find("Enforcing job modify index") != std::string::npos) {
            context.ui().error("Job not updated");
        }
        return 1;
    }
    const Doc reply(*answer);
    if (const std::string warnings = reply["Warnings"].text(); !warnings.empty()) {
        context.line("{}", context.ui().yellow(fmt::format("Job Warnings:\n{}\n", warnings)));
    }
    const std::string evaluation = reply["EvalID"].text();
    if (context.on("detach") || periodic || parameterized || evaluation.empty()) {
        context.line("Job registration successful");
        if (periodic && !parameterized) {
            show_next_launch(context, *api, kept, id);
        }
        if (!evaluation.empty()) {
            context.line("Evaluation ID: {}", evaluation);
        }
        return 0;
    }
    return monitor_evaluation(context, *api, evaluation);
}

}  // namespace

Command job_run_command() {
    return {
        .path = "job run",
        .usage = "[options] <path>",
        .synopsis = "Run a new job or update a running one",
        .help =
            "Submits the job in that file and follows it until it is placed and, for a service, "
            "deployed.\nThe path may be a file, an http:// URL, or - for standard input.\n\n"
            "The exit code is 0 on success, 1 on an error or a failed deployment, and 2 when some\n"
            "allocations could not be placed.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite job run web.nomad.hcl\n"
            "  $ nomad-lite job run -detach -var 'count=3' web.nomad.hcl\n"
            "  $ nomad-lite job run -check-index 42 web.nomad.hcl",
        .flags =
            std::vector<FlagSpec>{
                {.name = "detach",
                 .kind = FlagKind::Bool,
                 .help = "Return at once and print the evaluation's id."},
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."},
                {.name = "output",
                 .kind = FlagKind::Bool,
                 .help = "Print the job as the API takes it, in JSON, and submit nothing."},
                {.name = "check-index",
                 .kind = FlagKind::Integer,
                 .help = "Submit only if the job's modify index is still this one; 0: only if it "
                         "is new."},
                {.name = "eval-priority",
                 .kind = FlagKind::Integer,
                 .help = "The priority of the evaluation, 1 to 100, instead of the job's."},
                {.name = "preserve-counts",
                 .kind = FlagKind::Bool,
                 .help = "Keep the counts of groups that exist already."},
                {.name = "preserve-resources",
                 .kind = FlagKind::Bool,
                 .help = "Keep the resources of tasks that exist already."},
                {.name = "policy-override",
                 .kind = FlagKind::Bool,
                 .help = "Override admission rules that may be overridden."},
                {.name = "consul-namespace",
                 .kind = FlagKind::Text,
                 .help = "The job's namespace in Consul, instead of the file's."},
                {.name = "vault-namespace",
                 .kind = FlagKind::Text,
                 .help = "The job's namespace in Vault, instead of the file's."},
                {.name = "ui",
                 .kind = FlagKind::Bool,
                 .help = "Open the web page.",
                 .fallback = {},
                 .alias = {},
                 .hidden = true},
            } +
            job_source_flags(),
        .arguments = {.least = 1, .most = 1, .words = "one argument: <path>"},
        .run = run,
        .aliases = {"run"},
    };
}

}  // namespace nl::cli
