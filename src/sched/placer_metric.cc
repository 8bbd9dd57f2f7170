// Explaining a pass: how many nodes were left out and why, and the best scores.

#include "base/check.h"
#include "sched/placer_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace nl::sched {
namespace {

std::string_view shortage_name(Shortage what) {
    switch (what) {
        case Shortage::None:
            return "";
        case Shortage::Cpu:
            return "cpu";
        case Shortage::Memory:
            return "memory";
        case Shortage::Disk:
            return "disk";
        case Shortage::Allocs:
            return "max allocs";
    }
    NL_UNREACHABLE();
}

}  // namespace

const std::string* Placer::refusal(std::uint32_t position, const model::TaskGroup& group) {
    return why_not(pass(job_, group.name), position);
}

/// Nodes of one class share their reason and their node class, so they are counted together.
void Placer::count_refusals(Pass& pass, model::AllocMetric& m) {
    constexpr std::size_t kShortages = 5;
    struct OfClass {
        std::int64_t filtered{0};
        std::array<std::int64_t, kShortages> exhausted{};
    };
    std::vector<OfClass> classes(candidates_.class_count());
    const auto filter = [&](const std::string& why, const std::string& node_class, std::int64_t n) {
        m.nodes_filtered += n;
        m.constraint_filtered[why] += n;
        if (!node_class.empty()) {
            m.class_filtered[node_class] += n;
        }
    };
    const auto exhaust = [&](std::string_view what, const std::string& node_class, std::int64_t n) {
        m.nodes_exhausted += n;
        m.dimension_exhausted[std::string(what)] += n;
        if (!node_class.empty()) {
            m.class_exhausted[node_class] += n;
        }
    };
    const bool any_single = !pass.unique_why.empty() || !pass.refused.empty();
    for (std::uint32_t i = 0; i < candidates_.size(); ++i) {
        OfClass& of_class = classes[candidates_.class_of(i)];
        if (any_single) {
            if (const auto unique = pass.unique_why.find(i); unique != pass.unique_why.end()) {
                filter(*unique->second, candidates_.node(i).node_class, 1);
                continue;
            }
            if (const auto refused = pass.refused.find(i); refused != pass.refused.end()) {
                const std::string& node_class = candidates_.node(i).node_class;
                if (refused->second.exhausted) {
                    exhaust(refused->second.text, node_class, 1);
                } else {
                    filter(refused->second.text, node_class, 1);
                }
                continue;
            }
        }
        if (pass.feasible[i] == 0) {
            ++of_class.filtered;
            continue;
        }
        Ask ask{pass.ask.cpu, pass.ask.memory_mb, pass.ask.disk_mb};
        ask.cpu += pass.extra_cpu.empty() ? 0 : pass.extra_cpu[i];
        ++of_class.exhausted[static_cast<std::size_t>(shortage(candidates_.columns, i, ask))];
    }
    for (std::uint32_t c = 0; c < classes.size(); ++c) {
        const std::string& node_class = candidates_.node(candidates_.example_of(c)).node_class;
        if (classes[c].filtered > 0) {
            NL_ASSERT(pass.class_why[c] != nullptr);
            filter(*pass.class_why[c], node_class, classes[c].filtered);
        }
        for (std::size_t s = 1; s < kShortages; ++s) {
            if (classes[c].exhausted[s] > 0) {
                exhaust(
                    shortage_name(static_cast<Shortage>(s)), node_class, classes[c].exhausted[s]
                );
            }
        }
    }
}

model::AllocMetric Placer::metric(Pass& pass) {
    model::AllocMetric m;
    m.nodes_evaluated = static_cast<std::int64_t>(candidates_.size());
    m.nodes_in_pool = candidates_.nodes_in_pool();
    m.node_pool = job_.node_pool.empty() ? std::string(kDefaultPool) : job_.node_pool;
    m.nodes_available = candidates_.nodes_available();
    if (pass.over_quota) {
        m.quota_exhausted.push_back(quota_why_);
    }
    count_refusals(pass, m);
    for (const auto& task : pass.group.tasks) {
        model::Resources asked;
        if (task.resources) {
            asked.cpu = m.dimension_exhausted.contains("cpu") ? task.resources->cpu : 0;
            asked.cores = m.dimension_exhausted.contains("cores") ? task.resources->cores : 0;
            asked.memory_mb =
                m.dimension_exhausted.contains("memory") ? task.resources->memory_mb : 0;
        }
        if (asked != model::Resources{}) {
            m.resources_exhausted[task.name] = asked;
        }
    }
    for (const Choice& choice : pass.first_scores) {
        model::NodeScoreMeta meta;
        meta.node_id = candidates_.node(choice.node).id;
        meta.norm_score = choice.score;
        meta.scores["binpack"] = choice.parts.binpack;
        meta.scores["job-anti-affinity"] = choice.parts.anti_affinity;
        meta.scores["node-reschedule-penalty"] = choice.parts.reschedule_penalty;
        meta.scores["node-affinity"] = choice.parts.affinity;
        if (choice.parts.has_devices) {
            meta.scores["devices"] = choice.parts.devices;
        }
        if (pass.spread->active()) {
            meta.scores["allocation-spread"] = choice.parts.spread;
        }
        m.score_meta_data.push_back(std::move(meta));
    }
    return m;
}

model::AllocMetric Placer::explain(const model::Job& job, std::string_view group) {
    return metric(pass(job, group));
}

Map<bool> Placer::class_eligibility() const {
    Map<bool> out;
    for (const auto& pass : passes_) {
        for (std::uint32_t c = 0; c < candidates_.class_count(); ++c) {
            bool& eligible = out[snapshot_.word_text(candidates_.class_word(c))];
            eligible = eligible || pass->class_why[c] == nullptr;
        }
    }
    return out;
}

bool Placer::escaped() const {
    return std::ranges::any_of(passes_, [](const auto& pass) {
        return pass->feasibility.escaped();
    });
}

}  // namespace nl::sched
