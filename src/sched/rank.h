#pragma once
// Where a group is placed best: every feasible node is scored, from columns. A score is the mean of
// its parts (fit, anti-affinity, reschedule penalty, affinity, devices, spread), as Nomad
// normalises it, so that the tables people know look the same. After a placement only the node that
// changed is scored again; equal requests share all the rest. Ties fall to a seeded order, so that
// concurrent workers differ.
//
// One Ranker serves one group in one pass. It reads the columns it was given and never changes
// them: whoever places says node_changed. Source: Nomad's scheduling concepts; BestFit v3 as
// Google's "The Datacenter as a Computer" and Nomad use it: 20 - 10^free_cpu - 10^free_memory,
// over 18.

#include "base/rng.h"
#include "sched/spread.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace nl::sched {

enum class Algorithm { Binpack, Spread };

/// Candidate nodes by position; all vectors have one length.
struct NodeColumns {
    std::vector<std::int64_t> cpu;
    std::vector<std::int64_t> memory;
    std::vector<std::int64_t> disk;
    std::vector<std::int64_t> cpu_used;
    std::vector<std::int64_t> memory_used;
    std::vector<std::int64_t> disk_used;
    std::vector<std::int64_t> live_allocs;
    /// 0: no limit.
    std::vector<std::int64_t> max_allocs;

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

/// The fit of a node whose use would be `cpu_used` and `memory_used`: 0 to 18, higher is better.
double fit_score(
    Algorithm algorithm,
    std::int64_t cpu,
    std::int64_t memory,
    std::int64_t cpu_used,
    std::int64_t memory_used
);

/// The parts of a node's score. Those that are 0 do not count in the mean, but fit and devices do.
struct ScoreParts {
    double binpack{0};
    double anti_affinity{0};
    double reschedule_penalty{0};
    double affinity{0};
    double devices{0};
    double spread{0};
    bool has_devices{false};

    double normalized() const;
};

struct RankInput {
    const NodeColumns& nodes;
    Ask ask;
    /// By node: more cpu than ask.cpu (reserved cores cost what the node's cores are); may be
    /// empty.
    std::vector<std::int64_t> extra_cpu;
    Algorithm algorithm{Algorithm::Binpack};
    /// By node, 1 if constraints allow it.
    const std::vector<std::uint8_t>& feasible;
    /// By node: allocations of this group there (kept and planned).
    const std::vector<std::uint32_t>& collisions;
    std::int64_t desired_count{1};
    /// By node, -1 to 1; empty without affinities.
    std::vector<double> affinity;
    std::vector<double> devices;
    Spread& spread;
};

enum class Verdict {
    Take,
    /// Not this node, for no further placement of the pass.
    Never,
};

struct Choice {
    std::uint32_t node{0};
    double score{0};
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
    /// The best nodes now, best first: what explains a choice.
    std::vector<Choice> top(std::size_t limit) const;

private:
    /// Beside spread, a score has one to five parts.
    static constexpr std::uint32_t kMaxParts = 6;
    struct Item {
        double sum;
        std::uint32_t tie;
        std::uint32_t node;
        std::uint32_t version;
    };
    struct Below {
        bool operator()(const Item& a, const Item& b) const {
            return a.sum != b.sum ? a.sum < b.sum : a.tie > b.tie;
        }
    };

    /// How a placement on the node would score, its bucket's spread score being `spread`.
    ScoreParts parts(std::uint32_t node, bool penalized, double spread) const;
    bool usable(std::uint32_t node) const;
    Ask ask_on(std::uint32_t node) const;
    void push(std::uint32_t node);
    const Item* settle(std::vector<Item>& heap);
    std::optional<Choice> best_by_scan(
        const std::function<Verdict(std::uint32_t)>& accept,
        std::span<const std::uint32_t> penalized
    );
    bool better(double a, std::uint32_t a_node, double b, std::uint32_t b_node) const;

    RankInput in_;
    /// A place in the seeded order, by node.
    std::vector<std::uint32_t> tie_;
    std::vector<std::uint32_t> version_;
    std::vector<std::uint8_t> excluded_;
    /// By bucket and number of parts: within one, the order of sums is the order of scores whatever
    /// the bucket's spread score is.
    std::vector<std::vector<Item>> heaps_;
};

}  // namespace nl::sched
