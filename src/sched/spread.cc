#include "sched/spread.h"

#include "base/check.h"

#include <algorithm>

namespace nl::sched {

Spread::Spread(std::vector<SpreadAttribute> attributes, std::size_t node_count)
    : attributes_(std::move(attributes)) {
    if (attributes_.empty()) {
        class_of_.push_back(0);
        class_count_ = 1;
        return;
    }
    const std::size_t width = attributes_.size();
    buckets_of_value_.resize(width);
    for (std::size_t a = 0; a < width; ++a) {
        NL_ASSERT(attributes_[a].value_of_node.size() == node_count);
        buckets_of_value_[a].resize(attributes_[a].used.size());
        Levels& levels = levels_.emplace_back();
        for (const std::int64_t used : attributes_[a].used) {
            if (used > 0) {
                levels.high = std::max(levels.high, used);
                levels.low = levels.low == 0 ? used : std::min(levels.low, used);
            }
        }
        levels.values_at.assign(static_cast<std::size_t>(levels.high) + 1, 0);
        for (const std::int64_t used : attributes_[a].used) {
            ++levels.values_at[static_cast<std::size_t>(std::max<std::int64_t>(used, 0))];
        }
    }
    bucket_of_.resize(node_count);
    const auto add_bucket = [&](const std::uint32_t* values) {
        const auto bucket = static_cast<std::uint32_t>(values_.size() / width);
        values_.insert(values_.end(), values, values + width);
        for (std::size_t a = 0; a < width; ++a) {
            if (values[a] != kNoValue) {
                buckets_of_value_[a][values[a]].push_back(bucket);
            }
        }
        return bucket;
    };
    if (width == 1) {
        // The value is the bucket; nodes without one share the last.
        const std::vector<std::uint32_t>& of_node = attributes_[0].value_of_node;
        std::vector<std::uint32_t> bucket_of_value(attributes_[0].used.size() + 1, kNoValue);
        for (std::size_t node = 0; node < node_count; ++node) {
            const std::uint32_t value = of_node[node];
            std::uint32_t& bucket =
                bucket_of_value[std::min<std::size_t>(value, bucket_of_value.size() - 1)];
            if (bucket == kNoValue) {
                bucket = add_bucket(&value);
            }
            bucket_of_[node] = bucket;
        }
    } else {
        std::map<std::vector<std::uint32_t>, std::uint32_t> known;
        std::vector<std::uint32_t> values(width);
        for (std::size_t node = 0; node < node_count; ++node) {
            for (std::size_t a = 0; a < width; ++a) {
                values[a] = attributes_[a].value_of_node[node];
            }
            const auto [at, fresh] = known.try_emplace(values, 0);
            if (fresh) {
                at->second = add_bucket(values.data());
            }
            bucket_of_[node] = at->second;
        }
    }
    class_of_.resize(values_.size() / width);
    for (std::uint32_t bucket = 0; bucket < class_of_.size(); ++bucket) {
        class_of_[bucket] = class_for(bucket);
    }
}

std::uint32_t Spread::class_for(std::uint32_t bucket) {
    const std::size_t width = attributes_.size();
    const std::uint32_t* values = &values_[bucket * width];
    const auto part = [&](std::size_t a) {
        const SpreadAttribute& attribute = attributes_[a];
        return values[a] == kNoValue || !attribute.even
                   ? values[a]
                   : static_cast<std::uint32_t>(attribute.used[values[a]]);
    };
    if (width == 1) {
        const std::uint32_t key = part(0);
        const std::size_t at = key == kNoValue ? 0 : std::size_t{key} + 1;
        if (at >= class_by_number_.size()) {
            class_by_number_.resize(std::max(at + 1, class_by_number_.size() * 2), kNoValue);
        }
        if (class_by_number_[at] == kNoValue) {
            class_by_number_[at] = class_count_++;
            class_keys_.push_back(key);
        }
        return class_by_number_[at];
    }
    std::vector<std::uint32_t> key(width);
    for (std::size_t a = 0; a < width; ++a) {
        key[a] = part(a);
    }
    const auto [at, fresh] = class_by_key_.try_emplace(std::move(key), class_count_);
    if (fresh) {
        ++class_count_;
        class_keys_.insert(class_keys_.end(), at->first.begin(), at->first.end());
    }
    return at->second;
}

double Spread::even_score(const Levels& levels, std::int64_t here) {
    if (levels.high == 0) {
        return 0;
    }
    const double smallest = static_cast<double>(levels.low);
    if (here != levels.low) {
        return static_cast<double>(levels.low - here) / smallest;
    }
    // All used values are level: one more here would break the balance.
    return levels.low == levels.high ? -1.0
                                     : static_cast<double>(levels.high - levels.low) / smallest;
}

double Spread::target_score(const SpreadAttribute& attribute, std::uint32_t value) {
    const double desired = attribute.desired[value];
    if (desired <= 0) {
        return -1.0;
    }
    const double after = static_cast<double>(attribute.used[value] + 1);
    return (desired - after) / desired * attribute.weight_share;
}

double Spread::class_score(std::uint32_t number) const {
    double sum = 0;
    const std::size_t width = attributes_.size();
    for (std::size_t a = 0; a < width; ++a) {
        const std::uint32_t key = class_keys_[number * width + a];
        if (key == kNoValue) {
            sum -= 1.0;
        } else {
            sum += attributes_[a].even ? even_score(levels_[a], key)
                                       : target_score(attributes_[a], key);
        }
    }
    return sum;
}

void Spread::recount(std::size_t attribute, std::int64_t before, std::int64_t after) {
    Levels& l = levels_[attribute];
    const auto at = [&](std::int64_t used) -> std::uint32_t& {
        const auto i = static_cast<std::size_t>(used);
        if (i >= l.values_at.size()) {
            l.values_at.resize(i + 1, 0);
        }
        return l.values_at[i];
    };
    --at(before);
    ++at(after);
    l.high = std::max(l.high, after);
    while (l.high > 0 && at(l.high) == 0) {
        --l.high;
    }
    if (l.high == 0) {
        l.low = 0;
        return;
    }
    l.low = after > 0 && (l.low == 0 || after < l.low) ? after : l.low;
    while (at(l.low) == 0) {
        ++l.low;
    }
}

void Spread::add(std::size_t attribute, std::uint32_t value, std::int64_t delta) {
    NL_ASSERT(attribute < attributes_.size());
    if (value == kNoValue) {
        return;
    }
    std::int64_t& used = attributes_[attribute].used[value];
    const std::int64_t before = used;
    used += delta;
    NL_ASSERT(used >= 0);
    recount(attribute, before, used);
    if (!attributes_[attribute].even) {
        return;
    }
    for (const std::uint32_t bucket : buckets_of_value_[attribute][value]) {
        const std::uint32_t now = class_for(bucket);
        if (now != class_of_[bucket]) {
            class_of_[bucket] = now;
            moved_.push_back(bucket);
        }
    }
}

}  // namespace nl::sched
