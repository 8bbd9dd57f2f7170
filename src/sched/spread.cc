#include "sched/spread.h"

#include "base/check.h"

#include <algorithm>
#include <map>
#include <utility>

namespace nl::sched {

Spread::Spread(std::vector<SpreadAttribute> attributes, std::size_t node_count)
    : attributes_(std::move(attributes)) {
    if (attributes_.empty()) {
        buckets_.emplace_back();
        return;
    }
    std::map<std::vector<std::uint32_t>, std::uint32_t> known;
    bucket_of_.reserve(node_count);
    std::vector<std::uint32_t> values(attributes_.size());
    for (std::size_t node = 0; node < node_count; ++node) {
        for (std::size_t a = 0; a < attributes_.size(); ++a) {
            NL_ASSERT(node < attributes_[a].value_of_node.size());
            values[a] = attributes_[a].value_of_node[node];
        }
        const auto [at, fresh] =
            known.try_emplace(values, static_cast<std::uint32_t>(buckets_.size()));
        if (fresh) {
            buckets_.push_back(values);
        }
        bucket_of_.push_back(at->second);
    }
}

Spread::Range Spread::range(const SpreadAttribute& attribute) {
    Range r;
    for (const std::int64_t n : attribute.used) {
        if (n > 0) {
            r.low = r.low == 0 ? n : std::min(r.low, n);
            r.high = std::max(r.high, n);
        }
    }
    return r;
}

double Spread::even_score(const Range& range, std::int64_t here) {
    if (range.high == 0) {
        return 0;
    }
    const double smallest = static_cast<double>(range.low);
    if (here != range.low) {
        return static_cast<double>(range.low - here) / smallest;
    }
    // All used values are level: one more here would break the balance.
    return range.low == range.high ? -1.0 : static_cast<double>(range.high - range.low) / smallest;
}

double Spread::target_score(const SpreadAttribute& attribute, std::uint32_t value) {
    const double desired = attribute.desired[value];
    if (desired <= 0) {
        return -1.0;
    }
    const double after = static_cast<double>(attribute.used[value] + 1);
    return (desired - after) / desired * attribute.weight_share;
}

std::vector<double> Spread::scores() const {
    std::vector<double> sums(buckets_.size(), 0.0);
    for (std::size_t a = 0; a < attributes_.size(); ++a) {
        const SpreadAttribute& attribute = attributes_[a];
        const Range r = range(attribute);
        for (std::size_t b = 0; b < buckets_.size(); ++b) {
            const std::uint32_t value = buckets_[b][a];
            if (value == kNoValue) {
                sums[b] -= 1.0;
            } else {
                sums[b] += attribute.even ? even_score(r, attribute.used[value])
                                          : target_score(attribute, value);
            }
        }
    }
    return sums;
}

void Spread::add(std::size_t attribute, std::uint32_t value, std::int64_t delta) {
    NL_ASSERT(attribute < attributes_.size());
    if (value != kNoValue) {
        attributes_[attribute].used[value] += delta;
    }
}

}  // namespace nl::sched
