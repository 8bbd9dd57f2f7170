#include "sched/rank.h"

#include "base/check.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace nl::sched {
namespace {

/// The largest score of a fit, by which it is normalised.
constexpr double kMaxFit = 18.0;

double free_share(std::int64_t capacity, std::int64_t used) {
    return capacity <= 0 ? 0.0 : 1.0 - static_cast<double>(used) / static_cast<double>(capacity);
}

struct Sum {
    double sum{0};
    std::uint32_t parts{0};

    void add(double value) {
        sum += value;
        ++parts;
    }
    void add_if_set(double value) {
        if (value != 0) {
            add(value);
        }
    }
};

Sum base_sum(const ScoreParts& p) {
    Sum s;
    s.add(p.binpack);
    if (p.has_devices) {
        s.add(p.devices);
    }
    s.add_if_set(p.anti_affinity);
    s.add_if_set(p.reschedule_penalty);
    s.add_if_set(p.affinity);
    return s;
}

}  // namespace

Shortage shortage(const NodeColumns& nodes, std::uint32_t node, const Ask& ask) {
    if (nodes.cpu_used[node] + ask.cpu > nodes.cpu[node]) {
        return Shortage::Cpu;
    }
    if (nodes.memory_used[node] + ask.memory > nodes.memory[node]) {
        return Shortage::Memory;
    }
    if (nodes.disk_used[node] + ask.disk > nodes.disk[node]) {
        return Shortage::Disk;
    }
    if (nodes.max_allocs[node] > 0 && nodes.live_allocs[node] >= nodes.max_allocs[node]) {
        return Shortage::Allocs;
    }
    return Shortage::None;
}

double fit_score(
    Algorithm algorithm,
    std::int64_t cpu,
    std::int64_t memory,
    std::int64_t cpu_used,
    std::int64_t memory_used
) {
    const double total =
        std::pow(10.0, free_share(cpu, cpu_used)) + std::pow(10.0, free_share(memory, memory_used));
    const double score = algorithm == Algorithm::Binpack ? 20.0 - total : total - 2.0;
    return std::clamp(score, 0.0, kMaxFit);
}

double ScoreParts::normalized() const {
    Sum s = base_sum(*this);
    s.add_if_set(spread);
    return s.sum / static_cast<double>(s.parts);
}

Ranker::Ranker(RankInput input, Rng& rng) : in_(std::move(input)) {
    const std::size_t n = in_.nodes.size();
    NL_ASSERT(in_.feasible.size() == n);
    NL_ASSERT(in_.collisions.size() == n);
    NL_ASSERT(in_.desired_count > 0);
    tie_.resize(n);
    std::iota(tie_.begin(), tie_.end(), 0U);
    rng.shuffle(std::span(tie_));
    version_.assign(n, 0);
    excluded_.assign(n, 0);
    heaps_.resize(std::size_t{in_.spread.bucket_count()} * kMaxParts);
    for (std::uint32_t node = 0; node < n; ++node) {
        if (usable(node)) {
            const Sum s = base_sum(parts(node, false, 0));
            heaps_[in_.spread.bucket_of(node) * kMaxParts + s.parts].push_back(
                {s.sum, tie_[node], node, 0}
            );
        }
    }
    for (auto& heap : heaps_) {
        std::ranges::make_heap(heap, Below{});
    }
}

Ask Ranker::ask_on(std::uint32_t node) const {
    Ask ask = in_.ask;
    if (!in_.extra_cpu.empty()) {
        ask.cpu += in_.extra_cpu[node];
    }
    return ask;
}

bool Ranker::usable(std::uint32_t node) const {
    return in_.feasible[node] != 0 && excluded_[node] == 0 &&
           shortage(in_.nodes, node, ask_on(node)) == Shortage::None;
}

ScoreParts Ranker::parts(std::uint32_t node, bool penalized, double spread) const {
    const NodeColumns& nodes = in_.nodes;
    const Ask ask = ask_on(node);
    ScoreParts p;
    p.binpack = fit_score(
                    in_.algorithm,
                    nodes.cpu[node],
                    nodes.memory[node],
                    nodes.cpu_used[node] + ask.cpu,
                    nodes.memory_used[node] + ask.memory
                ) /
                kMaxFit;
    if (in_.collisions[node] > 0) {
        p.anti_affinity =
            -static_cast<double>(in_.collisions[node] + 1) / static_cast<double>(in_.desired_count);
    }
    p.reschedule_penalty = penalized ? -1.0 : 0.0;
    p.affinity = in_.affinity.empty() ? 0.0 : in_.affinity[node];
    p.has_devices = !in_.devices.empty();
    p.devices = p.has_devices ? in_.devices[node] : 0.0;
    p.spread = spread;
    return p;
}

void Ranker::push(std::uint32_t node) {
    const Sum s = base_sum(parts(node, false, 0));
    auto& heap = heaps_[in_.spread.bucket_of(node) * kMaxParts + s.parts];
    heap.push_back({s.sum, tie_[node], node, version_[node]});
    std::ranges::push_heap(heap, Below{});
}

void Ranker::node_changed(std::uint32_t node) {
    // What the heaps hold of it is out of date and is dropped when it comes up.
    ++version_[node];
    excluded_[node] = 0;
    if (usable(node)) {
        push(node);
    }
}

const Ranker::Item* Ranker::settle(std::vector<Item>& heap) {
    while (!heap.empty()) {
        const Item& top = heap.front();
        if (top.version == version_[top.node] && excluded_[top.node] == 0) {
            return &top;
        }
        std::ranges::pop_heap(heap, Below{});
        heap.pop_back();
    }
    return nullptr;
}

bool Ranker::better(double a, std::uint32_t a_node, double b, std::uint32_t b_node) const {
    return a != b ? a > b : tie_[a_node] < tie_[b_node];
}

std::optional<Choice> Ranker::best(
    const std::function<Verdict(std::uint32_t)>& accept, std::span<const std::uint32_t> penalized
) {
    if (!penalized.empty()) {
        return best_by_scan(accept, penalized);
    }
    const std::vector<double> spread_scores = in_.spread.scores();
    while (true) {
        const Item* found = nullptr;
        double found_score = 0;
        for (std::size_t h = 0; h < heaps_.size(); ++h) {
            const Item* item = settle(heaps_[h]);
            if (item == nullptr) {
                continue;
            }
            Sum s{item->sum, static_cast<std::uint32_t>(h % kMaxParts)};
            s.add_if_set(spread_scores[h / kMaxParts]);
            const double score = s.sum / static_cast<double>(s.parts);
            if (found == nullptr || better(score, item->node, found_score, found->node)) {
                found = item;
                found_score = score;
            }
        }
        if (found == nullptr) {
            return std::nullopt;
        }
        const std::uint32_t node = found->node;
        if (accept(node) == Verdict::Take) {
            return Choice{
                node, found_score, parts(node, false, spread_scores[in_.spread.bucket_of(node)])
            };
        }
        excluded_[node] = 1;
    }
}

std::optional<Choice> Ranker::best_by_scan(
    const std::function<Verdict(std::uint32_t)>& accept, std::span<const std::uint32_t> penalized
) {
    const std::vector<double> spread_scores = in_.spread.scores();
    while (true) {
        std::optional<Choice> found;
        for (std::uint32_t node = 0; node < in_.nodes.size(); ++node) {
            if (!usable(node)) {
                continue;
            }
            const bool again = std::ranges::find(penalized, node) != penalized.end();
            const ScoreParts p = parts(node, again, spread_scores[in_.spread.bucket_of(node)]);
            const double score = p.normalized();
            if (!found || better(score, node, found->score, found->node)) {
                found = Choice{node, score, p};
            }
        }
        if (!found || accept(found->node) == Verdict::Take) {
            return found;
        }
        excluded_[found->node] = 1;
    }
}

std::optional<double> Ranker::score_of(std::uint32_t node) const {
    if (!usable(node)) {
        return std::nullopt;
    }
    return parts(node, false, in_.spread.score(in_.spread.bucket_of(node))).normalized();
}

std::vector<Choice> Ranker::top(std::size_t limit) const {
    const std::vector<double> spread_scores = in_.spread.scores();
    std::vector<Choice> all;
    for (std::uint32_t node = 0; node < in_.nodes.size(); ++node) {
        if (usable(node)) {
            const ScoreParts p = parts(node, false, spread_scores[in_.spread.bucket_of(node)]);
            all.push_back({node, p.normalized(), p});
        }
    }
    const std::size_t n = std::min(limit, all.size());
    std::ranges::partial_sort(
        all,
        all.begin() + static_cast<std::ptrdiff_t>(n),
        [&](const Choice& a, const Choice& b) { return better(a.score, a.node, b.score, b.node); }
    );
    all.resize(n);
    return all;
}

}  // namespace nl::sched
