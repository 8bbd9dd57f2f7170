#include "state/commands/eval.h"

#include "state/applying.h"

namespace nl::state::commands {

Result<void> apply(Applying& a, const EvalUpsert& command) {
    for (const model::Evaluation& eval : command.evals) {
        a.put_eval(eval);
    }
    return {};
}

Result<void> apply(Applying& a, const EvalDelete& command) {
    for (const Uuid& id : command.evals) {
        a.remove_eval(id);
    }
    for (const Uuid& id : command.allocs) {
        a.remove_alloc(id);
    }
    return {};
}

}  // namespace nl::state::commands
