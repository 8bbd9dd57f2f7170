#pragma once
// What benchmarks share: an agent as a child process, the limits of the machine, and how results
// are printed (one JSON line for programs, one line for people).

#include "base/error.h"
#include "base/value.h"
#include "io/http/client.h"

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace nl::bench {

/// Nanoseconds of the monotonic clock, which all processes of a machine share.
std::int64_t monotonic_ns();

/// `nomad-lite agent` with a data directory of its own under a temporary folder, server and client
/// in one, on free ports.
class Agent {
public:
    explicit Agent(std::string binary);
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;
    /// SIGTERM, then SIGKILL; removes the folder.
    ~Agent();

    /// Starts the process and returns when its HTTP listener answers that a leader is known. Exits
    /// the benchmark on failure.
    void start();
    pid_t pid() const { return pid_; }
    const std::string& address() const { return address_; }
    const std::string& folder() const { return folder_; }
    std::unique_ptr<io::http::HttpClient> connect() const;
    /// Waits until a node is ready.
    void wait_node();

private:
    std::string binary_;
    std::string folder_;
    std::string address_;
    pid_t pid_{-1};
};

Value request(
    io::http::HttpClient& client,
    const std::string& method,
    const std::string& target,
    const std::string& body = {}
);
/// Ends the benchmark with a message when a step of it cannot be done.
[[noreturn]] void give_up(const std::string& why);

struct Memory {
    std::int64_t rss_kb{0};
    std::int64_t pss_kb{0};
};
Memory memory_of(pid_t pid);
/// User and system time of a process, in seconds.
double cpu_seconds(pid_t pid);
/// The process and all its descendants.
std::vector<pid_t> family_of(pid_t pid);

struct Limits {
    double fdatasync_p50_us{0};
    double spawn_per_second{0};
};
/// What this machine can do at all: synced writes of 4 KiB, and spawn and wait of /bin/true from
/// one thread.
Limits machine_limits(const std::string& folder);

double percentile(std::vector<double> values, double p);
/// Prints `{"bench":name,...}` and the readable line.
void report(const std::string& name, Value::Map figures, const std::string& line);

/// A job as JSON text with one task that runs `script` with /bin/sh.
std::string shell_job(
    const std::string& id, const std::string& type, int count, const std::string& script
);

}  // namespace nl::bench
