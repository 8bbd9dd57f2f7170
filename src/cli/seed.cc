#include "cli/seed.h"

#include "base/uuid.h"

namespace nl::cli {

int seed_failure(const Context& context, const Error& error) {
    return context.fail("Error: {}", error.message);
}

bool wants_json(const Context& context) {
    return context.text("output") == "json";
}

void print_seed_json(const Context& context, const Value& value) {
    context.ui().line(indent_json(write_json(value, JsonStyle::Compact), 2));
}

Value seed_job_value(const io::seed::JobInfo& job) {
    return Value::Map{
        {"job_id", job.job_id},
        {"command", job.command},
        {"status", std::string(to_string(job.status))},
        {"assigned_worker", static_cast<std::int64_t>(job.assigned_worker)},
        {"created_at_ms", job.created_at_ms},
        {"completed_at_ms", job.completed_at_ms ? Value(*job.completed_at_ms) : Value()},
    };
}

namespace {

std::string worker(std::uint64_t id) {
    return id == 0 ? "-" : fmt::format("{}", id);
}

void print_job(const Context& context, const io::seed::GetJobStatusResponse& job, bool json) {
    if (json) {
        print_seed_json(
            context,
            Value::Map{
                {"job_id", job.job_id},
                {"status", std::string(to_string(job.status))},
                {"exit_code", job.exit_code ? Value(std::int64_t{*job.exit_code}) : Value()},
                {"assigned_worker", static_cast<std::int64_t>(job.assigned_worker)},
                {"executed_by", static_cast<std::int64_t>(job.executed_by)},
                {"output", job.output},
                {"error", job.error},
                {"created_at_ms", job.created_at_ms},
                {"completed_at_ms", job.completed_at_ms ? Value(*job.completed_at_ms) : Value()},
            }
        );
        return;
    }
    context.line("Job ID:          {}", job.job_id);
    context.line("Status:          {}", to_string(job.status));
    context.line("Exit Code:       {}", job.exit_code ? fmt::format("{}", *job.exit_code) : "-");
    context.line("Assigned Worker: {}", worker(job.assigned_worker));
    context.line("Executed By:     {}", worker(job.executed_by));
    const auto block = [&](std::string_view title, std::string_view text) {
        context.line("{}", title);
        while (!text.empty()) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            context.line("  {}", text.substr(0, end));
            text.remove_prefix(std::min(end + 1, text.size()));
        }
    };
    block("Output:", job.output);
    if (!job.error.empty()) {
        block("Error:", job.error);
    }
}

int run_status(Context& context) {
    io::SeedClient* seed = context.seed();
    if (seed == nullptr) {
        return 1;
    }
    const auto job = seed->get_job_status({.job_id = context.argument(0)});
    if (!job) {
        return seed_failure(context, job.error());
    }
    print_job(context, *job, wants_json(context));
    return 0;
}

}  // namespace

std::optional<int> try_seed_status(Context& context, const std::string& typed) {
    const auto id = Uuid::parse(typed);
    if (!id || id->is_nil()) {
        return std::nullopt;
    }
    const auto seed = context.env().connect_seed(
        {.address = "http://127.0.0.1:50051", .tls = std::nullopt, .timeout = seconds(2)}
    );
    if (!seed) {
        return std::nullopt;
    }
    const auto job = (*seed)->get_job_status({.job_id = typed});
    if (!job) {
        return std::nullopt;
    }
    print_job(context, *job, context.on("json"));
    return 0;
}

Command seed_job_status_command() {
    return {
        .path = "job status",
        .usage = "[-a URL] [-o table|json] <job id>",
        .synopsis = "Show a job of the batch queue",
        .help = "Shows the status, the exit code and the output of a job that `job submit` made.",
        .flags = {},
        .arguments = {.least = 1, .most = 1, .words = "one argument: <job id>"},
        .run = run_status,
        .family = Family::Seed,
    };
}

}  // namespace nl::cli
