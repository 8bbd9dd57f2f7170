#include "cli/context.h"

#include <algorithm>

namespace nl::cli {

namespace {

// How long a pipe may take to bring a body: briefly where a body only may come, longer where the
// method asks for one.
constexpr Duration kGuessPatience = milliseconds(300);
constexpr Duration kAskedPatience = seconds(5);

// The shell line that would do the same, without the token's value.
std::string curl_line(
    const Context& context,
    const std::string& method,
    const std::string& url,
    const Headers& headers
) {
    std::string out = fmt::format("curl -X {}", method);
    for (const auto& [name, value] : headers) {
        out += fmt::format(" -H '{}: {}'", name, value);
    }
    if (!context.text("token").empty() || context.env().variable("NOMAD_TOKEN")) {
        out += " -H \"X-Nomad-Token: ${NOMAD_TOKEN}\"";
    }
    return fmt::format("{} {}", out, url);
}

int run(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    std::string path = context.argument(0);
    if (!path.starts_with('/')) {
        path.insert(0, "/");
    }
    std::string method = context.text("X");
    std::string body;
    const Duration patience = method.empty() ? kGuessPatience : kAskedPatience;
    if (method != "GET" && method != "DELETE" && context.env().input_within(patience)) {
        auto text = context.env().read_file("-");
        if (!text) {
            return context.fail("Error reading standard input: {}", text.error().message);
        }
        body = std::move(*text);
    }
    if (method.empty()) {
        method = body.empty() ? "GET" : "POST";
    }
    Headers headers;
    for (const std::string& header : context.flags().list("H")) {
        const auto colon = header.find(':');
        if (colon == std::string::npos) {
            return context.usage_error(
                fmt::format("flag -H takes 'Name: value', not \"{}\"", header)
            );
        }
        const std::size_t value = header.find_first_not_of(' ', colon + 1);
        headers.emplace_back(
            header.substr(0, colon), value == std::string::npos ? "" : header.substr(value)
        );
    }
    Query query;
    if (!context.text("filter").empty()) {
        query.emplace_back("filter", context.text("filter"));
    }
    if (context.on("dryrun")) {
        context.line("{}", curl_line(context, method, api->settings().address + path, headers));
        return 0;
    }
    if (context.on("verbose")) {
        context.ui().warn(fmt::format("> {} {}{}", method, api->settings().address, path));
    }
    // A GET is shown as it arrives, so that the event stream can be watched.
    if (method == "GET" && headers.empty()) {
        bool ends_in_newline = true;
        const auto done = api->stream(path, query, [&](std::string_view part) {
            context.env().out(part);
            ends_in_newline = part.empty() ? ends_in_newline : part.back() == '\n';
            return true;
        });
        if (done) {
            if (!ends_in_newline && context.env().out_is_terminal) {
                context.line("");
            }
            return 0;
        }
        if (done.error().message.starts_with("Unexpected response code")) {
            const auto again = api->exchange(method, path, query, {}, headers);
            if (again) {
                context.env().out(again->body);
                return 0;
            }
        }
        return context.fail("Error performing request: {}", done.error().message);
    }
    const auto reply = api->exchange(method, path, query, std::move(body), headers);
    if (!reply) {
        return context.fail("Error performing request: {}", reply.error().message);
    }
    if (context.on("verbose")) {
        context.ui().warn(fmt::format("< {}", reply->status));
        for (const auto& [name, value] : reply->headers) {
            context.ui().warn(fmt::format("< {}: {}", name, value));
        }
    }
    context.env().out(reply->body);
    return 0;
}

}  // namespace

Command operator_api_command() {
    return {
        .path = "operator api",
        .usage = "[options] <path>",
        .synopsis = "Send a request to the HTTP API",
        .help =
            "Sends a request with the usual address, token, region and namespace, and prints the "
            "answer's\n"
            "body as it is, whatever its status. A piped standard input becomes the body of a "
            "POST.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite operator api /v1/jobs\n"
            "  $ nomad-lite operator api -X DELETE /v1/job/web\n"
            "  $ nomad-lite operator api '/v1/event/stream?index=1'",
        .flags =
            {
                {.name = "X",
                 .kind = FlagKind::Text,
                 .help = "The method; else GET, or POST with a body."},
                {.name = "H", .kind = FlagKind::List, .help = "A header: 'Name: value'."},
                {.name = "filter", .kind = FlagKind::Text, .help = "A filter expression."},
                {.name = "dryrun", .kind = FlagKind::Bool, .help = "Print a curl command instead."},
                {.name = "verbose",
                 .kind = FlagKind::Bool,
                 .help = "Show request and headers on standard error."},
            },
        .arguments = {.least = 1, .most = 1, .words = "one argument: <path>"},
        .run = run,
    };
}

}  // namespace nl::cli
