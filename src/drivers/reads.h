#pragma once
// What servers ask of a node over its session: files, logs, statistics, programs run beside tasks.
// One thread for each open
// call, which is simple, blocks where it must, and is bounded by the session's limit of calls; a
// follower sleeps on inotify, so a line is sent when it is written. Never more bytes than were
// granted. Frames and methods: server/node_protocol.h; JSON conventions 5.2.

#include "client/driver.h"
#include "drivers/host_stats.h"
#include "server/node_protocol.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace nl::drivers {

class Reads {
public:
    struct Options {
        /// Below it each allocation has its directory.
        std::string alloc_root;
        /// One item of an answer; any thread, in order for one call.
        std::function<void(std::uint64_t call, Bytes item)> on_item;
        /// Last, once.
        std::function<void(std::uint64_t call, Result<void> result)> on_end;
        /// Whether nothing will be written to the task's logs any more. Any thread.
        std::function<bool(const Uuid& alloc, const std::string& task)> task_is_dead;
        /// What the allocation's tasks use. Any thread.
        std::function<Result<model::AllocResourceUsage>(const Uuid& alloc, const std::string& task)>
            alloc_usage;
        /// Starts a program beside a running task of the allocation. Any thread.
        std::function<Result<std::unique_ptr<client::ExecProcess>>(
            const Uuid& alloc,
            const std::string& task,
            const client::ExecSpec& spec,
            client::ExecHandlers handlers
        )>
            exec;
        std::function<WallTime()> wall;
    };

    explicit Reads(Options options);
    ~Reads();
    Reads(const Reads&) = delete;
    Reads& operator=(const Reads&) = delete;

    void open(std::uint64_t call, const server::CallRequest& request);
    void credit(std::uint64_t call, std::uint64_t bytes);
    /// More for a program that a call runs. A call whose input outgrows its bound is ended.
    void input(std::uint64_t call, Bytes data);
    void cancel(std::uint64_t call);
    void cancel_all();

private:
    struct Call;
    class Session;

    Result<void> run(Call& call);
    Result<void> list(Call& call);
    Result<void> stat_file(Call& call);
    Result<void> read_range(Call& call);
    Result<void> follow_file(Call& call);
    Result<void> follow_logs(Call& call);
    Result<void> run_program(Call& call);
    Result<void> check_path(const server::CallRequest& request) const;
    bool send(Call& call, Bytes item);
    bool send_frame(Call& call, const server::FileFrame& frame);
    std::string alloc_dir(const Uuid& alloc) const {
        return options_.alloc_root + "/" + alloc.str();
    }
    void reap();

    Options options_;
    HostStatsReader host_stats_;
    std::mutex host_mutex_;
    std::mutex mutex_;
    std::map<std::uint64_t, std::shared_ptr<Call>> calls_;
    std::map<std::uint64_t, std::thread> threads_;
    std::vector<std::uint64_t> finished_;
    std::uint64_t next_thread_{1};
    bool stopping_{false};
};

}  // namespace nl::drivers
