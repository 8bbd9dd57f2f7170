#include "cli/var.h"

#include "cli/commands.h"
#include "cli/template.h"

#include <algorithm>

namespace nl::cli {

namespace {

std::string hcl_text(const std::string& text) {
    return write_json(Value(text), JsonStyle::Compact);
}

bool is_bare(const std::string& name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    }) && (name[0] < '0' || name[0] > '9') && name[0] != '-';
}

std::string as_hcl(Doc variable) {
    std::string out = fmt::format(
        "namespace = {}\npath      = {}\n\ncreate_index = {}\nmodify_index = {}\n\nitems = {{\n",
        hcl_text(variable["Namespace"].text()),
        hcl_text(variable["Path"].text()),
        variable["CreateIndex"].integer(),
        variable["ModifyIndex"].integer()
    );
    std::size_t width = 0;
    for (const auto& [name, value] : variable["Items"].map()) {
        width = std::max(width, is_bare(name) ? name.size() : hcl_text(name).size());
    }
    for (const auto& [name, value] : variable["Items"].map()) {
        out += fmt::format(
            "  {:<{}} = {}\n", is_bare(name) ? name : hcl_text(name), width, hcl_text(Doc(value).text())
        );
    }
    return out + "}";
}

int run_get(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string path = context.argument(0);
    const std::string item = context.text("item");
    const std::string form = output_form(context, "table");
    const auto answer = api->get(variable_path(path));
    if (!answer) {
        return answer.error().code == ErrorCode::NotFound
                   ? context.fail("Variable not found")
                   : context.fail("Error retrieving variable: {}", answer.error().message);
    }
    if (!item.empty()) {
        const Value::Map& items = Doc(*answer)["Items"].map();
        const auto found = items.find(item);
        if (found == items.end()) {
            return context.fail("Variable does not contain \"{}\" item", item);
        }
        context.ui().line(Doc(found->second).text());
        return 0;
    }
    return form == "none" ? 0 : show_variable(context, *answer, form);
}

int run_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    Query query;
    const auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) {
            query.emplace_back(name, value);
        }
    };
    add("prefix", context.argument(0));
    add("filter", context.text("filter"));
    add("next_token", context.text("page-token"));
    if (context.flags().integer("per-page") > 0) {
        add("per_page", fmt::format("{}", context.flags().integer("per-page")));
    }
    const std::string form = output_form(context, "table");
    const auto answer = api->get(api_path({"vars"}), query);
    if (!answer) {
        return context.fail("Error retrieving vars: {}", answer.error().message);
    }
    const Value::List& variables = Doc(*answer).list();
    if (form == "json") {
        context.ui().line(indent_json(write_json(*answer, JsonStyle::Compact), 2));
    } else if (form == "terse") {
        for (const Value& item : variables) {
            context.ui().line(Doc(item)["Path"].text());
        }
    } else if (form == "go-template") {
        const auto text = expand_template(context.text("template"), *answer);
        if (!text) {
            return context.fail("{}", text.error().message);
        }
        context.ui().line(*text);
    } else if (form != "table") {
        return context.fail(
            "Invalid value for \"-out\"; valid values are [go-template, json, table, terse]"
        );
    } else if (variables.empty()) {
        context.ui().line("No variables found");
    } else {
        std::vector<Row> rows{{"Namespace", "Path", "Last Updated"}};
        for (const Value& item : variables) {
            const Doc variable(item);
            rows.push_back(
                {variable["Namespace"].text(),
                 variable["Path"].text(),
                 context.time(variable["ModifyTime"])}
            );
        }
        context.ui().line(table(rows));
    }
    if (!api->next_token().empty() && form == "table") {
        context.line(
            "\nResults have been paginated. To get the next page run:\n\n{} var list -page-token {}",
            context.program(),
            api->next_token()
        );
    }
    return 0;
}

int run_purge(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string path = context.argument(0);
    Query query;
    if (const std::string index = context.text("check-index"); !index.empty()) {
        if (const auto parsed = parse_integer(index); !parsed || *parsed < 0) {
            return context.fail("Invalid -check-index value \"{}\": not a whole number", index);
        }
        query.emplace_back("cas", index);
    }
    const auto reply = api->exchange("DELETE", variable_path(path), query, "");
    if (!reply) {
        return context.fail("Error purging variable: {}", reply.error().message);
    }
    if (reply->status == 409) {
        const auto current = parse_json(reply->body);
        return current && current->as_map() != nullptr
                   ? context.fail(
                         "\nCheck-and-Set conflict\n\nThe provided index {} differs from the "
                         "variable's {}; the variable was not purged.",
                         context.text("check-index"),
                         Doc(*current)["ModifyIndex"].integer()
                     )
                   : context.fail("Error purging variable: {}", reply->body);
    }
    if (reply->status != 200 && reply->status != 204) {
        return context.fail(
            "Error purging variable: Unexpected response code: {} ({})", reply->status, reply->body
        );
    }
    context.line("Successfully purged variable \"{}\"!", path);
    return 0;
}

constexpr std::string_view kHclExample =
    "# A variable's path, if it is not given on the command line.\n"
    "# path = \"path/to/variable\"\n"
    "\n"
    "# namespace = \"default\"\n"
    "\n"
    "# Writing is checked against this index: 0 writes only a new variable.\n"
    "# modify_index = 0\n"
    "\n"
    "# The items are the only part that is needed; values are texts.\n"
    "items = {\n"
    "  key1 = \"value 1\"\n"
    "  key2 = \"value 2\"\n"
    "}\n";
constexpr std::string_view kJsonExample =
    "{\n"
    "  \"Items\": {\n"
    "    \"key1\": \"value 1\",\n"
    "    \"key2\": \"value 2\"\n"
    "  }\n"
    "}\n";

int run_init(Context& context) {
    const std::string form = context.text("out");
    if (form != "hcl" && form != "json") {
        return context.fail("Unknown value for -out flag: \"{}\"; use hcl or json", form);
    }
    std::string file = context.argument(0);
    if (file.empty()) {
        file = form == "hcl" ? "spec.nv.hcl" : "spec.nv.json";
    }
    if (context.env().file_exists(file)) {
        return context.fail("File \"{}\" already exists", file);
    }
    const auto written = context.env().write_file(file, form == "hcl" ? kHclExample : kJsonExample);
    if (!written) {
        return context.fail("Failed to write \"{}\": {}", file, written.error().message);
    }
    if (!context.on("quiet")) {
        context.line("Example variable specification written to {}", file);
    }
    return 0;
}

}  // namespace

std::string variable_path(const std::string& path) {
    return api_path({"var", path});
}

std::string output_form(const Context& context, std::string_view on_terminal) {
    const std::string given = context.text("out");
    if (!given.empty()) {
        return given;
    }
    if (!context.text("template").empty()) {
        return "go-template";
    }
    return context.env().out_is_terminal ? std::string(on_terminal) : "json";
}

int show_variable(const Context& context, const Value& variable, const std::string& form) {
    const Doc doc(variable);
    if (form == "json") {
        context.ui().line(indent_json(write_json(variable, JsonStyle::Compact), 2));
        return 0;
    }
    if (form == "hcl") {
        context.ui().line(as_hcl(doc));
        return 0;
    }
    if (form == "go-template") {
        const auto text = expand_template(context.text("template"), variable);
        if (!text) {
            return context.fail("{}", text.error().message);
        }
        context.ui().line(*text);
        return 0;
    }
    if (form != "table") {
        return context.fail(
            "Invalid value for \"-out\"; valid values are [go-template, hcl, json, none, table]"
        );
    }
    Pairs pairs{
        {"Namespace", doc["Namespace"].text()},
        {"Path", doc["Path"].text()},
        {"Create Time", context.time(doc["CreateTime"])},
    };
    if (doc["CreateTime"].integer() != doc["ModifyTime"].integer()) {
        pairs.emplace_back("Modify Time", context.time(doc["ModifyTime"]));
    }
    pairs.emplace_back("Check Index", fmt::format("{}", doc["ModifyIndex"].integer()));
    context.ui().line(key_values(pairs));
    context.ui().section("Items");
    Pairs items;
    for (const auto& [name, value] : doc["Items"].map()) {
        items.emplace_back(name, Doc(value).text());
    }
    context.ui().line(key_values(items));
    return 0;
}

Command var_get_command() {
    return {
        .path = "var get",
        .usage = "[options] <path>",
        .synopsis = "Read a variable",
        .help = "Prints a variable: as a table on a terminal, as JSON elsewhere.\n\nExample:\n\n"
                "  $ nomad-lite var get -item password app/db",
        .flags =
            {
                text_flag("item", "Print only the value of this item."),
                text_flag("out", "go-template, hcl, json, none or table."),
                text_flag("template", "A Go template, with -out go-template."),
                {.name = "ui", .kind = FlagKind::Bool, .help = "Accepted.", .hidden = true},
            },
        .arguments = one_argument("path"),
        .run = run_get,
    };
}

Command var_list_command() {
    return {
        .path = "var list",
        .usage = "[options] [<prefix>]",
        .synopsis = "List variables",
        .help = "Lists the variables whose paths begin with the prefix.",
        .flags =
            {
                text_flag("out", "go-template, json, table or terse."),
                text_flag("template", "A Go template, with -out go-template."),
                text_flag("filter", "A filter expression."),
                text_flag("page-token", "Where the page begins."),
                {.name = "per-page",
                 .kind = FlagKind::Integer,
                 .help = "Variables on a page; 0 for all.",
                 .fallback = "0"},
                {.name = "ui", .kind = FlagKind::Bool, .help = "Accepted.", .hidden = true},
            },
        .arguments = {.least = 0, .most = 1, .words = "flags and either no arguments or one: <prefix>"},
        .run = run_list,
    };
}

Command var_purge_command() {
    return {
        .path = "var purge",
        .usage = "[options] <path>",
        .synopsis = "Delete a variable",
        .help = "Deletes a variable for good.",
        .flags = {text_flag("check-index", "Only if the variable's index is this one.")},
        .arguments = one_argument("path"),
        .run = run_purge,
    };
}

Command var_init_command() {
    return {
        .path = "var init",
        .usage = "[options] [<filename>]",
        .synopsis = "Write an example of a variable specification",
        .help = "Writes an example that `var put` can read.",
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
