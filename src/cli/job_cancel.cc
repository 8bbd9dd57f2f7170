#include "base/uuid.h"
#include "cli/context.h"
#include "cli/seed.h"

#include <algorithm>

namespace nl::cli {

namespace {

int run(Context& context) {
    const std::string id = context.argument(0);
    const bool for_seed = context.flags().given("addr") || Uuid::parse(id).has_value();
    if (!for_seed) {
        // A name belongs to a job of the HTTP API.
        const Command* stop = context.registry().find("job stop");
        const auto specs = stop->flags + general_flags(stop->family);
        const std::vector<std::string> words{id};
        auto line = parse_flags(specs, words, FlagOrder::First);
        if (!line) {
            return context.usage_error(line.error().message);
        }
        Context routed = context.routed(*stop, std::move(*line));
        return stop->run(routed);
    }
    io::SeedClient* seed = context.seed();
    if (seed == nullptr) {
        return 1;
    }
    const auto answer = seed->cancel_job({.job_id = id});
    if (!answer) {
        return seed_failure(context, answer.error());
    }
    if (wants_json(context)) {
        print_seed_json(
            context, Value::Map{{"success", answer->success}, {"message", answer->message}}
        );
        return answer->success ? 0 : 1;
    }
    if (!answer->success) {
        return context.fail("Error: {}", answer->message);
    }
    context.line("job {} cancelled", id);
    return 0;
}

}  // namespace

Command job_cancel_command() {
    return {
        .path = "job cancel",
        .usage = "[-a URL] [-o table|json] <job id>",
        .synopsis = "Cancel a job of the batch queue",
        .help =
            "Cancels a job that `job submit` made, waiting or running. A name that is no such id "
            "is\n"
            "stopped as `job stop` does.\n\n"
            "Example:\n\n"
            "  $ nomad-lite job cancel 0bd24a3c-8f4c-4d9a-b1d5-2f6f4c3b9a10",
        .flags = {},
        .arguments = {.least = 1, .most = 1, .words = "one argument: <job id>"},
        .run = run,
        .family = Family::Seed,
    };
}

}  // namespace nl::cli
