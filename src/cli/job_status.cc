#include "cli/commands.h"
#include "cli/context.h"
#include "cli/lookup.h"
#include "cli/seed.h"
#include "cli/tables.h"

#include <algorithm>

namespace nl::cli {

namespace {

std::string yes_no(bool value) {
    return value ? "true" : "false";
}

Pairs job_pairs(const Context& context, Doc job) {
    const bool periodic = !job["Periodic"].is_null();
    const bool parameterized = !job["ParameterizedJob"].is_null() && !job["Dispatched"].flag();
    Pairs pairs{
        {"ID", job["ID"].text()},
        {"Name", job["Name"].text()},
        {"Submit Date", context.time(job["SubmitTime"])},
        {"Type", job["Type"].text()},
        {"Priority", job["Priority"].text()},
        {"Datacenters", join(texts(job["Datacenters"].list()), ",")},
        {"Namespace", job["Namespace"].text()},
        {"Node Pool", job["NodePool"].text()},
        {"Status", job_status_word(job)},
        {"Periodic", yes_no(periodic)},
        {"Parameterized", yes_no(parameterized)},
    };
    if (const std::string token = job["DispatchIdempotencyToken"].text(); !token.empty()) {
        pairs.emplace_back("Idempotency Token", token);
    }
    return pairs;
}

std::string summary_table(Doc summary) {
    std::vector<Row> rows{
        {"Task Group", "Queued", "Starting", "Running", "Failed", "Complete", "Lost", "Unknown"}
    };
    for (const auto& [name, value] : summary["Summary"].map()) {
        const Doc group(value);
        Row row{name};
        for (const char* key :
             {"Queued", "Starting", "Running", "Failed", "Complete", "Lost", "Unknown"}) {
            row.push_back(fmt::format("{}", group[key].integer()));
        }
        rows.push_back(std::move(row));
    }
    return table(rows);
}

class JobStatus {
public:
    JobStatus(Context& context, Api& api, Doc job) : context_(context), api_(api), job_(job) {}

    int show() {
        Pairs pairs = job_pairs(context_, job_);
        const bool periodic = !job_["Periodic"].is_null();
        const bool parameterized =
            !job_["ParameterizedJob"].is_null() && !job_["Dispatched"].flag();
        if (periodic && !parameterized && !job_["Stop"].flag()) {
            add_next_launch(pairs);
        }
        context_.ui().line(key_values(pairs));
        if (context_.on("short")) {
            return 0;
        }
        if (context_.on("explain")) {
            return explain();
        }
        if (parameterized) {
            show_parameterized();
            return show_children("Parameterized Job Summary", "Dispatched Jobs", "dispatch-");
        }
        if (periodic) {
            return show_children("Children Job Summary", "Previously Launched Jobs", "periodic-");
        }
        return show_work();
    }

private:
    void add_next_launch(Pairs& pairs) {
        const auto plan = api_.put(
            api_path({"job", id(), "plan"}), {}, Value::Map{{"Job", job_.value()}, {"Diff", false}}
        );
        if (!plan) {
            return;
        }
        const WallTime next = read_time(Doc(*plan)["NextPeriodicLaunch"]);
        if (!next.is_zero()) {
            pairs.emplace_back(
                "Next Periodic Launch",
                fmt::format(
                    "{} ({})", context_.time(next), time_distance(next, context_.env().now())
                )
            );
        }
    }

    void show_parameterized() {
        const Doc config = job_["ParameterizedJob"];
        context_.ui().section("Parameterized Job");
        const auto list = [](Doc names) { return join(texts(names.list()), ", "); };
        context_.ui().line(key_values({
            {"Payload", config["Payload"].text_or("optional")},
            {"Required Metadata", list(config["MetaRequired"])},
            {"Optional Metadata", list(config["MetaOptional"])},
        }));
    }

    int show_children(const char* summary_title, const char* jobs_title, const char* kind) {
        const auto summary = api_.get(api_path({"job", id(), "summary"}));
        if (!summary) {
            return context_.fail("Error querying job summary: {}", summary.error().message);
        }
        const Doc children = Doc(*summary)["Children"];
        context_.ui().section(summary_title);
        context_.ui().line(table(
            {{"Pending", "Running", "Dead"},
             {fmt::format("{}", children["Pending"].integer()),
              fmt::format("{}", children["Running"].integer()),
              fmt::format("{}", children["Dead"].integer())}}
        ));
        const auto jobs =
            api_.get(api_path({"jobs"}), {{"prefix", fmt::format("{}/{}", id(), kind)}});
        if (!jobs) {
            return context_.fail("Error querying child jobs: {}", jobs.error().message);
        }
        std::vector<Row> rows{{"ID", "Status"}};
        for (const Value& child : Doc(*jobs).list()) {
            if (Doc(child)["ParentID"].text() == id()) {
                rows.push_back({Doc(child)["ID"].text(), job_status_word(child)});
            }
        }
        if (rows.size() == 1) {
            context_.line("");
            context_.line(
                "No instances of {} job found",
                kind == std::string_view("periodic-") ? "periodic" : "dispatched"
            );
            return 0;
        }
        context_.ui().section(jobs_title);
        context_.ui().line(table(rows));
        return 0;
    }

    int show_work() {
        const auto summary = api_.get(api_path({"job", id(), "summary"}));
        if (summary) {
            context_.ui().section("Summary");
            context_.ui().line(summary_table(*summary));
        }
        const auto allocations = api_.get(
            api_path({"job", id(), "allocations"}),
            {{"all", context_.on("all-allocs") ? "true" : "false"}}
        );
        if (!allocations) {
            return context_.fail("Error querying job allocations: {}", allocations.error().message);
        }
        const auto evaluations = api_.get(api_path({"job", id(), "evaluations"}));
        if (!evaluations) {
            return context_.fail("Error querying job evaluations: {}", evaluations.error().message);
        }
        const auto deployment = api_.get(api_path({"job", id(), "deployment"}));
        if (!deployment) {
            return context_.fail("Error querying job deployment: {}", deployment.error().message);
        }
        show_evaluations(Doc(*evaluations).list());
        show_blocked(Doc(*evaluations).list());
        show_rescheduling(Doc(*allocations).list(), Doc(*evaluations).list());
        if (!Doc(*deployment).is_null()) {
            show_deployment(*deployment);
        }
        show_actions();
        context_.ui().section("Allocations");
        context_.ui().line(allocation_table(context_, Doc(*allocations).list()));
        return 0;
    }

    void show_evaluations(const Value::List& evaluations) {
        if (!context_.on("evals") && !context_.on("verbose")) {
            return;
        }
        std::vector<Row> rows{{"ID", "Priority", "Triggered By", "Status", "Placement Failures"}};
        for (const Value& item : evaluations) {
            const Doc eval(item);
            rows.push_back(
                {short_id(eval["ID"].text(), context_.id_length()),
                 eval["Priority"].text(),
                 eval["TriggeredBy"].text(),
                 eval["Status"].text(),
                 placement_failures(eval)}
            );
        }
        context_.ui().section("Evaluations");
        context_.ui().line(table(rows));
    }

    void show_blocked(const Value::List& evaluations) {
        const bool blocked = std::ranges::any_of(evaluations, [](const Value& eval) {
            return Doc(eval)["Status"].text() == "blocked";
        });
        if (!blocked) {
            return;
        }
        // The newest evaluation that could not place everything tells the present reason.
        const Value* latest = nullptr;
        for (const Value& item : evaluations) {
            const Doc eval(item);
            if (eval["FailedTGAllocs"].map().empty() || eval["Status"].text() == "blocked") {
                continue;
            }
            if (latest == nullptr ||
                Doc(*latest)["CreateIndex"].integer() < eval["CreateIndex"].integer()) {
                latest = &item;
            }
        }
        if (latest == nullptr) {
            return;
        }
        context_.ui().section("Placement Failure");
        for (const auto& [group, metric] : Doc(*latest)["FailedTGAllocs"].map()) {
            context_.line("Task Group \"{}\":", group);
            context_.ui().line(metric_lines(context_, metric, "  ", context_.on("verbose")));
        }
    }

    void show_rescheduling(const Value::List& allocations, const Value::List& evaluations) {
        std::map<std::string, Row> rows;
        for (const Value& item : allocations) {
            const Doc alloc(item);
            const std::string followup = alloc["FollowupEvalID"].text();
            if (followup.empty() || !alloc["NextAllocation"].text().empty()) {
                continue;
            }
            const auto eval = std::ranges::find_if(evaluations, [&](const Value& e) {
                return Doc(e)["ID"].text() == followup;
            });
            if (eval == evaluations.end() || Doc(*eval)["WaitUntil"].is_null()) {
                continue;
            }
            const WallTime until = read_time(Doc(*eval)["WaitUntil"]);
            if (until < context_.env().now()) {
                continue;
            }
            const std::string group = alloc["TaskGroup"].text();
            const Doc policy = job_group(job_, group)["ReschedulePolicy"];
            rows[group] = {
                group,
                policy["Unlimited"].flag() ? "unlimited"
                                           : fmt::format(
                                                 "{} in {}",
                                                 policy["Attempts"].integer(),
                                                 short_duration({policy["Interval"].integer()})
                                             ),
                short_id(followup, context_.id_length()),
                time_distance(until, context_.env().now())
            };
        }
        if (rows.empty()) {
            return;
        }
        std::vector<Row> all{{"Task Group", "Reschedule Policy", "Eval ID", "Eval Time"}};
        for (auto& [group, row] : rows) {
            all.push_back(std::move(row));
        }
        context_.ui().section("Future Rescheduling Attempts");
        context_.ui().line(table(all));
    }

    void show_deployment(Doc deployment) {
        context_.ui().section("Latest Deployment");
        context_.ui().line(key_values({
            {"ID", short_id(deployment["ID"].text(), context_.id_length())},
            {"Status", deployment["Status"].text()},
            {"Description", deployment["StatusDescription"].text()},
        }));
        if (!deployment["TaskGroups"].map().empty()) {
            context_.ui().section("Deployed");
            context_.ui().line(deployment_groups(context_, deployment));
        }
    }

    void show_actions() {
        std::vector<Row> rows{{"Action Name", "Task Group", "Task"}};
        for (const Value& group : job_["TaskGroups"].list()) {
            for (const Value& task : Doc(group)["Tasks"].list()) {
                for (const Value& action : Doc(task)["Actions"].list()) {
                    rows.push_back(
                        {Doc(action)["Name"].text(),
                         Doc(group)["Name"].text(),
                         Doc(task)["Name"].text()}
                    );
                }
            }
        }
        if (rows.size() > 1) {
            context_.ui().section("Actions");
            context_.ui().line(table(rows));
        }
    }

    /// Why groups wait for a place, in the servers' words.
    int explain() {
        const auto answer = api_.get(api_path({"job", id(), "explain"}));
        if (!answer) {
            return context_.fail("Error explaining job: {}", answer.error().message);
        }
        const Value::List& groups = Doc(*answer)["Groups"].list();
        context_.ui().section("Placement");
        if (groups.empty()) {
            context_.line("Nothing waits for a place.");
        }
        for (const Value& group : groups) {
            for (const Value& sentence : Doc(group)["Sentences"].list()) {
                context_.ui().line(Doc(sentence).text());
            }
        }
        for (const Value& placement : Doc(*answer)["Placements"].list()) {
            context_.ui().line(Doc(placement)["Sentence"].text());
        }
        return 0;
    }

    std::string id() const { return job_["ID"].text(); }

    Context& context_;
    Api& api_;
    Doc job_;
};

int list_jobs(Context& context, Api& api) {
    const auto answer = api.get(api_path({"jobs"}));
    if (!answer) {
        return context.fail("Error querying jobs: {}", answer.error().message);
    }
    const Value::List& jobs = Doc(*answer).list();
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    if (jobs.empty()) {
        context.line("No running jobs");
        return 0;
    }
    context.ui().line(job_table(context, jobs, api.settings().namespace_ == "*"));
    return 0;
}

}  // namespace

int show_job_status(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    if (context.arguments().empty()) {
        return list_jobs(context, *api);
    }
    const std::string typed = context.argument(0);
    if (const auto code = try_seed_status(context, typed)) {
        return *code;
    }
    const auto found = find_job(context, *api, typed);
    if (!found) {
        return 1;
    }
    const auto job = api->get(api_path({"job", found->id}));
    if (!job) {
        return context.fail("Error querying job: {}", job.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*job);
    }
    return JobStatus(context, *api, *job).show();
}

Command job_status_command() {
    return {
        .path = "job status",
        .usage = "[options] [<job>]",
        .synopsis = "Show jobs, or one job in detail",
        .help =
            "Without an argument lists the jobs. With a job's id, or the beginning of one, shows "
            "what it\n"
            "is and how its groups, deployment and allocations are. An id of the batch queue (job\n"
            "submit) shows that job, its exit code and its output.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite job status\n"
            "  $ nomad-lite job status web\n"
            "  $ nomad-lite job status -json -namespace '*'",
        .flags =
            std::vector<FlagSpec>{
                {.name = "short", .kind = FlagKind::Bool, .help = "Only the job itself."},
                {.name = "evals", .kind = FlagKind::Bool, .help = "Show the evaluations as well."},
                {.name = "explain",
                 .kind = FlagKind::Bool,
                 .help = "Say why groups wait for a place: what removed how many nodes, and the "
                         "smallest change that would help."},
                {.name = "all-allocs",
                 .kind = FlagKind::Bool,
                 .help = "Show the allocations of earlier jobs of that id as well."},
                {.name = "verbose",
                 .kind = FlagKind::Bool,
                 .help = "Show whole ids and evaluations."},
                {.name = "ui",
                 .kind = FlagKind::Bool,
                 .help = "Open the web page.",
                 .fallback = {},
                 .alias = {},
                 .hidden = true},
            } +
            object_flags(),
        .arguments = {.least = 0, .most = 1, .words = "either no arguments or one: <job>"},
        .run = show_job_status,
        .help_path = "status",
        .seed_form = std::make_shared<const Command>(seed_job_status_command()),
    };
}

}  // namespace nl::cli
