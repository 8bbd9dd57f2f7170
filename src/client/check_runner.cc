#include "client/check_runner.h"

#include <algorithm>
#include <set>
#include <utility>

namespace nl::client {

void CheckRunner::set(const std::string& owner, std::vector<CheckSpec> checks, Instant now) {
    std::set<std::string> kept;
    for (CheckSpec& spec : checks) {
        kept.insert(spec.id);
        const auto at = checks_.find(spec.id);
        if (at != checks_.end() && at->second.spec == spec) {
            continue;
        }
        State state;
        state.owner = owner;
        state.due = now;
        state.grace_until = now + spec.restart_grace;
        if (spec.initial_status == "passing") {
            state.status = "success";
        } else if (spec.initial_status == "critical" || spec.initial_status == "warning") {
            state.status = "failure";
        }
        const std::string id = spec.id;
        state.spec = std::move(spec);
        checks_.insert_or_assign(id, std::move(state));
    }
    std::erase_if(checks_, [&](const auto& entry) {
        return entry.second.owner == owner && !kept.contains(entry.first);
    });
}

void CheckRunner::clear(const std::string& owner) {
    std::erase_if(checks_, [&](const auto& entry) { return entry.second.owner == owner; });
}

void CheckRunner::clear_all() {
    checks_.clear();
}

std::vector<CheckWork> CheckRunner::take_due(const Uuid& alloc, Instant now) {
    std::vector<CheckWork> out;
    for (auto& [id, state] : checks_) {
        if (state.running || state.due > now) {
            continue;
        }
        state.running = true;
        state.probe = ++last_probe_;
        out.push_back({alloc, state.probe, state.spec});
    }
    return out;
}

std::optional<CheckRunner::Restart> CheckRunner::done(
    const CheckDone& done, Instant now, WallTime wall
) {
    const auto at = checks_.find(done.check_id);
    if (at == checks_.end() || at->second.probe != done.probe || !at->second.running) {
        return std::nullopt;
    }
    State& state = at->second;
    state.running = false;
    state.due = now + state.spec.interval;
    const std::string status = done.success ? "success" : "failure";
    state.status = status;
    state.status_code = done.status_code;
    state.output = done.output;
    state.at = wall;
    if (done.success) {
        state.failures = 0;
        return std::nullopt;
    }
    if (state.spec.restart_limit <= 0 || now < state.grace_until) {
        return std::nullopt;
    }
    if (++state.failures < state.spec.restart_limit) {
        return std::nullopt;
    }
    state.failures = 0;
    return Restart{
        state.spec.restart_task, fmt::format("healthcheck: check \"{}\" unhealthy", state.spec.name)
    };
}

void CheckRunner::task_restarted(const std::string& task, Instant now) {
    for (auto& [id, state] : checks_) {
        if (state.spec.restart_task == task || state.spec.restart_task.empty()) {
            state.failures = 0;
            state.grace_until = now + state.spec.restart_grace;
        }
    }
}

Instant CheckRunner::deadline() const {
    Instant at = Instant::max();
    for (const auto& [id, state] : checks_) {
        if (!state.running) {
            at = std::min(at, state.due);
        }
    }
    return at;
}

bool CheckRunner::all_pass() const {
    return std::ranges::all_of(checks_, [](const auto& entry) {
        return entry.second.spec.readiness || entry.second.status == "success";
    });
}

std::vector<model::CheckQueryResult> CheckRunner::results() const {
    std::vector<model::CheckQueryResult> out;
    for (const auto& [id, state] : checks_) {
        model::CheckQueryResult result;
        result.id = id;
        result.mode = state.spec.readiness ? "readiness" : "healthiness";
        result.status = state.status;
        result.status_code = state.status_code;
        result.output = state.output.empty() && state.status == "pending" ? "nomad: waiting to run"
                                                                          : state.output;
        result.timestamp = state.at.unix_ns / 1'000'000'000;
        result.group = state.spec.group;
        result.task = state.spec.task;
        result.service = state.spec.service;
        result.check = state.spec.name;
        out.push_back(std::move(result));
    }
    return out;
}

}  // namespace nl::client
