// Preparing a pass: which candidates the group may run on, and what their scores are made of.

#include "sched/placer_pass.h"

#include "base/check.h"
#include "sched/devices.h"
#include "sched/operators.h"
#include "sched/update_kind.h"

#include <algorithm>

namespace nl::sched {

Placer::Pass& Placer::pass(const model::Job& job, std::string_view group) {
    for (const auto& pass : passes_) {
        if (pass->group.name == group && pass->job.version == job.version) {
            return *pass;
        }
    }
    const model::TaskGroup* found = find_group(job, group);
    NL_ASSERT(found != nullptr);
    passes_.push_back(make_pass(job, *found));
    return *passes_.back();
}

Spread Placer::make_spread(const model::Job& job, const model::TaskGroup& group, Pass& pass) {
    std::vector<const model::Spread*> blocks;
    std::int64_t weights = 0;
    for (const auto* list : {&job.spreads, &group.spreads}) {
        for (const model::Spread& s : *list) {
            blocks.push_back(&s);
            weights += s.weight;
        }
    }
    const std::uint32_t n = candidates_.size();
    std::vector<SpreadAttribute> attributes;
    for (const model::Spread* block : blocks) {
        SpreadAttribute a;
        a.weight_share =
            weights > 0 ? static_cast<double>(block->weight) / static_cast<double>(weights) : 0.0;
        a.even = block->spread_target.empty();
        Map<std::uint32_t> numbers;
        const auto number = [&](std::string_view value) {
            const auto [at, fresh] =
                numbers.try_emplace(std::string(value), static_cast<std::uint32_t>(a.used.size()));
            if (fresh) {
                a.used.push_back(0);
            }
            return at->second;
        };
        std::string scratch;
        const auto number_on = [&](std::uint32_t position) {
            const auto value =
                resolve_target(block->attribute, candidates_.node(position), scratch);
            return value ? number(*value) : kNoValue;
        };
        a.value_of_node.resize(n);
        if (is_unique_target(block->attribute)) {
            for (std::uint32_t i = 0; i < n; ++i) {
                a.value_of_node[i] = number_on(i);
            }
        } else {
            std::vector<std::uint32_t> of_class(candidates_.class_count());
            for (std::uint32_t c = 0; c < of_class.size(); ++c) {
                of_class[c] = number_on(candidates_.example_of(c));
            }
            for (std::uint32_t i = 0; i < n; ++i) {
                a.value_of_node[i] = of_class[candidates_.class_of(i)];
            }
        }
        for (const auto& [node, sign] : pass.counts.moves) {
            if (const auto value = resolve_target(block->attribute, *node, scratch)) {
                a.used[number(*value)] += sign;
            }
        }
        // What the targets leave over is the share of every other value together.
        double rest = static_cast<double>(group.count);
        bool any_share = false;
        std::map<std::string_view, double> wanted;
        for (const auto& target : block->spread_target) {
            const double share =
                static_cast<double>(target.percent) / 100.0 * static_cast<double>(group.count);
            wanted[target.value] = share;
            rest -= share;
            any_share |= share > 0;
        }
        const bool rest_counts = any_share && rest > 0;
        a.desired.assign(a.used.size(), rest_counts ? rest : -1.0);
        for (const auto& [value, at] : numbers) {
            if (const auto w = wanted.find(value); w != wanted.end()) {
                a.desired[at] = w->second;
            }
        }
        attributes.push_back(std::move(a));
        pass.spread_values.emplace_back(block->attribute, std::move(numbers));
    }
    return Spread(std::move(attributes), n);
}

void Placer::find_feasible(Pass& pass) {
    const std::uint32_t n = candidates_.size();
    const std::uint32_t classes = candidates_.class_count();
    pass.class_why.resize(classes);
    std::vector<std::uint8_t> class_ok(classes);
    for (std::uint32_t c = 0; c < classes; ++c) {
        pass.class_why[c] =
            pass.feasibility.check_class(candidates_.node(candidates_.example_of(c)));
        class_ok[c] = pass.class_why[c] == nullptr ? 1 : 0;
    }
    pass.feasible.resize(n);
    for (std::uint32_t i = 0; i < n; ++i) {
        pass.feasible[i] = class_ok[candidates_.class_of(i)];
    }
    if (!pass.feasibility.looks_at_nodes()) {
        return;
    }
    for (std::uint32_t i = 0; i < n; ++i) {
        if (pass.feasible[i] == 0) {
            continue;
        }
        if (const std::string* why = pass.feasibility.check_node(candidates_.node(i))) {
            pass.feasible[i] = 0;
            pass.unique_why[i] = why;
        }
    }
}

const std::string* Placer::why_not(const Pass& pass, std::uint32_t position) const {
    if (pass.feasible[position] != 0) {
        return nullptr;
    }
    const auto at = pass.unique_why.find(position);
    return at != pass.unique_why.end() ? at->second
                                       : pass.class_why[candidates_.class_of(position)];
}

std::vector<double> Placer::affinities(const Pass& pass) {
    std::vector<double> out;
    if (!has_affinities(pass.job, pass.group)) {
        return out;
    }
    const std::uint32_t n = candidates_.size();
    out.resize(n);
    const auto of = [&](std::uint32_t position) {
        return node_affinity(pass.job, pass.group, candidates_.node(position), regexes_);
    };
    if (has_unique_affinities(pass.job, pass.group)) {
        for (std::uint32_t i = 0; i < n; ++i) {
            out[i] = pass.feasible[i] != 0 ? of(i) : 0.0;
        }
        return out;
    }
    std::vector<double> of_class(candidates_.class_count());
    for (std::uint32_t c = 0; c < of_class.size(); ++c) {
        of_class[c] = pass.class_why[c] == nullptr ? of(candidates_.example_of(c)) : 0.0;
    }
    for (std::uint32_t i = 0; i < n; ++i) {
        out[i] = of_class[candidates_.class_of(i)];
    }
    return out;
}

void Placer::score_devices(Pass& pass, std::uint32_t position) {
    pass.devices[position] = best_device_affinity(pass.group, candidates_.node(position), regexes_);
}

std::unique_ptr<Placer::Pass> Placer::make_pass(
    const model::Job& job, const model::TaskGroup& group
) {
    auto pass = std::make_unique<Pass>(
        job, group, group_of(group.name), Feasibility(job, group, snapshot_, regexes_)
    );
    pass->spread.emplace(make_spread(job, group, *pass));
    pass->assigns = needs_assignment(group);
    if (pass->assigns) {
        pass->base = state::group_resources(group);
    }
    pass->ask = state::sum_of(group);
    const std::uint32_t n = candidates_.size();
    find_feasible(*pass);
    if (const std::int64_t cores = cores_asked(group); cores > 0) {
        pass->extra_cpu.assign(n, 0);
        for (std::uint32_t i = 0; i < n; ++i) {
            if (pass->feasible[i] != 0) {
                pass->extra_cpu[i] =
                    static_cast<std::int32_t>(cpu_per_core(candidates_.node(i)) * cores);
            }
        }
    }
    pass->ranks_devices = ranks_devices(group);
    if (pass->ranks_devices) {
        pass->devices.assign(n, 0.0);
        for (std::uint32_t i = 0; i < n; ++i) {
            if (pass->feasible[i] != 0) {
                score_devices(*pass, i);
            }
        }
    }
    pass->ranker.emplace(
        RankInput{
            .nodes = candidates_.columns,
            .ask = {pass->ask.cpu, pass->ask.memory_mb, pass->ask.disk_mb},
            .extra_cpu = pass->extra_cpu,
            .algorithm = algorithm_,
            .feasible = pass->feasible,
            .collisions = pass->counts.collisions,
            .desired_count = std::max<std::int64_t>(group.count, 1),
            .affinity = affinities(*pass),
            .devices = pass->devices,
            .spread = *pass->spread,
        },
        rng_
    );
    return pass;
}

}  // namespace nl::sched
