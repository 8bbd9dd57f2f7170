#pragma once
// env::BlobStore on files: one file a record below a directory, with a checksum, replaced by
// rename. Process durability writes without a sync, which survives kill -9; Power adds fsync of
// file and directory. A damaged file is renamed aside and reported. Blocking, one thread.

#include "env/blob_store.h"

#include <string>

namespace nl::drivers {

class FileBlobStore final : public env::BlobStore {
public:
    /// Errors: as making the directory.
    static Result<std::unique_ptr<FileBlobStore>> open(std::string directory);

    Result<void> put(const std::string& key, BytesView data, env::Durability durability) override;
    Result<void> erase(const std::string& key) override;
    Result<env::BlobsLoaded> load() override;

private:
    explicit FileBlobStore(std::string directory) : directory_(std::move(directory)) {}
    std::string path_of(const std::string& key) const;

    std::string directory_;
};

}  // namespace nl::drivers
