#pragma once
// The agent's side of its node's supervisor. Requests return at once; answers and ends of tasks
// come on the reader's thread. A request that was not answered is sent again after the connection
// broke (each is idempotent), and every end that was not acknowledged is told again after a
// reconnect: the owner must take the same end twice. Owned by drivers; one for a data directory.

#include "base/error.h"
#include "base/time.h"
#include "supervisor/protocol.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace nl::supervisor {

/// Requests that wait for an answer at most; more fail with ResourceExhausted.
inline constexpr std::size_t kMaxPending = 65536;

class SupervisorClient {
public:
    using OnExit = std::function<void(const ExitInfo&)>;
    using OnDone = std::function<void(Result<void>)>;
    using OnSpawned = std::function<void(Result<TaskInfo>)>;
    using OnList = std::function<void(Result<std::vector<TaskInfo>>)>;

    /// Writes and starts the programs if needed, and connects. `on_exit` is called on the reader's
    /// thread, from before `open` returns.
    static Result<std::unique_ptr<SupervisorClient>> open(std::string directory, OnExit on_exit);
    SupervisorClient(const SupervisorClient&) = delete;
    SupervisorClient& operator=(const SupervisorClient&) = delete;
    /// Leaves the supervisor and its tasks running. Handlers of unanswered requests are dropped,
    /// not called.
    ~SupervisorClient();

    /// Answers once the command is executing. Errors: NotFound (no such command or directory),
    /// PermissionDenied, InvalidArgument, Unavailable.
    void spawn(const SpawnSpec& spec, OnSpawned done);
    /// To the task's first process, or to all of it.
    void signal(const std::string& id, int signal, bool whole, OnDone done);
    /// `signal` now, and the end of all of it after `timeout`. The supervisor keeps the time.
    void stop(const std::string& id, int signal, Duration timeout, OnDone done);
    /// Kills and forgets.
    void destroy(const std::string& id, OnDone done);
    /// The end was written down: it need not be told again.
    void acknowledge(const std::string& id);
    void list(OnList done);
    /// Replaces the supervisor's program by the one on disk; tasks go on.
    void restart(OnDone done);
    /// Ends supervisor and guardian; fails while a task runs.
    void shutdown(OnDone done);

    /// Of the last greeting; 0 before.
    int supervisor_pid() const { return supervisor_pid_.load(); }
    int guardian_pid() const { return guardian_pid_.load(); }

private:
    using OnAnswer = std::function<void(Result<Words>, std::string_view payload)>;
    struct Pending {
        std::string frame;
        OnAnswer answer;
        std::vector<TaskInfo> items;
        OnList list;
    };

    SupervisorClient(std::string directory, OnExit on_exit);
    void request(Kind kind, std::string_view payload, OnAnswer answer, OnList list = {});
    void request_done(Kind kind, const Words& words, OnDone done);
    void attach(int fd);
    void read_loop();
    /// False at the end of the connection.
    bool read_some(std::string& buffer);
    void take(const FrameHeader& header, std::string_view payload);
    bool reconnect();

    std::string directory_;
    OnExit on_exit_;
    std::mutex mutex_;
    int fd_ = -1;
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, Pending> pending_;
    int stop_fd_ = -1;
    std::atomic<bool> stopping_{false};
    std::atomic<int> supervisor_pid_{0};
    std::atomic<int> guardian_pid_{0};
    std::thread reader_;
};

/// The errno a supervisor answered, as one of our codes.
ErrorCode code_of_errno(std::int64_t error);

}  // namespace nl::supervisor
