// The faulty environment itself; in a file of the tests, because RocksDB's headers are heavy.
#include "io/testing/faulty_env.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>

namespace nl::io::testing {

using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

struct FaultyEnv::State {
    std::mutex mutex;
    bool full{false};
    std::size_t left{0};
    bool syncs_fail{false};
    bool writes_fail{false};
    std::size_t syncs{0};
    /// What of each file is synced.
    std::map<std::string, std::uint64_t> synced;
    std::unique_ptr<rocksdb::Env> env;
};

namespace {

class FaultyFile final : public rocksdb::FSWritableFileOwnerWrapper {
public:
    FaultyFile(
        std::unique_ptr<FSWritableFile> file,
        std::string path,
        std::shared_ptr<FaultyEnv::State> state
    )
        : FSWritableFileOwnerWrapper(std::move(file)),
          path_(std::move(path)),
          state_(std::move(state)) {}

    IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
        const IOStatus fault = before_write(data.size());
        if (!fault.ok()) {
            return fault;
        }
        written_ += data.size();
        return FSWritableFileOwnerWrapper::Append(data, options, debug);
    }
    IOStatus Append(
        const Slice& data,
        const IOOptions& options,
        const rocksdb::DataVerificationInfo&,
        IODebugContext* debug
    ) override {
        return Append(data, options, debug);
    }
    IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
        return sync([&] { return FSWritableFileOwnerWrapper::Sync(options, debug); });
    }
    IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
        return sync([&] { return FSWritableFileOwnerWrapper::Fsync(options, debug); });
    }

private:
    IOStatus before_write(std::size_t bytes) {
        const std::lock_guard lock(state_->mutex);
        if (state_->writes_fail) {
            return IOStatus::IOError("While appending to file: " + path_, "Input/output error");
        }
        if (state_->full && bytes > state_->left) {
            return IOStatus::NoSpace("While appending to file: " + path_, "No space left on device");
        }
        if (state_->full) {
            state_->left -= bytes;
        }
        return IOStatus::OK();
    }
    template <class Real>
    IOStatus sync(Real real) {
        const std::lock_guard lock(state_->mutex);
        if (state_->syncs_fail) {
            return IOStatus::IOError("While fdatasync: " + path_, "Input/output error");
        }
        const IOStatus done = real();
        if (done.ok()) {
            ++state_->syncs;
            state_->synced[path_] = written_;
        }
        return done;
    }

    std::string path_;
    std::shared_ptr<FaultyEnv::State> state_;
    std::uint64_t written_{0};
};

class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
public:
    explicit FaultyFileSystem(std::shared_ptr<FaultyEnv::State> state)
        : FileSystemWrapper(rocksdb::FileSystem::Default()), state_(std::move(state)) {}
    const char* Name() const override { return "FaultyFileSystem"; }

    IOStatus NewWritableFile(
        const std::string& path,
        const FileOptions& options,
        std::unique_ptr<FSWritableFile>* file,
        IODebugContext* debug
    ) override {
        {
            const std::lock_guard lock(state_->mutex);
            if (state_->full && state_->left == 0) {
                return IOStatus::NoSpace("While open a file: " + path, "No space left on device");
            }
            state_->synced[path] = 0;
        }
        std::unique_ptr<FSWritableFile> real;
        const IOStatus made = FileSystemWrapper::NewWritableFile(path, options, &real, debug);
        if (made.ok()) {
            *file = std::make_unique<FaultyFile>(std::move(real), path, state_);
        }
        return made;
    }
    IOStatus RenameFile(
        const std::string& from, const std::string& to, const IOOptions& options,
        IODebugContext* debug
    ) override {
        const IOStatus done = FileSystemWrapper::RenameFile(from, to, options, debug);
        const std::lock_guard lock(state_->mutex);
        if (auto known = state_->synced.extract(from); done.ok() && !known.empty()) {
            known.key() = to;
            state_->synced.erase(to);
            state_->synced.insert(std::move(known));
        }
        return done;
    }

private:
    std::shared_ptr<FaultyEnv::State> state_;
};

}  // namespace

FaultyEnv::FaultyEnv() : state_(std::make_shared<State>()) {
    state_->env = rocksdb::NewCompositeEnv(std::make_shared<FaultyFileSystem>(state_));
}

FaultyEnv::~FaultyEnv() {
    // The environment holds the state that holds the environment.
    state_->env.reset();
}

rocksdb::Env* FaultyEnv::env() {
    return state_->env.get();
}

void FaultyEnv::set_full(bool full, std::size_t left) {
    const std::lock_guard lock(state_->mutex);
    state_->full = full;
    state_->left = left;
}

void FaultyEnv::fail_syncs(bool fail) {
    const std::lock_guard lock(state_->mutex);
    state_->syncs_fail = fail;
}

void FaultyEnv::fail_writes(bool fail) {
    const std::lock_guard lock(state_->mutex);
    state_->writes_fail = fail;
}

void FaultyEnv::lose_unsynced(std::size_t keep_bytes) {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [path, synced] : state_->synced) {
        std::error_code error;
        const std::uintmax_t size = std::filesystem::file_size(path, error);
        if (!error && size > synced + keep_bytes) {
            std::filesystem::resize_file(path, synced + keep_bytes, error);
        }
    }
}

std::size_t FaultyEnv::syncs() const {
    const std::lock_guard lock(state_->mutex);
    return state_->syncs;
}

}  // namespace nl::io::testing
