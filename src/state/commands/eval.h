#pragma once
// Commands about evaluations, and the removal of finished ones with their allocations.

#include "model/evaluation.h"
#include "state/command.h"

#include <vector>

namespace nl::state {
class Applying;
}

namespace nl::state::commands {

/// Creates or replaces evaluations.
struct EvalUpsert {
    static constexpr CommandType kType = CommandType::EvalUpsert;
    std::vector<model::Evaluation> evals{};
    NL_FIELDS(EvalUpsert, (1, evals))
};

/// Garbage collection: removes evaluations and allocations; unknown ids are passed over.
struct EvalDelete {
    static constexpr CommandType kType = CommandType::EvalDelete;
    std::vector<Uuid> evals{};
    std::vector<Uuid> allocs{};
    NL_FIELDS(EvalDelete, (1, evals), (2, allocs))
};

Result<void> apply(Applying& a, const EvalUpsert& command);
Result<void> apply(Applying& a, const EvalDelete& command);

}  // namespace nl::state::commands

namespace nl::codec {
extern template const StructType& struct_type<state::commands::EvalUpsert>();
extern template const StructType& struct_type<state::commands::EvalDelete>();
}  // namespace nl::codec
