#pragma once
// An env::LogStore in memory, for servers that run without a data directory: the same behaviour as
// the one on disk, but everything is gone when the process ends. Completions are told at once,
// within the call that causes them.

#include "env/log_store.h"

#include <deque>
#include <functional>
#include <optional>
#include <vector>

namespace nl::storage {

class MemoryLogStore final : public env::LogStore {
public:
    /// Called once for each ticket, in order; it must not call back into the store.
    using OnCompletion = std::function<void(env::Completion)>;

    explicit MemoryLogStore(OnCompletion on_completion)
        : on_completion_(std::move(on_completion)) {}

    void append(env::LogBatch batch, Ticket ticket) override;
    Result<std::vector<env::LogRecord>> read(Index first, Index last, std::size_t max_bytes)
        override;
    void compact(Index through, Ticket ticket) override;
    void reset(Index through, Term term, Ticket ticket) override;
    void forget_damage(Ticket ticket) override { on_completion_({.ticket = ticket, .result = {}}); }
    Result<env::Recovered> recover() override;

private:
    OnCompletion on_completion_;
    std::optional<Bytes> hard_state_;
    Index base_;
    Term base_term_;
    std::deque<env::LogRecord> records_;
};

}  // namespace nl::storage
