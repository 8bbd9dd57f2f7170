#include "cli/context.h"
#include "cli/diff.h"
#include "cli/job_source.h"
#include "cli/tables.h"

namespace nl::cli {

namespace {

// Nomad's codes: 1 is no failure but "something would be created or destroyed".
constexpr int kChanges = 1;
constexpr int kPlanError = 255;
constexpr std::size_t kMaxListedPreemptions = 10;

void show_dry_run(const Context& context, Doc plan, Doc job) {
    const Ui& ui = context.ui();
    ui.line(ui.bold("Scheduler dry-run:"));
    const Doc failed = plan["FailedTGAllocs"];
    if (failed.map().empty()) {
        ui.line(ui.green("- All tasks successfully allocated."));
    } else {
        ui.line(ui.yellow(
            job["Type"].text() == "system" ? "- WARNING: Failed to place allocations on all nodes."
                                           : "- WARNING: Failed to place all allocations."
        ));
        ui.line(failed_groups(context, failed, "  "));
    }
    for (const Value& eval : plan["CreatedEvals"].list()) {
        if (Doc(eval)["TriggeredBy"].text() == "rolling-update") {
            ui.line(ui.green(fmt::format(
                "- Rolling update, next evaluation will be in {}.",
                to_string(Duration{Doc(eval)["Wait"].integer()})
            )));
        }
    }
    const WallTime next = read_time(plan["NextPeriodicLaunch"]);
    if (job["ParameterizedJob"].is_null() && !next.is_zero()) {
        ui.line(ui.green(fmt::format(
            "- If submitted now, next periodic launch would be at {} ({}).",
            context.time(next),
            time_distance(next, context.env().now())
        )));
    }
}

/// One by one if there are few, else by job, else by type of job.
void show_preemptions(const Context& context, const Value::List& preempted) {
    const Ui& ui = context.ui();
    ui.line(ui.yellow("Preemptions:\n"));
    if (preempted.size() < kMaxListedPreemptions) {
        std::vector<Row> rows{{"Alloc ID", "Job ID", "Task Group"}};
        for (const Value& item : preempted) {
            rows.push_back(
                {Doc(item)["ID"].text(), Doc(item)["JobID"].text(), Doc(item)["TaskGroup"].text()}
            );
        }
        ui.line(table(rows));
        return;
    }
    struct Job {
        std::string type;
        std::string id;
        std::string ns;
        auto operator<=>(const Job&) const = default;
    };
    std::map<Job, std::size_t> jobs;
    std::map<std::string, std::size_t> types;
    for (const Value& item : preempted) {
        const Doc alloc(item);
        ++jobs[{alloc["JobType"].text(), alloc["JobID"].text(), alloc["Namespace"].text()}];
        ++types[alloc["JobType"].text()];
    }
    std::vector<Row> rows;
    if (jobs.size() < kMaxListedPreemptions) {
        rows.push_back({"Job ID", "Namespace", "Job Type", "Preemptions"});
        for (const auto& [job, count] : jobs) {
            rows.push_back({job.id, job.ns, job.type, fmt::format("{}", count)});
        }
    } else {
        rows.push_back({"Job Type", "Preemptions"});
        for (const auto& [type, count] : types) {
            rows.push_back({type, fmt::format("{}", count)});
        }
    }
    ui.line(table(rows));
}

int exit_code(Doc plan) {
    if (plan["Diff"]["Type"].text() == "None") {
        return 0;
    }
    for (const auto& [group, counts] : plan["Annotations"]["DesiredTGUpdates"].map()) {
        const Doc update(counts);
        for (const char* kind : {"Stop", "Place", "Migrate", "DestructiveUpdate", "Canary"}) {
            if (update[kind].integer() > 0) {
                return kChanges;
            }
        }
    }
    return 0;
}

int run(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return kPlanError;
    }
    const std::string path = context.argument(0);
    const auto source = read_job(context, *api, path);
    if (!source) {
        return kPlanError;
    }
    const Doc job(source->job);
    const bool diff = context.on("diff");
    const auto plan = api->put(
        api_path({"job", job["ID"].text(), "plan"}),
        {},
        Value::Map{
            {"Job", source->job},
            // Also without -diff: whether there is a difference decides the exit code.
            {"Diff", true},
            {"PolicyOverride", context.on("policy-override")},
        }
    );
    if (!plan) {
        context.fail("Error during plan: {}", plan.error().message);
        return kPlanError;
    }
    const Doc answer(*plan);
    if (context.on("json-output") && !context.text("t").empty()) {
        context.fail("Both -json-output and -t formatting are not allowed");
        return kPlanError;
    }
    if (context.on("json-output") || !context.text("t").empty()) {
        if (context.text("t").empty()) {
            context.ui().line(write_json(*plan, JsonStyle::Indented));
        } else if (context.print_object(*plan) != 0) {
            return kPlanError;
        }
        return exit_code(answer);
    }
    const bool verbose = context.on("verbose");
    if (diff && !answer["Diff"].is_null()) {
        context.line(
            "{}\n",
            job_diff_text(
                context.ui(), answer["Diff"], verbose ? DiffStyle::Everything : DiffStyle::Heads
            )
        );
    }
    show_dry_run(context, answer, job);
    context.line("");
    if (const std::string warnings = answer["Warnings"].text(); !warnings.empty()) {
        context.line("{}", context.ui().yellow(fmt::format("Job Warnings:\n{}\n", warnings)));
    }
    if (const auto& preempted = answer["Annotations"]["PreemptedAllocs"].list();
        !preempted.empty()) {
        show_preemptions(context, preempted);
    }
    const std::int64_t index = answer["JobModifyIndex"].integer();
    context.line("{}", context.ui().bold(fmt::format("Job Modify Index: {}", index)));
    std::string flags;
    for (const char* flag : {"var", "var-file"}) {
        for (const std::string& value : context.flags().list(flag)) {
            flags += fmt::format(" -{}=\"{}\"", flag, value);
        }
    }
    if (const std::string ns = context.text("namespace"); !ns.empty()) {
        flags += fmt::format(" -namespace=\"{}\"", ns);
    }
    if (!context.on("hcl2-strict")) {
        flags += " -hcl2-strict=false";
    }
    context.line(
        "To submit the job with version verification run:\n\n"
        "{} job run -check-index {}{}{} {}\n\n"
        "When running the job with the check-index flag, the job will only be run if the\n"
        "job modify index given matches the server-side version. If the index has\n"
        "changed, another user has modified the job and the plan's results are\n"
        "potentially invalid.",
        context.program(),
        index,
        context.on("json") ? " -json" : "",
        flags,
        path
    );
    return exit_code(answer);
}

int run_validate(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto source = read_job(context, *api, context.argument(0));
    if (!source) {
        return 1;
    }
    const auto answer =
        api->put(api_path({"validate", "job"}), {}, Value::Map{{"Job", source->job}});
    if (!answer) {
        return context.fail("Error validating job: {}", answer.error().message);
    }
    const Doc reply(*answer);
    if (!reply["DriverConfigValidated"].flag()) {
        context.line(
            "{}",
            context.ui().yellow("Driver configuration not validated since connection to Nomad "
                                "agent couldn't be established.")
        );
    }
    const std::string error = reply["Error"].text();
    if (!error.empty()) {
        context.ui().error("Job validation errors:");
        context.ui().error(error);
        return 1;
    }
    if (const std::string warnings = reply["Warnings"].text(); !warnings.empty()) {
        context.line("{}", context.ui().yellow(fmt::format("Job Warnings:\n{}\n", warnings)));
    }
    context.line("{}", context.ui().green("Job validation successful"));
    return 0;
}

}  // namespace

Command job_plan_command() {
    return {
        .path = "job plan",
        .usage = "[options] <path>",
        .synopsis = "Show what running a job would change",
        .help =
            "Asks the scheduler what it would do and changes nothing. Exits 0 when no allocation "
            "would be\n"
            "created or destroyed, 1 when some would, 255 on an error.\n\n"
            "Example:\n\n  $ nomad-lite job plan web.nomad.hcl",
        .flags =
            std::vector<FlagSpec>{
                {.name = "diff",
                 .kind = FlagKind::Bool,
                 .help = "Show the difference.",
                 .fallback = "true"},
                {.name = "verbose",
                 .kind = FlagKind::Bool,
                 .help = "Show what stays the same as well."},
                {.name = "policy-override",
                 .kind = FlagKind::Bool,
                 .help = "Override admission rules that may be overridden."},
                {.name = "json-output", .kind = FlagKind::Bool, .help = "Print the plan as JSON."},
                {.name = "t",
                 .kind = FlagKind::Text,
                 .help = "Print the plan through a Go template."},
                {.name = "vault-namespace",
                 .kind = FlagKind::Text,
                 .help = "The job's namespace in Vault, instead of the file's."},
            } +
            job_source_flags(),
        .arguments = {.least = 1, .most = 1, .words = "one argument: <path>"},
        .run = run,
        .aliases = {"plan"},
    };
}

Command job_validate_command() {
    return {
        .path = "job validate",
        .usage = "[options] <path>",
        .synopsis = "Check a job file",
        .help =
            "Checks a job without submitting it.\n\nExample:\n\n  $ nomad-lite job validate "
            "web.nomad.hcl",
        .flags =
            std::vector<FlagSpec>{
                {.name = "vault-namespace",
                 .kind = FlagKind::Text,
                 .help = "The job's namespace in Vault, instead of the file's."},
            } +
            job_source_flags(),
        .arguments = {.least = 1, .most = 1, .words = "one argument: <path>"},
        .run = run_validate,
        .aliases = {"validate"},
    };
}

}  // namespace nl::cli
