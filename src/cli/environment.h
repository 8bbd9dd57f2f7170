#pragma once
// Everything a command may touch, as values and functions: output, terminal, variables, files, the
// time and the ways to a server. `system_environment()` is the real one; tests hand in their own
// and need no process, no socket and no waiting.

#include "agent/agent_main.h"
#include "base/error.h"
#include "base/time.h"
#include "base/value.h"
#include "cli/http.h"
#include "io/grpc/seed_client.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nl::cli {

/// A job file with what belongs to it.
struct JobText {
    std::string source;
    /// Its name in messages.
    std::string filename;
    /// Name and content of each -var-file.
    std::vector<std::pair<std::string, std::string>> variable_files;
    std::vector<std::pair<std::string, std::string>> variable_flags;
    /// Refuse variables that the job does not declare.
    bool strict{true};
};

struct ParsedJob {
    /// As the API takes it; what the file leaves open is null.
    Value job;
    std::vector<std::string> warnings;
};

struct Environment {
    std::function<void(std::string_view)> out;
    std::function<void(std::string_view)> err;
    /// An environment variable; nothing when it is unset.
    std::function<std::optional<std::string>(const std::string&)> variable;
    std::function<StringMap(std::string_view)> variables_with_prefix;
    bool in_is_terminal{false};
    /// Standard input is a file, or a pipe that says something within that time. An idle pipe, as
    /// scripts and services inherit them, is no input.
    std::function<bool(Duration)> input_within;
    bool out_is_terminal{false};
    bool err_is_terminal{false};

    std::function<WallTime()> now;
    std::function<void(Duration)> sleep;
    /// The local zone's distance from UTC at that time, in seconds.
    std::function<int(WallTime)> utc_offset_seconds;

    /// One line of standard input without its newline; nothing at its end.
    std::function<std::optional<std::string>()> read_line;
    /// The whole of a file; "-" is standard input. Bounded by kMaxInputBytes.
    std::function<Result<std::string>(const std::string&)> read_file;
    std::function<Result<void>(const std::string&, std::string_view)> write_file;
    std::function<bool(const std::string&)> file_exists;

    std::function<Result<ParsedJob>(const JobText&)> parse_job;

    std::function<Result<std::unique_ptr<Http>>(const HttpOptions&)> connect_http;
    /// The seed's SchedulerService; nothing is sent yet.
    std::function<Result<std::unique_ptr<io::SeedClient>>(io::SeedClient::Options)> connect_seed;

    /// `agent` and `server` run until they are told to stop.
    std::function<int(const agent::AgentArgs&)> run_agent;
    std::function<int(const agent::ServerArgs&)> run_server;
};

/// The largest job file, variable file or payload that is read.
constexpr std::size_t kMaxInputBytes = 64 * 1024 * 1024;

/// Reads HCL on this machine, with the environment's files, variables and time. Errors:
/// InvalidArgument, one line a mistake with its place.
Result<ParsedJob> parse_job_here(const Environment& environment, const JobText& text);

/// The process's own streams, variables, clock, files and network; without `run_agent`
/// and `run_server`, which main() adds.
Environment system_environment();

}  // namespace nl::cli
