#include "state/watch.h"

#include "base/check.h"

#include <algorithm>

namespace nl::state {
namespace {

/// What a key is about; part of its hash, so that "node X" and "allocations of node X" differ.
enum class Scope : std::uint8_t { Table, Row, Namespace, OfJob, OfNode, OfEval, OfDeployment };

class Hash {
public:
    Hash(TableId table, Scope scope) {
        byte(static_cast<std::uint8_t>(table));
        byte(static_cast<std::uint8_t>(scope));
    }
    Hash& text(std::string_view text) {
        for (const char c : text) {
            byte(static_cast<std::uint8_t>(c));
        }
        byte(0xff);
        return *this;
    }
    Hash& id(const Uuid& id) {
        for (const std::uint8_t b : id.bytes) {
            byte(b);
        }
        return *this;
    }
    WatchKey key() const { return {value_}; }

private:
    void byte(std::uint8_t b) { value_ = (value_ ^ b) * 1099511628211ULL; }

    std::uint64_t value_ = 14695981039346656037ULL;
};

}  // namespace

WatchKey watch_table(TableId table) {
    return Hash(table, Scope::Table).key();
}
WatchKey watch_row(TableId table, const Uuid& id) {
    return Hash(table, Scope::Row).id(id).key();
}
WatchKey watch_row(TableId table, std::string_view ns, std::string_view key) {
    return Hash(table, Scope::Row).text(ns).text(key).key();
}
WatchKey watch_namespace(TableId table, std::string_view ns) {
    return Hash(table, Scope::Namespace).text(ns).key();
}
WatchKey watch_of_job(TableId table, std::string_view ns, std::string_view job_id) {
    return Hash(table, Scope::OfJob).text(ns).text(job_id).key();
}
WatchKey watch_of_node(TableId table, const Uuid& node) {
    return Hash(table, Scope::OfNode).id(node).key();
}
WatchKey watch_of_eval(TableId table, const Uuid& eval) {
    return Hash(table, Scope::OfEval).id(eval).key();
}
WatchKey watch_of_deployment(TableId table, const Uuid& deployment) {
    return Hash(table, Scope::OfDeployment).id(deployment).key();
}

bool WatchRegistry::add(WatchId id, std::span<const WatchKey> keys, Index seen) {
    NL_ASSERT(!watches_.contains(id));
    NL_ASSERT(keys.size() <= kMaxKeys);
    if (seen < forgotten_) {
        return false;
    }
    for (auto past = history_.rbegin(); past != history_.rend() && past->index > seen; ++past) {
        for (const WatchKey key : keys) {
            if (key.hash == past->hash) {
                return false;
            }
        }
    }
    std::vector<std::uint64_t> hashes;
    hashes.reserve(keys.size());
    for (const WatchKey key : keys) {
        if (std::ranges::find(hashes, key.hash) == hashes.end()) {
            hashes.push_back(key.hash);
            waiting_[key.hash].push_back(id);
        }
    }
    watches_.emplace(id, std::move(hashes));
    return true;
}

void WatchRegistry::remove(WatchId id) {
    const auto found = watches_.find(id);
    if (found == watches_.end()) {
        return;
    }
    for (const std::uint64_t hash : found->second) {
        const auto list = waiting_.find(hash);
        if (list == waiting_.end()) {
            continue;
        }
        auto& ids = list->second;
        const auto at = std::ranges::find(ids, id);
        if (at != ids.end()) {
            *at = ids.back();
            ids.pop_back();
        }
        if (ids.empty()) {
            waiting_.erase(list);
        }
    }
    watches_.erase(found);
}

void WatchRegistry::touch(WatchKey key, Index index, std::vector<WatchId>& woken) {
    if (history_.size() == kHistory) {
        forgotten_ = history_.front().index;
        history_.pop_front();
    }
    history_.push_back({index, key.hash});
    const auto list = waiting_.find(key.hash);
    if (list == waiting_.end()) {
        return;
    }
    const std::vector<WatchId> ids = std::move(list->second);
    waiting_.erase(list);
    for (const WatchId id : ids) {
        woken.push_back(id);
        remove(id);
    }
}

void WatchRegistry::notify(const Effects& effects, std::vector<WatchId>& woken) {
    std::vector<std::uint64_t> hashes;
    const auto changed = [&](WatchKey key) { hashes.push_back(key.hash); };
    for (const Change& change : effects.changes) {
        const TableId table = change.table;
        changed(watch_table(table));
        if (!change.id.is_nil()) {
            changed(watch_row(table, change.id));
        } else {
            changed(watch_row(table, change.namespace_, change.key));
        }
        if (!change.namespace_.empty()) {
            changed(watch_namespace(table, change.namespace_));
        }
        if (!change.job_id.empty()) {
            changed(watch_of_job(table, change.namespace_, change.job_id));
        }
        if (!change.node_id.is_nil()) {
            changed(watch_of_node(table, change.node_id));
        }
        if (!change.eval_id.is_nil()) {
            changed(watch_of_eval(table, change.eval_id));
        }
        if (!change.deployment_id.is_nil()) {
            changed(watch_of_deployment(table, change.deployment_id));
        }
    }
    // A plan of thousands touches the same table and job thousands of times.
    std::ranges::sort(hashes);
    const auto [first, last] = std::ranges::unique(hashes);
    hashes.erase(first, last);
    for (const std::uint64_t hash : hashes) {
        touch({hash}, effects.index, woken);
    }
}

void WatchRegistry::reset(Index index, std::vector<WatchId>& woken) {
    // In order of id, so that a run is the same each time.
    const std::size_t begin = woken.size();
    for (const auto& [id, keys] : watches_) {
        woken.push_back(id);
    }
    std::sort(woken.begin() + static_cast<std::ptrdiff_t>(begin), woken.end());
    watches_.clear();
    waiting_.clear();
    history_.clear();
    forgotten_ = index;
}

}  // namespace nl::state
