#pragma once
// An env::SnapshotStore in memory, for servers that run without a data directory, and for tests.
// Snapshots are shared with their readers, so pruning one that is being read is harmless. May be
// used from several threads only if the owner sees to it.

#include "env/snapshot_store.h"

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace nl::storage {

class MemorySnapshotStore final : public env::SnapshotStore {
public:
    struct Stored {
        env::SnapshotMeta meta;
        Bytes content;
    };

    Result<std::unique_ptr<env::SnapshotWriter>> create(const env::SnapshotMeta& meta) override;
    Result<std::optional<env::SnapshotMeta>> latest() override;
    Result<std::unique_ptr<env::SnapshotReader>> open(Index index) override;
    Result<void> prune(std::size_t keep) override;
    /// Of every snapshot, rising.
    std::vector<Index> indexes() const;

private:
    class Writer;
    class Reader;

    std::map<Index, std::shared_ptr<const Stored>> snapshots_;
};

}  // namespace nl::storage
