#include "cli/connection.h"

#include "base/bytes.h"

#include <algorithm>

namespace nl::cli {
namespace {

constexpr std::string_view kDefaultAddress = "http://127.0.0.1:4646";

bool is_on(const std::optional<std::string>& value) {
    return value && !value->empty() && parse_bool(*value).value_or(true);
}

}  // namespace

Connection connection_of(const Context& context) {
    const Environment& env = context.env();
    const auto setting = [&](std::string_view flag, const std::string& variable) {
        const std::string given = context.text(flag);
        return given.empty() ? env.variable(variable).value_or("") : given;
    };
    Connection out;
    out.http = {
        .address = setting("address", "NOMAD_ADDR"),
        .ca_cert = setting("ca-cert", "NOMAD_CACERT"),
        .ca_path = setting("ca-path", "NOMAD_CAPATH"),
        .client_cert = setting("client-cert", "NOMAD_CLIENT_CERT"),
        .client_key = setting("client-key", "NOMAD_CLIENT_KEY"),
        .tls_server_name = setting("tls-server-name", "NOMAD_TLS_SERVER_NAME"),
        .tls_skip_verify =
            context.on("tls-skip-verify") || is_on(env.variable("NOMAD_SKIP_VERIFY"))
    };
    if (out.http.address.empty()) {
        out.http.address = kDefaultAddress;
    }
    out.api = {
        .address = out.http.address,
        .region = setting("region", "NOMAD_REGION"),
        .namespace_ = setting("namespace", "NOMAD_NAMESPACE"),
        .token = setting("token", "NOMAD_TOKEN"),
        .basic_auth = env.variable("NOMAD_HTTP_AUTH").value_or("")
    };
    return out;
}

std::string call_target(const ApiSettings& settings, const std::string& path, Query query) {
    const auto has = [&](std::string_view name) {
        return std::ranges::any_of(query, [&](const auto& item) { return item.first == name; });
    };
    if (!settings.region.empty() && !has("region")) {
        query.emplace_back("region", settings.region);
    }
    if (!settings.namespace_.empty() && !has("namespace")) {
        query.emplace_back("namespace", settings.namespace_);
    }
    std::string out = path;
    char separator = path.find('?') == std::string::npos ? '?' : '&';
    for (const auto& [name, value] : query) {
        out += separator;
        out += percent_encode(name);
        out += '=';
        out += percent_encode(value);
        separator = '&';
    }
    return out;
}

Headers call_headers(const ApiSettings& settings) {
    Headers out;
    if (!settings.token.empty()) {
        out.emplace_back("X-Nomad-Token", settings.token);
    }
    if (!settings.basic_auth.empty()) {
        out.emplace_back("Authorization", "Basic " + base64_encode(settings.basic_auth));
    }
    return out;
}

}  // namespace nl::cli
