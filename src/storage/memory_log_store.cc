#include "storage/memory_log_store.h"

#include "base/check.h"

#include <algorithm>
#include <utility>

namespace nl::storage {

void MemoryLogStore::append(env::LogBatch batch, Ticket ticket) {
    if (batch.hard_state) {
        hard_state_ = std::move(batch.hard_state);
    }
    if (!batch.records.empty()) {
        const Index first = batch.records.front().index;
        NL_ASSERT(first > base_ && first <= base_ + records_.size() + 1);
        records_.resize(static_cast<std::size_t>(first - base_) - 1);
        for (env::LogRecord& record : batch.records) {
            NL_ASSERT(record.index == base_ + records_.size() + 1);
            records_.push_back(std::move(record));
        }
    }
    on_completion_({.ticket = ticket, .result = {}});
}

Result<std::vector<env::LogRecord>> MemoryLogStore::read(
    Index first, Index last, std::size_t max_bytes
) {
    if (first <= base_ || last > base_ + records_.size()) {
        return fail(
            ErrorCode::NotFound,
            "log entries {} to {} are not there: the log holds {} to {}",
            first,
            last,
            base_.next(),
            base_ + records_.size()
        );
    }
    std::vector<env::LogRecord> out;
    std::size_t bytes = 0;
    for (Index i = first; i <= last; ++i) {
        const env::LogRecord& record = records_[static_cast<std::size_t>(i - base_) - 1];
        bytes += record.data.size();
        if (!out.empty() && bytes > max_bytes) {
            break;
        }
        out.push_back(record);
    }
    return out;
}

void MemoryLogStore::compact(Index through, Ticket ticket) {
    while (base_ < through && !records_.empty()) {
        base_ = records_.front().index;
        base_term_ = records_.front().term;
        records_.pop_front();
    }
    on_completion_({.ticket = ticket, .result = {}});
}

void MemoryLogStore::reset(Index through, Term term, Ticket ticket) {
    records_.clear();
    base_ = through;
    base_term_ = term;
    on_completion_({.ticket = ticket, .result = {}});
}

Result<env::Recovered> MemoryLogStore::recover() {
    return env::Recovered{
        .hard_state = hard_state_,
        .first = base_.next(),
        .last = base_ + records_.size(),
        .last_term = records_.empty() ? base_term_ : records_.back().term,
        .damaged = {},
        .fresh = !hard_state_ && records_.empty() && base_ == Index{0},
    };
}

}  // namespace nl::storage
