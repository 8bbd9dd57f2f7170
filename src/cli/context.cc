#include "cli/context.h"

#include "base/check.h"
#include "cli/connection.h"
#include "cli/template.h"

#include <algorithm>

namespace nl::cli {

namespace {

bool variable_on(const Environment& environment, const std::string& name) {
    const auto value = environment.variable(name);
    if (!value || value->empty()) {
        return false;
    }
    return parse_bool(*value).value_or(true);
}

bool has_flag(const Command& command, std::string_view name) {
    const auto is_name = [&](const FlagSpec& spec) { return spec.name == name; };
    return std::ranges::any_of(command.flags, is_name) ||
           std::ranges::any_of(general_flags(command.family), is_name);
}

ColorMode color_mode(
    const Environment& environment, const Command& command, const FlagValues& flags, bool terminal
) {
    const bool http = command.family == Family::Http;
    if (http && flags.on("no-color")) {
        return ColorMode::Off;
    }
    if (http && flags.on("force-color")) {
        return ColorMode::On;
    }
    if (variable_on(environment, "NOMAD_CLI_NO_COLOR") ||
        !environment.variable("NO_COLOR").value_or("").empty()) {
        return ColorMode::Off;
    }
    if (variable_on(environment, "NOMAD_CLI_FORCE_COLOR")) {
        return ColorMode::On;
    }
    return terminal && environment.variable("TERM").value_or("") != "dumb" ? ColorMode::On
                                                                           : ColorMode::Off;
}

}  // namespace

Context::Context(
    const Environment& environment,
    const Registry& registry,
    const Command& command,
    ParsedLine line,
    std::string program
)
    : environment_(&environment),
      registry_(&registry),
      command_(&command),
      line_(std::move(line)),
      program_(std::move(program)),
      ui_(environment,
          color_mode(environment, command, line_.flags, environment.out_is_terminal),
          color_mode(environment, command, line_.flags, environment.err_is_terminal)) {}

std::string Context::argument(std::size_t index) const {
    return index < line_.arguments.size() ? line_.arguments[index] : std::string();
}

IdLength Context::id_length() const {
    return has_flag(*command_, "verbose") && on("verbose") ? IdLength::Full : IdLength::Short;
}

Api* Context::api() {
    if (api_ == nullptr) {
        api_ = open_api();
    }
    return api_.get();
}

std::unique_ptr<Api> Context::open_api() const {
    const auto [options, settings] = connection_of(*this);
    auto http = environment_->connect_http(options);
    if (!http) {
        ui_.error(fmt::format("Error initializing client: {}", http.error().message));
        return nullptr;
    }
    return std::make_unique<Api>(std::move(*http), std::move(settings));
}

io::SeedClient* Context::seed() {
    if (seed_ != nullptr) {
        return seed_.get();
    }
    io::SeedClient::Options options;
    if (command_->family == Family::Seed) {
        options.address = text("addr");
        const bool tls = options.address.starts_with("https://") || !text("ca-cert").empty() ||
                         !text("cert").empty();
        if (tls) {
            options.tls = io::TlsOptions{
                .ca_file = text("ca-cert"),
                .cert_file = text("cert"),
                .key_file = text("key"),
                .require_client_certificate = false,
                .expected_name = std::string(io::SeedClient::kExpectedName)
            };
        }
    }
    auto client = environment_->connect_seed(std::move(options));
    if (!client) {
        ui_.error(fmt::format("Error: {}", client.error().message));
        return nullptr;
    }
    seed_ = std::move(*client);
    return seed_.get();
}

int Context::usage_error(std::string_view sentence) const {
    ui_.error(sentence);
    const std::string& path = command_->help_path.empty() ? command_->path : command_->help_path;
    ui_.error(fmt::format("For additional help try '{} {} -help'", program_, path));
    return command_->usage_exit();
}

std::string Context::time(WallTime time) const {
    return local_time(time, environment_->utc_offset_seconds(time));
}

std::string Context::ago(Doc value) const {
    const WallTime time = read_time(value);
    return time.is_zero() ? std::string() : time_distance(time, environment_->now());
}

bool Context::wants_object() const {
    return (has_flag(*command_, "json") && on("json")) ||
           (has_flag(*command_, "t") && !text("t").empty());
}

int Context::print_object(const Value& value) const {
    const bool json = has_flag(*command_, "json") && on("json");
    const std::string form = has_flag(*command_, "t") ? text("t") : std::string();
    if (json && !form.empty()) {
        return fail("Both json and template formatting are not allowed");
    }
    if (form.empty()) {
        ui_.line(write_json(value, JsonStyle::Indented));
        return 0;
    }
    const auto text = expand_template(form, value);
    if (!text) {
        return fail("Error formatting the data using the template: {}", text.error().message);
    }
    ui_.line(*text);
    return 0;
}

bool Context::confirm(std::string_view question) const {
    ui_.raw(fmt::format("{} [y/N] ", question));
    const auto answer = environment_->read_line();
    if (!answer) {
        ui_.line("");
        return false;
    }
    return *answer == "y" || *answer == "Y" || *answer == "yes";
}

Context Context::routed(const Command& command, ParsedLine line) const {
    return {*environment_, *registry_, command, std::move(line), program_};
}

std::vector<FlagSpec> object_flags() {
    return {
        {.name = "json", .kind = FlagKind::Bool, .help = "Print the object as JSON."},
        {.name = "t",
         .kind = FlagKind::Text,
         .help = "Print the object through a Go template, for example '{{.ID}}'."},
    };
}

std::vector<FlagSpec> operator+(std::vector<FlagSpec> a, const std::vector<FlagSpec>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

}  // namespace nl::cli
