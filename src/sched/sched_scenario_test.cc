// Scheduler scenarios as text: src/sched/testdata/*.txt. A block is a list of steps, a line of four
// dashes, and what came of it up to an empty line. NL_REWRITE=1 writes what comes now.
//
// Steps:
//     node NAME [cpu=MHZ] [mem=MB] [dc=DC] [class=C] [pool=P] [meta.K=V] [attr.K=V] [driver=NAME]
//     status NODE ready|down|disconnected
//     job ID [type=T] [count=N] [cpu=..] [mem=..] [env=V] [dc=GLOB] [pool=P] [driver=D] [stop]
//         [port=LABEL | port=LABEL:VALUE] [update=PARALLEL[,CANARY]]
//         [reschedule=DELAY|ATTEMPTSxDELAY] [disconnect=SECONDS] [constraint=L,OP,R]
//         [affinity=L,OP,R,WEIGHT] [spread=ATTR[,V:PCT...]]
//     client JOB[N] running|complete|failed|healthy|unhealthy      migrate JOB[N]
//     wait SECONDS
//     eval JOB

#include "sched/testing/world.h"

#include <fmt/format.h>
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
            if (!p.previous_allocation.is_nil()) {
                line += " replaces " + label(before, p.previous_allocation);
            }
            if (job != nullptr && plan.groups[p.group].job_version != job->version) {
                line += fmt::format(" version {}", plan.groups[p.group].job_version);
            }
            lines.push_back(std::move(line));
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
