#pragma once
// What a server asks of a node about the agent itself: its log as it is written, and its machine.
// Lives on the client's loop; a reader of the log that does not keep up loses lines and is told how
// many.

#include "base/bytes.h"
#include "base/error.h"
#include "io/loop.h"
#include "server/node_protocol.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace nl::agent {

class AgentCalls {
public:
    struct Options {
        std::string data_dir;
        std::function<void(std::uint64_t call, Bytes item)> on_item;
        /// Last, once; not after a cancel.
        std::function<void(std::uint64_t call, Result<void> result)> on_end;
    };
    /// Lines that wait for one reader, and their bytes.
    static constexpr std::int64_t kLinesMax = 1024;
    static constexpr std::size_t kWaitingBytesMax = 1U << 20;

    AgentCalls(io::EventLoop& loop, Options options);
    ~AgentCalls();
    AgentCalls(const AgentCalls&) = delete;
    AgentCalls& operator=(const AgentCalls&) = delete;

    /// False: the call is about something else.
    bool serve(std::uint64_t call, const server::CallRequest& request);
    void credit(std::uint64_t call, std::uint64_t bytes);
    void cancel(std::uint64_t call);
    void cancel_all();

private:
    struct Follower;

    void follow_log(std::uint64_t call, const server::CallRequest& request);
    void take(Follower& follower, const std::string& line);
    void flush(Follower& follower);

    io::EventLoop& loop_;
    Options options_;
    std::map<std::uint64_t, std::shared_ptr<Follower>> followers_;
};

}  // namespace nl::agent
