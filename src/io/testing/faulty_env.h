#pragma once
// A RocksDB environment with a disk that fails as it is told: no space, failed writes, failed syncs,
// and a loss of power that takes everything that was not synced. Wraps the system's own, so that the
// files are real. For tests only; any thread.

#include <memory>
#include <string>

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace nl::io::testing {

class FaultyEnv {
public:
    FaultyEnv();
    ~FaultyEnv();
    FaultyEnv(const FaultyEnv&) = delete;
    FaultyEnv& operator=(const FaultyEnv&) = delete;

    rocksdb::Env* env();

    /// Writes find no space from now on; with `left`, that many bytes still go through.
    void set_full(bool full, std::size_t left = 0);
    /// Each sync of a write-ahead log fails, as after an input/output error.
    void fail_syncs(bool fail);
    void fail_writes(bool fail);
    /// Power fails: of every file only what was synced is left, of those since the last sync the
    /// first `keep_bytes`. The store must be closed.
    void lose_unsynced(std::size_t keep_bytes = 0);
    std::size_t syncs() const;

    struct State;

private:
    std::shared_ptr<State> state_;
};

}  // namespace nl::io::testing
