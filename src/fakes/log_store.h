#pragma once
// An env::LogStore in memory with the faults of a disk: writes end when the test says so, a crash
// forgets what had not ended, a record may rot or change places with another, a write may
// fail, and the disk may be full. It outlives the "process"
// that uses it: crash() and then recover() by the next one.

#include "env/log_store.h"

#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace nl::fakes {

class LogStore : public env::LogStore {
public:
    void append(env::LogBatch batch, Ticket ticket) override;
    Result<std::vector<env::LogRecord>> read(Index first, Index last, std::size_t max_bytes)
        override;
    void compact(Index through, Ticket ticket) override;
    void reset(Index through, Term term, Ticket ticket) override;
    /// It reports none: storage::Log finds rotten records itself.
    void forget_damage(Ticket ticket) override { append({}, ticket); }
    Result<env::Recovered> recover() override;

    /// Writes that have not ended.
    std::size_t pending() const { return pending_.size(); }
    /// Ends the oldest `count` writes: they are durable. Their completions, in order.
    std::vector<env::Completion> complete(std::size_t count);
    /// The process is gone: of the writes under way the first `survivors` were done in time, the
    /// others never were.
    void crash(std::size_t survivors);
    /// The next write to end fails with this, and so do all after it, until the next crash.
    void fail_with(Error error) { failure_ = std::move(error); }
    /// A bit of a durable record flips. False if there is no such record.
    bool rot(Index index);
    /// Two durable records change places, as after a misdirected write. False if there are no two
    /// such records.
    bool swap(Index one, Index other);
    /// No write ends until there is room again; nothing is lost.
    void set_full(bool full) { full_ = full; }
    bool is_full() const { return full_; }
    /// Everything is gone, as with a new disk.
    void wipe();
    Index first() const { return durable_.base.next(); }
    Index last() const { return durable_.base + durable_.records.size(); }

private:
    struct Content {
        std::optional<Bytes> hard_state;
        Index base;
        Term base_term;
        std::deque<env::LogRecord> records;
        bool touched{false};
    };
    struct Operation {
        enum class Kind : unsigned char { Append, Compact, Reset };
        Kind kind{Kind::Append};
        Ticket ticket;
        env::LogBatch batch;
        Index through;
        Term term;
    };
    static void carry_out(Content& content, const Operation& operation);
    void begin(Operation operation);

    Content durable_;
    /// As the running process sees it: durable and pending together.
    Content view_;
    std::deque<Operation> pending_;
    std::optional<Error> failure_;
    bool full_{false};
};

}  // namespace nl::fakes
