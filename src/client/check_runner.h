#pragma once
// The checks of one allocation's services: when each is due, what the last answer was, when
// check_restart has had enough. A value machine; who probes is the agent (CheckWork, CheckDone).
// Source: job specification, section 6; the states are Nomad's: pending, success, failure.

#include "base/time.h"
#include "client/service_instances.h"
#include "model/service_registration.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace nl::client {

/// One probe of a check, to be done now.
struct CheckWork {
    Uuid alloc;
    /// Names the probe: an answer for an older one says nothing.
    std::uint64_t probe{};
    CheckSpec spec;
};

struct CheckDone {
    Uuid alloc;
    std::string check_id;
    std::uint64_t probe{};
    bool success{};
    std::int64_t status_code{};
    std::string output;
};

class CheckRunner {
public:
    /// The checks of one owner (a task, "" for the group): new ones begin, others stay, missing
    /// ones end. `at` is when their task or group came up: check_restart's grace begins.
    void set(const std::string& owner, std::vector<CheckSpec> checks, Instant now);
    void clear(const std::string& owner);
    void clear_all();
    /// Probes that are due.
    std::vector<CheckWork> take_due(const Uuid& alloc, Instant now);
    /// The task to restart and why, if this answer was one too many; task "" is every task.
    struct Restart {
        std::string task;
        std::string reason;
    };
    std::optional<Restart> done(const CheckDone& done, Instant now, WallTime wall);
    /// A task was started again: its grace begins anew.
    void task_restarted(const std::string& task, Instant now);
    Instant deadline() const;
    bool empty() const { return checks_.empty(); }
    /// Every check that decides (not readiness) succeeds now.
    bool all_pass() const;
    std::vector<model::CheckQueryResult> results() const;

private:
    struct State {
        std::string owner;
        CheckSpec spec;
        Instant due;
        std::uint64_t probe{};
        bool running{};
        std::string status{"pending"};
        std::int64_t status_code{};
        std::string output;
        WallTime at;
        std::int64_t failures{};
        Instant grace_until;
    };
    std::map<std::string, State> checks_;
    std::uint64_t last_probe_ = 0;
};

}  // namespace nl::client
