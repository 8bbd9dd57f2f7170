#include "sched/placer.h"

#include "base/check.h"
#include "model/csi.h"
#include "sched/devices.h"
#include "sched/operators.h"
#include "sched/update_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nl::sched {
namespace {

constexpr std::string_view kDefaultPool = "default";
constexpr std::string_view kAllPools = "all";

bool is_live(const ExistingAlloc& alloc) {
    return alloc.desired == model::AllocDesiredStatus::Run && !model::is_terminal(alloc.client);
}

Algorithm algorithm_for(const state::Snapshot& snapshot, const model::Job& job) {
    std::string_view name = snapshot.scheduler_config().scheduler_algorithm;
    if (const model::NodePool* pool = snapshot.node_pool(job.node_pool);
        pool != nullptr && pool->scheduler_configuration &&
        !pool->scheduler_configuration->scheduler_algorithm.empty()) {
        name = pool->scheduler_configuration->scheduler_algorithm;
    }
    return name == "spread" ? Algorithm::Spread : Algorithm::Binpack;
}

bool in_datacenters(const model::Job& job, std::string_view datacenter) {
    return job.datacenters.empty() ||
           std::ranges::any_of(job.datacenters, [&](const std::string& pattern) {
               return glob_matches(pattern, datacenter);
           });
}

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

/// Answers a question about the text of a word once for each word.
class WordCache {
public:
    template <class Ask>
    bool get(std::uint32_t word, Ask ask) {
        if (word >= known_.size()) {
            known_.resize(word + 1, 0);
        }
        if (known_[word] == 0) {
            known_[word] = ask() ? 2 : 1;
        }
        return known_[word] == 2;
    }

private:
    std::vector<std::uint8_t> known_;
};

}  // namespace

/// A candidate that passed the constraints but not the pass's own conditions.
struct Refusal {
    std::string text;
    /// A resource is used up (else a constraint is broken).
    bool exhausted{false};
};

struct Placer::Pass {
    Pass(
        const model::Job& pass_job,
        const model::TaskGroup& pass_group,
        Feasibility pass_feasibility,
        Spread pass_spread
    )
        : job(pass_job),
          group(pass_group),
          feasibility(std::move(pass_feasibility)),
          spread(std::move(pass_spread)) {}

    const model::Job& job;
    const model::TaskGroup& group;
    Feasibility feasibility;
    std::vector<std::uint8_t> feasible;
    /// Why each infeasible candidate is one.
    std::vector<const std::string*> why_not;
    bool assigns{false};
    state::ResourceSum ask;
    std::vector<std::int64_t> extra_cpu;
    /// By spread block: its attribute and the numbers of its values.
    std::vector<std::pair<std::string, Map<std::uint32_t>>> spread_values;
    Spread spread;
    std::optional<Ranker> ranker;
    std::map<std::uint32_t, Refusal> refused;
    /// What accept() named for the node it took last.
    Box<model::AllocatedResources> assigned;
    std::vector<Choice> first_scores;
    bool scores_known{false};
};

Placer::~Placer() = default;

Placer::Placer(const state::Snapshot& snapshot, const model::Job& job, Rng& rng)
    : snapshot_(snapshot), job_(job), rng_(rng), algorithm_(algorithm_for(snapshot, job)) {
    const state::Columns& columns = snapshot.columns();
    const std::string_view wanted = job.node_pool.empty() ? kDefaultPool : job.node_pool;
    WordCache pools;
    WordCache datacenters;
    position_of_slot_.assign(columns.slot_end(), 0);
    for (state::Slot slot = 0; slot < columns.slot_end(); ++slot) {
        const state::NodeChunk& chunk = columns.chunk_of(slot);
        const std::uint32_t i = state::Columns::place_of(slot);
        if ((chunk.flags[i] & state::kNodePresent) == 0) {
            continue;
        }
        const bool in_pool = wanted == kAllPools || pools.get(chunk.pool[i], [&] {
            const std::string& pool = snapshot.word_text(chunk.pool[i]);
            return pool == wanted || (pool.empty() && wanted == kDefaultPool);
        });
        if (!in_pool) {
            continue;
        }
        ++nodes_in_pool_;
        const bool in_datacenter = datacenters.get(chunk.datacenter[i], [&] {
            return in_datacenters(job, snapshot.word_text(chunk.datacenter[i]));
        });
        if (!in_datacenter || !chunk.schedulable(i)) {
            continue;
        }
        ++nodes_available_[snapshot.word_text(chunk.datacenter[i])];
        nodes_.push_back(snapshot.node_at(slot));
        class_.push_back(chunk.computed_class[i]);
        position_of_slot_[slot] = static_cast<std::uint32_t>(nodes_.size());
        columns_.cpu.push_back(chunk.cpu[i]);
        columns_.memory.push_back(chunk.memory[i]);
        columns_.disk.push_back(chunk.disk[i]);
        columns_.cpu_used.push_back(chunk.cpu_used[i]);
        columns_.memory_used.push_back(chunk.memory_used[i]);
        columns_.disk_used.push_back(chunk.disk_used[i]);
        columns_.live_allocs.push_back(chunk.live_allocs[i]);
        columns_.max_allocs.push_back(chunk.max_allocs[i]);
    }
    job_allocs_.assign(nodes_.size(), 0);
    const auto note = [&](const std::vector<model::Constraint>& constraints, std::string group) {
        for (const auto& c : constraints) {
            if (c.operand == "distinct_property") {
                distinct_[{c.l_target, group}];
            }
        }
    };
    note(job.constraints, "");
    for (const auto& group : job.task_groups) {
        note(group.constraints, group.name);
    }
}

std::optional<std::uint32_t> Placer::position_of(const Uuid& node) const {
    const state::Slot slot = snapshot_.node_slot(node);
    if (slot == state::kNoSlot || slot >= position_of_slot_.size() ||
        position_of_slot_[slot] == 0) {
        return std::nullopt;
    }
    return position_of_slot_[slot] - 1;
}

std::vector<std::uint32_t>& Placer::collisions(std::string_view group) {
    auto at = group_allocs_.find(group);
    if (at == group_allocs_.end()) {
        at = group_allocs_.emplace(std::string(group), std::vector<std::uint32_t>(nodes_.size(), 0))
                 .first;
    }
    return at->second;
}

void Placer::count(const model::Node& node, std::string_view group, std::int64_t sign) {
    if (const auto position = position_of(node.id)) {
        const auto step = static_cast<std::uint32_t>(sign);
        collisions(group)[*position] += step;
        job_allocs_[*position] += step;
    }
    auto at = by_node_.find(group);
    if (at == by_node_.end()) {
        at = by_node_.emplace(std::string(group), std::map<const model::Node*, std::int64_t>{})
                 .first;
    }
    at->second[&node] += sign;
    for (auto& [key, counts] : distinct_) {
        if (key.second.empty() || key.second == group) {
            std::string scratch;
            if (const auto value = resolve_target(key.first, node, scratch)) {
                counts[std::string(*value)] += sign;
            }
        }
    }
    for (auto& [key, pass] : passes_) {
        if (key.second != group) {
            continue;
        }
        for (std::size_t a = 0; a < pass->spread_values.size(); ++a) {
            std::string scratch;
            const auto& [attribute, numbers] = pass->spread_values[a];
            const auto value = resolve_target(attribute, node, scratch);
            const auto number = value ? numbers.find(*value) : numbers.end();
            if (number != numbers.end()) {
                pass->spread.add(a, number->second, sign);
            }
        }
    }
}

void Placer::use(std::uint32_t position, const state::ResourceSum& takes, std::int64_t sign) {
    columns_.cpu_used[position] += sign * takes.cpu;
    columns_.memory_used[position] += sign * takes.memory_mb;
    columns_.disk_used[position] += sign * takes.disk_mb;
    columns_.live_allocs[position] += sign;
}

void Placer::changed(std::uint32_t position) {
    uses_.erase(position);
    for (auto& [key, pass] : passes_) {
        pass->refused.erase(position);
        pass->ranker->node_changed(position);
    }
}

void Placer::add_existing(std::span<const ExistingAlloc> allocs) {
    NL_ASSERT(passes_.empty());
    for (const ExistingAlloc& alloc : allocs) {
        if (!is_live(alloc)) {
            continue;
        }
        if (const model::Node* node = snapshot_.node(alloc.node_id)) {
            count(*node, alloc.group, 1);
        }
    }
}

void Placer::move(const ExistingAlloc& alloc, std::int64_t sign) {
    if (!is_live(alloc)) {
        return;
    }
    const bool known = sign < 0 ? released_.insert(alloc.id).second : released_.erase(alloc.id) > 0;
    const model::Node* node = snapshot_.node(alloc.node_id);
    if (!known || node == nullptr) {
        return;
    }
    count(*node, alloc.group, sign);
    if (const auto position = position_of(alloc.node_id)) {
        const auto view = snapshot_.alloc(alloc.id);
        NL_ASSERT(view.has_value());
        use(*position, view->takes(), sign);
        changed(*position);
    }
}

void Placer::release(const ExistingAlloc& alloc) {
    move(alloc, -1);
}

void Placer::take_back(const ExistingAlloc& alloc) {
    move(alloc, 1);
}

// --- passes ---

Spread Placer::make_spread(const model::Job& job, const model::TaskGroup& group) {
    std::vector<const model::Spread*> blocks;
    std::int64_t weights = 0;
    for (const auto* list : {&job.spreads, &group.spreads}) {
        for (const model::Spread& s : *list) {
            blocks.push_back(&s);
            weights += s.weight;
        }
    }
    std::vector<SpreadAttribute> attributes;
    const auto here = by_node_.find(group.name);
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
        for (const model::Node* node : nodes_) {
            const auto value = resolve_target(block->attribute, *node, scratch);
            a.value_of_node.push_back(value ? number(*value) : kNoValue);
        }
        if (here != by_node_.end()) {
            for (const auto& [node, n] : here->second) {
                if (const auto value = resolve_target(block->attribute, *node, scratch)) {
                    a.used[number(*value)] += n;
                }
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
        scratch_spread_values_.emplace_back(block->attribute, std::move(numbers));
    }
    return Spread(std::move(attributes), nodes_.size());
}

std::unique_ptr<Placer::Pass> Placer::make_pass(
    const model::Job& job, const model::TaskGroup& group
) {
    scratch_spread_values_.clear();
    auto pass = std::make_unique<Pass>(
        job,
        group,
        Feasibility(job, group, volume_plugins(job, group), regexes_),
        make_spread(job, group)
    );
    pass->spread_values = std::move(scratch_spread_values_);
    pass->assigns = needs_assignment(group);
    pass->ask = state::sum_of(group);
    const std::size_t n = nodes_.size();
    pass->feasible.assign(n, 0);
    pass->why_not.assign(n, nullptr);
    const bool affine = has_affinities(job, group);
    const std::int64_t cores = cores_asked(group);
    std::vector<double> affinity(affine ? n : 0);
    if (cores > 0) {
        pass->extra_cpu.assign(n, 0);
    }
    std::vector<std::pair<const model::RequestedDevice*, double>> device_asks;
    for (const auto& task : group.tasks) {
        if (task.resources) {
            for (const auto& request : task.resources->devices) {
                if (!request.affinities.empty()) {
                    device_asks.emplace_back(&request, 0.0);
                }
            }
        }
    }
    std::vector<double> devices(device_asks.empty() ? 0 : n);
    for (std::uint32_t i = 0; i < n; ++i) {
        const model::Node& node = *nodes_[i];
        pass->why_not[i] = pass->feasibility.check(node, class_[i]);
        pass->feasible[i] = pass->why_not[i] == nullptr ? 1 : 0;
        if (pass->feasible[i] == 0) {
            continue;
        }
        if (affine) {
            affinity[i] = node_affinity(job, group, node, regexes_);
        }
        if (cores > 0) {
            pass->extra_cpu[i] = cpu_per_core(node) * cores;
        }
        if (!device_asks.empty()) {
            devices[i] = best_device_affinity(group, node, regexes_);
        }
    }
    pass->ranker.emplace(
        RankInput{
            .nodes = columns_,
            .ask = {pass->ask.cpu, pass->ask.memory_mb, pass->ask.disk_mb},
            .extra_cpu = pass->extra_cpu,
            .algorithm = algorithm_,
            .feasible = pass->feasible,
            .collisions = collisions(group.name),
            .desired_count = std::max<std::int64_t>(group.count, 1),
            .affinity = std::move(affinity),
            .devices = std::move(devices),
            .spread = pass->spread,
        },
        rng_
    );
    return pass;
}

Feasibility::VolumePlugins Placer::volume_plugins(
    const model::Job& job, const model::TaskGroup& group
) const {
    Feasibility::VolumePlugins plugins;
    for (const auto& [name, request] : group.volumes) {
        if (request.type == "csi") {
            const model::CSIVolume* volume = snapshot_.csi_volume(job.namespace_, request.source);
            plugins[request.source] = volume == nullptr ? "" : volume->plugin_id;
        }
    }
    return plugins;
}

Placer::Pass& Placer::pass(const model::Job& job, std::string_view group) {
    const std::pair key{job.version, std::string(group)};
    auto at = passes_.find(key);
    if (at == passes_.end()) {
        const model::TaskGroup* found = find_group(job, group);
        NL_ASSERT(found != nullptr);
        at = passes_.emplace(key, make_pass(job, *found)).first;
    }
    return *at->second;
}

// --- choosing ---

const NodeUse& Placer::use_of(std::uint32_t position) {
    auto at = uses_.find(position);
    if (at == uses_.end()) {
        NodeUse use(*nodes_[position]);
        for (const state::AllocView alloc : snapshot_.allocs_of_node(nodes_[position]->id)) {
            if (!alloc.terminal() && !released_.contains(alloc.id()) &&
                alloc.own_resources() != nullptr) {
                use.add(*alloc.own_resources());
            }
        }
        if (const auto given = assigned_.find(position); given != assigned_.end()) {
            for (const auto& resources : given->second) {
                use.add(resources);
            }
        }
        at = uses_.emplace(position, std::move(use)).first;
    }
    return at->second;
}

bool Placer::breaks_distinct(const Pass& pass, std::uint32_t position, std::string& why) {
    const Feasibility& rules = pass.feasibility;
    if ((rules.distinct_hosts_of_job() && job_allocs_[position] > 0) ||
        (rules.distinct_hosts_of_group() && collisions(pass.group.name)[position] > 0)) {
        why = "distinct_hosts";
        return true;
    }
    for (const DistinctProperty& rule : rules.distinct_properties()) {
        std::string scratch;
        const auto value = resolve_target(rule.attribute, *nodes_[position], scratch);
        if (!value) {
            why = fmt::format("missing property {}", rule.attribute);
            return true;
        }
        const auto counts = distinct_.find({rule.attribute, rule.group});
        if (counts == distinct_.end()) {
            continue;
        }
        const auto used = counts->second.find(std::string(*value));
        if (used != counts->second.end() && used->second >= rule.limit) {
            why = fmt::format(
                "distinct_property: {}={} used by {} allocs", rule.attribute, *value, used->second
            );
            return true;
        }
    }
    return false;
}

bool Placer::accept(Pass& pass, std::uint32_t position, const PlaceRequest& request) {
    std::string why;
    if (breaks_distinct(pass, position, why)) {
        pass.refused[position] = {std::move(why), false};
        return false;
    }
    for (const auto& [name, volume] : pass.group.volumes) {
        const auto own = fmt::format("{}[{}]", volume.source, request.name_index);
        if (volume.type == "host" && volume.per_alloc &&
            !nodes_[position]->host_volumes.contains(own)) {
            pass.refused[position] = {"missing compatible host volumes", false};
            return false;
        }
    }
    pass.assigned.reset();
    if (pass.assigns) {
        auto assigned =
            use_of(position).assign(pass.group, state::group_resources(pass.group), regexes_, rng_);
        if (!assigned) {
            pass.refused[position] = {std::move(assigned.error()), true};
            return false;
        }
        pass.assigned = std::move(*assigned);
    }
    return true;
}

Placed Placer::commit(Pass& pass, std::uint32_t position, double score) {
    state::ResourceSum takes = pass.ask;
    if (!pass.extra_cpu.empty()) {
        takes.cpu += pass.extra_cpu[position];
    }
    if (pass.assigned) {
        assigned_[position].push_back(*pass.assigned);
    }
    use(position, takes, 1);
    count(*nodes_[position], pass.group.name, 1);
    changed(position);
    return {nodes_[position]->id, score, std::move(pass.assigned)};
}

std::vector<std::uint32_t> Placer::penalized(const PlaceRequest& request) const {
    std::vector<std::uint32_t> out;
    if (!request.is_reschedule) {
        return out;
    }
    const auto add = [&](const Uuid& node) {
        if (const auto position = position_of(node)) {
            out.push_back(*position);
        }
    };
    if (request.previous != nullptr) {
        add(request.previous->node_id);
    }
    if (request.tracker) {
        for (const auto& event : request.tracker->events) {
            add(event.prev_node_id);
        }
    }
    return out;
}

std::expected<Placed, model::AllocMetric> Placer::place(const PlaceRequest& request) {
    NL_ASSERT(request.job != nullptr);
    Pass& p = pass(*request.job, request.group);
    if (!p.scores_known) {
        p.first_scores = p.ranker->top(kScoresShown);
        p.scores_known = true;
    }
    // A sticky disk stays where it is if the node will have it.
    if (request.previous != nullptr && !request.is_reschedule && p.group.ephemeral_disk &&
        p.group.ephemeral_disk->sticky) {
        if (const auto position = position_of(request.previous->node_id)) {
            if (auto placed = place_on(*position, request)) {
                return placed;
            }
        }
    }
    const auto again = penalized(request);
    const auto choice = p.ranker->best(
        [&](std::uint32_t position) {
            return accept(p, position, request) ? Verdict::Take : Verdict::Never;
        },
        again
    );
    if (!choice) {
        return std::unexpected(metric(p));
    }
    return commit(p, choice->node, choice->score);
}

std::expected<Placed, model::AllocMetric> Placer::place_on(
    std::uint32_t position, const PlaceRequest& request
) {
    Pass& p = pass(*request.job, request.group);
    const auto score = p.ranker->score_of(position);
    if (!score || !accept(p, position, request)) {
        return std::unexpected(metric(p));
    }
    return commit(p, position, *score);
}

const std::string* Placer::refusal(std::uint32_t position, const model::TaskGroup& group) {
    return pass(job_, group.name).why_not[position];
}

bool Placer::allows_in_place(const ExistingAlloc& alloc, const model::TaskGroup& group) {
    const state::Slot slot = snapshot_.node_slot(alloc.node_id);
    if (slot == state::kNoSlot) {
        return false;
    }
    const model::Node& node = *snapshot_.node_at(slot);
    if (!in_datacenters(job_, node.datacenter)) {
        return false;
    }
    const std::string_view pool = node.node_pool.empty() ? kDefaultPool : node.node_pool;
    const std::string_view wanted = job_.node_pool.empty() ? kDefaultPool : job_.node_pool;
    if (wanted != kAllPools && pool != wanted) {
        return false;
    }
    auto at = in_place_.find(group.name);
    if (at == in_place_.end()) {
        at = in_place_
                 .emplace(
                     group.name,
                     std::make_unique<Feasibility>(
                         job_, group, volume_plugins(job_, group), regexes_
                     )
                 )
                 .first;
    }
    const state::NodeChunk& chunk = snapshot_.columns().chunk_of(slot);
    return at->second->check(node, chunk.computed_class[state::Columns::place_of(slot)]) == nullptr;
}

// --- explaining ---

model::AllocMetric Placer::metric(Pass& pass) {
    model::AllocMetric m;
    m.nodes_evaluated = static_cast<std::int64_t>(nodes_.size());
    m.nodes_in_pool = nodes_in_pool_;
    m.node_pool = job_.node_pool.empty() ? std::string(kDefaultPool) : job_.node_pool;
    m.nodes_available = nodes_available_;
    const auto filter = [&](std::uint32_t i, const std::string& why) {
        ++m.nodes_filtered;
        ++m.constraint_filtered[why];
        if (!nodes_[i]->node_class.empty()) {
            ++m.class_filtered[nodes_[i]->node_class];
        }
    };
    const auto exhaust = [&](std::uint32_t i, std::string_view dimension) {
        ++m.nodes_exhausted;
        ++m.dimension_exhausted[std::string(dimension)];
        if (!nodes_[i]->node_class.empty()) {
            ++m.class_exhausted[nodes_[i]->node_class];
        }
    };
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
        if (pass.feasible[i] == 0) {
            filter(i, *pass.why_not[i]);
            continue;
        }
        if (const auto refused = pass.refused.find(i); refused != pass.refused.end()) {
            if (refused->second.exhausted) {
                exhaust(i, refused->second.text);
            } else {
                filter(i, refused->second.text);
            }
            continue;
        }
        Ask ask{pass.ask.cpu, pass.ask.memory_mb, pass.ask.disk_mb};
        ask.cpu += pass.extra_cpu.empty() ? 0 : pass.extra_cpu[i];
        const Shortage what = shortage(columns_, i, ask);
        if (what != Shortage::None) {
            exhaust(i, shortage_name(what));
        }
    }
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
        meta.node_id = nodes_[choice.node]->id;
        meta.norm_score = choice.score;
        meta.scores["binpack"] = choice.parts.binpack;
        meta.scores["job-anti-affinity"] = choice.parts.anti_affinity;
        meta.scores["node-reschedule-penalty"] = choice.parts.reschedule_penalty;
        meta.scores["node-affinity"] = choice.parts.affinity;
        if (choice.parts.has_devices) {
            meta.scores["devices"] = choice.parts.devices;
        }
        if (pass.spread.active()) {
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
    for (const auto& [key, pass] : passes_) {
        for (const auto& [word, why] : pass->feasibility.classes()) {
            bool& eligible = out[snapshot_.word_text(word)];
            eligible = eligible || why == nullptr;
        }
    }
    return out;
}

bool Placer::escaped() const {
    return std::ranges::any_of(passes_, [](const auto& item) {
        return item.second->feasibility.escaped();
    });
}

// --- reading allocations ---

namespace {

WallTime unknown_since(const state::AllocDetails& details) {
    WallTime since;
    for (const auto& s : details.alloc_states) {
        if (s.value == model::to_string(model::AllocClientStatus::Unknown)) {
            since = s.time;
        }
    }
    return since;
}

NodeCondition condition(const model::Node* node) {
    if (node == nullptr) {
        return NodeCondition::Down;
    }
    switch (node->status) {
        case model::NodeStatus::Down:
            return NodeCondition::Down;
        case model::NodeStatus::Disconnected:
            return NodeCondition::Disconnected;
        case model::NodeStatus::Initializing:
        case model::NodeStatus::Ready:
            return node->drain_strategy ? NodeCondition::Draining : NodeCondition::Ready;
    }
    NL_UNREACHABLE();
}

}  // namespace

std::vector<ExistingAlloc> existing_allocs(
    const state::Snapshot& snapshot, std::string_view ns, std::string_view job_id
) {
    std::vector<ExistingAlloc> out;
    for (const state::AllocView view : snapshot.allocs_of_job(ns, job_id)) {
        const state::AllocDetails& details = view.details();
        ExistingAlloc a;
        a.id = view.id();
        a.node_id = view.node_id();
        a.group = view.task_group();
        a.name_index = view.name_index();
        a.desired = view.desired_status();
        a.client = view.client_status();
        a.job = &view.job();
        a.deployment_id = view.deployment_id();
        a.healthy = view.healthy();
        a.canary = view.canary();
        a.next_allocation = details.next_allocation;
        a.followup_eval_id = details.followup_eval_id;
        const model::DesiredTransition& wish = details.desired_transition;
        a.migrate = wish.migrate.value_or(false);
        a.reschedule = wish.reschedule.value_or(false) || wish.force_reschedule.value_or(false);
        a.tracker = details.reschedule_tracker.get();
        a.unknown_since = unknown_since(details);
        a.reconnected = !a.unknown_since.is_zero();
        a.score = static_cast<double>(view.row().score);
        a.node = condition(snapshot.node(view.node_id()));
        a.ended_at = WallTime{view.modify_time()};
        a.started_at = WallTime{view.create_time()};
        if (a.client == model::AllocClientStatus::Failed) {
            WallTime last;
            for (const auto& [name, task] : view.task_states()) {
                last = std::max(last, task.finished_at);
            }
            a.ended_at = last.is_zero() ? a.ended_at : last;
        }
        out.push_back(a);
    }
    return out;
}

}  // namespace nl::sched
