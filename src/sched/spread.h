#pragma once
// How evenly a group is spread over the values of node attributes, as a score. Nodes with the same
// values of all spread attributes form a bucket; a placement changes the scores of buckets, never
// of single nodes. Source: jobspec reference, spread; Nomad's spread scoring (targets by how far a
// value is from its share; without targets, values behind the others gain and values ahead lose).

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace nl::sched {

inline constexpr std::uint32_t kNoValue = std::numeric_limits<std::uint32_t>::max();

/// One spread block over the candidate nodes.
struct SpreadAttribute {
    /// This block's weight over the sum of all weights.
    double weight_share{1};
    /// No targets: an even spread is wanted.
    bool even{true};
    /// By node: the number of the attribute's value, kNoValue if it has none.
    std::vector<std::uint32_t> value_of_node;
    /// By value: allocations wanted there; negative if the value has no share at all.
    std::vector<double> desired;
    /// By value: allocations of the group there.
    std::vector<std::int64_t> used;
};

class Spread {
public:
    Spread(std::vector<SpreadAttribute> attributes, std::size_t node_count);

    bool active() const { return !attributes_.empty(); }
    std::uint32_t bucket_count() const { return static_cast<std::uint32_t>(buckets_.size()); }
    std::uint32_t bucket_of(std::uint32_t node) const {
        return attributes_.empty() ? 0 : bucket_of_[node];
    }
    /// What one more allocation in the bucket would score: the sum over the blocks.
    double score(std::uint32_t bucket) const { return scores()[bucket]; }
    /// The same for every bucket.
    std::vector<double> scores() const;

    /// An allocation comes (1) to a node with this value of the attribute, or goes (-1) from it.
    void add(std::size_t attribute, std::uint32_t value, std::int64_t delta);

private:
    /// The smallest and largest use among the values in use; zeros if none is.
    struct Range {
        std::int64_t low{0};
        std::int64_t high{0};
    };
    static Range range(const SpreadAttribute& attribute);
    static double even_score(const Range& range, std::int64_t here);
    static double target_score(const SpreadAttribute& attribute, std::uint32_t value);

    std::vector<SpreadAttribute> attributes_;
    std::vector<std::uint32_t> bucket_of_;
    /// By bucket: the value of each attribute.
    std::vector<std::vector<std::uint32_t>> buckets_;
};

}  // namespace nl::sched
