// Scheduler scenarios as text: src/sched/testdata/*.txt. A block is a list of steps, a line of four
// dashes, and what came of it up to an empty line. NL_REWRITE=1 writes what comes now.
//
// Steps:
//     node NAME [cpu=MHZ] [mem=MB] [dc=DC] [class=C] [pool=P] [meta.K=V] [attr.K=V] [driver=NAME]
//         [maxallocs=N] [cores=PER_NUMA[,PER_NUMA...]] [device=VENDOR/TYPE/NAME:COUNT[,ATTR:VALUE]]
//         [volume=NAME[:ro]] [network=ALIAS:ADDRESS] [unhealthy=DRIVER]
//     status NODE ready|down|disconnected
//     job ID [type=T] [count=N] [cpu=..] [mem=..] [env=V] [dc=GLOB] [pool=P] [driver=D] [stop]
//         [port=LABEL | port=LABEL:VALUE] [update=PARALLEL[,CANARY]]
//         [reschedule=DELAY|ATTEMPTSxDELAY] [disconnect=SECONDS] [constraint=L,OP,R]
//         [affinity=L,OP,R,WEIGHT] [spread=ATTR[,V:PCT...]] [prio=N] [cores=N[,NUMA_AFFINITY]]
//         [disk=MB] [memmax=MB] [device=NAME[:COUNT[,L,OP,R]]] [volume=SOURCE[:ro|:each]]
//         [hostnet=NAME]
//     config preempt=TYPE|algorithm=NAME                           pool NAME algorithm=NAME
//     client JOB[N] running|complete|failed|healthy|unhealthy      migrate JOB[N]
//     wait SECONDS
//     eval JOB                                                     explain JOB

#include "sched/explain.h"
#include "sched/testing/world.h"
#include "state/commands/records.h"
#include "state/commands/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace nl::sched {
namespace {

using testing::make_job;
using testing::make_node;
using testing::World;

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> out;
    std::string item;
    std::istringstream in{std::string(text)};
    while (std::getline(in, item, separator)) {
        if (!item.empty() || separator != ' ') {
            out.push_back(item);
        }
    }
    return out;
}

std::int64_t number(std::string_view text) {
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    EXPECT_TRUE(error == std::errc{}) << "not a number: " << text;
    return n;
}

class Scenario {
public:
    std::string run(const std::vector<std::string>& steps) {
        out_.clear();
        for (const std::string& step : steps) {
            const auto words = split(step, ' ');
            if (words.empty() || words[0].starts_with('#')) {
                continue;
            }
            carry_out(words);
        }
        return out_;
    }

private:
    void carry_out(const std::vector<std::string>& words) {
        const std::string& verb = words[0];
        if (verb == "node") {
            node(words);
        } else if (verb == "job") {
            job(words);
        } else if (verb == "status") {
            const auto status = model::parse_enum<model::NodeStatus>(words.at(2));
            ASSERT_TRUE(status) << words[2];
            world_.set_status(nodes_.at(words.at(1)), *status);
        } else if (verb == "client") {
            client(words);
        } else if (verb == "migrate") {
            model::DesiredTransition wish;
            wish.migrate = true;
            state::commands::AllocDesiredTransition command;
            command.items.push_back({find(words.at(1)), wish});
            world_.apply(command);
        } else if (verb == "wait") {
            world_.now = world_.now + seconds(number(words.at(1)));
        } else if (verb == "eval") {
            eval(words.at(1));
        } else if (verb == "explain") {
            const state::Snapshot snapshot = world_.snapshot();
            for (const auto& group : explain_job(snapshot, *snapshot.job("default", words.at(1)))) {
                for (const std::string& sentence : group.sentences()) {
                    out_ += sentence + "\n";
                }
            }
        } else if (verb == "config") {
            config(words);
        } else if (verb == "pool") {
            model::NodePool pool;
            pool.name = words.at(1);
            pool.scheduler_configuration = model::NodePoolSchedulerConfiguration{
                .scheduler_algorithm = words.at(2).substr(words[2].find('=') + 1)
            };
            state::commands::NodePoolUpsert command;
            command.rows.push_back(pool);
            world_.apply(command);
        } else {
            ADD_FAILURE() << "unknown step: " << verb;
        }
    }

    void node(const std::vector<std::string>& words) {
        const Uuid id = Uuid::derived(Uuid{}, nodes_.size() + 1);
        nodes_[words.at(1)] = id;
        names_[id] = words.at(1);
        model::Node n = make_node(id, words.at(1), 4000, 8192);
        for (std::size_t i = 2; i < words.size(); ++i) {
            const auto eq = words[i].find('=');
            const std::string key = words[i].substr(0, eq);
            const std::string value = words[i].substr(eq + 1);
            if (key == "cpu") {
                n.node_resources->cpu->cpu_shares = number(value);
            } else if (key == "mem") {
                n.node_resources->memory->memory_mb = number(value);
            } else if (key == "dc") {
                n.datacenter = value;
            } else if (key == "class") {
                n.node_class = value;
            } else if (key == "pool") {
                n.node_pool = value;
            } else if (key == "driver") {
                n.drivers.clear();
                n.attributes.erase("driver.raw_exec");
                n.drivers[value] = {.detected = true, .healthy = true};
            } else if (key == "unhealthy") {
                n.drivers[value] = {.detected = true, .healthy = false};
            } else if (key == "maxallocs") {
                n.node_max_allocs = number(value);
            } else if (key == "cores") {
                add_cores(n, split(value, ','));
            } else if (key == "device") {
                add_device(n, split(value, ','));
            } else if (key == "volume") {
                const auto parts = split(value, ':');
                n.host_volumes[parts[0]] = {
                    .name = parts[0], .path = "/srv", .read_only = parts.size() > 1
                };
            } else if (key == "network") {
                const auto parts = split(value, ':');
                n.node_resources->node_networks[0].addresses.push_back(
                    {.alias = parts.at(0), .address = parts.at(1)}
                );
            } else if (key.starts_with("meta.")) {
                n.meta[key.substr(5)] = value;
            } else if (key.starts_with("attr.")) {
                n.attributes[key.substr(5)] = value;
            } else {
                ADD_FAILURE() << "unknown word: " << words[i];
            }
        }
        world_.add_node(n);
    }

    static void add_cores(model::Node& n, const std::vector<std::string>& per_numa) {
        model::LegacyNodeCpuResources& cpu = n.node_resources->cpu.ensure();
        model::Topology& topology = n.node_resources->processors.ensure().topology.ensure();
        cpu.total_cpu_cores = 0;
        for (std::size_t numa = 0; numa < per_numa.size(); ++numa) {
            for (std::int64_t i = 0; i < number(per_numa[numa]); ++i) {
                const std::int64_t core = cpu.total_cpu_cores++;
                cpu.reservable_cpu_cores.push_back(core);
                topology.cores.push_back({.node_id = static_cast<std::int64_t>(numa), .id = core});
            }
        }
    }

    static void add_device(model::Node& n, const std::vector<std::string>& words) {
        const auto colon = words.at(0).find(':');
        const auto names = split(words[0].substr(0, colon), '/');
        model::NodeDeviceResource device{
            .vendor = names.at(0), .type = names.at(1), .name = names.at(2)
        };
        for (std::int64_t i = 0; i < number(words[0].substr(colon + 1)); ++i) {
            device.instances.push_back({.id = names[2] + std::to_string(i), .healthy = true});
        }
        for (std::size_t i = 1; i < words.size(); ++i) {
            const auto attribute = split(words[i], ':');
            device.attributes[attribute.at(0)] = {.string = attribute.at(1)};
        }
        n.node_resources->devices.push_back(std::move(device));
    }

    void config(const std::vector<std::string>& words) {
        state::commands::SchedulerConfigSet command;
        command.config = world_.snapshot().scheduler_config();
        model::PreemptionConfig& preempt = command.config.preemption_config.ensure();
        for (std::size_t i = 1; i < words.size(); ++i) {
            const auto eq = words[i].find('=');
            const std::string value = words[i].substr(eq + 1);
            if (words[i].starts_with("algorithm=")) {
                command.config.scheduler_algorithm = value;
            } else {
                preempt.system_scheduler_enabled |= value == "system";
                preempt.sys_batch_scheduler_enabled |= value == "sysbatch";
                preempt.batch_scheduler_enabled |= value == "batch";
                preempt.service_scheduler_enabled |= value == "service";
            }
        }
        world_.apply(command);
    }

    void job(const std::vector<std::string>& words) {
        model::Job j = make_job(words.at(1), "service", 1);
        model::TaskGroup& group = j.task_groups[0];
        model::Task& task = group.tasks[0];
        for (std::size_t i = 2; i < words.size(); ++i) {
            const auto eq = words[i].find('=');
            const std::string key = words[i].substr(0, eq);
            const std::string value = eq == std::string::npos ? "" : words[i].substr(eq + 1);
            const auto parts = split(value, ',');
            if (key == "type") {
                j.type = value;
            } else if (key == "count") {
                group.count = number(value);
            } else if (key == "cpu") {
                task.resources->cpu = number(value);
            } else if (key == "mem") {
                task.resources->memory_mb = number(value);
            } else if (key == "env") {
                task.env["v"] = value;
            } else if (key == "dc") {
                j.datacenters = {value};
            } else if (key == "pool") {
                j.node_pool = value;
            } else if (key == "driver") {
                task.driver = value;
            } else if (key == "stop") {
                j.stop = true;
            } else if (key == "port") {
                const auto port = split(value, ':');
                model::NetworkResource network;
                if (port.size() == 2) {
                    network.reserved_ports.push_back({.label = port[0], .value = number(port[1])});
                } else {
                    network.dynamic_ports.push_back({.label = port[0]});
                }
                group.networks.push_back(network);
            } else if (key == "update") {
                group.update = model::UpdateStrategy{
                    .max_parallel = number(parts.at(0)),
                    .progress_deadline = minutes(10),
                    .canary = parts.size() > 1 ? number(parts[1]) : 0
                };
            } else if (key == "prio") {
                j.priority = number(value);
            } else if (key == "cores") {
                task.resources->cpu = 0;
                task.resources->cores = number(parts.at(0));
                if (parts.size() > 1) {
                    task.resources->numa = model::NUMA{.affinity = parts[1]};
                }
            } else if (key == "disk") {
                group.ephemeral_disk->size_mb = number(value);
            } else if (key == "memmax") {
                task.resources->memory_max_mb = number(value);
            } else if (key == "device") {
                const auto name = split(parts.at(0), ':');
                model::RequestedDevice request{
                    .name = name[0], .count = name.size() > 1 ? number(name[1]) : 1
                };
                if (parts.size() > 3) {
                    request.constraints.push_back({parts[1], parts[3], parts[2]});
                }
                task.resources->devices.push_back(std::move(request));
            } else if (key == "volume") {
                const auto name = split(value, ':');
                group.volumes[name[0]] = {
                    .name = name[0],
                    .type = "host",
                    .source = name[0],
                    .read_only = name.size() > 1 && name[1] == "ro",
                    .per_alloc = name.size() > 1 && name[1] == "each"
                };
            } else if (key == "hostnet") {
                model::NetworkResource network;
                network.dynamic_ports.push_back({.label = "http", .host_network = value});
                group.networks.push_back(network);
            } else if (key == "reschedule") {
                model::ReschedulePolicy policy{.delay_function = "constant"};
                const auto times = split(value, 'x');
                policy.delay = seconds(number(times.back()));
                policy.unlimited = times.size() == 1;
                if (times.size() == 2) {
                    policy.attempts = number(times[0]);
                    policy.interval = hours(1);
                }
                group.reschedule_policy = policy;
            } else if (key == "disconnect") {
                group.disconnect = model::DisconnectStrategy{.lost_after = seconds(number(value))};
            } else if (key == "constraint") {
                j.constraints.push_back({parts.at(0), parts.size() > 2 ? parts[2] : "", parts.at(1)}
                );
            } else if (key == "affinity") {
                j.affinities.push_back(
                    {.l_target = parts.at(0),
                     .r_target = parts.at(2),
                     .operand = parts.at(1),
                     .weight = number(parts.at(3))}
                );
            } else if (key == "spread") {
                model::Spread spread{.attribute = parts.at(0), .weight = 50};
                for (std::size_t p = 1; p < parts.size(); ++p) {
                    const auto target = split(parts[p], ':');
                    spread.spread_target.push_back({target.at(0), number(target.at(1))});
                }
                j.spreads.push_back(spread);
            } else {
                ADD_FAILURE() << "unknown word: " << words[i];
            }
        }
        world_.add_job(j);
    }

    /// The newest allocation of that name.
    Uuid find(const std::string& name) {
        const auto open = name.find('[');
        const std::string job_id = name.substr(0, open);
        const auto index = static_cast<std::uint32_t>(number(name.substr(open + 1)));
        const state::Snapshot snapshot = world_.snapshot();
        Uuid best;
        Index newest;
        for (const state::AllocView alloc : snapshot.allocs_of_job("default", job_id)) {
            if (alloc.name_index() == index && alloc.create_index() >= newest) {
                best = alloc.id();
                newest = alloc.create_index();
            }
        }
        EXPECT_FALSE(best.is_nil()) << "no allocation " << name;
        return best;
    }

    void client(const std::vector<std::string>& words) {
        const Uuid id = find(words.at(1));
        const std::string& what = words.at(2);
        if (what == "healthy" || what == "unhealthy") {
            world_.report(id, model::AllocClientStatus::Running, what == "healthy");
            return;
        }
        const auto status = model::parse_enum<model::AllocClientStatus>(what);
        ASSERT_TRUE(status) << what;
        world_.report(id, *status);
    }

    std::string label(const state::Snapshot& snapshot, const Uuid& id) {
        const auto alloc = snapshot.alloc(id);
        return fmt::format("{}[{}]", alloc->job_id(), alloc->name_index());
    }

    /// Cores and devices; ports are drawn, so only fixed ones are told.
    static std::string named(const model::Placement& p) {
        std::string text;
        if (!p.resources) {
            return text;
        }
        for (const auto& [task, r] : p.resources->tasks) {
            if (r.cpu && !r.cpu->reserved_cores.empty()) {
                text += fmt::format(" cores {}", fmt::join(r.cpu->reserved_cores, ","));
            }
            for (const auto& device : r.devices) {
                text += fmt::format(" devices {}", fmt::join(device.device_ids, ","));
            }
        }
        return text;
    }

    static std::string counts(const Map<std::int64_t>& map) {
        std::string text;
        for (const auto& [key, n] : map) {
            text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", key, n);
        }
        return text;
    }

    void eval(const std::string& job_id) {
        const state::Snapshot before = world_.snapshot();
        const auto job = before.job("default", job_id);
        const model::Plan plan = world_.plan(
            world_.evaluation(job_id, job == nullptr ? "service" : job->type), ++plans_
        );
        std::vector<std::string> lines;
        for (const model::PlannedStop& stop : plan.stops) {
            std::string line = fmt::format(
                "{} {} on {}",
                stop.stop ? "stop" : "mark",
                label(before, stop.alloc_id),
                names_.at(before.alloc(stop.alloc_id)->node_id())
            );
            if (!stop.description.empty()) {
                line += ": " + stop.description;
            }
            if (stop.client_status) {
                line += fmt::format(" ({})", model::to_string(*stop.client_status));
            }
            if (!stop.followup_eval_id.is_nil()) {
                line += " [followed up]";
            }
            lines.push_back(std::move(line));
        }
        for (const model::Placement& p : plan.placements) {
            std::string line = fmt::format(
                "place {}[{}] on {} score {:.3f}",
                job_id,
                p.name_index,
                names_.at(p.node_id),
                p.score
            );
            if (p.canary) {
                line += " canary";
            }
            line += named(p);
            if (!p.previous_allocation.is_nil()) {
                line += " replaces " + label(before, p.previous_allocation);
            }
            if (job != nullptr && plan.groups[p.group].job_version != job->version) {
                line += fmt::format(" version {}", plan.groups[p.group].job_version);
            }
            lines.push_back(std::move(line));
        }
        for (const model::PlannedPreemption& preemption : plan.preemptions) {
            const auto by = std::ranges::find_if(plan.placements, [&](const auto& p) {
                return plan.alloc_id(p) == preemption.by_alloc_id;
            });
            lines.push_back(fmt::format(
                "evict {} on {} for {}[{}]",
                label(before, preemption.alloc_id),
                names_.at(before.alloc(preemption.alloc_id)->node_id()),
                job_id,
                by->name_index
            ));
        }
        for (const model::InPlaceUpdate& update : plan.updates) {
            lines.push_back("in place " + label(before, update.alloc_id));
        }
        std::ranges::sort(lines);
        for (const auto& [group, why] : plan.eval->failed_tg_allocs) {
            lines.push_back(fmt::format(
                "failed {} of {}: evaluated {}, filtered {} ({}), exhausted {} ({})",
                why.coalesced_failures + 1,
                group,
                why.nodes_evaluated,
                why.nodes_filtered,
                counts(why.constraint_filtered),
                why.nodes_exhausted,
                counts(why.dimension_exhausted)
            ));
        }
        if (plan.deployment) {
            const auto& state = plan.deployment->task_groups.at("g");
            lines.push_back(fmt::format(
                "deployment total {} canaries {}: {}",
                state.desired_total,
                state.desired_canaries,
                plan.deployment->status_description
            ));
        }
        for (const auto& update : plan.deployment_updates) {
            lines.push_back(fmt::format(
                "deployment {}: {}", model::to_string(update.status), update.status_description
            ));
        }
        for (const model::Evaluation& next : plan.follow_ups) {
            std::string line =
                fmt::format("next {} {}", model::to_string(next.status), next.triggered_by);
            if (!next.wait_until.is_zero()) {
                line += fmt::format(" in {}", to_string(next.wait_until - world_.now));
            }
            lines.push_back(std::move(line));
        }
        lines.push_back(fmt::format("eval {}", model::to_string(plan.eval->status)));
        for (const std::string& line : lines) {
            out_ += line + "\n";
        }
        world_.commit(plan);
    }

    World world_;
    std::map<std::string, Uuid> nodes_;
    std::map<Uuid, std::string> names_;
    std::string out_;
    /// The seed of the last plan: every plan has one of its own, as ids derive from it.
    std::uint64_t plans_{0};
};

void run_file(const std::filesystem::path& path) {
    SCOPED_TRACE(path.filename().string());
    std::ifstream in(path);
    ASSERT_TRUE(in) << path;
    const bool rewrite = std::getenv("NL_REWRITE") != nullptr;
    std::string rewritten;
    auto scenario = std::make_unique<Scenario>();
    std::vector<std::string> steps;
    std::string line;
    std::size_t at = 0;
    std::size_t blocks = 0;
    while (std::getline(in, line)) {
        ++at;
        if (line == "====") {
            // A fresh cluster.
            scenario = std::make_unique<Scenario>();
            rewritten += line + "\n";
            continue;
        }
        if (line != "----") {
            steps.push_back(line);
            rewritten += line + "\n";
            continue;
        }
        const std::size_t first = at;
        std::string expected;
        while (std::getline(in, line) && !line.empty()) {
            ++at;
            expected += line + "\n";
        }
        ++at;
        const std::string got = scenario->run(std::exchange(steps, {}));
        rewritten += "----\n" + got + "\n";
        ++blocks;
        if (!rewrite) {
            EXPECT_EQ(got, expected) << path.filename() << ":" << first;
        }
    }
    EXPECT_GT(blocks, 0U) << "no block in " << path;
    if (rewrite) {
        while (rewritten.ends_with("\n\n")) {
            rewritten.pop_back();
        }
        std::ofstream(path) << rewritten;
    }
}

TEST(SchedScenario, TextFiles) {
    std::vector<std::filesystem::path> files;
    const std::filesystem::path folder = std::string(NL_SOURCE_DIR) + "/src/sched/testdata";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        files.push_back(entry.path());
    }
    std::ranges::sort(files);
    ASSERT_FALSE(files.empty());
    for (const auto& file : files) {
        run_file(file);
    }
}

}  // namespace
}  // namespace nl::sched
