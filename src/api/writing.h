#pragma once
// How write routes answer: a command is proposed, and the answer is made from the state that has
// applied it. Source: Nomad HTTP API, 0.3 and 0.6.

#include "api/context.h"
#include "api/outcome.h"
#include "model/evaluation.h"
#include "model/job.h"
#include "state/command.h"

#include <functional>
#include <string>
#include <string_view>

namespace nl::api {

/// Makes the answer from the state that has applied the command.
using Answering = std::function<Outcome(const Context&, const Applied&)>;

/// Proposes a command already made. A refusal of the state is answered with 500 and its text
/// unless `refused` is given.
Outcome propose_command(
    state::Command command,
    Answering answer,
    std::function<Outcome(const Context&, const Applied&)> refused = {}
);

template <class Body>
Outcome propose(
    const Body& body, const Context& context, Answering answer, Answering refused = {}
) {
    return propose_command(
        state::make_command(body, context.wall, context.entropy[2]),
        std::move(answer),
        std::move(refused)
    );
}

/// Asks the servers' own machinery, or a node, and answers from what comes back.
Outcome ask_servers(WaitServer call, std::function<Outcome(const Context&, ServerAnswered)> answer);
Outcome ask_node(WaitNode call, std::function<Outcome(const Context&, NodeAnswered)> answer);

/// A JSON object with Index added and in the header.
Response write_response(std::string json, Index index);
/// As write_response, with the keys of a read's envelope too (job registration and its like).
Response write_envelope(std::string json, Index index);
/// Only the header: what most deletions answer.
Response write_empty(Index index);

/// A pending evaluation of a job, with a new id.
model::Evaluation new_eval(
    const model::Job& job, std::string_view triggered_by, const Context& context
);
/// An id of this call: different for each n.
Uuid new_id(const Context& context, std::uint64_t n = 0);

}  // namespace nl::api
