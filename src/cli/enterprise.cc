// Commands whose routes an open-source server answers with a sentence: they ask and print it, so
// that a server which has them would be served too.
#include "cli/context.h"

namespace nl::cli {
namespace {

struct Call {
    const char* method;
    /// Segments; "%" stands for the first argument.
    std::vector<std::string> path;
    const char* failure;
};

int run_call(Context& context, const Call& call) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    std::string path = "/v1";
    for (const std::string& segment : call.path) {
        path += "/" + percent_encode(segment == "%" ? context.argument(0) : segment);
    }
    const std::string method = call.method;
    std::string body;
    if (method != "GET" && context.argument(1) != "") {
        const auto text = context.env().read_file(context.argument(1));
        if (!text) {
            return context.fail("{}: {}", call.failure, text.error().message);
        }
        body = *text;
    }
    const auto reply = api->exchange(method, path, {}, body);
    if (!reply) {
        return context.fail("{}: {}", call.failure, reply.error().message);
    }
    if (reply->status != 200) {
        return context.fail(
            "{}: Unexpected response code: {} ({})",
            call.failure,
            reply->status,
            reply->status == 204 ? "Nomad Enterprise only endpoint" : reply->body
        );
    }
    const auto value = parse_json(reply->body);
    context.ui().line(
        value ? write_json(*value, JsonStyle::Indented) : std::string(reply->body)
    );
    return 0;
}

Command make(
    std::string path,
    std::string usage,
    std::string synopsis,
    ArgumentRule arguments,
    Call call,
    std::vector<FlagSpec> more = {}
) {
    const std::string example = path;
    return {
        .path = std::move(path),
        .usage = "[options]" + (usage.empty() ? std::string() : " " + usage),
        .synopsis = synopsis,
        .help = synopsis + ". Servers without this feature say so.\n\nExample:\n\n  $ nomad-lite " +
                example + (usage.empty() ? std::string() : " " + usage),
        .flags = object_flags() + more,
        .arguments = std::move(arguments),
        .run = [call](Context& context) { return run_call(context, call); },
    };
}

constexpr std::string_view kQuotaHcl =
    "name        = \"default-quota\"\n"
    "description = \"Limit the shared default namespace\"\n"
    "\n"
    "# Limits are for one region each.\n"
    "limit {\n"
    "  region = \"global\"\n"
    "  region_limit {\n"
    "    cpu        = 2500\n"
    "    memory     = 1000\n"
    "    memory_max = 1000\n"
    "  }\n"
    "}\n";
constexpr std::string_view kQuotaJson =
    "{\n"
    "    \"Name\": \"default-quota\",\n"
    "    \"Description\": \"Limit the shared default namespace\",\n"
    "    \"Limits\": [\n"
    "        {\n"
    "            \"Region\": \"global\",\n"
    "            \"RegionLimit\": {\n"
    "                \"CPU\": 2500,\n"
    "                \"MemoryMB\": 1000,\n"
    "                \"MemoryMaxMB\": 1000\n"
    "            }\n"
    "        }\n"
    "    ]\n"
    "}\n";

int run_quota_init(Context& context) {
    const bool json = context.on("json");
    std::string name = context.argument(0);
    if (name.empty()) {
        name = json ? "spec.json" : "spec.hcl";
    }
    if (context.env().file_exists(name)) {
        return context.fail("Quota specification \"{}\" already exists", name);
    }
    const auto written = context.env().write_file(name, json ? kQuotaJson : kQuotaHcl);
    if (!written) {
        return context.fail("Failed to write \"{}\": {}", name, written.error().message);
    }
    context.line("Example quota specification written to {}", name);
    return 0;
}

Command quota_init() {
    return {
        .path = "quota init",
        .usage = "[options] [<filename>]",
        .synopsis = "Write an example of a quota",
        .help = "Writes an example to spec.hcl, or to the file that is named.\n\n"
                "Example:\n\n  $ nomad-lite quota init quota.hcl",
        .flags = {{.name = "json", .kind = FlagKind::Bool, .help = "As JSON."}},
        .arguments = {.least = 0, .most = 1, .words = "either no arguments or one: <filename>"},
        .run = run_quota_init,
        .family = Family::Local,
    };
}

ArgumentRule one(const char* word) {
    return {.least = 1, .most = 1, .words = fmt::format("one argument: {}", word)};
}

}  // namespace

std::vector<Command> enterprise_commands() {
    std::vector<Command> out;
    out.push_back(quota_init());
    out.push_back(make("quota list", "", "List quotas", {}, {"GET", {"quotas"}, "Error retrieving quotas"}));
    out.push_back(make(
        "quota status", "<quota>", "Show a quota and its use", one("<quota>"), {"GET", {"quota", "%"}, "Error retrieving quota"}
    ));
    out.push_back(make(
        "quota inspect", "<quota>", "Print a quota as JSON", one("<quota>"), {"GET", {"quota", "%"}, "Error retrieving quota"}
    ));
    out.push_back(make(
        "quota apply", "<input>", "Make or change a quota", one("<input>"), {"PUT", {"quota"}, "Error applying quota specification"}
    ));
    out.push_back(make(
        "quota delete", "<quota>", "Delete a quota", one("<quota>"), {"DELETE", {"quota", "%"}, "Error deleting quota"}
    ));
    out.push_back(make(
        "sentinel list", "", "List Sentinel policies", {}, {"GET", {"sentinel", "policies"}, "Error listing Sentinel policies"}
    ));
    out.push_back(make(
        "sentinel read",
        "<name>",
        "Show a Sentinel policy",
        one("<name>"),
        {"GET", {"sentinel", "policy", "%"}, "Error reading Sentinel policy"},
        {{.name = "raw", .kind = FlagKind::Bool, .help = "Print only the policy."}}
    ));
    out.push_back(make(
        "sentinel delete", "<name>", "Delete a Sentinel policy", one("<name>"), {"DELETE", {"sentinel", "policy", "%"}, "Error deleting Sentinel policy"}
    ));
    out.push_back(make(
        "sentinel apply",
        "<name> <file>",
        "Make or change a Sentinel policy",
        {.least = 2, .most = 2, .words = "two arguments: <name> and <file>"},
        {"PUT", {"sentinel", "policy", "%"}, "Error writing Sentinel policy"},
        {{.name = "description", .kind = FlagKind::Text, .help = "What it is for."},
         {.name = "scope", .kind = FlagKind::Text, .help = "What it is applied to."},
         {.name = "level", .kind = FlagKind::Text, .help = "How strictly.", .fallback = "advisory"}}
    ));
    out.push_back(make(
        "recommendation list",
        "",
        "List recommendations",
        {},
        {"GET", {"recommendations"}, "Error listing recommendations"},
        {{.name = "job", .kind = FlagKind::Text, .help = "Of this job."},
         {.name = "group", .kind = FlagKind::Text, .help = "Of this group."},
         {.name = "task", .kind = FlagKind::Text, .help = "Of this task."}}
    ));
    out.push_back(make(
        "recommendation info",
        "<recommendation_id>",
        "Show a recommendation",
        one("<recommendation_id>"),
        {"GET", {"recommendation", "%"}, "Error reading recommendation"}
    ));
    const ArgumentRule some{
        .least = 1, .most = kManyArguments, .words = "at least one argument: <recommendation_ids>"
    };
    out.push_back(make(
        "recommendation dismiss", "<recommendation_ids>", "Dismiss recommendations", some, {"DELETE", {"recommendations"}, "Error dismissing recommendations"}
    ));
    out.push_back(make(
        "recommendation apply",
        "<recommendation_ids>",
        "Apply recommendations",
        some,
        {"POST", {"recommendations", "apply"}, "Error applying recommendations"},
        {{.name = "detach", .kind = FlagKind::Bool, .help = "Return at once."},
         {.name = "policy-override", .kind = FlagKind::Bool, .help = "Override soft policies."},
         {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."}}
    ));
    out.push_back(make("license get", "", "Show the license", {}, {"GET", {"operator", "license"}, "Error getting license"}));
    out.push_back(make(
        "operator utilization",
        "",
        "Make a report of use",
        {},
        {"POST", {"operator", "utilization"}, "Error generating utilization report"},
        {{.name = "today-only", .kind = FlagKind::Bool, .help = "Only today."},
         {.name = "output", .kind = FlagKind::Text, .help = "The file to write."},
         {.name = "message", .kind = FlagKind::Text, .help = "A note to keep with it."}}
    ));
    return out;
}

}  // namespace nl::cli
