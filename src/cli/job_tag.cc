// job tag apply and unset: names for versions of a job.

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/lookup.h"

namespace nl::cli {

namespace {

struct Target {
    Api* api{nullptr};
    FoundJob job;
};

std::optional<Target> target(Context& context) {
    if (context.text("name").empty()) {
        context.usage_error("A version tag name is required");
        return std::nullopt;
    }
    Api* api = context.api();
    if (api == nullptr) {
        return std::nullopt;
    }
    auto found = find_job(context, *api, context.argument(0));
    if (!found) {
        return std::nullopt;
    }
    return Target{.api = api, .job = std::move(*found)};
}

std::string tag_path(const std::string& job, const std::string& name) {
    return api_path({"job", job, "versions", name, "tag"});
}

int run_apply(Context& context) {
    const std::string given = context.text("version");
    const auto number = parse_integer(given);
    if (!given.empty() && (!number || *number < 0)) {
        return context.fail("Error parsing version: \"{}\" is no version number", given);
    }
    auto to = target(context);
    if (!to) {
        return 1;
    }
    std::int64_t version = number.value_or(0);
    if (given.empty()) {
        const auto job = to->api->get(api_path({"job", to->job.id}));
        if (!job) {
            return context.fail("Error retrieving job versions: {}", job.error().message);
        }
        version = Doc(*job)["Version"].integer();
    }
    const std::string name = context.text("name");
    const auto answer = to->api->put(
        tag_path(to->job.id, name),
        {},
        Value::Map{
            {"Version", version}, {"Name", name}, {"Description", context.text("description")}
        }
    );
    if (!answer) {
        return context.fail("Error tagging job version: {}", answer.error().message);
    }
    context.line("Job version {} tagged with name \"{}\"", version, name);
    return 0;
}

int run_unset(Context& context) {
    auto to = target(context);
    if (!to) {
        return 1;
    }
    const std::string name = context.text("name");
    const auto answer = to->api->remove(tag_path(to->job.id, name));
    if (!answer) {
        return context.fail("Error untagging job version: {}", answer.error().message);
    }
    context.line("Tag \"{}\" removed from job \"{}\"", name, to->job.id);
    return 0;
}

ArgumentRule one_job() {
    return {.least = 1, .most = 1, .words = "one argument: <job>"};
}

}  // namespace

Command job_tag_apply_command() {
    return {
        .path = "job tag apply",
        .usage = "[options] <job>",
        .synopsis = "Give a version of a job a name",
        .help =
            "Names a version, by default the latest. A version with a name is kept until the name "
            "is taken away,\n"
            "and can be reverted to and compared with by it.\n\n"
            "Example:\n\n  $ nomad-lite job tag apply -name golden -description \"before the "
            "move\" web",
        .flags =
            {{.name = "name", .kind = FlagKind::Text, .help = "The name."},
             {.name = "description", .kind = FlagKind::Text, .help = "What it stands for."},
             {.name = "version", .kind = FlagKind::Text, .help = "An earlier version."}},
        .arguments = one_job(),
        .run = run_apply,
    };
}

Command job_tag_unset_command() {
    return {
        .path = "job tag unset",
        .usage = "-name <tag> <job>",
        .synopsis = "Take a version's name away",
        .help =
            "The version stays as long as others of its age do.\n\n"
            "Example:\n\n  $ nomad-lite job tag unset -name golden web",
        .flags = {{.name = "name", .kind = FlagKind::Text, .help = "The name."}},
        .arguments = one_job(),
        .run = run_unset,
    };
}

}  // namespace nl::cli
