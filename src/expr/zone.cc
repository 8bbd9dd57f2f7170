#include "expr/zone.h"

#include "base/check.h"

#include <algorithm>

namespace nl::expr {

std::size_t Zone::index_at(std::int64_t unix_seconds) const {
    NL_ASSERT(!changes.empty());
    const auto after = std::ranges::upper_bound(changes, unix_seconds, {}, &ZoneChange::at);
    return after == changes.begin() ? 0
                                    : static_cast<std::size_t>(after - changes.begin()) - 1;
}

}  // namespace nl::expr
