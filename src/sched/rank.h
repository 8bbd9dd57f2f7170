#pragma once
// Where a group is placed best: every feasible node is scored, from columns. A score is the mean of
// its parts (fit, anti-affinity, reschedule penalty, affinity, devices, spread), as Nomad
// normalises it, so that the tables people know look the same. After a placement only the node that
// changed is scored again; equal requests share all the rest. Ties fall to a seeded order, so that
// concurrent workers differ.
//
// One Ranker serves one group in one pass. It reads the columns it was given and never changes
// them: whoever places says node_changed. Source: Nomad's scheduling concepts.
//
// How a choice costs O(log nodes): nodes with the same spread bucket and the same number of parts
// keep the order of their sums whatever the spread says, so each such key has a heap of nodes, and
// each class of buckets (sched/spread) a heap of keys. A choice looks at the tops of the classes.

#include "base/rng.h"
#include "sched/fit.h"
#include "sched/spread.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace nl::sched {

/// Candidate nodes by position; all vectors have one length.
struct NodeColumns {
    std::vector<std::int32_t> cpu;
    std::vector<std::int32_t> memory;
    std::vector<std::int32_t> disk;
    std::vector<std::int32_t> cpu_used;
    std::vector<std::int32_t> memory_used;
    std::vector<std::int32_t> disk_used;
    std::vector<std::int32_t> live_allocs;
    /// 0: no limit.
    std::vector<std::int32_t> max_allocs;

    std::size_t size() const { return cpu.size(); }
};

/// What one allocation takes.
struct Ask {
    std::int64_t cpu{0};
    std::int64_t memory{0};
    std::int64_t disk{0};
};

enum class Shortage { None, Cpu, Memory, Disk, Allocs };
/// The first thing the node has too little of.
Shortage shortage(const NodeColumns& nodes, std::uint32_t node, const Ask& ask);

/// The parts of a node's score. Those that are 0 do not count in the mean, but fit and devices do.
struct ScoreParts {
    double binpack{0};
    double anti_affinity{0};
    double reschedule_penalty{0};
    double affinity{0};
    double devices{0};
    double spread{0};
    /// What is evicted to make room; only where something is.
    double preemption{0};
    bool has_devices{false};
    bool has_preemption{false};

    double normalized() const;
};

struct RankInput {
    const NodeColumns& nodes;
    Ask ask;
    /// By node: more cpu than ask.cpu (reserved cores cost what the node's cores are); may be
    /// empty.
    std::vector<std::int32_t> extra_cpu;
    Algorithm algorithm{Algorithm::Binpack};
    /// By node, 1 if constraints allow it.
    const std::vector<std::uint8_t>& feasible;
    /// By node: allocations of this group there (kept and planned).
    const std::vector<std::uint32_t>& collisions;
    std::int64_t desired_count{1};
    /// By node, -1 to 1; empty without affinities.
    std::vector<double> affinity;
    /// By node, -1 to 1; empty if devices do not count. Changed by the owner before node_changed.
    const std::vector<double>& devices;
    Spread& spread;
};

enum class Verdict {
    Take,
    /// Not this node, until it changes.
    Never,
};

struct Choice {
    std::uint32_t node{0};
    double score{0};
    /// Filled in by top() only: choosing needs the sum alone.
    ScoreParts parts;
};

class Ranker {
public:
    Ranker(RankInput input, Rng& rng);

    /// The best node that `accept` takes; nullopt when none is left. Nodes in `penalized` count as
    /// having failed the allocation before.
    std::optional<Choice> best(
        const std::function<Verdict(std::uint32_t)>& accept,
        std::span<const std::uint32_t> penalized = {}
    );
    /// The node's use or collisions are others than when it was scored; one that was refused gets
    /// another chance.
    void node_changed(std::uint32_t node);

    /// The node's score now; nullopt if it cannot take the group.
    std::optional<double> score_of(std::uint32_t node) const;
    /// The parts of the node's score now, whether it has room or not.
    ScoreParts parts_of(std::uint32_t node, bool penalized) const;
    /// The best nodes now, best first: what explains a choice.
    std::vector<Choice> top(std::size_t limit) const;
    /// Whether the first score is the better one, ties falling to the seeded order.
    bool better(double a, std::uint32_t a_node, double b, std::uint32_t b_node) const {
        return a != b ? a > b : tie(a_node) < tie(b_node);
    }

private:
    /// Beside spread, the parts that a node may have or lack: anti-affinity and affinity.
    static constexpr std::uint32_t kLevels = 3;

    struct Item {
        double sum;
        std::uint32_t tie;
        std::uint32_t node;
    };
    struct ChangedItem {
        double sum;
        std::uint32_t tie;
        std::uint32_t node;
        std::uint32_t version;
    };
    struct KeyItem {
        double sum;
        std::uint32_t tie;
        std::uint32_t key;
        std::uint32_t version;
    };
    struct Below {
        template <class T>
        bool operator()(const T& a, const T& b) const {
            return a.sum != b.sum ? a.sum < b.sum : a.tie > b.tie;
        }
    };
    /// Nodes of one bucket and level. Those as they were at first stand in a stretch of fresh_,
    /// a heap that only shrinks; those that changed are in changed_[changed - 1].
    struct Key {
        std::uint32_t fresh_begin{0};
        std::uint32_t fresh_end{0};
        std::uint32_t changed{0};
        std::uint32_t version{0};
    };
    struct Sum {
        double sum{0};
        std::uint32_t level{0};
    };

    std::uint32_t tie(std::uint32_t node) const;
    bool usable(std::uint32_t node) const;
    Ask ask_on(std::uint32_t node) const;
    ScoreParts base_parts(std::uint32_t node, bool penalized) const;
    Sum base_sum(std::uint32_t node, double fit) const;
    double with_spread(double sum, std::uint32_t level, double spread) const;
    void fill();
    /// The best node of the key now; null if it has none.
    const Item* settle(Key& key, Item& scratch);
    /// The key's best node, or its bucket's class, may be another.
    void refresh(std::uint32_t key);
    void refresh_bucket(std::uint32_t bucket);
    void set_aside(std::uint32_t node);
    std::optional<Choice> peek();

    RankInput in_;
    std::uint32_t seed_;
    std::uint32_t fixed_parts_;
    std::vector<std::uint32_t> version_;
    std::vector<std::uint8_t> excluded_;
    std::vector<std::uint8_t> level_;
    /// Not a vector: what is written in full need not be cleared first.
    std::unique_ptr<Item[]> fresh_;
    std::vector<std::vector<ChangedItem>> changed_;
    std::vector<Key> keys_;
    /// By class and level.
    std::vector<std::vector<KeyItem>> heaps_;
    /// Those of them that are not empty.
    std::vector<std::uint32_t> active_;
    std::vector<std::uint8_t> is_active_;
};

}  // namespace nl::sched
