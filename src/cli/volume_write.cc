#include "cli/context.h"
#include "hcl/body.h"
#include "hcl/functions.h"
#include "hcl/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace nl::cli {

namespace {

constexpr std::string_view kExample =
    "# A directory that Nomad makes on a node and keeps for jobs.\n"
    "name      = \"example\"\n"
    "type      = \"host\"\n"
    "plugin_id = \"mkdir\"\n"
    "# node_pool = \"default\"\n"
    "# capacity_min = \"1GiB\"\n"
    "\n"
    "capability {\n"
    "  access_mode     = \"single-node-writer\"\n"
    "  attachment_mode = \"file-system\"\n"
    "}\n"
    "\n"
    "# constraint {\n"
    "#   attribute = \"${attr.kernel.name}\"\n"
    "#   value     = \"linux\"\n"
    "# }\n"
    "\n"
    "parameters {\n"
    "  mode = \"0750\"\n"
    "}\n";

/// "10GiB", "500 MB" or a number of bytes.
Result<std::int64_t> read_size(const std::string& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || value < 0) {
        return fail(ErrorCode::InvalidArgument, "\"{}\" is no size", text);
    }
    std::string unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    std::erase(unit, ' ');
    constexpr std::string_view kLetters = "KMGTP";
    const std::size_t power = unit.empty()
                                  ? std::string_view::npos
                                  : kLetters.find(static_cast<char>(std::toupper(unit[0])));
    const double base = unit.size() > 1 && (unit[1] == 'i' || unit[1] == 'I') ? 1024 : 1000;
    if (!unit.empty() && unit != "B" && unit != "b" && power == std::string_view::npos) {
        return fail(ErrorCode::InvalidArgument, "\"{}\" is no size", text);
    }
    const double factor =
        power == std::string_view::npos ? 1 : std::pow(base, static_cast<double>(power + 1));
    return static_cast<std::int64_t>(value * factor);
}

/// A body as plain values: blocks become lists of maps under their type.
Value::Map plain(
    const hcl::BodyView& body, const hcl::EvalContext& context, hcl::Diagnostics& found
) {  // NOLINT(misc-no-recursion): bounded by the parser
    std::size_t made = 0;
    const std::vector<hcl::BlockShape> shapes{
        {"capability", 0},
        {"constraint", 0},
        {"parameters", 0},
        {"mount_options", 0},
        {"secrets", 0},
        {"context", 0}
    };
    const hcl::BodyContent content = body.read(shapes, context, found, made);
    Value::Map out;
    for (const hcl::BodyAttribute& attribute : content.attributes) {
        const hcl::Value value = attribute.evaluate(context, found);
        if (!value.is_wholly_known()) {
            continue;
        }
        std::string json;
        hcl::append_json(json, value);
        if (auto read = parse_json(json)) {
            out.insert_or_assign(attribute.name, std::move(*read));
        }
    }
    for (const hcl::BodyBlock& block : content.blocks) {
        Value& list = out[block.type];
        if (list.as_list() == nullptr) {
            list = Value::List{};
        }
        list.as_list()->push_back(Value(plain(block.body, context, found)));
    }
    return out;
}

std::string field(const Value::Map& map, std::string_view name) {
    const auto at = map.find(name);
    return at == map.end() ? "" : Doc(at->second).text();
}

/// The volume as the API takes it, or nothing after having said what is wrong.
std::optional<Value> read_volume(Context& context) {
    const auto text = context.env().read_file(context.argument(0));
    if (!text) {
        context.fail("Error reading input: {}", text.error().message);
        return std::nullopt;
    }
    hcl::SourceNames names;
    const std::uint32_t file = names.add(context.argument(0));
    hcl::Diagnostics found;
    static const hcl::FunctionTable functions = hcl::standard_functions();
    hcl::FunctionEnvironment environment;
    std::size_t steps = 0;
    const auto document = hcl::read_document(*text, file, names, found);
    Value::Map given;
    if (!found.has_errors()) {
        const std::vector<std::string_view> kept{document->source};
        hcl::EvalContext scope;
        scope.functions = &functions;
        scope.environment = &environment;
        // What a node answers is asked there: "${attr.kernel.name}" stays as it is written.
        scope.kept_sources = &kept;
        scope.steps = &steps;
        given = plain(document->view(), scope, found);
    }
    if (found.has_errors()) {
        context.fail("Error decoding the volume definition: {}", hcl::all_errors(found, names));
        return std::nullopt;
    }
    const std::string type = field(given, "type");
    if (type != "host") {
        context.fail(
            "Error unknown volume type: {}",
            type.empty() ? "none is given; \"host\" is" : type + " (\"host\" is known)"
        );
        return std::nullopt;
    }
    Value::Map out;
    const auto take = [&](const char* from, const char* to) {
        if (const std::string value = field(given, from); !value.empty()) {
            out.insert_or_assign(to, value);
        }
    };
    take("id", "ID");
    take("namespace", "Namespace");
    take("name", "Name");
    take("plugin_id", "PluginID");
    take("node_id", "NodeID");
    take("node_pool", "NodePool");
    take("host_path", "HostPath");
    if (const std::string id = context.text("id"); !id.empty()) {
        out.insert_or_assign("ID", id);
    }
    for (const auto& [from, to] :
         {std::pair("capacity_min", "RequestedCapacityMinBytes"),
          std::pair("capacity_max", "RequestedCapacityMaxBytes"),
          std::pair("capacity", "CapacityBytes")}) {
        if (const std::string value = field(given, from); !value.empty()) {
            const auto bytes = read_size(value);
            if (!bytes) {
                context.fail("Error: {}: {}", from, bytes.error().message);
                return std::nullopt;
            }
            out.insert_or_assign(to, *bytes);
        }
    }
    const auto each = [&](const char* block, auto act) {
        const auto at = given.find(block);
        if (at != given.end() && at->second.as_list() != nullptr) {
            for (const Value& item : *at->second.as_list()) {
                act(*item.as_map());
            }
        } else if (at != given.end() && at->second.as_map() != nullptr) {
            act(*at->second.as_map());
        }
    };
    Value::List capabilities;
    each("capability", [&](const Value::Map& map) {
        capabilities.push_back(Value(Value::Map{
            {"AccessMode", field(map, "access_mode")},
            {"AttachmentMode", field(map, "attachment_mode")}
        }));
    });
    out.insert_or_assign("RequestedCapabilities", std::move(capabilities));
    Value::List constraints;
    each("constraint", [&](const Value::Map& map) {
        const std::string operand = field(map, "operator");
        constraints.push_back(Value(Value::Map{
            {"LTarget", field(map, "attribute")},
            {"RTarget", field(map, "value")},
            {"Operand", operand.empty() ? "=" : operand}
        }));
    });
    out.insert_or_assign("Constraints", std::move(constraints));
    Value::Map parameters;
    each("parameters", [&](const Value::Map& map) {
        for (const auto& [key, value] : map) {
            parameters.insert_or_assign(key, Doc(value).text());
        }
    });
    out.insert_or_assign("Parameters", std::move(parameters));
    return Value(Value::Map{{"Volume", Value(std::move(out))}});
}

int make(Context& context, const char* verb, const char* done) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto body = read_volume(context);
    if (!body) {
        return 1;
    }
    const auto answer = api->put(api_path({"volume", "host", verb}), {}, *body);
    if (!answer) {
        return context.fail(
            "Error {} volume: {}",
            verb == std::string_view("create") ? "creating" : "registering",
            answer.error().message
        );
    }
    const Doc volume = Doc(*answer)["Volume"];
    context.line("{} host volume {} with ID {}", done, volume["Name"].text(), volume["ID"].text());
    if (volume["State"].text() != "ready") {
        context.line("Its state is {}", volume["State"].text());
    }
    return 0;
}

int run_create(Context& context) {
    return make(context, "create", "Created");
}
int run_register(Context& context) {
    return make(context, "register", "Registered");
}

int run_init(Context& context) {
    const std::string name = context.argument(0).empty() ? "volume.hcl" : context.argument(0);
    if (context.text("type") == "csi") {
        return context.fail(
            "Error: CSI volumes are not known here; for a host volume say -type host"
        );
    }
    if (context.env().file_exists(name)) {
        return context.fail("Volume specification \"{}\" already exists", name);
    }
    const auto written = context.env().write_file(name, std::string(kExample));
    if (!written) {
        return context.fail("Failed to write \"{}\": {}", name, written.error().message);
    }
    context.line("Example volume specification written to {}", name);
    return 0;
}

ArgumentRule one(const char* words) {
    return {.least = 1, .most = 1, .words = words};
}

}  // namespace

Command volume_create_command() {
    return {
        .path = "volume create",
        .usage = "[options] <input>",
        .synopsis = "Create a volume",
        .help =
            "Creates a dynamic host volume from a file (or - for standard input) and waits until "
            "it is there.",
        .flags =
            {
                {.name = "detach",
                 .kind = FlagKind::Bool,
                 .help = "Do not wait; here it is there when the command ends."},
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Whole ids."},
                {.name = "policy-override",
                 .kind = FlagKind::Bool,
                 .help = "Override soft policies."},
                {.name = "id", .kind = FlagKind::Text, .help = "Update the volume of this id."},
            },
        .arguments = one("one argument: <input>"),
        .run = run_create,
    };
}

Command volume_register_command() {
    return {
        .path = "volume register",
        .usage = "[options] <input>",
        .synopsis = "Register a volume that exists",
        .help = "Makes a directory that is on a node already a host volume.",
        .flags =
            {
                {.name = "policy-override",
                 .kind = FlagKind::Bool,
                 .help = "Override soft policies."},
                {.name = "id", .kind = FlagKind::Text, .help = "Update the volume of this id."},
            },
        .arguments = one("one argument: <input>"),
        .run = run_register,
    };
}

Command volume_init_command() {
    return {
        .path = "volume init",
        .usage = "[options] [filename]",
        .synopsis = "Write an example volume specification",
        .help = "Writes an example, volume.hcl unless another name is given.",
        .flags =
            {
                {.name = "type", .kind = FlagKind::Text, .help = "host or csi."},
                {.name = "json", .kind = FlagKind::Bool, .help = "JSON instead of HCL."},
            },
        .arguments = {.least = 0, .most = 1, .words = "at most one argument: [filename]"},
        .run = run_init,
    };
}

}  // namespace nl::cli
