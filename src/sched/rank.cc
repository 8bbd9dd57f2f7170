#include "sched/rank.h"

#include "base/check.h"

#include <algorithm>
#include <utility>

namespace nl::sched {
namespace {

std::int32_t to_column(std::int64_t value) {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(
        value, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()
    ));
}

struct Mean {
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

double ScoreParts::normalized() const {
    Mean m;
    m.add(binpack);
    if (has_devices) {
        m.add(devices);
    }
    m.add_if_set(anti_affinity);
    m.add_if_set(reschedule_penalty);
    m.add_if_set(affinity);
    m.add_if_set(spread);
    if (has_preemption) {
        m.add(preemption);
    }
    return m.sum / static_cast<double>(m.parts);
}

Ranker::Ranker(RankInput input, Rng& rng)
    : in_(std::move(input)),
      seed_(static_cast<std::uint32_t>(rng.next())),
      fixed_parts_(in_.devices.empty() ? 1 : 2) {
    const std::size_t n = in_.nodes.size();
    NL_ASSERT(in_.feasible.size() == n);
    NL_ASSERT(in_.collisions.size() == n);
    NL_ASSERT(in_.desired_count > 0);
    version_.assign(n, 0);
    excluded_.assign(n, 0);
    level_.assign(n, 0);
    fill();
}

/// A bijection, so that no two nodes share a place in the order.
std::uint32_t Ranker::tie(std::uint32_t node) const {
    std::uint32_t x = node ^ seed_;
    x ^= x >> 16;
    x *= 0x85ebca6bU;
    x ^= x >> 13;
    x *= 0xc2b2ae35U;
    x ^= x >> 16;
    return x;
}

void Ranker::fill() {
    const auto n = static_cast<std::uint32_t>(in_.nodes.size());
    const auto fit = std::make_unique_for_overwrite<double[]>(n);
    const auto room = std::make_unique_for_overwrite<std::uint8_t[]>(n);
    const NodeColumns& c = in_.nodes;
    score_columns(
        in_.algorithm,
        {c.cpu,
         c.memory,
         c.disk,
         c.cpu_used,
         c.memory_used,
         c.disk_used,
         c.live_allocs,
         c.max_allocs},
        to_column(in_.ask.cpu),
        to_column(in_.ask.memory),
        to_column(in_.ask.disk),
        in_.extra_cpu,
        std::span(fit.get(), n),
        std::span(room.get(), n)
    );
    keys_.resize(std::size_t{in_.spread.bucket_count()} * kLevels);
    const bool plain = in_.devices.empty() && in_.affinity.empty();
    for (std::uint32_t node = 0; node < n; ++node) {
        room[node] = static_cast<std::uint8_t>(room[node] & in_.feasible[node]);
        if (room[node] == 0) {
            continue;
        }
        if (!plain || in_.collisions[node] > 0) {
            const Sum s = base_sum(node, fit[node]);
            fit[node] = s.sum;
            level_[node] = static_cast<std::uint8_t>(s.level);
        }
        ++keys_[in_.spread.bucket_of(node) * kLevels + level_[node]].fresh_end;
    }
    std::uint32_t at = 0;
    for (Key& key : keys_) {
        key.fresh_begin = at;
        at += key.fresh_end;
        key.fresh_end = key.fresh_begin;
    }
    fresh_ = std::make_unique_for_overwrite<Item[]>(at);
    for (std::uint32_t node = 0; node < n; ++node) {
        if (room[node] != 0) {
            Key& key = keys_[in_.spread.bucket_of(node) * kLevels + level_[node]];
            fresh_[key.fresh_end++] = {fit[node], tie(node), node};
        }
    }
    for (std::uint32_t k = 0; k < keys_.size(); ++k) {
        const Key& key = keys_[k];
        if (key.fresh_begin < key.fresh_end) {
            std::make_heap(fresh_.get() + key.fresh_begin, fresh_.get() + key.fresh_end, Below{});
            refresh(k);
        }
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

ScoreParts Ranker::base_parts(std::uint32_t node, bool penalized) const {
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
    return p;
}

ScoreParts Ranker::parts_of(std::uint32_t node, bool penalized) const {
    ScoreParts p = base_parts(node, penalized);
    p.spread = in_.spread.score(in_.spread.bucket_of(node));
    return p;
}

Ranker::Sum Ranker::base_sum(std::uint32_t node, double fit) const {
    Sum s{fit, 0};
    if (!in_.devices.empty()) {
        s.sum += in_.devices[node];
    }
    if (in_.collisions[node] > 0) {
        s.sum +=
            -static_cast<double>(in_.collisions[node] + 1) / static_cast<double>(in_.desired_count);
        ++s.level;
    }
    if (!in_.affinity.empty() && in_.affinity[node] != 0) {
        s.sum += in_.affinity[node];
        ++s.level;
    }
    return s;
}

double Ranker::with_spread(double sum, std::uint32_t level, double spread) const {
    const std::uint32_t parts = fixed_parts_ + level + (spread != 0 ? 1U : 0U);
    return (spread != 0 ? sum + spread : sum) / static_cast<double>(parts);
}

const Ranker::Item* Ranker::settle(Key& key, Item& scratch) {
    const Item* best = nullptr;
    while (key.fresh_begin < key.fresh_end) {
        const Item& top = fresh_[key.fresh_begin];
        if (version_[top.node] == 0 && excluded_[top.node] == 0) {
            best = &top;
            break;
        }
        std::pop_heap(fresh_.get() + key.fresh_begin, fresh_.get() + key.fresh_end, Below{});
        --key.fresh_end;
    }
    if (key.changed == 0) {
        return best;
    }
    std::vector<ChangedItem>& changed = changed_[key.changed - 1];
    while (!changed.empty()) {
        const ChangedItem& top = changed.front();
        if (version_[top.node] == top.version && excluded_[top.node] == 0) {
            const Item item{top.sum, top.tie, top.node};
            if (best == nullptr || Below{}(*best, item)) {
                scratch = item;
                best = &scratch;
            }
            break;
        }
        std::ranges::pop_heap(changed, Below{});
        changed.pop_back();
    }
    return best;
}

void Ranker::refresh(std::uint32_t number) {
    Key& key = keys_[number];
    ++key.version;
    Item scratch{};
    const Item* top = settle(key, scratch);
    if (top == nullptr) {
        return;
    }
    const std::uint32_t heap_number =
        in_.spread.class_of(number / kLevels) * kLevels + number % kLevels;
    if (heap_number >= heaps_.size()) {
        heaps_.resize(std::max<std::size_t>(heap_number + kLevels, heaps_.size() * 2));
        is_active_.resize(heaps_.size(), 0);
    }
    if (is_active_[heap_number] == 0) {
        is_active_[heap_number] = 1;
        active_.push_back(heap_number);
    }
    std::vector<KeyItem>& heap = heaps_[heap_number];
    heap.push_back({top->sum, top->tie, number, key.version});
    std::ranges::push_heap(heap, Below{});
}

void Ranker::refresh_bucket(std::uint32_t bucket) {
    for (std::uint32_t level = 0; level < kLevels; ++level) {
        const Key& key = keys_[bucket * kLevels + level];
        if (key.fresh_begin < key.fresh_end || key.changed != 0) {
            refresh(bucket * kLevels + level);
        }
    }
}

void Ranker::node_changed(std::uint32_t node) {
    // What the heaps hold of it is out of date and is dropped when it comes up.
    ++version_[node];
    excluded_[node] = 0;
    const std::uint32_t bucket = in_.spread.bucket_of(node);
    const std::uint32_t old_key = bucket * kLevels + level_[node];
    if (usable(node)) {
        const NodeColumns& nodes = in_.nodes;
        const Ask ask = ask_on(node);
        const double fit = fit_score(
                               in_.algorithm,
                               nodes.cpu[node],
                               nodes.memory[node],
                               nodes.cpu_used[node] + ask.cpu,
                               nodes.memory_used[node] + ask.memory
                           ) /
                           kMaxFit;
        const Sum s = base_sum(node, fit);
        level_[node] = static_cast<std::uint8_t>(s.level);
        const std::uint32_t new_key = bucket * kLevels + s.level;
        Key& key = keys_[new_key];
        if (key.changed == 0) {
            changed_.emplace_back();
            key.changed = static_cast<std::uint32_t>(changed_.size());
        }
        std::vector<ChangedItem>& heap = changed_[key.changed - 1];
        heap.push_back({s.sum, tie(node), node, version_[node]});
        std::ranges::push_heap(heap, Below{});
        if (new_key != old_key) {
            refresh(new_key);
        }
    }
    refresh(old_key);
}

void Ranker::set_aside(std::uint32_t node) {
    excluded_[node] = 1;
    refresh(in_.spread.bucket_of(node) * kLevels + level_[node]);
}

std::optional<Choice> Ranker::peek() {
    for (const std::uint32_t bucket : in_.spread.take_moved()) {
        refresh_bucket(bucket);
    }
    const KeyItem* found = nullptr;
    double found_score = 0;
    for (std::size_t i = 0; i < active_.size();) {
        const std::uint32_t number = active_[i];
        std::vector<KeyItem>& heap = heaps_[number];
        while (!heap.empty() && keys_[heap.front().key].version != heap.front().version) {
            std::ranges::pop_heap(heap, Below{});
            heap.pop_back();
        }
        if (heap.empty()) {
            is_active_[number] = 0;
            active_[i] = active_.back();
            active_.pop_back();
            continue;
        }
        ++i;
        const KeyItem& top = heap.front();
        const double score =
            with_spread(top.sum, number % kLevels, in_.spread.class_score(number / kLevels));
        if (found == nullptr || score > found_score ||
            (score == found_score && top.tie < found->tie)) {
            found = &top;
            found_score = score;
        }
    }
    if (found == nullptr) {
        return std::nullopt;
    }
    Item scratch{};
    const Item* item = settle(keys_[found->key], scratch);
    NL_ASSERT(item != nullptr);
    Choice choice;
    choice.node = item->node;
    choice.score = found_score;
    return choice;
}

std::optional<Choice> Ranker::best(
    const std::function<Verdict(std::uint32_t)>& accept, std::span<const std::uint32_t> penalized
) {
    // The few that are penalized are scored by themselves and step aside meanwhile.
    std::vector<Choice> aside;
    for (const std::uint32_t node : penalized) {
        const bool known = std::ranges::count(aside, node, &Choice::node) > 0;
        if (!known && usable(node)) {
            const ScoreParts p = parts_of(node, true);
            aside.push_back({node, p.normalized(), p});
        }
    }
    for (const Choice& choice : aside) {
        set_aside(choice.node);
    }
    std::optional<Choice> taken;
    while (true) {
        std::optional<Choice> found = peek();
        std::size_t from = aside.size();
        for (std::size_t i = 0; i < aside.size(); ++i) {
            if (!found || better(aside[i].score, aside[i].node, found->score, found->node)) {
                found = aside[i];
                from = i;
            }
        }
        if (!found) {
            break;
        }
        if (accept(found->node) == Verdict::Take) {
            taken = found;
            break;
        }
        if (from < aside.size()) {
            aside.erase(aside.begin() + static_cast<std::ptrdiff_t>(from));
        } else {
            set_aside(found->node);
        }
    }
    for (const Choice& choice : aside) {
        node_changed(choice.node);
    }
    return taken;
}

std::optional<double> Ranker::score_of(std::uint32_t node) const {
    if (!usable(node)) {
        return std::nullopt;
    }
    return parts_of(node, false).normalized();
}

std::vector<Choice> Ranker::top(std::size_t limit) const {
    std::vector<Choice> best;
    const auto offer = [&](std::uint32_t node, double score) {
        const auto below = [&](const Choice& other) {
            return better(score, node, other.score, other.node);
        };
        if (best.size() == limit) {
            if (!below(best.back())) {
                return;
            }
            best.pop_back();
        }
        Choice choice;
        choice.node = node;
        choice.score = score;
        best.insert(std::ranges::find_if(best, below), choice);
    };
    if (limit == 0) {
        return best;
    }
    std::vector<double> spread(in_.spread.class_count());
    for (std::uint32_t number = 0; number < spread.size(); ++number) {
        spread[number] = in_.spread.class_score(number);
    }
    for (std::uint32_t k = 0; k < keys_.size(); ++k) {
        const Key& key = keys_[k];
        const double s = spread[in_.spread.class_of(k / kLevels)];
        for (std::uint32_t i = key.fresh_begin; i < key.fresh_end; ++i) {
            const Item& item = fresh_[i];
            if (version_[item.node] == 0 && excluded_[item.node] == 0) {
                offer(item.node, with_spread(item.sum, k % kLevels, s));
            }
        }
        if (key.changed == 0) {
            continue;
        }
        for (const ChangedItem& item : changed_[key.changed - 1]) {
            if (version_[item.node] == item.version && excluded_[item.node] == 0) {
                offer(item.node, with_spread(item.sum, k % kLevels, s));
            }
        }
    }
    for (Choice& choice : best) {
        choice.parts = parts_of(choice.node, false);
    }
    return best;
}

}  // namespace nl::sched
