#pragma once
// Where work may run (constraints), would rather run (affinities) and how it is spread.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct Constraint {
    std::string l_target{};
    std::string r_target{};
    std::string operand{};

    NL_FIELDS(Constraint, (1, l_target), (2, r_target), (3, operand))
};

template <template <class> class F>
struct AffinityOf {
    std::string l_target{};
    std::string r_target{};
    std::string operand{};
    F<std::int64_t> weight{};

    NL_FIELDS(AffinityOf, (1, l_target), (2, r_target), (3, operand), (4, weight))
};
using Affinity = AffinityOf<Set>;
using AffinitySpec = AffinityOf<Opt>;

struct SpreadTarget {
    std::string value{};
    std::int64_t percent{};

    NL_FIELDS(SpreadTarget, (1, value), (2, percent))
};

template <template <class> class F>
struct SpreadOf {
    std::string attribute{};
    F<std::int64_t> weight{};
    std::vector<SpreadTarget> spread_target{};

    NL_FIELDS(SpreadOf, (1, attribute), (2, weight), (3, spread_target))
};
using Spread = SpreadOf<Set>;
using SpreadSpec = SpreadOf<Opt>;

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::Constraint>();
extern template const StructType& struct_type<model::Affinity>();
extern template const StructType& struct_type<model::SpreadTarget>();
extern template const StructType& struct_type<model::Spread>();
}  // namespace nl::codec
