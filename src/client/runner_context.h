#pragma once
// What a runner is given with every input: the node it runs on, the time, chance, tickets, and
// where its effects go. Borrowed for the length of the call.

#include "base/rng.h"
#include "client/effects.h"
#include "client/service_batcher.h"
#include "client/tickets.h"
#include "client/watches.h"
#include "model/node.h"

#include <string>
#include <vector>

namespace nl::client {

struct RunnerSettings {
    std::string region;
    std::string alloc_root;
    std::string parent_cgroup;
    Duration max_kill_timeout;
    /// Template functions that jobs may not use, and whether files stay within the task.
    std::vector<std::string> template_denied{"executeTemplate", "plugin", "writeToFile"};
    bool template_sandbox{true};
    /// Users that tasks may not have, with the drivers this holds for.
    std::vector<std::string> denied_users{"root", "Administrator"};
    std::vector<std::string> user_checked_drivers{"exec", "qemu", "java"};
};

struct RunnerContext {
    const RunnerSettings& settings;
    const model::Node& node;
    Tickets& tickets;
    ServiceBatcher& services;
    Watches& watches;
    Rng& rng;
    Now now;
    Effects& out;
};

}  // namespace nl::client
