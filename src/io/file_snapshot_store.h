#pragma once
// env::SnapshotStore on files, one for each snapshot, named after index and term. A snapshot is
// written under a temporary name in blocks with crc32c, synced, renamed, and the directory synced:
// either it is there whole or not at all. Format: docs/formats/snapshot.md. Calls block.

#include "env/snapshot_store.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace nl::io {

class FileSnapshotStore final : public env::SnapshotStore {
public:
    /// Content of one block; the reader refuses larger ones.
    static constexpr std::size_t kBlockBytes = 256 * 1024;

    /// Makes the directory and removes temporary files of an earlier run. Errors: as
    /// make_directories.
    static Result<std::unique_ptr<FileSnapshotStore>> open(std::string directory);

    Result<std::unique_ptr<env::SnapshotWriter>> create(const env::SnapshotMeta& meta) override;
    Result<std::optional<env::SnapshotMeta>> latest() override;
    Result<std::unique_ptr<env::SnapshotReader>> open(Index index) override;
    Result<void> prune(std::size_t keep) override;

private:
    explicit FileSnapshotStore(std::string directory) : directory_(std::move(directory)) {}

    std::string directory_;
};

}  // namespace nl::io
