#pragma once
// Any env::SnapshotStore for several threads: the one that saves, the one that installs, the one
// that streams to other servers. Each call holds a lock; readers and writers it hands out belong to
// one thread each and take the lock of the store for every step, since stores in memory share what
// they read.

#include "env/snapshot_store.h"

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace nl::io {

class LockedSnapshotStore final : public env::SnapshotStore {
public:
    explicit LockedSnapshotStore(std::unique_ptr<env::SnapshotStore> store)
        : shared_(std::make_shared<Shared>(std::move(store))) {}

    Result<std::unique_ptr<env::SnapshotWriter>> create(const env::SnapshotMeta& meta) override {
        const std::lock_guard lock(shared_->mutex);
        NL_TRY(auto writer, shared_->store->create(meta));
        return std::make_unique<Writer>(shared_, std::move(writer));
    }
    Result<std::optional<env::SnapshotMeta>> latest() override {
        const std::lock_guard lock(shared_->mutex);
        return shared_->store->latest();
    }
    Result<std::unique_ptr<env::SnapshotReader>> open(Index index) override {
        const std::lock_guard lock(shared_->mutex);
        NL_TRY(auto reader, shared_->store->open(index));
        return std::make_unique<Reader>(shared_, std::move(reader));
    }
    Result<void> prune(std::size_t keep) override {
        const std::lock_guard lock(shared_->mutex);
        return shared_->store->prune(keep);
    }

private:
    struct Shared {
        explicit Shared(std::unique_ptr<env::SnapshotStore> s) : store(std::move(s)) {}
        std::mutex mutex;
        std::unique_ptr<env::SnapshotStore> store;
    };
    class Writer final : public env::SnapshotWriter {
    public:
        Writer(std::shared_ptr<Shared> shared, std::unique_ptr<env::SnapshotWriter> writer)
            : shared_(std::move(shared)), writer_(std::move(writer)) {}
        ~Writer() override {
            const std::lock_guard lock(shared_->mutex);
            writer_.reset();
        }
        Result<void> write(BytesView chunk) override {
            const std::lock_guard lock(shared_->mutex);
            return writer_->write(chunk);
        }
        Result<void> commit() override {
            const std::lock_guard lock(shared_->mutex);
            return writer_->commit();
        }

    private:
        std::shared_ptr<Shared> shared_;
        std::unique_ptr<env::SnapshotWriter> writer_;
    };
    class Reader final : public env::SnapshotReader {
    public:
        Reader(std::shared_ptr<Shared> shared, std::unique_ptr<env::SnapshotReader> reader)
            : shared_(std::move(shared)), reader_(std::move(reader)) {}
        ~Reader() override {
            const std::lock_guard lock(shared_->mutex);
            reader_.reset();
        }
        const env::SnapshotMeta& meta() const override { return reader_->meta(); }
        Result<Bytes> read(std::size_t max) override {
            const std::lock_guard lock(shared_->mutex);
            return reader_->read(max);
        }

    private:
        std::shared_ptr<Shared> shared_;
        std::unique_ptr<env::SnapshotReader> reader_;
    };

    std::shared_ptr<Shared> shared_;
};

}  // namespace nl::io
