#pragma once
// The supervisor: one epoll loop that owns the node's tasks. It starts them, moves their output,
// learns their ends, answers agents on a unix socket, and writes down everything that a successor
// needs before it matters: it may be killed at any instruction.
//
// On disk, below the current directory: socket `agent.sock`, one file a task in `tasks/` (written
// before the task is let go, and again with its end), two FIFOs a task in `fifo/`, the exit
// journal. Its children are its own; after a supervisor died they are the guardian's, which writes
// their ends to the journal. If the guardian dies, the supervisor turns itself into a guardian
// (exec keeps its children) and starts a successor. Statically linked, no exceptions, one thread.

#include "supervisor/programs/journal.h"
#include "supervisor/programs/log_stream.h"
#include "supervisor/protocol.h"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nl::supervisor {

/// Agents connected at once at most (an old one that leaves, a new one that comes, a tool).
inline constexpr std::size_t kMaxConnections = 16;
/// Unsent answers to one agent; beyond it the connection is dropped, and nothing is lost: it asks
/// again.
inline constexpr std::size_t kMaxUnsentBytes = 16U << 20;
/// Tasks at most.
inline constexpr std::size_t kMaxTasks = 32768;
/// How long an adopted process may be a zombie before its exit record must be there.
inline constexpr std::int64_t kRecheckNs = 5'000'000;
/// Control groups are removed when their last process is gone; tried this often at most, then left
/// with a line in the log.
inline constexpr int kCgroupRemovalTries = 200;
inline constexpr std::int64_t kCgroupRemovalPauseNs = 10'000'000;
inline constexpr int kExitsBetweenCompactions = 1024;
inline constexpr std::int64_t kStuckPauseNs = 500'000'000;

struct Task {
    enum class State { Starting, Running, Exited };

    std::string id;
    std::uint64_t serial{};
    State state{State::Starting};
    int pid{-1};
    int pidfd{-1};
    int gate{-1};
    std::uint64_t start_time{};
    std::int64_t started_unix_ns{};
    /// A child of this process, not of the guardian.
    bool own_child{};
    /// cgroup v1 and v2 directories of its own.
    std::vector<std::string> cgroups;
    /// Some of them are a container runtime's: the first process is in none of those.
    bool owns_cgroups{};
    std::string stdout_prefix;
    std::string stderr_prefix;
    std::int64_t log_max_files{};
    std::int64_t log_max_bytes{};
    LogStream out;
    LogStream err;
    ExitInfo exit;
    /// Monotonic; 0: no.
    std::int64_t kill_at_ns{};
    std::int64_t recheck_at_ns{};
    bool destroy{};
    /// (connection, request) of those who wait for the start, or for the destruction.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> spawn_waiters;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> destroy_waiters;
};

class Server {
public:
    Server(int guardian_pid, int guardian_socket, std::uint64_t task_file_limit);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Opens everything and adopts what a predecessor left. False after a line on stderr.
    bool open();
    /// Never returns but by exit: on Shutdown with 0, for a successor with another status.
    int run();

private:
    struct Connection {
        int fd{-1};
        bool greeted{};
        std::string in;
        std::string out;
        bool wants_write{};
    };
    enum class Source : std::uint64_t {
        Listener = 1,
        Guardian,
        Notice,
        Connection,
        Pidfd,
        Gate,
        Stdout,
        Stderr
    };

    bool watch(int fd, Source source, std::uint64_t serial, std::uint32_t events);
    void dispatch(Source source, std::uint64_t serial, std::uint32_t events);
    void accept_agents();
    void read_from(std::uint64_t serial);
    void flush(std::uint64_t serial);
    void drop(std::uint64_t serial);
    void send(std::uint64_t connection, std::string_view frame);
    void fail(std::uint64_t connection, std::uint64_t request, int error, std::string message);
    void serve(std::uint64_t connection, const FrameHeader& header, std::string_view payload);

    void on_hello(std::uint64_t connection, std::uint64_t request, const Words& words);
    void on_spawn(std::uint64_t connection, std::uint64_t request, const SpawnSpec& spec);
    void on_signal(std::uint64_t connection, std::uint64_t request, const Words& words);
    void on_stop(std::uint64_t connection, std::uint64_t request, const Words& words);
    void on_destroy(std::uint64_t connection, std::uint64_t request, const Words& words);
    void on_ack(std::uint64_t connection, std::uint64_t request, const Words& words);
    void on_list(std::uint64_t connection, std::uint64_t request);

    void adopt_all();
    void adopt(const std::string& file, std::uint64_t serial);
    bool write_record(const Task& task);
    std::string record_path(std::uint64_t serial) const;
    void gate_spoke(Task& task);
    void reap_own(Task& task);
    void look_for_exit(Task& task);
    bool never_started(const Task& task, const ExitRecord& record) const;
    void finish(Task& task, ExitInfo exit);
    static ExitInfo exit_from(const ExitRecord& record);
    static ExitInfo exit_unknown();
    void erase(std::uint64_t serial);
    void pump(Task& task, LogStream& stream, Source source);
    int signal_all(Task& task, int signal);
    void remove_cgroups(std::vector<std::string> folders);
    void timers();
    int timeout_ms() const;
    void become_guardian();
    void hold(const Task& task);
    Task* find(std::string_view id);

    int guardian_pid_;
    int guardian_socket_;
    std::uint64_t task_file_limit_;
    std::string boot_id_;
    int epoll_ = -1;
    int listener_ = -1;
    int guardian_fd_ = -1;
    bool guardian_lost_ = false;
    bool journal_dirty_ = false;
    Journal journal_;
    std::uint64_t next_serial_ = 1;
    std::map<std::uint64_t, std::unique_ptr<Task>> tasks_;
    std::map<std::string, std::uint64_t, std::less<>> by_id_;
    std::map<std::uint64_t, Connection> connections_;
    /// Exits in the journal that an adopted task may ask for.
    std::map<std::pair<int, std::uint64_t>, ExitRecord> found_;
    struct Removal {
        std::vector<std::string> folders;
        int tries{};
        std::int64_t at_ns{};
    };
    std::vector<Removal> removals_;
    struct Stuck {
        std::uint64_t serial{};
        std::int64_t at_ns{};
    };
    std::vector<Stuck> stuck_;
    /// Tasks with kill_at_ns or recheck_at_ns set.
    std::set<std::uint64_t> timed_;
    /// Exits since the journal was last looked at for compaction.
    int exits_since_compaction_ = 0;
};

}  // namespace nl::supervisor
