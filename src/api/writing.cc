#include "api/writing.h"

#include "api/json_text.h"
#include "api/status.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

namespace nl::api {
namespace {

Response not_committed(const Error& error) {
    if (error.code == ErrorCode::NotLeader) {
        return text_response(500, std::string(kNoLeader));
    }
    return error_response(error);
}

}  // namespace

Outcome propose_command(
    state::Command command,
    Answering answer,
    std::function<Outcome(const Context&, const Applied&)> refused
) {
    Parked parked;
    parked.on = WaitProposal{std::move(command)};
    parked.resume = [answer = std::move(answer),
                     refused = std::move(refused)](const Context& context, WaitEnd end) -> Outcome {
        const auto* proposed = std::get_if<Proposed>(&end);
        NL_ASSERT(proposed != nullptr);
        if (!proposed->result) {
            return not_committed(proposed->result.error());
        }
        const Applied& applied = *proposed->result;
        if (applied.result) {
            return answer(context, applied);
        }
        return refused ? refused(context, applied)
                       : text_response(500, applied.result.error().message);
    };
    return parked;
}

Outcome ask_servers(
    WaitServer call, std::function<Outcome(const Context&, ServerAnswered)> answer
) {
    Parked parked;
    parked.on = std::move(call);
    parked.resume = [answer = std::move(answer)](const Context& context, WaitEnd end) -> Outcome {
        auto* answered = std::get_if<ServerAnswered>(&end);
        NL_ASSERT(answered != nullptr);
        return answer(context, std::move(*answered));
    };
    return parked;
}

Outcome ask_node(WaitNode call, std::function<Outcome(const Context&, NodeAnswered)> answer) {
    Parked parked;
    parked.on = std::move(call);
    parked.resume = [answer = std::move(answer)](const Context& context, WaitEnd end) -> Outcome {
        auto* answered = std::get_if<NodeAnswered>(&end);
        NL_ASSERT(answered != nullptr);
        return answer(context, std::move(*answered));
    };
    return parked;
}

Response write_response(std::string json, Index index) {
    Response out = json_response(with_write_meta(std::move(json), index));
    out.headers.push_back({"X-Nomad-Index", fmt::format("{}", index)});
    return out;
}

Response write_envelope(std::string json, Index index) {
    Response out = json_response(with_read_meta(std::move(json), {index, false, {}, ""}));
    out.headers.push_back({"X-Nomad-Index", fmt::format("{}", index)});
    return out;
}

Response write_empty(Index index) {
    return {200, {{"X-Nomad-Index", fmt::format("{}", index)}}, {}};
}

Uuid new_id(const Context& context, std::uint64_t n) {
    Uuid seed;
    std::memcpy(seed.bytes.data(), context.entropy.data(), seed.bytes.size());
    return Uuid::derived(seed, n);
}

model::Evaluation new_eval(
    const model::Job& job, std::string_view triggered_by, const Context& context
) {
    model::Evaluation eval;
    eval.id = new_id(context);
    eval.namespace_ = job.namespace_;
    eval.priority = job.priority;
    eval.type = job.type;
    eval.triggered_by = triggered_by;
    eval.job_id = job.id;
    eval.status = model::EvalStatus::Pending;
    eval.create_time = context.wall.unix_ns;
    eval.modify_time = context.wall.unix_ns;
    return eval;
}

}  // namespace nl::api
