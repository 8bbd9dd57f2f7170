#pragma once
// How evenly a group is spread over the values of node attributes, as a score. Nodes with the same
// values of all spread attributes form a bucket; buckets that score alike whatever comes form a
// class (for an even spread: those with equal numbers of allocations). A placement moves a few
// buckets to another class and changes the scores of classes, never of single nodes. Source:
// jobspec reference, spread; Nomad's spread scoring (targets by how far a value is from its share;
// without targets, values behind the others gain and values ahead lose).

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
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
    std::uint32_t bucket_count() const { return static_cast<std::uint32_t>(class_of_.size()); }
    std::uint32_t bucket_of(std::uint32_t node) const {
        return attributes_.empty() ? 0 : bucket_of_[node];
    }
    std::uint32_t class_of(std::uint32_t bucket) const { return class_of_[bucket]; }
    std::uint32_t class_count() const { return class_count_; }
    /// What one more allocation in a bucket of the class would score: the sum over the blocks.
    double class_score(std::uint32_t number) const;
    double score(std::uint32_t bucket) const { return class_score(class_of_[bucket]); }
    /// The value of the attribute on the node.
    std::uint32_t value(std::size_t attribute, std::uint32_t node) const {
        return attributes_[attribute].value_of_node[node];
    }
    std::size_t attribute_count() const { return attributes_.size(); }

    /// An allocation comes (1) to a node with this value of the attribute, or goes (-1) from it.
    void add(std::size_t attribute, std::uint32_t value, std::int64_t delta);
    /// Buckets whose class is another since the last call.
    std::vector<std::uint32_t> take_moved() { return std::exchange(moved_, {}); }

private:
    /// How many values have so many allocations, and the smallest and largest number in use; zeros
    /// if none is.
    struct Levels {
        std::vector<std::uint32_t> values_at;
        std::int64_t low{0};
        std::int64_t high{0};
    };

    void recount(std::size_t attribute, std::int64_t before, std::int64_t after);
    std::uint32_t class_for(std::uint32_t bucket);
    static double even_score(const Levels& levels, std::int64_t here);
    static double target_score(const SpreadAttribute& attribute, std::uint32_t value);

    std::vector<SpreadAttribute> attributes_;
    std::vector<Levels> levels_;
    std::vector<std::uint32_t> bucket_of_;
    /// By bucket: the value of each attribute, one after another.
    std::vector<std::uint32_t> values_;
    std::vector<std::uint32_t> class_of_;
    /// By attribute and value: the buckets that have it.
    std::vector<std::vector<std::vector<std::uint32_t>>> buckets_of_value_;
    /// Classes by what makes their score: for each attribute the use (even) or the value (targets).
    std::map<std::vector<std::uint32_t>, std::uint32_t> class_by_key_;
    std::vector<std::uint32_t> class_keys_;
    /// The same for a single attribute, where the key is one number.
    std::vector<std::uint32_t> class_by_number_;
    std::uint32_t class_count_{0};
    std::vector<std::uint32_t> moved_;
};

}  // namespace nl::sched
