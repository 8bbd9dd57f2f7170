#pragma once
// Nodes on which plans are refused again and again: something about them is not what the schedulers
// see (a port that somebody else holds, a state that cannot be met), and every plan for them is
// work for nothing. A node that reaches the threshold within the window is named once; the leader
// makes it ineligible, and a person decides. No more than a few are named in a window, so that a
// mistake of ours cannot empty a cluster. Source: Nomad's plan_rejection_tracker.

#include "base/time.h"
#include "base/uuid.h"

#include <cstddef>
#include <deque>
#include <map>
#include <utility>
#include <vector>

namespace nl::server {

struct RejectionOptions {
    bool enabled{true};
    std::size_t threshold{100};
    Duration window = minutes(5);
    /// Nodes named within one window at most.
    std::size_t named_max{5};
};

class PlanRejections {
public:
    explicit PlanRejections(RejectionOptions options) : options_(options) {}

    void rejected(const Uuid& node, WallTime now);
    /// Nodes that reached the threshold since the last call.
    std::vector<Uuid> take_suspects() { return std::exchange(suspects_, {}); }

private:
    void forget_old(WallTime now);

    RejectionOptions options_;
    /// By node: when plans were refused, oldest first; at most `threshold` each.
    std::map<Uuid, std::deque<WallTime>> times_;
    std::deque<WallTime> named_;
    WallTime swept_;
    std::vector<Uuid> suspects_;
};

}  // namespace nl::server
