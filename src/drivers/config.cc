#include "drivers/config.h"

#include <algorithm>
#include <numeric>

namespace nl::drivers {

std::optional<std::string> text_of(const Value& value) {
    if (const std::string* text = value.as_string()) {
        return *text;
    }
    if (const std::int64_t* number = value.as_int()) {
        return std::to_string(*number);
    }
    if (const bool* flag = value.as_bool()) {
        return *flag ? "true" : "false";
    }
    if (const double* number = value.as_double()) {
        return fmt::format("{}", *number);
    }
    return std::nullopt;
}

namespace detail {
namespace {

/// Edits between two words, at most a few characters long.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] =
                std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string_view>& known) {
    constexpr std::size_t kFarthest = 2;
    std::string_view best;
    std::size_t least = kFarthest + 1;
    for (const std::string_view one : known) {
        const std::size_t d = distance(word, one);
        if (d < least) {
            least = d;
            best = one;
        }
    }
    return best.empty() ? "" : fmt::format("; is \"{}\" meant?", best);
}

}  // namespace detail
}  // namespace nl::drivers
