#pragma once
// The shape that most small nouns share: a list of rows in order of a text, and one row by name.
// Used by namespaces, pools, policies, roles, auth methods, binding rules and volumes.

#include "api/listing.h"
#include "api/reading.h"
#include "api/status.h"
#include "wire/json.h"

#include <concepts>
#include <string>
#include <utility>
#include <vector>

namespace nl::api {

/// One page of rows that are in order of `name_of(row)`, each written as `shown(row)` and filtered
/// as `whole(row)`.
template <class Row, class NameOf, class Shown, class Whole>
Result<Look> list_named(
    const std::vector<const Row*>& rows,
    const ReadOptions& options,
    const NameOf& name_of,
    const Shown& shown,
    const Whole& whole
) {
    return list_page(
        rows,
        options,
        TokenKind::Text,
        [&](const Row* row) { return SortToken{0, std::string(name_of(*row))}; },
        [&](const Row* row) { return wire::to_value(whole(*row)); },
        [&](std::string& out, const Row* row) { wire::append_json(out, shown(*row)); }
    );
}
template <class Row, class NameOf, class Shown>
Result<Look> list_named(
    const std::vector<const Row*>& rows,
    const ReadOptions& options,
    const NameOf& name_of,
    const Shown& shown
) {
    return list_named(rows, options, name_of, shown, [](const Row& row) -> const Row& {
        return row;
    });
}
template <class Row, class NameOf>
Result<Look> list_named(
    const std::vector<const Row*>& rows, const ReadOptions& options, const NameOf& name_of
) {
    return list_named(rows, options, name_of, [](const Row& row) -> const Row& { return row; });
}

/// The index and the watch of a list that shows one table.
inline Look of_table(Look look, const Context& c, state::TableId table) {
    look.index = c.state.table_index(table);
    look.keys = {state::watch_table(table)};
    return look;
}

/// The row that `find(context)` gives, as `shown(row)`; 404 with `none` without one.
template <class Find, class Shown>
Outcome read_named(
    const Request& request,
    const Context& context,
    state::TableId table,
    std::string none,
    Find find,
    Shown shown
) {
    return read(
        request,
        context,
        [table, none = std::move(none), find = std::move(find), shown = std::move(shown)](
            const Context& c, const ReadOptions&
        ) -> Result<Look> {
            const auto* row = find(c);
            if (row == nullptr) {
                return missing(c, table, none);
            }
            return Look{
                json_response(wire::to_json(shown(*row))),
                row->modify_index,
                {state::watch_table(table)},
                {}
            };
        }
    );
}
template <class Find>
Outcome read_named(
    const Request& request,
    const Context& context,
    state::TableId table,
    std::string none,
    Find find
) {
    return read_named(
        request,
        context,
        table,
        std::move(none),
        std::move(find),
        [](const auto& row) -> const auto& { return row; }
    );
}

}  // namespace nl::api
