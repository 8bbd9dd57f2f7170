#pragma once
// A small cluster for scheduler tests: a store that is driven by commands and short words instead
// of whole structs. Nothing here decides anything.

#include "base/rng.h"
#include "model/job.h"
#include "model/node.h"
#include "model/plan.h"
#include "sched/scheduler.h"
#include "state/command.h"
#include "state/commands/alloc.h"
#include "state/commands/eval.h"
#include "state/commands/job.h"
#include "state/commands/node.h"
#include "state/commands/plan_results.h"
#include "state/store.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace nl::sched::testing {

inline model::Node make_node(
    const Uuid& id, std::string name, std::int64_t cpu, std::int64_t memory
) {
    model::Node node;
    node.id = id;
    node.secret_id = Uuid::derived(id, 99);
    node.name = std::move(name);
    node.datacenter = "dc1";
    node.node_pool = "default";
    node.status = model::NodeStatus::Ready;
    node.attributes["kernel.name"] = "linux";
    node.attributes["driver.raw_exec"] = "1";
    node.drivers["raw_exec"] = {.detected = true, .healthy = true};
    model::NodeResources& r = node.node_resources.ensure();
    r.cpu = model::LegacyNodeCpuResources{.cpu_shares = cpu, .total_cpu_cores = 4};
    r.memory = model::NodeMemoryResources{memory};
    r.disk = model::NodeDiskResources{100'000};
    r.node_networks.push_back(
        {.mode = "host",
         .device = "eth0",
         .addresses = {{.alias = "default", .address = "10.0.0.1"}}}
    );
    r.min_dynamic_port = 20000;
    r.max_dynamic_port = 32000;
    return node;
}

inline model::Job make_job(std::string id, std::string type, std::int64_t count) {
    model::Job job;
    job.id = std::move(id);
    job.name = job.id;
    job.namespace_ = "default";
    job.region = "global";
    job.type = std::move(type);
    job.priority = 50;
    job.datacenters = {"*"};
    job.node_pool = "default";
    model::TaskGroup group;
    group.name = "g";
    group.count = count;
    group.ephemeral_disk = model::EphemeralDisk{.size_mb = 10};
    model::Task task;
    task.name = "t";
    task.driver = "raw_exec";
    task.resources = model::Resources{.cpu = 500, .memory_mb = 256};
    group.tasks.push_back(std::move(task));
    job.task_groups.push_back(std::move(group));
    return job;
}

class World {
public:
    template <class Body>
    state::Effects apply(const Body& body) {
        return store_.apply(++index_, state::make_command(body, now, rng_.next()));
    }

    void add_node(const model::Node& node) { apply(state::commands::NodeRegister{.node = node}); }
    void set_status(const Uuid& node, model::NodeStatus status) {
        state::commands::NodeStatusUpdate update;
        update.nodes.push_back({.node_id = node, .status = status});
        apply(update);
    }
    void add_job(model::Job job) {
        job.submit_time = now.unix_ns;
        apply(
            state::commands::JobRegister{.job = std::make_shared<const model::Job>(std::move(job))}
        );
    }
    void report(
        const Uuid& alloc, model::AllocClientStatus status, std::optional<bool> healthy = {}
    ) {
        state::commands::AllocReport report;
        report.alloc_id = alloc;
        report.client_status = status;
        model::TaskState task;
        const bool done = model::is_terminal(status);
        task.state = done ? "dead" : "running";
        task.failed = status == model::AllocClientStatus::Failed;
        task.started_at = now;
        if (done) {
            task.finished_at = now;
        }
        report.task_states["t"] = task;
        if (healthy) {
            report.deployment_status =
                model::AllocDeploymentStatus{.healthy = healthy, .timestamp = now};
        }
        state::commands::AllocClientUpdate update;
        update.reports.push_back(std::move(report));
        apply(update);
    }

    model::Evaluation evaluation(const std::string& job, std::string type) {
        model::Evaluation eval;
        eval.id = Uuid::random(rng_);
        eval.namespace_ = "default";
        eval.job_id = job;
        eval.type = std::move(type);
        eval.priority = 50;
        eval.triggered_by = "job-register";
        eval.status = model::EvalStatus::Pending;
        return eval;
    }
    /// Schedules without committing.
    model::Plan plan(const model::Evaluation& eval, std::uint64_t seed) {
        const state::Snapshot snapshot = store_.snapshot();
        return schedule({.eval = eval, .snapshot = snapshot, .now = now, .rng = Rng(seed)});
    }
    void commit(const model::Plan& plan) {
        apply(state::commands::PlanResults{.plans = {state::commands::accept(plan, {}, true)}});
    }

    state::Snapshot snapshot() { return store_.snapshot(); }

    WallTime now{1'700'000'000'000'000'000};

private:
    state::Store store_;
    Index index_{10};
    Rng rng_{7};
};

}  // namespace nl::sched::testing
