#include "cli/context.h"
#include "cli/seed.h"

namespace nl::cli {

namespace {

constexpr std::size_t kCommandWidth = 60;
constexpr std::size_t kIdWidth = 36;
constexpr std::size_t kStatusWidth = 10;
constexpr std::size_t kWorkerWidth = 6;
// `--all` follows page tokens this far: ten million jobs.
constexpr int kMaxPages = 10'000;
constexpr std::uint32_t kFullPage = 1'000;

// One line, cut between characters and never inside one.
std::string one_line(std::string_view command) {
    std::string out;
    std::size_t characters = 0;
    for (const char c : command) {
        const bool starts = (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
        if (starts && ++characters > kCommandWidth) {
            return out + "…";
        }
        out += c == '\n' || c == '\t' || c == '\r' ? ' ' : c;
    }
    return out;
}

void print_title(const Context& context) {
    const std::string title = fmt::format(
        "{:<{}}  {:<{}}  {:<{}}  COMMAND",
        "JOB ID",
        kIdWidth,
        "STATUS",
        kStatusWidth,
        "WORKER",
        kWorkerWidth
    );
    context.line("{}", title);
    context.line(
        "{}", std::string(kIdWidth + kStatusWidth + kWorkerWidth + 6 + kCommandWidth, '-')
    );
}

void print_row(const Context& context, const io::seed::JobInfo& job) {
    context.line(
        "{:<{}}  {:<{}}  {:<{}}  {}",
        job.job_id,
        kIdWidth,
        to_string(job.status),
        kStatusWidth,
        job.assigned_worker == 0 ? "-" : fmt::format("{}", job.assigned_worker),
        kWorkerWidth,
        one_line(job.command)
    );
}

int stream(Context& context, io::SeedClient& seed, io::seed::JobStatus status) {
    std::size_t count = 0;
    const bool json = wants_json(context);
    const auto ended = seed.stream_jobs({.status_filter = status}, [&](const auto& job) {
        if (json) {
            context.ui().line(write_json(seed_job_value(job), JsonStyle::Compact));
        } else {
            if (count == 0) {
                print_title(context);
            }
            print_row(context, job);
        }
        ++count;
    });
    if (!ended) {
        return seed_failure(context, ended.error());
    }
    if (count == 0 && !json) {
        context.line("No jobs found.");
    }
    return 0;
}

int run(Context& context) {
    io::seed::ListJobsRequest request;
    if (const std::string word = context.text("status"); !word.empty()) {
        const auto status = io::seed::parse_job_status(word);
        if (!status) {
            return context.usage_error(fmt::format(
                "flag -status takes pending, running, completed, failed or cancelled, not \"{}\"",
                word
            ));
        }
        request.status_filter = *status;
    }
    const std::int64_t size = context.flags().integer("page-size");
    const std::int64_t worker = context.flags().integer("worker");
    if (size < 0 || size > kFullPage || worker < 0) {
        return context.usage_error(
            fmt::format("flag -page-size takes 1 to {}, flag -worker a node's number", kFullPage)
        );
    }
    request.page_size = static_cast<std::uint32_t>(size);
    request.worker_id_filter = static_cast<std::uint64_t>(worker);
    request.command_filter = context.text("command-substr");
    request.created_after_ms = context.flags().integer("created-after-ms");
    request.created_before_ms = context.flags().integer("created-before-ms");
    io::SeedClient* seed = context.seed();
    if (seed == nullptr) {
        return 1;
    }
    if (context.on("stream")) {
        return stream(context, *seed, request.status_filter);
    }
    const bool all = context.on("all");
    if (all && request.page_size == 0) {
        request.page_size = kFullPage;
    }
    std::vector<io::seed::JobInfo> jobs;
    std::uint32_t total = 0;
    for (int page = 0; page < kMaxPages; ++page) {
        const auto answer = seed->list_jobs(request);
        if (!answer) {
            return seed_failure(context, answer.error());
        }
        jobs.insert(jobs.end(), answer->jobs.begin(), answer->jobs.end());
        total = answer->total_count;
        request.page_token = answer->next_page_token;
        if (!all || request.page_token.empty()) {
            break;
        }
    }
    if (wants_json(context)) {
        Value::List list;
        for (const auto& job : jobs) {
            list.push_back(seed_job_value(job));
        }
        print_seed_json(
            context,
            Value::Map{
                {"jobs", std::move(list)},
                {"total_count", std::int64_t{total}},
                {"next_page_token", request.page_token},
                {"has_more", !request.page_token.empty()},
            }
        );
        return 0;
    }
    if (jobs.empty()) {
        context.line("No jobs found.");
        return 0;
    }
    print_title(context);
    for (const auto& job : jobs) {
        print_row(context, job);
    }
    context.line("");
    context.line("Showing {} of {} jobs", jobs.size(), total);
    return 0;
}

}  // namespace

Command job_list_command() {
    return {
        .path = "job list",
        .usage = "[-a URL] [-o table|json] [options]",
        .synopsis = "List the jobs of the batch queue",
        .help =
            "Lists what `job submit` made, oldest first.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite job list --status failed --all\n"
            "  $ nomad-lite job -o json list",
        .flags =
            {
                {.name = "status",
                 .kind = FlagKind::Text,
                 .help = "Only these: pending, running, completed, failed or cancelled."},
                {.name = "worker", .kind = FlagKind::Integer, .help = "Only jobs of this node."},
                {.name = "command-substr",
                 .kind = FlagKind::Text,
                 .help = "Only commands that contain this, in any case."},
                {.name = "created-after-ms",
                 .kind = FlagKind::Integer,
                 .help = "Only jobs made after this time (milliseconds since 1970)."},
                {.name = "created-before-ms",
                 .kind = FlagKind::Integer,
                 .help = "Only jobs made before this time."},
                {.name = "page-size",
                 .kind = FlagKind::Integer,
                 .help = "How many at once, 1000 at most; the server's choice is 100."},
                {.name = "all", .kind = FlagKind::Bool, .help = "Every page."},
                {.name = "stream",
                 .kind = FlagKind::Bool,
                 .help = "Let the server send job by job; only -status narrows it."},
            },
        .arguments = {},
        .run = run,
        .family = Family::Seed,
    };
}

}  // namespace nl::cli
