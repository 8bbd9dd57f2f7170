#pragma once
// Small named records that survive a crash: the node's local state. One damaged record is reported
// and costs only itself. A record is replaced whole or not at all. Keys are short text of letters,
// digits, '-', '_', '.' and '/'.

#include "base/bytes.h"
#include "base/error.h"

#include <string>
#include <vector>

namespace nl::env {

enum class Durability : unsigned char {
    /// Survives the end of the process.
    Process,
    /// Survives loss of power too.
    Power,
};

struct BlobRecord {
    std::string key;
    Bytes data;
};

struct BlobsLoaded {
    /// Sorted by key.
    std::vector<BlobRecord> records;
    /// Keys whose content did not pass its check; set aside, not deleted.
    std::vector<std::string> damaged;
};

class BlobStore {
public:
    BlobStore() = default;
    BlobStore(const BlobStore&) = delete;
    BlobStore& operator=(const BlobStore&) = delete;
    virtual ~BlobStore() = default;

    virtual Result<void> put(const std::string& key, BytesView data, Durability durability) = 0;
    /// Succeeds if there is none.
    virtual Result<void> erase(const std::string& key) = 0;
    virtual Result<BlobsLoaded> load() = 0;
};

}  // namespace nl::env
