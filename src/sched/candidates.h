#pragma once
// The nodes a job may be placed on at all (its pool and datacenters; ready, eligible, not
// draining), gathered from a snapshot's columns into columns of their own: a candidate is a
// position in them. Nodes of one computed class answer every question about non-unique attributes
// alike, so such questions are asked once for each class. Lives for one pass.

#include "model/job.h"
#include "model/node.h"
#include "sched/rank.h"
#include "state/snapshot.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace nl::sched {

inline constexpr std::string_view kDefaultPool = "default";
inline constexpr std::string_view kAllPools = "all";

class Candidates {
public:
    Candidates(const state::Snapshot& snapshot, const model::Job& job);

    std::uint32_t size() const { return static_cast<std::uint32_t>(slots_.size()); }
    const model::Node& node(std::uint32_t position) const {
        return *snapshot_.node_at(slots_[position]);
    }
    std::optional<std::uint32_t> position_of(const Uuid& node) const;

    /// The candidate's computed class, numbered from 0 within these candidates.
    std::uint32_t class_of(std::uint32_t position) const { return class_[position]; }
    std::uint32_t class_count() const { return static_cast<std::uint32_t>(class_words_.size()); }
    /// The class as the snapshot's columns number it.
    std::uint32_t class_word(std::uint32_t number) const { return class_words_[number]; }
    /// Some node of the class.
    std::uint32_t example_of(std::uint32_t number) const { return class_examples_[number]; }

    /// Of the job's pool, ready or not.
    std::int64_t nodes_in_pool() const { return nodes_in_pool_; }
    /// Candidates by datacenter.
    Map<std::int64_t> nodes_available() const;

    void use(std::uint32_t position, const state::ResourceSum& takes, std::int64_t sign);

    NodeColumns columns;

private:
    const state::Snapshot& snapshot_;
    std::vector<std::uint32_t> slots_;
    std::vector<std::uint32_t> class_;
    std::vector<std::uint32_t> class_words_;
    std::vector<std::uint32_t> class_examples_;
    /// By slot, the candidate's position plus one.
    std::vector<std::uint32_t> position_of_slot_;
    /// By word of a datacenter.
    std::vector<std::int64_t> available_;
    std::int64_t nodes_in_pool_{0};
};

bool in_datacenters(const model::Job& job, std::string_view datacenter);
bool in_pool(const model::Job& job, std::string_view pool);

}  // namespace nl::sched
