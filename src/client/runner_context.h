#pragma once
// What a runner is given with every input: the node it runs on, the time, chance, tickets, and
// where its effects go. Borrowed for the length of the call.

#include "base/rng.h"
#include "client/effects.h"
#include "client/tickets.h"
#include "model/node.h"

#include <string>

namespace nl::client {

struct RunnerSettings {
    std::string region;
    std::string alloc_root;
    std::string parent_cgroup;
    Duration max_kill_timeout;
};

struct RunnerContext {
    const RunnerSettings& settings;
    const model::Node& node;
    Tickets& tickets;
    Rng& rng;
    Now now;
    Effects& out;
};

}  // namespace nl::client
