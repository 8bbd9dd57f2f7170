#pragma once
// Where snapshots of the state live. A snapshot becomes visible only by commit: temporary name,
// sync, rename, sync of the directory. Every block carries a checksum, verified on reading. Calls
// block: they belong on a thread that may wait.

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong.h"

#include <cstdint>
#include <memory>
#include <optional>

namespace nl::env {

struct SnapshotMeta {
    /// The last entry the snapshot covers.
    Index index;
    Term term;
    /// The membership in force at `index`, opaque here.
    Bytes membership;
    /// Set by the store: bytes of content.
    std::uint64_t size{0};
};

class SnapshotWriter {
public:
    virtual ~SnapshotWriter() = default;
    virtual Result<void> write(BytesView chunk) = 0;
    /// Durable and visible when it returns. Destroying a writer without commit leaves nothing
    /// behind.
    virtual Result<void> commit() = 0;
};

class SnapshotReader {
public:
    virtual ~SnapshotReader() = default;
    virtual const SnapshotMeta& meta() const = 0;
    /// The next bytes, at most `max`; empty at the end. Errors: Corruption.
    virtual Result<Bytes> read(std::size_t max) = 0;
};

class SnapshotStore {
public:
    SnapshotStore() = default;
    SnapshotStore(const SnapshotStore&) = delete;
    SnapshotStore& operator=(const SnapshotStore&) = delete;
    virtual ~SnapshotStore() = default;

    virtual Result<std::unique_ptr<SnapshotWriter>> create(const SnapshotMeta& meta) = 0;
    /// The newest whole snapshot, if any; damaged ones are skipped and reported through the log of
    /// the implementation.
    virtual Result<std::optional<SnapshotMeta>> latest() = 0;
    virtual Result<std::unique_ptr<SnapshotReader>> open(Index index) = 0;
    /// Removes all but the newest `keep` snapshots.
    virtual Result<void> prune(std::size_t keep) = 0;
};

}  // namespace nl::env
