#pragma once
// A table: rows in slots and the indexes over them, each declared in one line (state/tables.h). A
// status change that moves no key touches only the slots. The object itself is small and copyable;
// a copy is an immutable version (see heap.h). Rows are owned by the table: replacing or erasing
// retires the old one.

#include "state/heap.h"
#include "state/keys.h"
#include "state/range.h"
#include "state/slots.h"
#include "state/tree.h"

#include <array>
#include <cstddef>
#include <memory>
#include <tuple>
#include <utility>

namespace nl::state {

/// An index I has: Key; `static Key key(const Row&)`; `static bool has(const Row&)` where not every
/// row is in it; `static bool same_owner(const Row&, const Row&)` where owners may be mixed.
template <class I, class Row>
bool in_index(const Row& row) {
    if constexpr (requires { I::has(row); }) {
        return I::has(row);
    } else {
        return true;
    }
}

template <class RowType, class... Indexes>
class Table {
public:
    using Row = RowType;

    std::uint32_t size() const { return slots_.size(); }
    Slot slot_end() const { return slots_.end(); }
    const Row* at(Slot slot) const { return static_cast<const Row*>(slots_.at(slot)); }

    template <class I>
    Slot slot_of(const typename I::Key& key) const {
        const Lookup<I> lookup{&slots_, key};
        return tree<I>().find(lookup.probe());
    }
    template <class I>
    const Row* find(const typename I::Key& key) const {
        const Slot slot = slot_of<I>(key);
        return slot == kNoSlot ? nullptr : at(slot);
    }
    /// By the first index, which holds every row.
    Range<Row> ordered() const { return Range<Row>(&slots_, trees_[0].begin(), trees_[0].end()); }
    /// The slot of the row with the same key in the first index.
    Slot slot_of_row(const Row& row) const {
        using First = std::tuple_element_t<0, std::tuple<Indexes...>>;
        return slot_of<First>(First::key(row));
    }
    template <class I>
    Range<Row> all() const {
        return Range<Row>(&slots_, tree<I>().begin(), tree<I>().end());
    }
    /// From `low` to `high`, both included.
    template <class I>
    Range<Row> range(const typename I::Key& low, const typename I::Key& high) const {
        const Lookup<I> from{&slots_, low};
        const Lookup<I> to{&slots_, high};
        return Range<Row>(
            &slots_, tree<I>().lower_bound(from.probe()), tree<I>().upper_bound(to.probe())
        );
    }
    /// The rows between `low` and `high` that have the owner both keys name.
    template <class I, class Owns>
    Range<Row> owned(const typename I::Key& low, const typename I::Key& high, const Owns& owns)
        const {
        const Range<Row> mixed = range<I>(low, high);
        for (auto it = mixed.begin(); it != mixed.end(); ++it) {
            const Row* row = at(it.slot());
            if (owns(*row)) {
                return Range<Row>(
                    &slots_,
                    tree<I>().lower_bound(Lookup<I>{&slots_, I::key(*row)}.probe()),
                    tree<I>().upper_bound(Lookup<I>{&slots_, high}.probe()),
                    [](const void* a, const void* b) {
                        return I::same_owner(
                            *static_cast<const Row*>(a), *static_cast<const Row*>(b)
                        );
                    },
                    row
                );
            }
        }
        return Range<Row>();
    }

    Slot insert(Heap& heap, std::unique_ptr<const Row> row) {
        const Row& fresh = *row;
        const Slot slot = slots_.add(heap, const_cast<Row*>(row.release()));
        (add_entry<Indexes>(heap, fresh, slot), ...);
        return slot;
    }
    void replace(Heap& heap, Slot slot, std::unique_ptr<const Row> row) {
        const Row& old = *at(slot);
        const Row& fresh = *row;
        const std::array<bool, sizeof...(Indexes)> moves{moved<Indexes>(old, fresh)...};
        (drop_entry<Indexes>(heap, old, moves[position<Indexes>()]), ...);
        slots_.set(heap, slot, const_cast<Row*>(row.release()));
        ((moves[position<Indexes>()] ? add_entry<Indexes>(heap, fresh, slot) : void()), ...);
        heap.retire(const_cast<Row*>(&old), drop_row);
    }
    void erase(Heap& heap, Slot slot) {
        const Row& old = *at(slot);
        (drop_entry<Indexes>(heap, old, true), ...);
        slots_.remove(heap, slot);
        heap.retire(const_cast<Row*>(&old), drop_row);
    }

    /// Frees rows, pages and nodes. Only when no reader is left.
    void destroy() {
        for (Slot slot = 0; slot < slots_.end(); ++slot) {
            delete at(slot);
        }
        slots_.destroy();
        for (auto& tree : trees_) {
            tree.destroy();
        }
    }

private:
    template <class I>
    struct Lookup {
        const Slots* slots;
        typename I::Key key;

        Probe probe() const { return {key.prefix(), compare, this}; }
        static int compare(const void* context, Slot slot) {
            const auto& self = *static_cast<const Lookup*>(context);
            const auto order = I::key(*static_cast<const Row*>(self.slots->at(slot))) <=> self.key;
            return order < 0 ? -1 : (order > 0 ? 1 : 0);
        }
    };

    template <class I>
    static constexpr std::size_t position() {
        std::size_t at = 0;
        static_cast<void>(((std::is_same_v<I, Indexes> ? true : (++at, false)) || ...));
        static_assert((std::is_same_v<I, Indexes> || ...), "not an index of this table");
        return at;
    }
    template <class I>
    const Tree& tree() const {
        return trees_[position<I>()];
    }
    template <class I>
    static bool moved(const Row& old, const Row& fresh) {
        const bool before = in_index<I>(old);
        const bool after = in_index<I>(fresh);
        return before != after || (before && I::key(old) != I::key(fresh));
    }
    template <class I>
    void add_entry(Heap& heap, const Row& row, Slot slot) {
        if (in_index<I>(row)) {
            const Lookup<I> lookup{&slots_, I::key(row)};
            trees_[position<I>()].insert(heap, lookup.probe(), slot);
        }
    }
    template <class I>
    void drop_entry(Heap& heap, const Row& row, bool wanted) {
        if (wanted && in_index<I>(row)) {
            const Lookup<I> lookup{&slots_, I::key(row)};
            trees_[position<I>()].erase(heap, lookup.probe());
        }
    }
    static void drop_row(void* row) { delete static_cast<Row*>(row); }

    Slots slots_;
    std::array<Tree, sizeof...(Indexes)> trees_{};
};

}  // namespace nl::state
