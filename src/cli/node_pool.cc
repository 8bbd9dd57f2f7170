#include "cli/acl.h"
#include "cli/commands.h"
#include "cli/tables.h"
#include "hcl/body.h"
#include "hcl/eval.h"

#include <algorithm>

namespace nl::cli {

namespace {

/// The pool of that name or of the only name that begins so. Null: the failure is printed.
std::optional<Value> find_pool(Context& context, Api& api, const std::string& name) {
    const auto answer = api.get(api_path({"node", "pools"}), {{"prefix", name}});
    if (!answer) {
        context.fail("Error retrieving node pool: {}", answer.error().message);
        return {};
    }
    const Value::List& pools = Doc(*answer).list();
    for (const Value& pool : pools) {
        if (Doc(pool)["Name"].text() == name) {
            return pool;
        }
    }
    if (pools.empty()) {
        context.fail("No node pool(s) with prefix \"{}\" found", name);
        return {};
    }
    if (pools.size() > 1) {
        std::vector<Row> rows{{"Name", "Description"}};
        for (const Value& pool : pools) {
            rows.push_back({Doc(pool)["Name"].text(), Doc(pool)["Description"].text()});
        }
        context.fail("Prefix matched multiple node pools\n\n{}", table(rows));
        return {};
    }
    return pools.front();
}

Query page_query(const Context& context) {
    Query query;
    const auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) {
            query.emplace_back(name, value);
        }
    };
    add("filter", context.text("filter"));
    add("next_token", context.text("page-token"));
    if (const auto size = context.flags().integer("per-page"); size > 0) {
        query.emplace_back("per_page", fmt::format("{}", size));
    }
    return query;
}

void tell_next_page(const Context& context, const Api& api) {
    if (!api.next_token().empty()) {
        context.line(
            "\nResults have been paginated. To get the next page run:\n\n{} {} -page-token {}",
            context.program(),
            context.command().path,
            api.next_token()
        );
    }
}

int run_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"node", "pools"}), page_query(context));
    if (!answer) {
        return context.fail("Error querying node pools: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    std::vector<Row> rows{{"Name", "Description"}};
    for (const Value& pool : Doc(*answer).list()) {
        rows.push_back({Doc(pool)["Name"].text(), Doc(pool)["Description"].text()});
    }
    context.ui().line(rows.size() == 1 ? std::string("No node pools") : table(rows));
    tell_next_page(context, *api);
    return 0;
}

int run_info(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto pool = find_pool(context, *api, context.argument(0));
    if (!pool) {
        return 1;
    }
    if (context.on("json") && context.text("t").empty()) {
        context.ui().line(write_json(*pool, JsonStyle::Compact));
        return 0;
    }
    if (context.wants_object()) {
        return context.print_object(*pool);
    }
    const Doc doc(*pool);
    context.ui().line(key_values({
        {"Name", doc["Name"].text()},
        {"Description", doc["Description"].text_or("<none>")},
        {"Node Identity TTL", to_string(Duration{doc["NodeIdentityTTL"].integer()})},
    }));
    context.ui().section("Metadata");
    Pairs meta;
    for (const auto& [name, value] : doc["Meta"].map()) {
        meta.emplace_back(name, Doc(value).text());
    }
    context.ui().line(meta.empty() ? std::string("No metadata") : key_values(meta));
    context.ui().section("Scheduler Configuration");
    const Doc scheduler = doc["SchedulerConfiguration"];
    Pairs settings;
    if (const std::string algorithm = scheduler["SchedulerAlgorithm"].text(); !algorithm.empty()) {
        settings.emplace_back("Scheduler Algorithm", algorithm);
    }
    if (!scheduler["MemoryOversubscriptionEnabled"].is_null()) {
        settings.emplace_back(
            "Memory Oversubscription Enabled",
            scheduler["MemoryOversubscriptionEnabled"].flag() ? "true" : "false"
        );
    }
    context.ui().line(
        settings.empty() ? std::string("No scheduler configuration") : key_values(settings)
    );
    return 0;
}

/// `node_pool "name" { description, meta {}, scheduler_config {} }`.
Result<Value> parse_pool(const std::string& text) {
    hcl::SourceNames names;
    hcl::Diagnostics diagnostics;
    std::size_t steps = 0;
    std::size_t made = 0;
    hcl::EvalContext evaluation;
    evaluation.steps = &steps;
    const auto document = hcl::read_document(text, names.add("input"), names, diagnostics);
    const auto wrong = [&]() -> Result<Value> {
        return fail(ErrorCode::InvalidArgument, "{}", hcl::first_error(diagnostics, names));
    };
    if (diagnostics.has_errors()) {
        return wrong();
    }
    const auto top = document->view().read({{"node_pool", 1}}, evaluation, diagnostics, made);
    if (top.blocks.size() != 1 || !top.attributes.empty() || top.blocks[0].type != "node_pool" ||
        top.blocks[0].labels.size() != 1) {
        return fail(
            ErrorCode::InvalidArgument,
            "only one 'node_pool' block with the name as its label is allowed"
        );
    }
    Value::Map out{{"Name", top.blocks[0].labels[0]}};
    const auto inside = top.blocks[0].body.read(
        {{"meta", 0}, {"scheduler_config", 0}}, evaluation, diagnostics, made
    );
    for (const auto& attribute : inside.attributes) {
        const Value value = hcl::to_plain(attribute.evaluate(evaluation, diagnostics));
        if (attribute.name == "description") {
            out.insert_or_assign("Description", value);
        } else if (attribute.name == "node_identity_ttl") {
            out.insert_or_assign("NodeIdentityTTL", value);
        } else if (attribute.name == "meta") {
            out.insert_or_assign("Meta", value);
        } else {
            return fail(ErrorCode::InvalidArgument, "unexpected key {}", attribute.name);
        }
    }
    for (const auto& block : inside.blocks) {
        Value::Map map;
        for (const auto& item : block.body.read({}, evaluation, diagnostics, made).attributes) {
            const Value value = hcl::to_plain(item.evaluate(evaluation, diagnostics));
            if (block.type == "meta") {
                map.insert_or_assign(item.name, value);
            } else if (item.name == "scheduler_algorithm") {
                map.insert_or_assign("SchedulerAlgorithm", value);
            } else if (item.name == "memory_oversubscription_enabled") {
                map.insert_or_assign("MemoryOversubscriptionEnabled", value);
            } else {
                return fail(ErrorCode::InvalidArgument, "unexpected key {}", item.name);
            }
        }
        if (block.type != "meta" && block.type != "scheduler_config") {
            return fail(ErrorCode::InvalidArgument, "unexpected block {}", block.type);
        }
        out.insert_or_assign(
            block.type == "meta" ? "Meta" : "SchedulerConfiguration", std::move(map)
        );
    }
    return diagnostics.has_errors() ? wrong() : Result<Value>(Value(std::move(out)));
}

int run_apply(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto text = context.env().read_file(context.argument(0));
    if (!text) {
        return context.fail("Failed to read input content: {}", text.error().message);
    }
    const auto pool = context.on("json") ? parse_json(*text) : parse_pool(*text);
    if (!pool || pool->as_map() == nullptr) {
        return context.fail(
            "Failed to parse input content: {}",
            pool ? std::string("a node pool in JSON is an object") : pool.error().message
        );
    }
    const auto answer = api->put(api_path({"node", "pools"}), {}, *pool);
    if (!answer) {
        return context.fail("Error applying node pool: {}", answer.error().message);
    }
    context.line("Successfully applied node pool \"{}\"!", Doc(*pool)["Name"].text());
    return 0;
}

int run_delete(Context& context) {
    const std::string name = context.argument(0);
    return delete_object(
        context,
        api_path({"node", "pool", name}),
        "node pool",
        fmt::format("Successfully deleted node pool \"{}\"!", name)
    );
}

int run_nodes(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto pool = find_pool(context, *api, context.argument(0));
    if (!pool) {
        return 1;
    }
    const auto answer = api->get(
        api_path({"node", "pool", Doc(*pool)["Name"].text(), "nodes"}), page_query(context)
    );
    if (!answer) {
        return context.fail("Error querying nodes: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Value::List& nodes = Doc(*answer).list();
    context.ui().line(nodes.empty() ? std::string("No nodes") : node_table(context, nodes, {}));
    tell_next_page(context, *api);
    return 0;
}

int run_jobs(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto pool = find_pool(context, *api, context.argument(0));
    if (!pool) {
        return 1;
    }
    const auto answer = api->get(
        api_path({"node", "pool", Doc(*pool)["Name"].text(), "jobs"}), page_query(context)
    );
    if (!answer) {
        return context.fail("Error querying jobs: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Value::List& jobs = Doc(*answer).list();
    context.ui().line(
        jobs.empty() ? std::string("No jobs")
                     : job_table(context, jobs, api->settings().namespace_ == "*")
    );
    tell_next_page(context, *api);
    return 0;
}

constexpr std::string_view kHclExample =
    "node_pool \"example\" {\n"
    "  description = \"An example of a node pool.\"\n"
    "\n"
    "  meta {\n"
    "    environment = \"test\"\n"
    "  }\n"
    "\n"
    "  # scheduler_config {\n"
    "  #   scheduler_algorithm             = \"spread\"\n"
    "  #   memory_oversubscription_enabled = true\n"
    "  # }\n"
    "}\n";
constexpr std::string_view kJsonExample =
    "{\n"
    "  \"Name\": \"example\",\n"
    "  \"Description\": \"An example of a node pool.\",\n"
    "  \"Meta\": {\n"
    "    \"environment\": \"test\"\n"
    "  }\n"
    "}\n";

int run_init(Context& context) {
    const std::string form = context.text("out");
    if (form != "hcl" && form != "json") {
        return context.fail("Unknown value for -out flag: \"{}\"; use hcl or json", form);
    }
    std::string file = context.argument(0);
    if (file.empty()) {
        file = "pool.nomad." + form;
    }
    if (context.env().file_exists(file)) {
        return context.fail("File \"{}\" already exists", file);
    }
    const auto written = context.env().write_file(file, form == "hcl" ? kHclExample : kJsonExample);
    if (!written) {
        return context.fail("Failed to write \"{}\": {}", file, written.error().message);
    }
    if (!context.on("quiet")) {
        context.line("Example node pool specification written to {}", file);
    }
    return 0;
}

std::vector<FlagSpec> page_flags() {
    return object_flags() +
           std::vector<FlagSpec>{
               text_flag("filter", "A filter expression."),
               text_flag("page-token", "Where the page begins."),
               {.name = "per-page",
                .kind = FlagKind::Integer,
                .help = "Items on a page; 0 for all.",
                .fallback = "0"},
           };
}

}  // namespace

Command node_pool_list_command() {
    return {
        .path = "node pool list",
        .usage = "[options]",
        .synopsis = "List node pools",
        .help = "Lists the node pools.",
        .flags = page_flags(),
        .arguments = {},
        .run = run_list,
    };
}

Command node_pool_info_command() {
    return {
        .path = "node pool info",
        .usage = "[options] <node-pool>",
        .synopsis = "Show a node pool",
        .help = "Shows a node pool, its metadata and its settings of the scheduler.",
        .flags = object_flags(),
        .arguments = one_argument("node-pool"),
        .run = run_info,
    };
}

Command node_pool_apply_command() {
    return {
        .path = "node pool apply",
        .usage = "[options] <input>",
        .synopsis = "Make or change a node pool",
        .help = "Writes the node pool of an HCL file (a JSON one with -json), or of standard input "
                "with -.",
        .flags = {{.name = "json", .kind = FlagKind::Bool, .help = "The input is JSON."}},
        .arguments = one_argument("input"),
        .run = run_apply,
    };
}

Command node_pool_delete_command() {
    return {
        .path = "node pool delete",
        .usage = "[options] <node-pool>",
        .synopsis = "Delete a node pool",
        .help = "Deletes a node pool without nodes and running jobs.",
        .flags = {},
        .arguments = one_argument("node-pool"),
        .run = run_delete,
    };
}

Command node_pool_nodes_command() {
    return {
        .path = "node pool nodes",
        .usage = "[options] <node-pool>",
        .synopsis = "List the nodes of a pool",
        .help = "Lists the nodes of a pool.",
        .flags = page_flags() +
                 std::vector<FlagSpec>{
                     {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."}
                 },
        .arguments = one_argument("node-pool"),
        .run = run_nodes,
    };
}

Command node_pool_jobs_command() {
    return {
        .path = "node pool jobs",
        .usage = "[options] <node-pool>",
        .synopsis = "List the jobs of a pool",
        .help = "Lists the jobs that run in a pool.",
        .flags = page_flags(),
        .arguments = one_argument("node-pool"),
        .run = run_jobs,
    };
}

Command node_pool_init_command() {
    return {
        .path = "node pool init",
        .usage = "[options] [<filename>]",
        .synopsis = "Write an example of a node pool",
        .help = "Writes an example that `node pool apply` can read.",
        .flags =
            {
                {.name = "out",
                 .kind = FlagKind::Text,
                 .help = "hcl or json.",
                 .fallback = "hcl"},
                {.name = "quiet", .kind = FlagKind::Bool, .help = "Say nothing."},
            },
        .arguments = {.least = 0, .most = 1, .words = "no arguments or one: <filename>"},
        .run = run_init,
        .family = Family::Local,
    };
}

}  // namespace nl::cli
