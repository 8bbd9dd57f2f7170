#pragma once
// An env::SnapshotStore in memory with faults: the next write may fail, and a stored snapshot may
// rot, which its reader notices.

#include "env/snapshot_store.h"
#include "storage/memory_snapshot_store.h"

#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace nl::fakes {

class SnapshotStore final : public env::SnapshotStore {
public:
    Result<std::unique_ptr<env::SnapshotWriter>> create(const env::SnapshotMeta& meta) override {
        if (failure_) {
            return std::unexpected(*std::exchange(failure_, std::nullopt));
        }
        rotten_.erase(meta.index);
        return store_.create(meta);
    }
    /// Damaged ones are skipped, as a real store does after checking them.
    Result<std::optional<env::SnapshotMeta>> latest() override {
        std::optional<env::SnapshotMeta> newest;
        for (const Index index : store_.indexes()) {
            if (!rotten_.contains(index)) {
                NL_TRY(const auto reader, store_.open(index));
                newest = reader->meta();
            }
        }
        return newest;
    }
    Result<std::unique_ptr<env::SnapshotReader>> open(Index index) override {
        if (rotten_.contains(index)) {
            return fail(ErrorCode::Corruption, "the snapshot at {} is damaged", index);
        }
        return store_.open(index);
    }
    Result<void> prune(std::size_t keep) override { return store_.prune(keep); }

    std::vector<Index> indexes() const { return store_.indexes(); }
    void fail_next(Error error) { failure_ = std::move(error); }
    void rot(Index index) { rotten_.insert(index); }
    void wipe() {
        static_cast<void>(store_.prune(0));
        rotten_.clear();
    }

private:
    storage::MemorySnapshotStore store_;
    std::optional<Error> failure_;
    std::set<Index> rotten_;
};

}  // namespace nl::fakes
