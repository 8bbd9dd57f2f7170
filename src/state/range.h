#pragma once
// Rows of one index in order, as readers see them. Valid while the snapshot it came from lives.
// Going through it costs no copy; both directions work:
//
//     for (const model::Evaluation& eval : snapshot.evals_of_job(ns, id)) { ... }
//     auto at = range.end();  while (at != range.begin()) { --at; use(*at); }

#include "state/slots.h"
#include "state/tree.h"

#include <cstddef>
#include <iterator>

namespace nl::state {

/// How a row is shown to readers; allocations are shown as AllocView.
template <class Row>
struct ViewOf {
    using Type = const Row&;
    static Type make(const void* row) { return *static_cast<const Row*>(row); }
};

template <class Row>
class Range {
public:
    using Match = bool (*)(const void* row, const void* sample);

    class Iterator {
    public:
        using iterator_category = std::bidirectional_iterator_tag;
        using difference_type = std::ptrdiff_t;
        using reference = typename ViewOf<Row>::Type;
        using value_type = std::remove_cvref_t<reference>;
        using pointer = void;

        Iterator() = default;
        Iterator(const Range* range, Cursor cursor) : range_(range), cursor_(cursor) {}

        reference operator*() const { return ViewOf<Row>::make(row()); }
        Slot slot() const { return cursor_.entry().slot; }
        Iterator& operator++() {
            cursor_.next();
            skip_forward();
            return *this;
        }
        Iterator operator++(int) {
            Iterator before = *this;
            ++*this;
            return before;
        }
        /// Not at the beginning.
        Iterator& operator--() {
            do {
                cursor_.prev();
            } while (!matches());
            return *this;
        }
        Iterator operator--(int) {
            Iterator before = *this;
            --*this;
            return before;
        }
        friend bool operator==(const Iterator& a, const Iterator& b) {
            return a.cursor_ == b.cursor_;
        }

    private:
        friend class Range;
        const void* row() const { return range_->slots_->at(cursor_.entry().slot); }
        bool matches() const {
            return range_->match_ == nullptr || range_->match_(row(), range_->sample_);
        }
        void skip_forward() {
            while (!(cursor_ == range_->end_) && !matches()) {
                cursor_.next();
            }
        }

        const Range* range_ = nullptr;
        Cursor cursor_;
    };

    Range() = default;
    Range(const Slots* slots, Cursor begin, Cursor end) : slots_(slots), begin_(begin), end_(end) {}
    /// Only rows that match the sample (a row of the same table): what belongs to one owner.
    Range(const Slots* slots, Cursor begin, Cursor end, Match match, const void* sample)
        : slots_(slots), begin_(begin), end_(end), match_(match), sample_(sample) {}

    Iterator begin() const {
        Iterator first(this, begin_);
        first.skip_forward();
        return first;
    }
    Iterator end() const { return Iterator(this, end_); }
    bool empty() const { return begin() == end(); }
    /// Counts by going through.
    std::size_t count() const {
        std::size_t n = 0;
        for (auto it = begin(); it != end(); ++it) {
            ++n;
        }
        return n;
    }

private:
    const Slots* slots_ = nullptr;
    Cursor begin_;
    Cursor end_;
    Match match_ = nullptr;
    const void* sample_ = nullptr;
};

}  // namespace nl::state
