#include "raft/log.h"

#include "base/check.h"
#include "raft/core.h"
#include "raft/planted.h"

#include <algorithm>
#include <utility>

namespace nl::raft {

std::size_t cost(const Entry& entry) {
    constexpr std::size_t kOverhead = 64;
    return entry.data.size() + kOverhead;
}

Log::Log(const LogStart& start)
    : base_(start.base),
      base_term_(start.base_term),
      last_(start.last),
      stable_(start.last),
      taken_(start.last),
      runs_(start.runs) {
    NL_ASSERT(base_ <= last_);
    NL_ASSERT(runs_.empty() == (base_ == last_));
    NL_ASSERT(runs_.empty() || runs_.front().first == base_.next());
    memberships_.push_back(
        {.index = start.base_membership_index, .membership = start.base_membership}
    );
    for (const MembershipAt& at : start.memberships) {
        NL_ASSERT(at.index > base_ && at.index <= last_);
        memberships_.push_back(at);
    }
}

std::optional<Term> Log::term_at(Index index) const {
    if (index == base_) {
        return base_term_;
    }
    if (index < base_ || index > last_) {
        return std::nullopt;
    }
    const auto after = std::upper_bound(
        runs_.begin(), runs_.end(), index, [](Index i, const TermRun& run) { return i < run.first; }
    );
    NL_ASSERT(after != runs_.begin());
    return std::prev(after)->term;
}

Index Log::at_or_below_term(Index from, Term term) const {
    if (from < base_) {
        return from;
    }
    Index at = std::min(from, last_);
    for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
        if (run->first > at) {
            continue;
        }
        if (run->term <= term) {
            return at;
        }
        at = run->first - 1;
    }
    return std::max(at, base_);
}

void Log::append(Entry entry) {
    NL_ASSERT(entry.index == last_.next());
    const Term before = last_term();
    NL_ASSERT(entry.term >= before);
    if (runs_.empty() || runs_.back().term != entry.term) {
        runs_.push_back({.first = entry.index, .term = entry.term});
    }
    if (entry.kind == EntryKind::Membership) {
        auto membership = decode<Membership>(entry.data);
        // The leader encoded it and the store and the link check their bytes.
        NL_ASSERT(membership.has_value());
        memberships_.push_back({.index = entry.index, .membership = std::move(*membership)});
    }
    cache_bytes_ += cost(entry);
    last_ = entry.index;
    cache_.push_back(std::move(entry));
}

void Log::truncate_from(Index first) {
    NL_ASSERT(first > base_);
    while (last_ >= first && !cache_.empty()) {
        cache_bytes_ -= cost(cache_.back());
        cache_.pop_back();
        last_ = last_ - 1;
    }
    last_ = std::min(last_, first - 1);
    stable_ = std::min(stable_, last_);
    taken_ = std::min(taken_, last_);
    while (!runs_.empty() && runs_.back().first >= first) {
        runs_.pop_back();
    }
    while (memberships_.size() > 1 && memberships_.back().index >= first &&
           !NL_PLANTED(change_not_undone)) {
        memberships_.pop_back();
    }
}

std::vector<Entry> Log::take_unwritten() {
    std::vector<Entry> out;
    if (taken_ < last_) {
        NL_ASSERT(taken_.next() >= cached_from());
        out.assign(cache_.end() - static_cast<std::ptrdiff_t>(last_ - taken_), cache_.end());
        taken_ = last_;
    }
    return out;
}

void Log::stable_through(Index index) {
    NL_ASSERT(index <= taken_);
    stable_ = std::max(stable_, index);
}

std::vector<Entry> Log::slice(Index first, Index last, std::size_t bytes_max) const {
    NL_ASSERT(first >= cached_from());
    last = std::min(last, last_);
    std::vector<Entry> out;
    std::size_t bytes = 0;
    for (Index i = first; i <= last; ++i) {
        const Entry& entry = cache_[static_cast<std::size_t>(i - cached_from())];
        bytes += cost(entry);
        if (bytes > bytes_max && !out.empty()) {
            break;
        }
        out.push_back(entry);
    }
    return out;
}

void Log::trim_cache(Index through, std::size_t bytes_max) {
    while (cache_bytes_ > bytes_max && !cache_.empty() && cache_.front().index <= through) {
        cache_bytes_ -= cost(cache_.front());
        cache_.pop_front();
    }
}

void Log::compact(Index through) {
    NL_ASSERT(through <= stable_);
    if (through <= base_) {
        return;
    }
    const Term term = *term_at(through);
    while (!cache_.empty() && cache_.front().index <= through) {
        cache_bytes_ -= cost(cache_.front());
        cache_.pop_front();
    }
    while (runs_.size() > 1 && runs_[1].first <= through.next()) {
        runs_.erase(runs_.begin());
    }
    base_ = through;
    base_term_ = term;
    if (last_ == base_) {
        runs_.clear();
    } else {
        runs_.front().first = base_.next();
    }
    while (memberships_.size() > 1 && memberships_[1].index <= through) {
        memberships_.erase(memberships_.begin());
    }
}

void Log::reset(Index index, Term term, const Membership& membership) {
    base_ = last_ = stable_ = taken_ = index;
    base_term_ = term;
    runs_.clear();
    cache_.clear();
    cache_bytes_ = 0;
    memberships_.clear();
    memberships_.push_back({.index = index, .membership = membership});
}

}  // namespace nl::raft
