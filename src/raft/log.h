#pragma once
// The log as consensus sees it: terms of every entry (as runs, so that a long log costs little),
// the newest entries themselves, and every membership that stands in it. Older entries live in the
// log store only; whoever needs them is told their range. Owned by Core. Positions: base <
// cached_from <= last + 1; entries up to `stable` are durable, up to `taken` given out for writing.

#include "raft/message.h"

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

namespace nl::raft {

struct LogStart;

/// Entries from `first` up to the next run have this term.
struct TermRun {
    Index first;
    Term term;

    friend bool operator==(const TermRun&, const TermRun&) = default;
};

/// A membership and the entry that brought it; index 0 for the one a cluster is founded with.
struct MembershipAt {
    Index index;
    Membership membership;
};

/// What an entry costs in memory and in a message, roughly.
std::size_t cost(const Entry& entry);

class Log {
public:
    explicit Log(const LogStart& start);

    Index base() const { return base_; }
    Index last() const { return last_; }
    Index stable() const { return stable_; }
    Term last_term() const { return *term_at(last_); }
    std::optional<Term> term_at(Index index) const;
    /// The highest index at or below `from` whose term is at most `term`; base at the lowest,
    /// `from` itself if it is compacted away.
    Index at_or_below_term(Index from, Term term) const;

    /// Appends the entry that follows the last.
    void append(Entry entry);
    /// Drops `first` and everything behind it.
    void truncate_from(Index first);
    /// Entries that were not given out for writing yet.
    std::vector<Entry> take_unwritten();
    bool has_unwritten() const { return taken_ < last_; }
    Index taken() const { return taken_; }
    void stable_through(Index index);

    /// Entries at or after this are in memory.
    Index cached_from() const { return last_ + 1 - cache_.size(); }
    std::size_t cache_bytes() const { return cache_bytes_; }
    /// Cached entries first..last as far as they fit into `bytes_max`, at least one.
    std::vector<Entry> slice(Index first, Index last, std::size_t bytes_max) const;
    /// Forgets cached entries up to `through`, oldest first, while they cost more than `bytes_max`.
    void trim_cache(Index through, std::size_t bytes_max);

    /// Forgets everything up to and including `through`, but its term.
    void compact(Index through);
    /// The whole log is replaced by a snapshot.
    void reset(Index index, Term term, const Membership& membership);

    const Membership& membership() const { return memberships_.back().membership; }
    /// The one before that, as far as the log still knows it.
    const Membership& membership_before() const {
        return memberships_[memberships_.size() > 1 ? memberships_.size() - 2 : 0].membership;
    }
    Index membership_index() const { return memberships_.back().index; }

private:
    Index base_;
    Term base_term_;
    Index last_;
    Index stable_;
    Index taken_;
    std::vector<TermRun> runs_;
    std::deque<Entry> cache_;
    std::size_t cache_bytes_{0};
    // Never empty; the first is the one in force at base.
    std::vector<MembershipAt> memberships_;
};

}  // namespace nl::raft
