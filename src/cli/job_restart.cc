// job restart: all allocations of a job, batch by batch, in place or by way of new ones.

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/lookup.h"
#include "cli/tables.h"

#include <algorithm>
#include <set>

namespace nl::cli {

namespace {

// Columns that "2026-01-02T15:04:05Z: " and what stands before it take.
constexpr std::size_t kTimeColumns = 31;
constexpr Duration kPoll = seconds(1);
// "Still waiting" is said this often; after the longest wait the batch has failed.
constexpr std::int64_t kPollsBetweenSigns = 60;
constexpr std::int64_t kMostPolls = 24 * 60 * 60;
constexpr int kMostQuestions = 100;

struct Plan {
    std::size_t batch_size{1};
    bool percent{false};
    Duration wait{};
    bool ask_wait{false};
    bool ask_on_error{true};
    std::set<std::string> groups;
    std::set<std::string> tasks;
};

/// What went wrong with one allocation, and whether trying others makes sense.
struct Problem {
    std::string text;
    bool lasting{false};
};

std::optional<Plan> read_plan(const Context& context) {
    Plan plan;
    const auto refuse = [&](std::string text) {
        context.usage_error(text);
        return std::nullopt;
    };
    std::string size = context.text("batch-size");
    plan.percent = size.ends_with('%');
    const auto number =
        parse_integer(plan.percent ? std::string_view(size).substr(0, size.size() - 1) : size);
    if (!number || *number < 0) {
        return refuse(fmt::format(
            "Invalid -batch-size value \"{}\": batch size must be an integer or a percentage", size
        ));
    }
    if (*number == 0) {
        return refuse(fmt::format(
            "Invalid -batch-size value \"{}\": number value must be greater than zero", size
        ));
    }
    plan.batch_size = static_cast<std::size_t>(*number);
    const bool can_ask = context.env().in_is_terminal || context.on("yes");
    const std::string wait = context.text("batch-wait");
    if (wait == "ask") {
        if (!can_ask) {
            return refuse(
                "Invalid -batch-wait value \"ask\": \"ask\" cannot be used when terminal is not "
                "interactive"
            );
        }
        plan.ask_wait = true;
    } else if (const auto duration = parse_duration(wait)) {
        plan.wait = *duration;
    } else {
        return refuse(
            fmt::format("Invalid -batch-wait value \"{}\": {}", wait, duration.error().message)
        );
    }
    const std::string on_error = context.text("on-error");
    if (on_error != "ask" && on_error != "fail") {
        return refuse(fmt::format(
            "Invalid -on-error value \"{}\": valid options are \"ask\" and \"fail\"", on_error
        ));
    }
    plan.ask_on_error = on_error == "ask";
    if (plan.ask_on_error && !can_ask) {
        return refuse(
            "Invalid -on-error value \"ask\": \"ask\" cannot be used when terminal is not "
            "interactive"
        );
    }
    for (const std::string& group : context.flags().list("group")) {
        plan.groups.insert(group);
    }
    for (const std::string& task : context.flags().list("task")) {
        plan.tasks.insert(task);
    }
    if (context.on("all-tasks") && !plan.tasks.empty()) {
        return refuse("The -all-tasks option cannot be used with -task");
    }
    if (context.on("reschedule") && !plan.tasks.empty()) {
        return refuse("The -reschedule option cannot be used with -task");
    }
    return plan;
}

class Restart {
public:
    Restart(Context& context, Api& api, FoundJob job, Plan plan)
        : context_(context), api_(api), job_(std::move(job)), plan_(std::move(plan)) {}

    int run() {
        const auto versions = api_.get(api_path({"job", job_.id, "versions"}));
        if (!versions) {
            return context_.fail(
                "Error retrieving versions of job \"{}\": {}", job_.id, versions.error().message
            );
        }
        versions_ = *versions;
        const auto all = api_.get(api_path({"job", job_.id, "allocations"}), {{"all", "true"}});
        if (!all) {
            return context_.fail(
                "Error retrieving allocations for job \"{}\": {}", job_.id, all.error().message
            );
        }
        std::vector<const Value*> chosen;
        for (const Value& alloc : Doc(*all).list()) {
            if (wanted(alloc)) {
                chosen.push_back(&alloc);
            }
        }
        if (chosen.empty()) {
            context_.line("No allocations to restart");
            return 0;
        }
        if (plan_.percent) {
            plan_.batch_size = (chosen.size() * plan_.batch_size + 99) / 100;
        }
        head(fmt::format(
            "Restarting {}", plural(static_cast<std::int64_t>(chosen.size()), "allocation")
        ));
        return batches(chosen);
    }

private:
    std::string now() const { return context_.time(context_.env().now()); }
    std::string short_id(Doc id) const { return cli::short_id(id.text(), context_.id_length()); }
    void head(const std::string& text) const {
        context_.ui().line(context_.ui().bold(fmt::format("==> {}: {}", now(), text)));
    }
    void say(const std::string& text) const { context_.line("    {}: {}", now(), text); }
    void say_if_verbose(const std::string& text) const {
        if (context_.on("verbose")) {
            say(text);
        }
    }

    Doc job_of(Doc alloc) const {
        for (const Value& version : Doc(versions_)["Versions"].list()) {
            if (Doc(version)["Version"].integer() == alloc["JobVersion"].integer()) {
                return version;
            }
        }
        return {};
    }

    bool has_task(Doc alloc, const std::string& task) const {
        if (alloc["TaskStates"].map().contains(task)) {
            return true;
        }
        const Value::List& tasks =
            job_group(job_of(alloc), alloc["TaskGroup"].text())["Tasks"].list();
        return std::ranges::any_of(tasks, [&](const Value& t) {
            return Doc(t)["Name"].text() == task;
        });
    }

    bool wanted(Doc alloc) const {
        const std::string client = alloc["ClientStatus"].text();
        const std::string desired = alloc["DesiredStatus"].text();
        const auto skip = [&](const std::string& why) {
            say_if_verbose(
                fmt::format("Skipping allocation \"{}\" because {}", short_id(alloc["ID"]), why)
            );
            return false;
        };
        if (client != "running" && desired != "run") {
            return skip(
                fmt::format("desired status is \"{}\" and client status is \"{}\"", desired, client)
            );
        }
        if (const std::string next = alloc["NextAllocation"].text(); !next.empty()) {
            return skip(fmt::format(
                "it has already been replaced by \"{}\"", short_id(alloc["NextAllocation"])
            ));
        }
        if (!plan_.groups.empty() && !plan_.groups.contains(alloc["TaskGroup"].text())) {
            return skip("it doesn't have any of requested groups");
        }
        const auto has = [&](const std::string& task) { return has_task(alloc, task); };
        if (!plan_.tasks.empty() && std::ranges::none_of(plan_.tasks, has)) {
            return skip("it doesn't have any of requested tasks");
        }
        return true;
    }

    int batches(const std::vector<const Value*>& chosen) {
        std::vector<Problem> all;
        std::vector<Problem> here;
        bool canceled = false;
        for (std::size_t i = 0; i < chosen.size(); ++i) {
            if (auto problem = active_deployment()) {
                all.push_back(std::move(*problem));
                break;
            }
            if (i % plan_.batch_size == 0 && plan_.batch_size > 1) {
                head(fmt::format(
                    "Restarting {} batch of {} allocations",
                    ordinal(i / plan_.batch_size + 1),
                    std::min(plan_.batch_size, chosen.size() - i)
                ));
            }
            for (Problem& problem : restart(*chosen[i])) {
                problem.text = fmt::format(
                    "Error restarting allocation \"{}\": {}",
                    short_id(Doc(*chosen[i])["ID"]),
                    problem.text
                );
                here.push_back(problem);
                all.push_back(std::move(problem));
            }
            if (i + 1 == chosen.size()) {
                break;
            }
            if ((i + 1) % plan_.batch_size != 0) {
                continue;
            }
            const Next next = after_batch(here);
            here.clear();
            if (next != Next::GoOn) {
                canceled = next == Next::Canceled;
                break;
            }
        }
        if (!all.empty()) {
            if (!canceled) {
                head("Job restart finished with errors");
            }
            context_.ui().error("\n" + listed(all, 0));
            return 1;
        }
        if (!canceled) {
            head("Job restart finished");
            context_.line("\nJob restarted successfully!");
        }
        return 0;
    }

    enum class Next : unsigned char { GoOn, Stop, Canceled };

    Next after_batch(const std::vector<Problem>& problems) {
        const bool lasting = std::ranges::any_of(problems, &Problem::lasting);
        if (!problems.empty() && !plan_.ask_on_error) {
            head("Stopping job restart due to error");
            return Next::Stop;
        }
        if (lasting && context_.on("yes")) {
            head("Stopping job restart due to unrecoverable error");
            return Next::Stop;
        }
        if (!context_.on("yes") && (plan_.ask_wait || !problems.empty())) {
            if (!problems.empty()) {
                context_.ui().warn(fmt::format("==> {}: {}", now(), listed(problems, kTimeColumns))
                );
            }
            if (!proceed(!problems.empty(), lasting)) {
                head("Job restart canceled");
                return Next::Canceled;
            }
        }
        if (plan_.wait > Duration{}) {
            head(fmt::format("Waiting {} before restarting the next batch", to_string(plan_.wait)));
            context_.env().sleep(plan_.wait);
        }
        return Next::GoOn;
    }

    bool proceed(bool failed, bool lasting) {
        std::string question = !failed ? "Proceed with the next batch? [Y/n"
                               : !lasting
                                   ? "Ignore the errors above and proceed with the next batch? [y/N"
                                   : "The errors above are likely to happen again. Ignore them "
                                     "anyway and proceed with the next batch? [y/N";
        question += plan_.ask_wait ? "/<wait duration>] " : "] ";
        for (int i = 0; i < kMostQuestions; ++i) {
            context_.ui().raw(fmt::format("==> {}: {}", now(), question));
            const auto line = context_.env().read_line();
            if (!line) {
                return false;
            }
            if (line->empty()) {
                return !failed;
            }
            if (*line == "y" || *line == "Y" || *line == "yes") {
                return true;
            }
            if (*line == "n" || *line == "N" || *line == "no") {
                return false;
            }
            if (const auto wait = parse_duration(*line); wait && plan_.ask_wait) {
                plan_.ask_wait = false;
                plan_.wait = *wait;
                head(fmt::format(
                    "Proceeding restarts with new wait time of {}", to_string(plan_.wait)
                ));
                return true;
            }
            context_.line("Invalid answer \"{}\"", *line);
        }
        return false;
    }

    std::optional<Problem> active_deployment() {
        const auto all = api_.get(api_path({"job", job_.id, "deployments"}), {{"all", "true"}});
        if (!all) {
            return Problem{fmt::format(
                "Error retrieving deployments for job \"{}\": {}", job_.id, all.error().message
            )};
        }
        for (const Value& item : Doc(*all).list()) {
            const Doc d(item);
            const std::string status = d["Status"].text();
            if (status != "failed" && status != "successful" && status != "cancelled") {
                return Problem{fmt::format("Deployment \"{}\" is \"{}\"", short_id(d["ID"]), status)
                };
            }
        }
        return std::nullopt;
    }

    std::vector<Problem> restart(Doc alloc) {
        if (context_.on("reschedule")) {
            auto problem = replace(alloc);
            return problem ? std::vector<Problem>{std::move(*problem)} : std::vector<Problem>{};
        }
        const auto tell = [&](const std::string& what) {
            say(fmt::format(
                "Restarting {} in allocation \"{}\" for group \"{}\"",
                what,
                short_id(alloc["ID"]),
                alloc["TaskGroup"].text()
            ));
        };
        const auto call = [&](const std::string& task) -> std::optional<Problem> {
            const auto answer = api_.put(
                api_path({"client", "allocation", alloc["ID"].text(), "restart"}),
                {},
                Value::Map{{"TaskName", task}, {"AllTasks", context_.on("all-tasks")}}
            );
            return answer ? std::nullopt : std::optional(problem_of(answer.error()));
        };
        std::vector<Problem> out;
        if (plan_.tasks.empty()) {
            tell(context_.on("all-tasks") ? "all tasks" : "running tasks");
            if (auto problem = call("")) {
                out.push_back(std::move(*problem));
            }
            return out;
        }
        for (const std::string& task : plan_.tasks) {
            if (!has_task(alloc, task)) {
                continue;
            }
            tell(fmt::format("task \"{}\"", task));
            if (auto problem = call(task)) {
                problem->text =
                    fmt::format("Failed to restart task \"{}\": {}", task, problem->text);
                out.push_back(std::move(*problem));
            }
        }
        return out;
    }

    static Problem problem_of(const Error& error) {
        return {error.message, error.code == ErrorCode::PermissionDenied};
    }

    /// Stops the allocation and waits until another one runs in its place.
    std::optional<Problem> replace(Doc alloc) {
        say(fmt::format(
            "Rescheduling allocation \"{}\" for group \"{}\"",
            short_id(alloc["ID"]),
            alloc["TaskGroup"].text()
        ));
        Query query;
        if (context_.on("no-shutdown-delay")) {
            query.emplace_back("no_shutdown_delay", "true");
        }
        const auto stopped = api_.put(api_path({"allocation", alloc["ID"].text(), "stop"}), query);
        if (!stopped) {
            Problem problem = problem_of(stopped.error());
            problem.text = "Failed to stop allocation: " + problem.text;
            return problem;
        }
        const std::uint64_t index = static_cast<std::uint64_t>(Doc(*stopped)["Index"].integer());
        if (job_of(alloc)["Type"].text() == "system") {
            // Nothing else has the scheduler look at a system job again.
            const auto evaluated = api_.put(
                api_path({"job", job_.id, "evaluate"}),
                {},
                Value::Map{
                    {"JobID", job_.id}, {"EvalOptions", Value::Map{{"ForceReschedule", true}}}
                }
            );
            if (!evaluated) {
                Problem problem = problem_of(evaluated.error());
                problem.text = "Failed evaluate job: " + problem.text;
                return problem;
            }
        }
        return await_replacement(alloc, index);
    }

    std::optional<Problem> await_replacement(Doc alloc, std::uint64_t index) {
        const std::string old = alloc["ID"].text();
        std::string current = old;
        for (std::int64_t polls = 1; polls <= kMostPolls; ++polls) {
            const auto now_it = api_.get(api_path({"allocation", current}));
            if (!now_it) {
                Problem problem = problem_of(now_it.error());
                problem.text = fmt::format(
                    "Failed to retrieve allocation \"{}\": {}",
                    cli::short_id(current, context_.id_length()),
                    problem.text
                );
                return problem;
            }
            const Doc a(*now_it);
            if (const std::string next = a["NextAllocation"].text(); !next.empty()) {
                say(fmt::format(
                    "Allocation \"{0}\" replaced by \"{1}\", waiting for \"{1}\" to start running",
                    short_id(a["ID"]),
                    short_id(a["NextAllocation"])
                ));
                current = next;
                continue;
            }
            const std::string status = a["ClientStatus"].text();
            if (status == "running" && current != old) {
                say(fmt::format("Allocation \"{}\" is \"{}\"", short_id(a["ID"]), status));
                return std::nullopt;
            }
            if (auto problem = placement_failure(alloc["TaskGroup"].text(), index)) {
                return problem;
            }
            if (polls % kPollsBetweenSigns == 0) {
                say(fmt::format(
                    "Still waiting for allocation \"{}\" to be replaced", short_id(alloc["ID"])
                ));
            }
            context_.env().sleep(kPoll);
        }
        return Problem{
            fmt::format("No replacement ran within {}", to_string(Duration{kPoll.ns * kMostPolls}))
        };
    }

    /// A blocked evaluation made since `index` that could not place the group.
    std::optional<Problem> placement_failure(const std::string& group, std::uint64_t index) {
        const auto evals = api_.get(api_path({"job", job_.id, "evaluations"}));
        if (!evals) {
            return Problem{fmt::format(
                "Failed to retrieve evaluations for job \"{}\": {}", job_.id, evals.error().message
            )};
        }
        for (const Value& item : Doc(*evals).list()) {
            const Doc eval(item);
            const Doc failed = eval["FailedTGAllocs"][group];
            if (static_cast<std::uint64_t>(eval["CreateIndex"].integer()) < index ||
                eval["Status"].text() != "blocked" || failed.is_null()) {
                continue;
            }
            return Problem{
                fmt::format(
                    "Evaluation \"{}\" has placement failures for group \"{}\":\n{}",
                    short_id(eval["ID"]),
                    group,
                    metric_lines(context_, failed, "    ", false)
                ),
                true
            };
        }
        return std::nullopt;
    }

    static std::string ordinal(std::size_t n) {
        const std::size_t last = n % 10;
        const bool teen = n % 100 >= 11 && n % 100 <= 13;
        return fmt::format(
            "{}{}",
            n,
            teen        ? "th"
            : last == 1 ? "st"
            : last == 2 ? "nd"
            : last == 3 ? "rd"
                        : "th"
        );
    }

    static std::string listed(const std::vector<Problem>& problems, std::size_t indent) {
        std::string out = fmt::format(
            "{} occurred while restarting job:",
            plural(static_cast<std::int64_t>(problems.size()), "error")
        );
        for (const Problem& problem : problems) {
            out += "\n" + std::string(indent, ' ') + "* " + problem.text;
        }
        return out;
    }

    Context& context_;
    Api& api_;
    FoundJob job_;
    Plan plan_;
    Value versions_;
};

int run_restart(Context& context) {
    auto plan = read_plan(context);
    if (!plan) {
        return 1;
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    auto job = find_job(context, *api, context.argument(0));
    if (!job) {
        return 1;
    }
    const Doc stub(job->stub);
    const std::string type = stub["Type"].text();
    if (context.on("reschedule") && type != "batch" && type != "service" && type != "system") {
        return context.fail("Jobs of type \"{}\" are not allowed to be rescheduled.", type);
    }
    if (!stub["Multiregion"].is_null() && !context.on("yes") &&
        !context.confirm(fmt::format(
            "Are you sure you want to restart multi-region job \"{}\" in a single region?", job->id
        ))) {
        context.line("\nJob restart canceled.");
        return 0;
    }
    return Restart(context, *api, std::move(*job), std::move(*plan)).run();
}

}  // namespace

Command job_restart_command() {
    return {
        .path = "job restart",
        .usage = "[options] <job>",
        .synopsis = "Restart or replace a job's allocations",
        .help =
            "Restarts the running tasks of every allocation of the job, a batch at a time. With "
            "-reschedule allocations\n"
            "are stopped instead, and each batch waits until the replacements run. Stops before "
            "the next batch if there\n"
            "is a deployment.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite job restart web\n"
            "  $ nomad-lite job restart -batch-size=20% -batch-wait=30s -on-error=fail web\n"
            "  $ nomad-lite job restart -reschedule -group api -yes web",
        .flags =
            {{.name = "all-tasks",
              .kind = FlagKind::Bool,
              .help = "All tasks, also those that have run already, in the order of their "
                      "lifecycle."},
             {.name = "batch-size",
              .kind = FlagKind::Text,
              .help = "Allocations at a time, or a percentage of them (20%).",
              .fallback = "1"},
             {.name = "batch-wait",
              .kind = FlagKind::Text,
              .help = "Time between batches, or \"ask\".",
              .fallback = "0s"},
             {.name = "group", .kind = FlagKind::List, .help = "Only this group; may be repeated."},
             {.name = "task", .kind = FlagKind::List, .help = "Only this task; may be repeated."},
             {.name = "on-error",
              .kind = FlagKind::Text,
              .help = "\"ask\" how to go on after an error, or \"fail\" at once.",
              .fallback = "ask"},
             {.name = "no-shutdown-delay",
              .kind = FlagKind::Bool,
              .help = "Do not wait for shutdown_delay."},
             {.name = "reschedule",
              .kind = FlagKind::Bool,
              .help = "Stop allocations and have the scheduler replace them."},
             {.name = "yes", .kind = FlagKind::Bool, .help = "Answer yes to every question."},
             {.name = "verbose",
              .kind = FlagKind::Bool,
              .help = "Show whole ids, and what is "
                      "passed over."}},
        .arguments = {.least = 1, .most = 1, .words = "one argument: <job>"},
        .run = run_restart,
    };
}

}  // namespace nl::cli
