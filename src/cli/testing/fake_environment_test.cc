#include "cli/testing/fake_environment.h"

#include "cli/json.h"

#include <utility>

namespace nl::cli::testing {

namespace {

class FakeHttp final : public Http {
public:
    explicit FakeHttp(FakeWorld& world) : world_(world) {}

    Result<HttpReply> send(const HttpRequest& request) override {
        const std::string key = request.method + " " + request.target;
        world_.sent.push_back(request.body.empty() ? key : key + " " + request.body);
        const auto found = world_.replies.find(key);
        if (found == world_.replies.end()) {
            return HttpReply{.status = 404, .headers = {}, .body = "no reply scripted for " + key};
        }
        const ScriptedReply reply = found->second.front();
        if (found->second.size() > 1) {
            found->second.pop_front();
        }
        if (reply.status == 0) {
            return fail(ErrorCode::Unavailable, "{}", reply.body);
        }
        return HttpReply{.status = reply.status, .headers = reply.headers, .body = reply.body};
    }

    Result<HttpReply> stream(const HttpRequest& request, const OnBytes& on_bytes) override {
        NL_TRY(HttpReply reply, send(request));
        if (reply.status == 200) {
            // One byte at a time is the worst a network can do.
            for (const char c : reply.body) {
                if (!on_bytes(std::string_view(&c, 1))) {
                    break;
                }
            }
            reply.body.clear();
        }
        return reply;
    }

    Result<SessionEnd> websocket(
        const HttpRequest& request,
        const OnBytes& on_message,
        const std::function<bool(std::string&)>& next
    ) override {
        NL_TRY(HttpReply reply, send(request));
        if (reply.status != 200) {
            return SessionEnd{.close_code = 0, .reason = {}, .refused = std::move(reply)};
        }
        std::string outgoing;
        while (next(outgoing)) {
            world_.sent.push_back("message " + outgoing);
        }
        std::size_t start = 0;
        while (start < reply.body.size()) {
            const std::size_t end = std::min(reply.body.find('\n', start), reply.body.size());
            if (!on_message(std::string_view(reply.body).substr(start, end - start))) {
                break;
            }
            start = end + 1;
        }
        return SessionEnd{.close_code = 1000, .reason = {}, .refused = {}};
    }

private:
    FakeWorld& world_;
};

}  // namespace

Environment fake_environment(FakeWorld& world) {
    Environment out;
    out.out = [&world](std::string_view text) { world.out += text; };
    out.err = [&world](std::string_view text) { world.err += text; };
    out.variable = [&world](const std::string& name) -> std::optional<std::string> {
        const auto found = world.variables.find(name);
        return found == world.variables.end() ? std::nullopt : std::optional(found->second);
    };
    out.variables_with_prefix = [&world](std::string_view prefix) {
        StringMap found;
        for (const auto& [name, value] : world.variables) {
            if (name.starts_with(prefix)) {
                found.emplace(name, value);
            }
        }
        return found;
    };
    out.parse_job = [&world](const JobText& text) -> Result<ParsedJob> {
        const std::string key = "PARSE " + text.filename;
        std::string sent = key;
        for (const auto& [name, content] : text.variable_files) {
            sent += " file " + name;
        }
        for (const auto& [name, value] : text.variable_flags) {
            sent += " " + name + "=" + value;
        }
        world.sent.push_back(sent);
        const auto found = world.replies.find(key);
        if (found == world.replies.end() || found->second.front().status != 200) {
            return fail(
                ErrorCode::InvalidArgument,
                "{}",
                found == world.replies.end() ? "nothing scripted for " + key
                                             : found->second.front().body
            );
        }
        NL_TRY(Value job, parse_json(found->second.front().body));
        return ParsedJob{.job = std::move(job), .warnings = {}};
    };
    out.now = [&world] { return world.now; };
    out.sleep = [&world](Duration time) { world.now = world.now + time; };
    out.utc_offset_seconds = [](WallTime) { return 0; };
    out.input_within = [&world](Duration) { return world.files.contains("-"); };
    out.read_line = [&world]() -> std::optional<std::string> {
        if (world.input.empty()) {
            return std::nullopt;
        }
        std::string line = std::move(world.input.front());
        world.input.pop_front();
        return line;
    };
    out.read_file = [&world](const std::string& path) -> Result<std::string> {
        const auto found = world.files.find(path);
        if (found == world.files.end()) {
            return fail(ErrorCode::NotFound, "cannot open {}: No such file or directory", path);
        }
        return found->second;
    };
    out.write_file = [&world](const std::string& path, std::string_view text) -> Result<void> {
        world.files[path] = text;
        return {};
    };
    out.file_exists = [&world](const std::string& path) { return world.files.contains(path); };
    out.connect_http = [&world](const HttpOptions& options) -> Result<std::unique_ptr<Http>> {
        world.connections.push_back(options);
        return std::make_unique<FakeHttp>(world);
    };
    out.connect_seed = [&world](io::SeedClient::Options
                       ) -> Result<std::unique_ptr<io::SeedClient>> {
        if (!world.seed) {
            return fail(ErrorCode::Unavailable, "no batch queue in this test");
        }
        return world.seed();
    };
    out.run_agent = [&world](const agent::AgentArgs& args) {
        world.agent_args = args;
        return 0;
    };
    out.run_server = [&world](const agent::ServerArgs& args) {
        world.server_args = args;
        return 0;
    };
    return out;
}

}  // namespace nl::cli::testing
