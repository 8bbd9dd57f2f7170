#pragma once
// A store with a clock and an index for tests: short ways to say what happened. Test code only.

#include "state/commands/alloc.h"
#include "state/commands/deployment.h"
#include "state/commands/eval.h"
#include "state/commands/job.h"
#include "state/commands/node.h"
#include "state/commands/plan_results.h"
#include "state/commands/settings.h"
#include "state/store.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace nl::state::testing {

inline Uuid id_of(std::uint64_t n) {
    Uuid seed;
    seed.bytes[0] = 1;
    return Uuid::derived(seed, n);
}

inline model::Node node(std::uint64_t n, std::int64_t cpu = 4000, std::int64_t memory = 8192) {
    model::Node node;
    node.id = id_of(1000 + n);
    node.secret_id = id_of(500000 + n);
    node.name = "node-" + std::to_string(n);
    node.datacenter = "dc1";
    node.status = model::NodeStatus::Ready;
    node.node_resources.ensure().cpu.ensure().cpu_shares = cpu;
    node.node_resources->memory.ensure().memory_mb = memory;
    node.node_resources->disk.ensure().disk_mb = 100000;
    node.attributes = {{"kernel.name", "linux"}, {"unique.hostname", node.name}};
    return node;
}

inline model::Job job(const std::string& id, std::int64_t count = 1, std::string type = "service") {
    model::Job job;
    job.namespace_ = "default";
    job.id = id;
    job.name = id;
    job.type = std::move(type);
    job.priority = 50;
    model::TaskGroup group;
    group.name = "web";
    group.count = count;
    group.ephemeral_disk.ensure().size_mb = 300;
    model::Task task;
    task.name = "server";
    task.driver = "raw_exec";
    task.resources.ensure().cpu = 100;
    task.resources->memory_mb = 64;
    group.tasks.push_back(task);
    job.task_groups.push_back(group);
    return job;
}

inline model::Evaluation eval(std::uint64_t n, const std::string& job_id) {
    model::Evaluation eval;
    eval.id = id_of(2000000 + n);
    eval.namespace_ = "default";
    eval.job_id = job_id;
    eval.type = "service";
    eval.triggered_by = "job-register";
    return eval;
}

class World {
public:
    template <class Body>
    Effects apply(const Body& body) {
        time = time + seconds(1);
        ++index;
        return store.apply(index, make_command(body, time, index.value));
    }
    Effects add_node(std::uint64_t n) { return apply(commands::NodeRegister{node(n), {}}); }
    Effects add_job(const model::Job& j) {
        commands::JobRegister command;
        command.job = std::make_shared<const model::Job>(j);
        command.eval = eval(++evals, j.id);
        return apply(command);
    }
    /// Places `count` allocations of the job's newest version on the node; their ids.
    std::vector<Uuid> place(
        const std::string& job_id,
        std::uint64_t node_number,
        std::uint32_t count,
        const Uuid& deployment = {}
    ) {
        const Snapshot now = store.snapshot();
        const auto newest = now.job("default", job_id);
        model::Plan plan;
        plan.eval_id = id_of(2000000 + evals);
        plan.job = newest;
        plan.id_seed = id_of(3000000 + ++plans);
        plan.deployment_id = deployment;
        model::PlanGroup group{newest->task_groups[0].name, newest->version, {}};
        group.metrics.ensure().nodes_evaluated = 1;
        plan.groups.push_back(group);
        std::vector<Uuid> ids;
        for (std::uint32_t i = 0; i < count; ++i) {
            model::Placement placement;
            placement.number = i;
            placement.node_id = id_of(1000 + node_number);
            placement.name_index = i;
            placement.score = 0.5;
            plan.placements.push_back(placement);
            ids.push_back(plan.alloc_id(placement));
        }
        apply(commands::PlanResults{{commands::accept(plan, {}, false)}});
        return ids;
    }
    Effects report(const Uuid& alloc, model::AllocClientStatus status, bool failed = false) {
        commands::AllocReport report;
        report.alloc_id = alloc;
        report.client_status = status;
        report.task_states["server"].state = model::is_terminal(status) ? "dead" : "running";
        report.task_states["server"].failed = failed;
        return apply(commands::AllocClientUpdate{{report}, {}});
    }

    Store store;
    Index index{0};
    WallTime time{1'700'000'000'000'000'000};
    std::uint64_t evals = 0;
    std::uint64_t plans = 0;
};

inline Bytes saved(const Snapshot& snapshot) {
    Bytes out;
    const auto done = Store::save(snapshot, [&](BytesView chunk) -> Result<void> {
        out += chunk;
        return {};
    });
    return done ? out : Bytes();
}

inline Result<Store> loaded(const Bytes& bytes) {
    std::size_t at = 0;
    return Store::load([&](std::size_t max) -> Result<Bytes> {
        Bytes out = bytes.substr(at, max);
        at += out.size();
        return out;
    });
}

}  // namespace nl::state::testing
