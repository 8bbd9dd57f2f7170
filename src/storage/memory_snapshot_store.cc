#include "storage/memory_snapshot_store.h"

#include <utility>

namespace nl::storage {

class MemorySnapshotStore::Writer final : public env::SnapshotWriter {
public:
    Writer(MemorySnapshotStore& store, const env::SnapshotMeta& meta)
        : store_(store), stored_{.meta = meta, .content = {}} {}

    Result<void> write(BytesView chunk) override {
        stored_.content.append(chunk);
        return {};
    }
    Result<void> commit() override {
        stored_.meta.size = stored_.content.size();
        const Index index = stored_.meta.index;
        store_.snapshots_[index] = std::make_shared<const Stored>(std::move(stored_));
        return {};
    }

private:
    MemorySnapshotStore& store_;
    Stored stored_;
};

class MemorySnapshotStore::Reader final : public env::SnapshotReader {
public:
    explicit Reader(std::shared_ptr<const Stored> stored) : stored_(std::move(stored)) {}

    const env::SnapshotMeta& meta() const override { return stored_->meta; }
    Result<Bytes> read(std::size_t max) override {
        Bytes out = stored_->content.substr(at_, max);
        at_ += out.size();
        return out;
    }

private:
    std::shared_ptr<const Stored> stored_;
    std::size_t at_{0};
};

Result<std::unique_ptr<env::SnapshotWriter>> MemorySnapshotStore::create(
    const env::SnapshotMeta& meta
) {
    return std::make_unique<Writer>(*this, meta);
}

Result<std::optional<env::SnapshotMeta>> MemorySnapshotStore::latest() {
    if (snapshots_.empty()) {
        return std::nullopt;
    }
    return snapshots_.rbegin()->second->meta;
}

Result<std::unique_ptr<env::SnapshotReader>> MemorySnapshotStore::open(Index index) {
    const auto at = snapshots_.find(index);
    if (at == snapshots_.end()) {
        return fail(ErrorCode::NotFound, "there is no snapshot at index {}", index);
    }
    return std::make_unique<Reader>(at->second);
}

Result<void> MemorySnapshotStore::prune(std::size_t keep) {
    while (snapshots_.size() > keep) {
        snapshots_.erase(snapshots_.begin());
    }
    return {};
}

std::vector<Index> MemorySnapshotStore::indexes() const {
    std::vector<Index> out;
    for (const auto& [index, stored] : snapshots_) {
        out.push_back(index);
    }
    return out;
}

}  // namespace nl::storage
