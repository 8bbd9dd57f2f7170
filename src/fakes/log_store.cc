#include "fakes/log_store.h"

#include "base/check.h"
#include "raft/planted.h"

#include <algorithm>
#include <utility>

namespace nl::fakes {

void LogStore::carry_out(Content& content, const Operation& operation) {
    content.touched = true;
    switch (operation.kind) {
        case Operation::Kind::Append: {
            if (operation.batch.hard_state) {
                content.hard_state = operation.batch.hard_state;
            }
            if (operation.batch.records.empty()) {
                return;
            }
            const Index first = operation.batch.records.front().index;
            NL_ASSERT(first > content.base && first <= content.base + content.records.size() + 1);
            content.records.resize(static_cast<std::size_t>(first - content.base) - 1);
            for (const env::LogRecord& record : operation.batch.records) {
                NL_ASSERT(record.index == content.base + content.records.size() + 1);
                content.records.push_back(record);
            }
            return;
        }
        case Operation::Kind::Compact:
            while (content.base < operation.through && !content.records.empty()) {
                content.base = content.records.front().index;
                content.base_term = content.records.front().term;
                content.records.pop_front();
            }
            return;
        case Operation::Kind::Reset:
            content.records.clear();
            content.base = operation.through;
            content.base_term = operation.term;
            return;
    }
}

void LogStore::begin(Operation operation) {
    carry_out(view_, operation);
    pending_.push_back(std::move(operation));
}

void LogStore::append(env::LogBatch batch, Ticket ticket) {
    begin({.kind = Operation::Kind::Append, .ticket = ticket, .batch = std::move(batch)});
}

void LogStore::compact(Index through, Ticket ticket) {
    begin({.kind = Operation::Kind::Compact, .ticket = ticket, .batch = {}, .through = through});
}

void LogStore::reset(Index through, Term term, Ticket ticket) {
    begin(
        {.kind = Operation::Kind::Reset,
         .ticket = ticket,
         .batch = {},
         .through = through,
         .term = term}
    );
}

Result<std::vector<env::LogRecord>> LogStore::read(Index first, Index last, std::size_t max_bytes) {
    if (first <= view_.base || last > view_.base + view_.records.size()) {
        return fail(ErrorCode::NotFound, "log entries {} to {} are not there", first, last);
    }
    std::vector<env::LogRecord> out;
    std::size_t bytes = 0;
    for (Index i = first; i <= last; ++i) {
        const env::LogRecord& record = view_.records[static_cast<std::size_t>(i - view_.base) - 1];
        bytes += record.data.size();
        if (!out.empty() && bytes > max_bytes) {
            break;
        }
        out.push_back(record);
    }
    return out;
}

Result<env::Recovered> LogStore::recover() {
    NL_ASSERT(pending_.empty());
    view_ = durable_;
    return env::Recovered{
        .hard_state = durable_.hard_state,
        .first = first(),
        .last = last(),
        .last_term = durable_.records.empty() ? durable_.base_term : durable_.records.back().term,
        .damaged = {},
        .fresh = !durable_.touched,
    };
}

std::vector<env::Completion> LogStore::complete(std::size_t count) {
    std::vector<env::Completion> out;
    for (; count > 0 && !pending_.empty(); --count) {
        if (full_ && NL_PLANTED(full_disk_counts)) {
            out.push_back({.ticket = pending_.front().ticket, .result = {}});
            pending_.pop_front();
            continue;
        }
        if (full_) {
            break;
        }
        if (failure_) {
            out.push_back({.ticket = pending_.front().ticket, .result = std::unexpected(*failure_)}
            );
        } else {
            carry_out(durable_, pending_.front());
            out.push_back({.ticket = pending_.front().ticket, .result = {}});
        }
        pending_.pop_front();
    }
    return out;
}

void LogStore::crash(std::size_t survivors) {
    if (!failure_ && !full_) {
        static_cast<void>(complete(survivors));
    }
    pending_.clear();
    failure_.reset();
    view_ = durable_;
}

bool LogStore::rot(Index index) {
    if (index < first() || index > last()) {
        return false;
    }
    Bytes& data = durable_.records[static_cast<std::size_t>(index - durable_.base) - 1].data;
    data.back() = static_cast<char>(data.back() ^ 0x10);
    return true;
}

bool LogStore::swap(Index one, Index other) {
    if (one == other || std::min(one, other) < first() || std::max(one, other) > last()) {
        return false;
    }
    const auto record = [this](Index index) -> env::LogRecord& {
        return durable_.records[static_cast<std::size_t>(index - durable_.base) - 1];
    };
    std::swap(record(one).data, record(other).data);
    std::swap(record(one).term, record(other).term);
    return true;
}

void LogStore::wipe() {
    pending_.clear();
    durable_ = Content{};
    view_ = Content{};
    full_ = false;
}

}  // namespace nl::fakes
