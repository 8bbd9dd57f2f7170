#pragma once
// A world for tests of the node: file work succeeds at once, one scripted driver, virtual time, a
// session that acknowledges. Everything the node gave out is kept to be looked at. Included by
// tests only.

#include "base/check.h"
#include "client/node.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nl::client::testing {

/// A task for driver "fake" with the defaults of a service.
inline model::Task make_task(const std::string& name) {
    model::Task task;
    task.name = name;
    task.driver = "fake";
    task.kill_timeout = seconds(5);
    task.config["command"] = Value("run");
    task.resources.ensure().cpu = 100;
    task.resources->memory_mb = 64;
    return task;
}

inline model::RestartPolicy restart_policy(
    std::int64_t attempts, Duration delay, const std::string& mode = "fail"
) {
    model::RestartPolicy policy;
    policy.attempts = attempts;
    policy.interval = minutes(30);
    policy.delay = delay;
    policy.mode = mode;
    return policy;
}

inline std::shared_ptr<model::Job> make_job(
    const std::string& type, std::vector<model::Task> tasks, model::RestartPolicy restart
) {
    auto job = std::make_shared<model::Job>();
    job->id = "example";
    job->name = "example";
    job->type = type;
    job->namespace_ = "default";
    model::TaskGroup group;
    group.name = "web";
    group.count = 1;
    group.restart_policy = restart;
    group.tasks = std::move(tasks);
    job->task_groups.push_back(std::move(group));
    return job;
}

class World {
public:
    World() { boot(); }

    /// Starts (or, after `crash`, starts again) the agent's core from what the state store holds.
    void boot() {
        NodeOptions options;
        Rng ids(7);
        options.node.id = Uuid::random(ids);
        options.node.name = "n1";
        options.node.datacenter = "dc1";
        options.alloc_root = "/allocs";
        options.drivers = {"fake"};
        options.gc_max_allocs = gc_max_allocs;
        env::BlobsLoaded loaded;
        for (const auto& [key, data] : state) {
            loaded.records.push_back({key, data});
        }
        node = std::make_unique<Node>(std::move(options), Rng(1), restore(loaded));
        carry_out(node->start(now));
        feed(FactsChanged{});
    }
    void crash() {
        node.reset();
        queue_.clear();
    }
    void connect() {
        feed(SessionUp{});
        server::ServerToNode frame;
        frame.registered.ensure().heartbeat_ttl = seconds(9);
        feed(FromServer{frame});
    }
    Uuid push(std::shared_ptr<const model::Job> job, std::optional<Uuid> again = {}) {
        const Uuid id = again ? *again : Uuid::random(ids_);
        server::PushedAlloc pushed;
        pushed.alloc.id = id;
        pushed.alloc.namespace_ = "default";
        pushed.alloc.name = "example.web[0]";
        pushed.alloc.job_id = job->id;
        pushed.alloc.task_group = "web";
        pushed.job = 1;
        server::ServerToNode frame;
        frame.allocs.ensure().jobs.push_back(std::move(job));
        frame.allocs->changed.push_back(std::move(pushed));
        feed(FromServer{frame});
        return id;
    }
    void push_stop(const Uuid& id) {
        server::PushedAlloc pushed;
        pushed.alloc.id = id;
        pushed.alloc.desired_status = model::AllocDesiredStatus::Stop;
        server::ServerToNode frame;
        frame.allocs.ensure().changed.push_back(std::move(pushed));
        feed(FromServer{frame});
    }
    /// The servers say that the node has nothing.
    void push_empty_set() {
        server::ServerToNode frame;
        frame.allocs.ensure().full = true;
        frame.allocs->end = true;
        feed(FromServer{frame});
    }
    void call(server::CallRequest request) {
        server::ServerToNode frame;
        frame.call.ensure().call = ++last_call;
        frame.call->request = std::move(request);
        feed(FromServer{frame});
    }
    /// The instance of a task that the driver holds ends.
    void exit(const Uuid& alloc, const std::string& task, std::int64_t code) {
        const TaskId id = instance(alloc, task);
        ended[id] = {code, 0, false, "", now.wall};
        feed(DriverEvent{{}, id, Exited{ended[id]}});
    }
    void advance(Duration span) {
        const Instant until = now.instant + span;
        while (node->next_deadline() <= until) {
            move_to(std::max(node->next_deadline(), now.instant));
            feed(Tick{});
        }
        move_to(until);
    }

    void feed(Event event) {
        queue_.push_back(std::move(event));
        while (!queue_.empty()) {
            Event next = std::move(queue_.front());
            queue_.pop_front();
            carry_out(node->on(std::move(next), now));
        }
    }

    /// Answers the newest probe of a check.
    void probe_ends(bool success) {
        NL_ASSERT(!checks.empty());
        const CheckWork work = checks.back();
        feed(CheckDone{work.alloc, work.spec.id, work.probe, success, success ? 200 : 500, "said"});
    }
    /// The servers tell what the only open watch of this kind sees.
    template <class Answer>
    void tell(server::WatchKind kind, const Answer& answer) {
        for (const auto& [id, request] : watches) {
            if (request.kind == kind) {
                server::ServerMore frame;
                frame.watch.ensure().watch = id;
                frame.watch->data = encode(answer);
                feed(FromServerMore{frame});
                return;
            }
        }
        NL_ASSERT(false);
    }

    TaskId instance(const Uuid& alloc, const std::string& task) const {
        for (const TaskId& id : running) {
            if (id.alloc == alloc && id.task == task) {
                return id;
            }
        }
        NL_ASSERT(false);
        return {};
    }
    bool runs(const Uuid& alloc, const std::string& task) const {
        for (const TaskId& id : running) {
            if (id.alloc == alloc && id.task == task) {
                return true;
            }
        }
        return false;
    }
    /// Types of a task's events, joined.
    std::string events(const Uuid& alloc, const std::string& task) const {
        std::string out;
        const auto status = node->alloc_status(alloc);
        NL_ASSERT(status.has_value());
        for (const model::TaskEvent& event : status->task_states.at(task).events) {
            out += (out.empty() ? "" : ", ") + event.type;
        }
        return out;
    }
    const model::TaskState& last_state(const Uuid& alloc, const std::string& task) const {
        return reported.at(alloc).task_states.at(task);
    }

    std::unique_ptr<Node> node;
    Now now{Instant{1'000'000'000}, WallTime{1'700'000'000'000'000'000}};
    std::size_t gc_max_allocs = 50;
    /// Whether the driver starts tasks; else StartFailed with this.
    std::optional<StartFailed> start_error;
    /// Programs so short that their end is told before their start.
    bool ends_first{false};
    /// Why no network can be set up.
    std::optional<Error> network_error;
    std::vector<NetworkCall> networks;
    bool hold_acks = false;
    std::map<std::string, Bytes> state;
    std::vector<TaskSpec> started;
    std::set<TaskId> running;
    std::map<TaskId, ExitResult> ended;
    std::vector<DriverCall> calls;
    std::vector<env::FileCall> files;
    std::map<Uuid, server::AllocStatus> reported;
    std::vector<server::StatusBatch> batches;
    std::vector<server::CallEnd> call_ends;
    std::vector<ReadCall> reads;
    std::vector<CheckWork> checks;
    std::map<std::string, model::ServiceRegistration> services;
    std::vector<server::ServiceBatch> service_batches;
    bool hold_service_acks = false;
    std::map<std::uint64_t, server::WatchRequest> watches;
    std::vector<Bytes> call_data;
    std::map<std::string, Bytes> task_files;
    std::int64_t disk_bytes = 0;
    std::optional<Error> artifact_error;
    std::optional<std::set<std::string>> kept;
    int disk_looks = 0;
    int hellos = 0;
    int heartbeats = 0;
    std::uint64_t last_call = 0;

private:
    void move_to(Instant at) {
        now.wall = now.wall + (at - now.instant);
        now.instant = at;
    }
    void carry_out(Effects effects) {
        for (StateWrite& write : effects.state) {
            if (write.data) {
                state[write.key] = *write.data;
            } else {
                state.erase(write.key);
            }
        }
        for (env::FileCall& file : effects.files) {
            env::FileDone done{file.ticket, {}, {}};
            if (const auto* read = std::get_if<env::ReadTaskFile>(&file.work)) {
                const auto at = task_files.find(read->path);
                if (at == task_files.end()) {
                    done.result = fail(ErrorCode::NotFound, "no such file");
                } else {
                    done.data = at->second;
                }
            } else if (const auto* write = std::get_if<env::WriteTaskFile>(&file.work)) {
                task_files[write->path] = write->content;
            } else if (std::holds_alternative<env::MeasureAlloc>(file.work)) {
                done.data = std::to_string(disk_bytes);
            } else if (std::holds_alternative<env::FetchArtifact>(file.work) && artifact_error) {
                done.result = std::unexpected(*artifact_error);
            }
            queue_.push_back(FilesDone{std::move(done)});
            files.push_back(std::move(file));
        }
        for (const DriverCall& one : effects.drivers) {
            calls.push_back(one);
            drive(one);
        }
        for (NetworkCall& network : effects.networks) {
            NetworkDone done{network.ticket, network.alloc, NetworkState{}};
            if (std::holds_alternative<SetUpNetwork>(network.what)) {
                done.result->net_ns = "/run/netns/" + network.alloc.str();
                done.result->status.interface_name = "eth0";
                done.result->status.address = "172.26.64.2";
                if (network_error) {
                    done.result = std::unexpected(*network_error);
                }
            }
            networks.push_back(std::move(network));
            queue_.push_back(std::move(done));
        }
        for (server::NodeToServer& frame : effects.send) {
            take(frame);
        }
        for (server::NodeMore& frame : effects.send_more) {
            take_more(frame);
        }
        for (ReadCall& read : effects.reads) {
            reads.push_back(std::move(read));
        }
        for (CheckWork& check : effects.checks) {
            checks.push_back(std::move(check));
        }
        if (effects.keep_only) {
            kept = std::move(effects.keep_only);
        }
        disk_looks += effects.look_at_disk ? 1 : 0;
    }
    void drive(const DriverCall& one) {
        DriverEvent event{one.ticket, one.id, CallDone{}};
        if (std::holds_alternative<CallFingerprint>(one.what)) {
            model::DriverInfo info;
            info.detected = true;
            info.healthy = true;
            event.what = Fingerprinted{"fake", info};
        } else if (const auto* start = std::get_if<CallStart>(&one.what)) {
            if (start_error) {
                event.what = *start_error;
            } else {
                started.push_back(start->spec);
                running.insert(one.id);
                if (ends_first) {
                    queue_.push_back(DriverEvent{{}, one.id, Exited{{0, 0, false, "", now.wall}}});
                }
                event.what = Started{{one.id, "fake", 1, "x"}, now.wall};
            }
        } else if (std::holds_alternative<CallRecover>(one.what)) {
            const bool known = running.contains(one.id);
            event.what = known ? decltype(event.what)(Recovered{})
                               : decltype(event.what)(RecoverFailed{{ErrorCode::NotFound, "gone"}});
            if (known && ended.contains(one.id)) {
                queue_.push_back(event);
                event = {{}, one.id, Exited{ended.at(one.id)}};
            }
        } else if (std::holds_alternative<CallStop>(one.what)) {
            queue_.push_back(event);
            event = {{}, one.id, Exited{{130, 2, false, "", now.wall}}};
        } else if (std::holds_alternative<CallDestroy>(one.what)) {
            running.erase(one.id);
            ended.erase(one.id);
        }
        queue_.push_back(std::move(event));
    }
    void take_more(server::NodeMore& frame) {
        if (frame.services) {
            for (const auto& row : frame.services->upsert) {
                services[row.id] = row;
            }
            for (const std::string& id : frame.services->remove) {
                services.erase(id);
            }
            service_batches.push_back(*frame.services);
            if (!hold_service_acks) {
                server::ServerMore ack;
                ack.service_ack.ensure().sequence = frame.services->sequence;
                queue_.push_back(FromServerMore{ack});
            }
        }
        if (frame.watch) {
            if (frame.watch->stop) {
                watches.erase(frame.watch->watch);
            } else {
                watches[frame.watch->watch] = *frame.watch;
            }
        }
    }
    void take(server::NodeToServer& frame) {
        hellos += frame.hello ? 1 : 0;
        heartbeats += frame.heartbeat ? 1 : 0;
        if (frame.call_data) {
            call_data.push_back(frame.call_data->data);
        }
        if (frame.call_end) {
            call_ends.push_back(*frame.call_end);
        }
        if (frame.statuses) {
            for (const server::AllocStatus& status : frame.statuses->statuses) {
                reported[status.alloc_id] = status;
            }
            batches.push_back(*frame.statuses);
            if (!hold_acks) {
                server::ServerToNode ack;
                ack.status_ack.ensure().sequence = frame.statuses->sequence;
                queue_.push_back(FromServer{ack});
            }
        }
    }

    Rng ids_{99};
    std::deque<Event> queue_;
};

}  // namespace nl::client::testing
