// Deleting evaluations by hand, while the broker is paused. Source: Nomad HTTP API, 4.
#include "api/body.h"
#include "api/json_text.h"
#include "api/listing.h"
#include "api/params.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "model/answers.h"
#include "state/commands/eval.h"
#include "wire/json.h"

#include <fmt/format.h>

namespace nl::api {
namespace {

namespace commands = state::commands;

/// Evaluations in one command: what fits a log entry of a megabyte with room to spare.
constexpr std::size_t kPerCommandMax = 7281;

/// Nothing still hangs on it: it is finished and so are its allocations.
bool is_safe_to_delete(const state::Snapshot& state, const model::Evaluation& eval) {
    const bool finished = eval.status == model::EvalStatus::Complete ||
                          eval.status == model::EvalStatus::Failed ||
                          eval.status == model::EvalStatus::Canceled;
    if (!finished && eval.status != model::EvalStatus::Blocked &&
        eval.status != model::EvalStatus::Pending) {
        return false;
    }
    for (const state::AllocView alloc : state.allocs_of_eval(eval.id)) {
        if (!alloc.terminal()) {
            return false;
        }
    }
    return true;
}

Outcome answer_count(std::size_t count, Index index) {
    model::EvalDeleteResponse out;
    out.count = static_cast<std::int64_t>(count);
    return write_response(wire::to_json(out), index);
}

/// Deletes one command's worth after another.
Outcome delete_rest(std::vector<Uuid> ids, std::size_t done, const Context& context) {
    const std::size_t end = std::min(done + kPerCommandMax, ids.size());
    commands::EvalDelete command;
    command.evals.assign(
        ids.begin() + static_cast<std::ptrdiff_t>(done), ids.begin() + static_cast<std::ptrdiff_t>(end)
    );
    return propose(
        command,
        context,
        [ids = std::move(ids), end](const Context& later, const Applied& applied) -> Outcome {
            return end == ids.size() ? answer_count(end, applied.index)
                                     : delete_rest(ids, end, later);
        }
    );
}

Outcome remove(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const std::vector<std::string> named = text_list_member(*body, "EvalIDs");
    const std::string filter_text = text_member(*body, "Filter");
    if (!named.empty() && !filter_text.empty()) {
        return text_response(400, "evals cannot be deleted by both ID and filter");
    }
    if (named.empty() && filter_text.empty()) {
        return text_response(400, "evals must be deleted by either ID or filter");
    }
    if (named.size() > kPerCommandMax) {
        return text_response(
            400,
            fmt::format(
                "request includes {} evaluation IDs, must be {} or fewer", named.size(), kPerCommandMax
            )
        );
    }
    if (!context.state.scheduler_config().pause_eval_broker) {
        return text_response(
            500, "eval broker is enabled; eval broker must be paused to delete evals"
        );
    }
    std::vector<Uuid> ids;
    for (const std::string& text : named) {
        const auto id = Uuid::parse(text);
        const auto* eval = id ? context.state.eval(*id) : nullptr;
        if (eval == nullptr) {
            return text_response(500, "eval not found");
        }
        if (!is_safe_to_delete(context.state, *eval)) {
            return text_response(500, fmt::format("eval {} is not safe to delete", text));
        }
        ids.push_back(*id);
    }
    if (!filter_text.empty()) {
        ReadOptions options;
        options.filter = filter_text;
        const auto filter = expr::Filter::parse(filter_text);
        if (!filter) {
            return text_response(
                400, "failed to read filter expression: " + filter.error().message
            );
        }
        const std::string ns = namespace_of(request);
        for (const auto& eval : context.state.evals()) {
            if (visible(context, ns, eval.namespace_) && filter->matches(wire::to_value(eval)) &&
                is_safe_to_delete(context.state, eval)) {
                ids.push_back(eval.id);
            }
        }
    }
    if (ids.empty()) {
        return answer_count(0, context.state.index());
    }
    return delete_rest(std::move(ids), 0, context);
}

constexpr Route kRoutes[] = {
    {kDelete,
     "/v1/evaluations",
     Where::Leader,
     "management",
     "",
     "Delete evaluations, while the broker is paused.",
     remove},
};

}  // namespace

std::span<const Route> eval_delete_routes() {
    return kRoutes;
}

}  // namespace nl::api
