#include "cli/job_source.h"

#include <algorithm>
#include <utility>

namespace nl::cli {

namespace {

std::vector<std::pair<std::string, std::string>> variable_flags(
    const std::vector<std::string>& flags
) {
    std::vector<std::pair<std::string, std::string>> out;
    for (const std::string& flag : flags) {
        const auto equals = flag.find('=');
        out.emplace_back(
            flag.substr(0, equals), equals == std::string::npos ? "" : flag.substr(equals + 1)
        );
    }
    return out;
}

Result<std::string> read_source(const Context& context, const std::string& path) {
    if (!path.starts_with("http://") && !path.starts_with("https://")) {
        return context.env().read_file(path);
    }
    const auto slash = path.find('/', path.find("//") + 2);
    HttpOptions options;
    options.address = path.substr(0, slash);
    NL_TRY(const auto http, context.env().connect_http(options));
    NL_TRY(
        HttpReply reply,
        http->send(
            {.method = "GET",
             .target = slash == std::string::npos ? "/" : path.substr(slash),
             .headers = {},
             .body = {}}
        )
    );
    if (reply.status != 200) {
        return fail(ErrorCode::Unavailable, "{} answered with status {}", path, reply.status);
    }
    return std::move(reply.body);
}

Result<Value> from_json(const std::string& text) {
    NL_TRY(Value whole, parse_json(text));
    const Doc inner = Doc(whole)["Job"];
    if (inner.value().as_map() != nullptr) {
        return inner.value();
    }
    if (whole.as_map() == nullptr) {
        return fail(ErrorCode::InvalidArgument, "a job in JSON is an object");
    }
    return whole;
}

Result<Value> from_hcl(const Context& context, JobText text) {
    const std::string name = text.filename;
    auto parsed = context.env().parse_job(text);
    if (!parsed) {
        return fail(
            ErrorCode::InvalidArgument,
            "Error parsing job file from {}:\n{}",
            name,
            parsed.error().message
        );
    }
    for (const std::string& warning : parsed->warnings) {
        context.ui().warn(warning);
    }
    return std::move(parsed->job);
}

}  // namespace

std::vector<FlagSpec> job_source_flags() {
    return {
        {.name = "json",
         .kind = FlagKind::Bool,
         .help = "The file holds the job in JSON, as the API takes it or as {\"Job\": {…}}."},
        {.name = "hcl2-strict",
         .kind = FlagKind::Bool,
         .help = "Refuse variables that the job does not declare.",
         .fallback = "true"},
        {.name = "var", .kind = FlagKind::List, .help = "A variable of the job: 'name=value'."},
        {.name = "var-file", .kind = FlagKind::List, .help = "A file of variables in HCL."},
    };
}

std::optional<JobSource> read_job(Context& context, Api& api, const std::string& path) {
    if (context.on("json") &&
        !(context.flags().list("var").empty() && context.flags().list("var-file").empty())) {
        context.fail("Invalid job options: cannot use variables with JSON files.");
        return std::nullopt;
    }
    const auto text = read_source(context, path);
    if (!text) {
        context.fail("Error getting job struct: {}", text.error().message);
        return std::nullopt;
    }
    JobText hcl{
        .source = *text,
        .filename = path == "-" ? "stdin" : path,
        .variable_files = {},
        .variable_flags = variable_flags(context.flags().list("var")),
        .strict = context.on("hcl2-strict")
    };
    std::string contents;
    for (const std::string& file : context.flags().list("var-file")) {
        auto part = context.env().read_file(file);
        if (!part) {
            context.fail("Error getting job struct: {}", part.error().message);
            return std::nullopt;
        }
        contents += *part + "\n";
        hcl.variable_files.emplace_back(file, std::move(*part));
    }
    Value::Map flags;
    for (const auto& [name, value] : hcl.variable_flags) {
        flags.insert_or_assign(name, value);
    }
    const bool json = context.on("json");
    JobSource out;
    auto job = json ? from_json(*text) : from_hcl(context, std::move(hcl));
    if (!job) {
        context.fail("Error getting job struct: {}", job.error().message);
        return std::nullopt;
    }
    out.job = std::move(*job);
    out.submission = Value::Map{
        {"Source", *text},
        {"Format", json ? "json" : "hcl2"},
        {"VariableFlags", flags.empty() ? Value() : Value(std::move(flags))},
        {"Variables", std::move(contents)},
    };
    if (Value::Map* map = out.job.as_map()) {
        const std::string own = Doc(out.job)["Namespace"].text();
        if (own.empty() && !api.settings().namespace_.empty()) {
            map->insert_or_assign("Namespace", api.settings().namespace_);
        } else if (!own.empty()) {
            api.use_namespace(own);
        }
        for (const auto& [flag, field] :
             {std::pair("consul-namespace", "ConsulNamespace"),
              std::pair("vault-namespace", "VaultNamespace")}) {
            const bool known = std::ranges::any_of(context.command().flags, [&](const auto& spec) {
                return spec.name == flag;
            });
            if (known && context.flags().given(flag)) {
                map->insert_or_assign(field, context.text(flag));
            }
        }
        if (Doc(out.job)["Region"].is_null() && !api.settings().region.empty()) {
            map->insert_or_assign("Region", api.settings().region);
        }
    }
    return out;
}

}  // namespace nl::cli
