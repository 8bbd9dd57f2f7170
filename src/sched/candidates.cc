#include "sched/candidates.h"

#include "base/check.h"
#include "sched/operators.h"

#include <algorithm>
#include <limits>

namespace nl::sched {
namespace {

/// Answers a question about the text of a word once for each word.
class WordCache {
public:
    template <class Ask>
    bool get(std::uint32_t word, Ask ask) {
        if (word >= known_.size()) {
            known_.resize(std::size_t{word} + 1, 0);
        }
        if (known_[word] == 0) {
            known_[word] = ask() ? 2 : 1;
        }
        return known_[word] == 2;
    }

private:
    std::vector<std::uint8_t> known_;
};

template <class Column>
void gather(
    std::vector<std::int32_t>& out,
    const Column& column,
    const std::vector<std::uint32_t>& places,
    std::size_t from
) {
    for (std::size_t i = 0; i < places.size(); ++i) {
        out[from + i] = column[places[i]];
    }
}

}  // namespace

bool in_datacenters(const model::Job& job, std::string_view datacenter) {
    return job.datacenters.empty() ||
           std::ranges::any_of(job.datacenters, [&](const std::string& pattern) {
               return glob_matches(pattern, datacenter);
           });
}

bool in_pool(const model::Job& job, std::string_view pool) {
    const std::string_view wanted = job.node_pool.empty() ? kDefaultPool : job.node_pool;
    return wanted == kAllPools || pool == wanted || (pool.empty() && wanted == kDefaultPool);
}

Candidates::Candidates(const state::Snapshot& snapshot, const model::Job& job)
    : snapshot_(snapshot) {
    const state::Columns& all = snapshot.columns();
    const std::uint32_t end = all.slot_end();
    WordCache pools;
    WordCache datacenters;
    std::vector<std::uint32_t> class_of_word;
    std::vector<std::uint32_t> places;
    position_of_slot_.assign(end, 0);
    for (std::uint32_t number = 0; number < all.chunk_count(); ++number) {
        const state::NodeChunk& chunk = all.chunk(number);
        const state::Slot base = number * state::kNodeChunk;
        const std::uint32_t last = std::min(end - base, state::kNodeChunk);
        places.clear();
        for (std::uint32_t i = 0; i < last; ++i) {
            if ((chunk.flags[i] & state::kNodePresent) == 0 || !pools.get(chunk.pool[i], [&] {
                    return in_pool(job, snapshot.word_text(chunk.pool[i]));
                })) {
                continue;
            }
            ++nodes_in_pool_;
            const std::uint32_t datacenter = chunk.datacenter[i];
            if (!chunk.schedulable(i) || !datacenters.get(datacenter, [&] {
                    return in_datacenters(job, snapshot.word_text(datacenter));
                })) {
                continue;
            }
            if (datacenter >= available_.size()) {
                available_.resize(std::size_t{datacenter} + 1, 0);
            }
            ++available_[datacenter];
            const std::uint32_t word = chunk.computed_class[i];
            if (word >= class_of_word.size()) {
                class_of_word.resize(std::size_t{word} + 1, 0);
            }
            const auto position = static_cast<std::uint32_t>(slots_.size());
            if (class_of_word[word] == 0) {
                class_words_.push_back(word);
                class_examples_.push_back(position);
                class_of_word[word] = static_cast<std::uint32_t>(class_words_.size());
            }
            places.push_back(i);
            slots_.push_back(base + i);
            class_.push_back(class_of_word[word] - 1);
            position_of_slot_[base + i] = position + 1;
        }
        const std::size_t from = slots_.size() - places.size();
        const auto take = [&](std::vector<std::int32_t>& out, const auto& column) {
            out.resize(slots_.size());
            gather(out, column, places, from);
        };
        take(columns.cpu, chunk.cpu);
        take(columns.memory, chunk.memory);
        take(columns.disk, chunk.disk);
        take(columns.cpu_used, chunk.cpu_used);
        take(columns.memory_used, chunk.memory_used);
        take(columns.disk_used, chunk.disk_used);
        take(columns.live_allocs, chunk.live_allocs);
        take(columns.max_allocs, chunk.max_allocs);
    }
}

std::optional<std::uint32_t> Candidates::position_of(const Uuid& node) const {
    const state::Slot slot = snapshot_.node_slot(node);
    if (slot == state::kNoSlot || slot >= position_of_slot_.size() ||
        position_of_slot_[slot] == 0) {
        return std::nullopt;
    }
    return position_of_slot_[slot] - 1;
}

Map<std::int64_t> Candidates::nodes_available() const {
    Map<std::int64_t> out;
    for (std::uint32_t word = 0; word < available_.size(); ++word) {
        if (available_[word] > 0) {
            out[snapshot_.word_text(word)] = available_[word];
        }
    }
    return out;
}

void Candidates::use(std::uint32_t position, const state::ResourceSum& takes, std::int64_t sign) {
    const auto add = [&](std::vector<std::int32_t>& column, std::int64_t value) {
        column[position] = static_cast<std::int32_t>(std::clamp<std::int64_t>(
            column[position] + sign * value,
            std::numeric_limits<std::int32_t>::min(),
            std::numeric_limits<std::int32_t>::max()
        ));
    };
    add(columns.cpu_used, takes.cpu);
    add(columns.memory_used, takes.memory_mb);
    add(columns.disk_used, takes.disk_mb);
    add(columns.live_allocs, 1);
}

}  // namespace nl::sched
