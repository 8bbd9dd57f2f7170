#include "cli/context.h"
#include "cli/seed.h"

namespace nl::cli {

namespace {

struct Described {
    std::string type;
    std::string details;
};

Described describe(const io::seed::RaftLogEntryInfo& entry) {
    using io::seed::to_string;
    if (!entry.command.has_value()) {
        return {.type = "Noop", .details = ""};
    }
    const io::seed::Command& command = *entry.command;
    if (command.submit_job) {
        return {
            .type = "SubmitJob",
            .details = fmt::format(
                "job_id={}, cmd={}", command.submit_job->job_id, command.submit_job->command
            )
        };
    }
    if (command.update_job_status) {
        const auto& update = *command.update_job_status;
        return {
            .type = "UpdateJobStatus",
            .details = fmt::format("job_id={}, status={}", update.job_id, to_string(update.status))
        };
    }
    if (command.register_worker) {
        return {
            .type = "RegisterWorker",
            .details = fmt::format("worker_id={}", command.register_worker->worker_id)
        };
    }
    if (command.batch_update_job_status) {
        return {
            .type = "BatchUpdateJobStatus",
            .details = fmt::format("updates={}", command.batch_update_job_status->updates.size())
        };
    }
    if (command.assign_job) {
        return {
            .type = "AssignJob",
            .details = fmt::format(
                "job_id={}, worker_id={}", command.assign_job->job_id, command.assign_job->worker_id
            )
        };
    }
    if (command.cancel_job) {
        return {
            .type = "CancelJob", .details = fmt::format("job_id={}", command.cancel_job->job_id)
        };
    }
    return {.type = "Noop", .details = ""};
}

int run(Context& context) {
    const std::int64_t start = context.flags().integer("start-index");
    const std::int64_t limit = context.flags().integer("limit");
    constexpr std::int64_t kMaxLimit = 100'000;
    if (start < 0 || limit < 0 || limit > kMaxLimit) {
        return context.usage_error(
            fmt::format("flag -start-index takes 0 or more, flag -limit 1 to {}", kMaxLimit)
        );
    }
    io::SeedClient* seed = context.seed();
    if (seed == nullptr) {
        return 1;
    }
    const auto log = seed->get_raft_log_entries(
        {.start_index = static_cast<std::uint64_t>(start),
         .limit = static_cast<std::uint32_t>(limit)}
    );
    if (!log) {
        return seed_failure(context, log.error());
    }
    if (wants_json(context)) {
        Value::List entries;
        for (const auto& entry : log->entries) {
            const Described said = describe(entry);
            entries.push_back(Value::Map{
                {"index", static_cast<std::int64_t>(entry.index)},
                {"term", static_cast<std::int64_t>(entry.term)},
                {"is_committed", entry.is_committed},
                {"command_type", said.type},
                {"command_details", said.details},
            });
        }
        print_seed_json(
            context,
            Value::Map{
                {"entries", std::move(entries)},
                {"commit_index", static_cast<std::int64_t>(log->commit_index)},
                {"last_log_index", static_cast<std::int64_t>(log->last_log_index)},
                {"first_available_index", static_cast<std::int64_t>(log->first_available_index)},
            }
        );
        return 0;
    }
    if (log->first_available_index > 1) {
        context.line(
            "Entries 1 to {} are compacted into a snapshot.", log->first_available_index - 1
        );
    }
    if (log->entries.empty()) {
        context.line("No log entries found.");
    } else {
        std::vector<Row> rows{{"INDEX", "TERM", "COMMITTED", "COMMAND"}};
        for (const auto& entry : log->entries) {
            const Described said = describe(entry);
            std::string command = said.type + (said.details.empty() ? "" : " " + said.details);
            for (char& c : command) {
                c = c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
            }
            rows.push_back(
                {fmt::format("{}", entry.index),
                 fmt::format("{}", entry.term),
                 entry.is_committed ? "yes" : "no",
                 std::move(command)}
            );
        }
        context.ui().line(table(rows));
    }
    context.line("");
    context.line("Commit index: {}  Last index: {}", log->commit_index, log->last_log_index);
    return 0;
}

}  // namespace

Command log_list_command() {
    return {
        .path = "log list",
        .usage = "[-a URL] [-o table|json] [--start-index N] [--limit N]",
        .synopsis = "List entries of the replicated log",
        .help =
            "Shows entries of the log of the server that is asked: index, term, whether it is "
            "committed,\n"
            "and its command.\n\n"
            "Example:\n\n"
            "  $ nomad-lite log list --start-index 10 --limit 20",
        .flags =
            {
                {.name = "start-index",
                 .kind = FlagKind::Integer,
                 .help = "The first entry to show; 0 is the oldest there is.",
                 .fallback = "0"},
                {.name = "limit",
                 .kind = FlagKind::Integer,
                 .help = "How many entries at most.",
                 .fallback = "100"},
            },
        .arguments = {},
        .run = run,
        .family = Family::Seed,
    };
}

}  // namespace nl::cli
