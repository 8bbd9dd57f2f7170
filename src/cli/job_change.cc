// Commands that change a job as it stands: revert, start, dispatch, eval, periodic force, scale,
// promote.

#include "base/bytes.h"
#include "cli/context.h"
#include "cli/lookup.h"
#include "cli/job_result.h"
#include "cli/monitor.h"

namespace nl::cli {

namespace {

const FlagSpec kVerbose{.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."};
const FlagSpec kDetach{
    .name = "detach",
    .kind = FlagKind::Bool,
    .help = "Return at once and print the evaluation's id."
};

ArgumentRule one_job() {
    return {.least = 1, .most = 1, .words = "one argument: <job>"};
}

// What follows every change: the evaluation's id, or its course.
int follow(Context& context, Api& api, const std::string& evaluation) {
    if (evaluation.empty()) {
        return 0;
    }
    if (context.on("detach")) {
        context.line("Evaluation ID: {}", evaluation);
        return 0;
    }
    return monitor_evaluation(context, api, evaluation);
}

struct Target {
    Api* api{nullptr};
    std::string id;
};

std::optional<Target> target(Context& context, std::string_view filter = "") {
    Api* api = context.api();
    if (api == nullptr) {
        return std::nullopt;
    }
    auto found = find_job(context, *api, context.argument(0), filter);
    if (!found) {
        return std::nullopt;
    }
    return Target{.api = api, .id = std::move(found->id)};
}

void show_warnings(const Context& context, Doc reply) {
    if (const std::string warnings = reply["Warnings"].text(); !warnings.empty()) {
        context.line("{}", context.ui().yellow(fmt::format("Job Warnings:\n{}\n", warnings)));
    }
}

int run_revert(Context& context) {
    const auto job = target(context);
    if (!job) {
        return 1;
    }
    std::int64_t version = 0;
    const std::string wanted = context.argument(1);
    if (const auto number = parse_integer(wanted)) {
        version = *number;
    } else {
        const auto all = job->api->get(api_path({"job", job->id, "versions"}));
        if (!all) {
            return context.fail("Error retrieving job versions: {}", all.error().message);
        }
        const Value* tagged = nullptr;
        for (const Value& item : Doc(*all)["Versions"].list()) {
            if (Doc(item)["VersionTag"]["Name"].text() == wanted) {
                tagged = &item;
            }
        }
        if (tagged == nullptr) {
            return context.fail(
                "Error retrieving job versions: no version is tagged \"{}\"", wanted
            );
        }
        version = Doc(*tagged)["Version"].integer();
    }
    const auto answer = job->api->put(
        api_path({"job", job->id, "revert"}),
        {},
        Value::Map{{"JobID", job->id}, {"JobVersion", version}}
    );
    if (!answer) {
        return context.fail("Error reverting job: {}", answer.error().message);
    }
    show_warnings(context, *answer);
    return follow(context, *job->api, Doc(*answer)["EvalID"].text());
}

int run_start(Context& context) {
    const auto job = target(context);
    if (!job) {
        return 1;
    }
    const auto all = job->api->get(api_path({"job", job->id, "versions"}));
    if (!all) {
        return context.fail("Error retrieving job versions: {}", all.error().message);
    }
    const Value::List& versions = Doc(*all)["Versions"].list();
    if (versions.empty() || !Doc(versions[0])["Stop"].flag()) {
        return context.fail(
            "Job \"{}\" has not been stopped and has the following status: {}",
            job->id,
            versions.empty() ? "unknown" : Doc(versions[0])["Status"].text()
        );
    }
    const Value* wanted = nullptr;
    for (const Value& item : versions) {
        if (!Doc(item)["Stop"].flag()) {
            wanted = &item;
            break;
        }
    }
    // A job stopped before anything else was kept is started as it was.
    Value::Map again = Doc(wanted == nullptr ? versions[0] : *wanted).map();
    again.insert_or_assign("Stop", false);
    Value submission;
    auto source = job->api->get(
        api_path({"job", job->id, "submission"}),
        {{"version", Doc(wanted == nullptr ? versions[0] : *wanted)["Version"].text()}}
    );
    if (source) {
        submission = std::move(*source);
    }
    const auto answer = job->api->put(
        api_path({"jobs"}), {}, Value::Map{{"Job", again}, {"Submission", std::move(submission)}}
    );
    if (!answer) {
        return context.fail(
            "Error registering job with id {}: {}", job->id, answer.error().message
        );
    }
    const std::string evaluation = Doc(*answer)["EvalID"].text();
    if (evaluation.empty()) {
        context.line("Job start successful");
        return 0;
    }
    return follow(context, *job->api, evaluation);
}

int run_dispatch(Context& context) {
    Value::Map meta;
    for (const std::string& pair : context.flags().list("meta")) {
        const auto equals = pair.find('=');
        if (equals == std::string::npos) {
            return context.usage_error(fmt::format("flag -meta takes key=value, not \"{}\"", pair));
        }
        meta.insert_or_assign(pair.substr(0, equals), pair.substr(equals + 1));
    }
    std::string payload;
    if (context.arguments().size() == 2) {
        auto text = context.env().read_file(context.argument(1));
        if (!text) {
            return context.fail("Error reading input data: {}", text.error().message);
        }
        payload = std::move(*text);
    }
    const auto job = target(context, "ParameterizedJob is not nil");
    if (!job) {
        return 1;
    }
    Query query;
    if (const std::string token = context.text("idempotency-token"); !token.empty()) {
        query.emplace_back("idempotency_token", token);
    }
    const auto answer = job->api->put(
        api_path({"job", job->id, "dispatch"}),
        query,
        Value::Map{
            {"JobID", job->id},
            {"Payload", payload.empty() ? Value() : Value(base64_encode(payload))},
            {"Meta", meta.empty() ? Value() : Value(std::move(meta))},
            {"IdPrefixTemplate", context.text("id-prefix-template")},
            {"Priority", context.flags().integer("priority")},
        }
    );
    if (!answer) {
        return context.fail("Failed to dispatch job: {}", answer.error().message);
    }
    const Doc reply(*answer);
    const std::string evaluation = reply["EvalID"].text();
    Pairs pairs{{"Dispatched Job ID", reply["DispatchedJobID"].text()}};
    if (!evaluation.empty()) {
        pairs.emplace_back("Evaluation ID", short_id(evaluation, context.id_length()));
    }
    if (context.on("wait")) {
        return wait_for_result(context, *job->api, reply["DispatchedJobID"].text());
    }
    context.ui().line(key_values(pairs));
    // A repeated idempotency token made nothing new to follow.
    if (evaluation.empty() || context.on("detach")) {
        return 0;
    }
    context.line("");
    return monitor_evaluation(context, *job->api, evaluation);
}

int run_eval(Context& context) {
    const auto job = target(context);
    if (!job) {
        return 1;
    }
    const auto answer = job->api->put(
        api_path({"job", job->id, "evaluate"}),
        {},
        Value::Map{
            {"JobID", job->id},
            {"EvalOptions", Value::Map{{"ForceReschedule", context.on("force-reschedule")}}},
        }
    );
    if (!answer) {
        return context.fail("Error evaluating job: {}", answer.error().message);
    }
    const std::string evaluation = Doc(*answer)["EvalID"].text();
    if (context.on("detach")) {
        context.line("Created eval ID: \"{}\" ", short_id(evaluation, context.id_length()));
        return 0;
    }
    return monitor_evaluation(context, *job->api, evaluation);
}

int run_force(Context& context) {
    const auto job = target(context, "Periodic is not nil");
    if (!job) {
        return 1;
    }
    const auto answer = job->api->put(api_path({"job", job->id, "periodic", "force"}));
    if (!answer) {
        return context.fail(
            "Error forcing periodic job \"{}\": {}", job->id, answer.error().message
        );
    }
    const std::string evaluation = Doc(*answer)["EvalID"].text();
    if (context.on("detach") || evaluation.empty()) {
        context.line("Force periodic successful");
        if (!evaluation.empty()) {
            context.line("Evaluation ID: {}", evaluation);
        }
        return 0;
    }
    return monitor_evaluation(context, *job->api, evaluation);
}

int run_scale(Context& context) {
    const bool grouped = context.arguments().size() == 3;
    const std::string number = context.argument(grouped ? 2 : 1);
    const auto count = parse_integer(number);
    if (!count || *count < 0) {
        return context.usage_error(
            fmt::format("the count is a whole number of 0 or more, not \"{}\"", number)
        );
    }
    const auto job = target(context);
    if (!job) {
        return 1;
    }
    std::string group = grouped ? context.argument(1) : "";
    if (group.empty()) {
        const auto scale = job->api->get(api_path({"job", job->id, "scale"}));
        if (!scale) {
            return context.fail("Error querying job scale status: {}", scale.error().message);
        }
        const Value::Map& groups = Doc(*scale)["TaskGroups"].map();
        if (groups.size() != 1) {
            std::vector<std::string> names;
            for (const auto& [name, status] : groups) {
                names.push_back(name);
            }
            return context.fail(
                "Group name required: job \"{}\" has {}", job->id, join(names, ", ")
            );
        }
        group = groups.begin()->first;
    }
    Value::Map request{
        {"Count", *count},
        {"Target", Value::Map{{"Job", job->id}, {"Group", group}}},
        {"Message", "submitted using the command line"},
    };
    if (context.flags().given("check-index")) {
        request.insert_or_assign("JobModifyIndex", context.flags().integer("check-index"));
    }
    const auto answer =
        job->api->put(api_path({"job", job->id, "scale"}), {}, Value(std::move(request)));
    if (!answer) {
        return context.fail("Error submitting scaling request: {}", answer.error().message);
    }
    show_warnings(context, *answer);
    return follow(context, *job->api, Doc(*answer)["EvalID"].text());
}

int run_promote(Context& context) {
    const auto job = target(context);
    if (!job) {
        return 1;
    }
    const auto deployment = job->api->get(api_path({"job", job->id, "deployment"}));
    if (!deployment) {
        return context.fail("Error retrieving deployment: {}", deployment.error().message);
    }
    if (Doc(*deployment).is_null()) {
        return context.fail("Job \"{}\" has no deployment to promote", job->id);
    }
    const std::string id = Doc(*deployment)["ID"].text();
    Value::List groups;
    for (const std::string& group : context.flags().list("group")) {
        groups.emplace_back(group);
    }
    const bool all = groups.empty();
    const auto answer = job->api->put(
        api_path({"deployment", "promote", id}),
        {},
        Value::Map{
            {"DeploymentID", id},
            {"All", all},
            {"Groups", all ? Value() : Value(std::move(groups))},
        }
    );
    if (!answer) {
        return context.fail(
            "Error promoting deployment \"{}\": {}",
            short_id(id, context.id_length()),
            answer.error().message
        );
    }
    return follow(context, *job->api, Doc(*answer)["EvalID"].text());
}

}  // namespace

Command job_revert_command() {
    return {
        .path = "job revert",
        .usage = "[options] <job> <version|tag>",
        .synopsis = "Go back to an earlier version of a job",
        .help =
            "Submits an earlier version again; `job history` lists them.\n\n"
            "Example:\n\n  $ nomad-lite job revert web 3",
        .flags = {kDetach, kVerbose},
        .arguments = {.least = 2, .most = 2, .words = "two arguments: <job> <version|tag>"},
        .run = run_revert,
    };
}

Command job_start_command() {
    return {
        .path = "job start",
        .usage = "[options] <job>",
        .synopsis = "Start a stopped job again",
        .help = "Submits the latest version of a stopped job again.",
        .flags = {kDetach, kVerbose},
        .arguments = one_job(),
        .run = run_start,
        .aliases = {"start"},
    };
}

Command job_dispatch_command() {
    return {
        .path = "job dispatch",
        .usage = "[options] <parameterized job> [<file>|-]",
        .synopsis = "Start an instance of a parameterized job",
        .help =
            "Starts an instance with that payload and metadata and follows it until it is "
            "placed.\n\n"
            "Example:\n\n  $ nomad-lite job dispatch -meta customer=42 report input.json",
        .flags =
            {
                {.name = "meta", .kind = FlagKind::List, .help = "Metadata: key=value."},
                {.name = "idempotency-token",
                 .kind = FlagKind::Text,
                 .help = "Starts nothing when an instance with this token exists."},
                {.name = "id-prefix-template",
                 .kind = FlagKind::Text,
                 .help = "The beginning of the instance's id."},
                {.name = "priority", .kind = FlagKind::Integer, .help = "The instance's priority."},
                {.name = "wait",
                 .kind = FlagKind::Bool,
                 .help = "Wait until it ends; print its output and exit with its exit code."},
                {.name = "ui",
                 .kind = FlagKind::Bool,
                 .help = "Open the web page.",
                 .fallback = {},
                 .alias = {},
                 .hidden = true},
                kDetach,
                kVerbose,
            },
        .arguments =
            {.least = 1, .most = 2, .words = "one or two arguments: <parameterized job> [<file>|-]"
            },
        .run = run_dispatch,
    };
}

Command job_eval_command() {
    return {
        .path = "job eval",
        .usage = "[options] <job>",
        .synopsis = "Let the scheduler look at a job again",
        .help = "Makes an evaluation of the job.",
        .flags =
            {{.name = "force-reschedule",
              .kind = FlagKind::Bool,
              .help = "Place failed allocations again even if their time has not come."},
             kDetach,
             kVerbose},
        .arguments = one_job(),
        .run = run_eval,
    };
}

Command job_periodic_force_command() {
    return {
        .path = "job periodic force",
        .usage = "[options] <job>",
        .synopsis = "Start a periodic job now",
        .help = "Starts an instance without waiting for its time.",
        .flags = {kDetach, kVerbose},
        .arguments = one_job(),
        .run = run_force,
    };
}

Command job_scale_command() {
    return {
        .path = "job scale",
        .usage = "[options] <job> [<group>] <count>",
        .synopsis = "Change how many of a group run",
        .help =
            "Sets a group's count. The group may be left out when there is only one.\n\n"
            "Example:\n\n  $ nomad-lite job scale web frontend 5",
        .flags =
            {{.name = "check-index",
              .kind = FlagKind::Integer,
              .help = "Scale only if the job's modify index is still this one."},
             kDetach,
             kVerbose},
        .arguments =
            {.least = 2, .most = 3, .words = "two or three arguments: <job> [<group>] <count>"},
        .run = run_scale,
    };
}

Command job_promote_command() {
    return {
        .path = "job promote",
        .usage = "[options] <job>",
        .synopsis = "Promote a job's canaries",
        .help = "Promotes the canaries of the job's latest deployment.",
        .flags =
            {{.name = "group", .kind = FlagKind::List, .help = "Promote this group only."},
             kDetach,
             kVerbose},
        .arguments = one_job(),
        .run = run_promote,
    };
}

}  // namespace nl::cli
