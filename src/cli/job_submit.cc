#include "cli/context.h"
#include "cli/seed.h"

namespace nl::cli {

namespace {

int run(Context& context) {
    io::SeedClient* seed = context.seed();
    if (seed == nullptr) {
        return 1;
    }
    io::seed::SubmitJobRequest request{.command = context.argument(0), .image = std::nullopt};
    if (context.flags().given("image")) {
        request.image = context.text("image");
    }
    const auto answer = seed->submit_job(request);
    if (!answer) {
        return seed_failure(context, answer.error());
    }
    if (wants_json(context)) {
        print_seed_json(
            context,
            Value::Map{{"job_id", answer->job_id}, {"created_at_ms", answer->created_at_ms}}
        );
        return 0;
    }
    context.line("Job submitted successfully!");
    context.line("Job ID: {}", answer->job_id);
    return 0;
}

}  // namespace

Command job_submit_command() {
    return {
        .path = "job submit",
        .usage = "[-a URL] [-o table|json] [--image IMAGE] <command>",
        .synopsis = "Put a shell command into the batch queue",
        .help =
            "Submits one shell command as a job of the batch queue and prints its id. A follower "
            "passes\n"
            "it to the leader.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite job submit \"echo hello\"\n"
            "  $ nomad-lite job -a http://10.0.0.5:50051 submit --image alpine:3 \"sleep 5\"",
        .flags =
            {{.name = "image", .kind = FlagKind::Text, .help = "The container image to run it in."}
            },
        .arguments = {.least = 1, .most = 1, .words = "one argument: <command> (quote it)"},
        .run = run,
        .family = Family::Seed,
    };
}

}  // namespace nl::cli
