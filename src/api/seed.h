#pragma once
// What the original program's gRPC service and dashboard mean on this cluster: its jobs are
// ordinary batch jobs in namespace `default` whose id is a UUID, marked by a meta key. Pure
// functions over a snapshot; the gRPC side and the dashboard routes call them. Texts of errors are
// the original's. Source: nomad_lite.md (the original's interfaces).

#include "api/context.h"
#include "api/outcome.h"
#include "base/error.h"
#include "model/job.h"
#include "state/command.h"
#include "state/commands/job.h"
#include "state/snapshot.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::api::seed {

inline constexpr std::size_t kCommandBytesMax = 1024;
inline constexpr std::uint32_t kPageSizeDefault = 100;
inline constexpr std::uint32_t kPageSizeMax = 1000;
inline constexpr Duration kRunMax = seconds(30);
/// Meta keys of a job that came this way.
inline constexpr std::string_view kMetaCommand = "nomad_lite.command";
inline constexpr std::string_view kMetaImage = "nomad_lite.image";
/// Meta key of a node: the id of the server it runs with.
inline constexpr std::string_view kMetaServerId = "nomad_lite.server_id";
inline constexpr std::string_view kTask = "main";

/// Numbers as in the original's protocol.
enum class Status : std::uint8_t {
    Unspecified = 0,
    Pending = 1,
    Running = 2,
    Completed = 3,
    Failed = 4,
    Cancelled = 5,
};
/// "PENDING".
std::string_view to_string(Status status);
constexpr bool is_terminal(Status status) {
    return status == Status::Completed || status == Status::Failed || status == Status::Cancelled;
}

struct JobView {
    std::string id;
    std::string command;
    Status status{};
    /// Server ids; 0: none.
    std::uint64_t assigned_worker{};
    std::uint64_t executed_by{};
    std::optional<std::int32_t> exit_code;
    std::int64_t created_at_ms{};
    std::optional<std::int64_t> completed_at_ms;
    std::string error;
    /// Where its output is; nil before it is placed.
    Uuid alloc_id;
    Uuid node_id;
};

/// The job of a command. Errors: InvalidArgument (blank, or longer than kCommandBytesMax).
Result<model::Job> make_job(
    std::string_view command,
    const std::optional<std::string>& image,
    const Uuid& id,
    const Context& context
);
/// The registration of a job made by make_job, with its evaluation; `number` keeps the evaluations
/// of one call apart.
state::commands::JobRegister registration(
    const model::Job& job, const Context& context, std::uint64_t number
);
state::Command submit_command(const model::Job& job, const Context& context);

/// Errors: InvalidArgument (no UUID), NotFound.
Result<JobView> find_job(const state::Snapshot& state, std::string_view id);

/// Errors: InvalidArgument, NotFound, FailedPrecondition (`job is already completed`).
Result<state::Command> cancel_command(std::string_view id, const Context& context);

struct ListFilter {
    std::uint32_t page_size{};
    std::string page_token;
    Status status{};
    std::uint64_t worker_id{};
    std::string command_substring;
    std::int64_t created_after_ms{};
    std::int64_t created_before_ms{};
};
struct JobPage {
    std::vector<JobView> jobs;
    std::string next_page_token;
    std::uint32_t total_count{};
};
/// In order of creation. Errors: InvalidArgument (the token).
Result<JobPage> list_jobs(const state::Snapshot& state, const ListFilter& filter);
/// All, without pages.
std::vector<JobView> all_jobs(const state::Snapshot& state, const ListFilter& filter);

/// The call that fetches a job's output; `stream` is "stdout" or "stderr".
WaitNode output_call(const JobView& job, std::string_view stream);
/// The text of its items.
std::string output_text(const std::vector<Bytes>& items);

/// What an entry of the log did, in the original's words.
struct LogCommand {
    enum class Kind : std::uint8_t { Other, Submit, Cancel, Assign, Update, RegisterWorker };
    Kind kind{};
    std::string job_id;
    std::string command;
    std::optional<std::string> image;
    std::int64_t created_at_ms{};
    std::uint64_t worker_id{};
    Status status{};
    std::optional<std::int32_t> exit_code;
    /// For Other: the command's name as logs show it.
    std::string name;
};
LogCommand describe(const Bytes& entry, const state::Snapshot& state);

}  // namespace nl::api::seed
