#pragma once
// What tasks of this node want to know of the servers' state (server::WatchRequest): asked again on
// every session, ended when the task lets go. Value, owned by client::Node.

#include "base/uuid.h"
#include "server/node_more.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace nl::client {

class Watches {
public:
    /// A new watch. Its request is in `take` if a session is up, else the next session carries it.
    std::uint64_t open(server::WatchRequest request) {
        request.watch = ++last_;
        open_.emplace(last_, request);
        if (live_) {
            out_.push_back(std::move(request));
        }
        return last_;
    }
    void close(std::uint64_t watch) {
        const auto at = open_.find(watch);
        if (at == open_.end()) {
            return;
        }
        if (live_) {
            server::WatchRequest stop;
            stop.watch = watch;
            stop.stop = true;
            out_.push_back(std::move(stop));
        }
        open_.erase(at);
    }
    /// Whose it is.
    const server::WatchRequest* find(std::uint64_t watch) const {
        const auto at = open_.find(watch);
        return at == open_.end() ? nullptr : &at->second;
    }
    void session_started() {
        live_ = true;
        out_.clear();
        for (const auto& [id, request] : open_) {
            out_.push_back(request);
        }
    }
    void session_lost() {
        live_ = false;
        out_.clear();
    }
    std::vector<server::WatchRequest> take() { return std::exchange(out_, {}); }

private:
    std::uint64_t last_ = 0;
    bool live_ = false;
    std::map<std::uint64_t, server::WatchRequest> open_;
    std::vector<server::WatchRequest> out_;
};

}  // namespace nl::client
