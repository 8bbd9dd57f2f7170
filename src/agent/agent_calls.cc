#include "agent/agent_calls.h"

#include "agent/host_data.h"
#include "io/log.h"
#include "wire/value_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

namespace nl::agent {

struct AgentCalls::Follower {
    std::uint64_t call{};
    std::uint64_t sink{};
    /// Written by the threads that log: lines on their way to the loop, and those that got no room.
    std::atomic<std::int64_t> posted{0};
    std::atomic<std::int64_t> lost{0};
    // The loop's.
    Bytes waiting;
    std::uint64_t credit{server::kInitialCallCredit};
};

AgentCalls::AgentCalls(io::EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)) {}

AgentCalls::~AgentCalls() {
    cancel_all();
}

bool AgentCalls::serve(std::uint64_t call, const server::CallRequest& request) {
    if (request.method == server::CallMethod::AgentHost) {
        options_.on_item(call, wire::write_json(host_data(options_.data_dir)));
        options_.on_end(call, {});
        return true;
    }
    if (request.method == server::CallMethod::AgentLog) {
        follow_log(call, request);
        return true;
    }
    return false;
}

void AgentCalls::follow_log(std::uint64_t call, const server::CallRequest& request) {
    const auto level =
        io::parse_log_level(request.log_level.empty() ? "info" : request.log_level);
    if (!level) {
        options_.on_end(
            call, fail(ErrorCode::InvalidArgument, "Unknown log level: {}", request.log_level)
        );
        return;
    }
    auto follower = std::make_shared<Follower>();
    follower->call = call;
    follower->sink = io::log_add_sink(
        *level,
        request.log_json ? io::LogFormat::Json : io::LogFormat::Text,
        [this, weak = std::weak_ptr(follower)](io::LogLevel, std::string_view line) {
            const auto self = weak.lock();
            if (!self) {
                return;
            }
            if (self->posted.fetch_add(1) >= kLinesMax) {
                self->posted.fetch_sub(1);
                self->lost.fetch_add(1);
                return;
            }
            loop_.must_post([this, weak, text = std::string(line) + "\n"] {
                if (const auto waiting = weak.lock()) {
                    take(*waiting, text);
                }
            });
        }
    );
    if (follower->sink == 0) {
        options_.on_end(
            call,
            fail(
                ErrorCode::ResourceExhausted,
                "this agent's log has {} readers already",
                io::kLogSinksMax
            )
        );
        return;
    }
    followers_.emplace(call, std::move(follower));
}

void AgentCalls::take(Follower& follower, const std::string& line) {
    follower.posted.fetch_sub(1);
    if (follower.waiting.size() + line.size() > kWaitingBytesMax) {
        follower.lost.fetch_add(1);
        return;
    }
    follower.waiting += line;
    flush(follower);
}

void AgentCalls::flush(Follower& follower) {
    if (follower.credit == 0 || follower.waiting.empty()) {
        return;
    }
    if (const std::int64_t lost = follower.lost.exchange(0); lost > 0) {
        follower.waiting += fmt::format("[{} lines were left out: the reader is too slow]\n", lost);
    }
    Bytes item = std::exchange(follower.waiting, {});
    follower.credit -= std::min<std::uint64_t>(follower.credit, item.size());
    options_.on_item(follower.call, std::move(item));
}

void AgentCalls::credit(std::uint64_t call, std::uint64_t bytes) {
    if (const auto found = followers_.find(call); found != followers_.end()) {
        found->second->credit += bytes;
        flush(*found->second);
    }
}

void AgentCalls::cancel(std::uint64_t call) {
    if (const auto found = followers_.find(call); found != followers_.end()) {
        io::log_remove_sink(found->second->sink);
        followers_.erase(found);
    }
}

void AgentCalls::cancel_all() {
    for (const auto& [call, follower] : followers_) {
        io::log_remove_sink(follower->sink);
    }
    followers_.clear();
}

}  // namespace nl::agent
