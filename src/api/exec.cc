// Programs run beside tasks: `alloc exec` and a job's actions, as WebSocket sessions. The session
// is a value: the client's messages become input of the node's call, the call's items become
// messages. Refusals after the handshake are closes, with 1011 for what would be 500 and 1008 for
// any other status. Source: Nomad HTTP API, 0.4 and 11; JSON conventions, 5.1.
#include "api/access.h"
#include "api/json_text.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "base/codec.h"
#include "server/node_protocol.h"
#include "wire/value_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace nl::api {
namespace {

constexpr std::uint16_t kCloseNormal = 1000;
constexpr std::uint16_t kClosePolicy = 1008;
constexpr std::uint16_t kCloseInternal = 1011;
/// A close frame holds 125 bytes, two of them the code.
constexpr std::size_t kReasonBytesMax = 123;
constexpr std::int64_t kHandshakeVersion = 1;
/// How long a client may take to say who it is.
constexpr Duration kHandshakeWait = seconds(30);
/// A client that has vanished is noticed by the bytes it does not take.
constexpr Duration kHeartbeat = seconds(30);

/// What a refused step is answered with.
struct Refusal {
    std::int64_t status = 500;
    std::string text;
};

/// Finds what is to be run where: after access was granted.
using Resolve = std::function<std::expected<NodeSource, Refusal>(const Request&, const Context&)>;

class ExecSession final : public SessionMachine {
public:
    ExecSession(Request request, const Route& route, bool handshake, bool tty, Resolve resolve)
        : request_(std::move(request)),
          route_(route),
          waits_for_token_(handshake),
          tty_(tty),
          resolve_(std::move(resolve)) {
        request_.body.clear();
    }

    SessionStep on(const SessionInput& input, const Context& context) override {
        SessionStep step;
        step.wake = context.now + kHeartbeat;
        // A token that ends, or loses its rights, ends its session.
        const bool checked = begun_ && context.agent->acl_enabled;
        if (checked && !authorize(request_, route_, context)) {
            refuse(step, {403, std::string(kPermissionDenied)});
            return step;
        }
        if (std::holds_alternative<Opened>(input)) {
            if (waits_for_token_) {
                step.wake = context.now + kHandshakeWait;
            } else {
                begin(context, step);
            }
        } else if (const auto* message = std::get_if<ClientMessage>(&input)) {
            if (waits_for_token_) {
                take_token(message->text, context, step);
            } else {
                take_input(message->text, step);
            }
        } else if (const auto* item = std::get_if<Item>(&input)) {
            take_output(item->bytes, step);
        } else if (const auto* ended = std::get_if<SourceEnded>(&input)) {
            finish(ended->result, step);
        } else if (std::holds_alternative<Tick>(input)) {
            if (waits_for_token_) {
                refuse(step, {400, "the handshake message did not come in time"});
            } else if (!checked || context.now >= beat_) {
                step.messages.emplace_back("{}");
                beat_ = context.now + kHeartbeat;
            }
        }
        if (begun_ && context.agent->acl_enabled) {
            step.wake = std::min(beat_, context.now + kRecheck);
        }
        return step;
    }

private:
    static void refuse(SessionStep& step, Refusal why) {
        step.close = SessionClose{
            .code = why.status == 500 ? kCloseInternal : kClosePolicy,
            .reason = why.text.substr(0, kReasonBytesMax)
        };
    }

    void begin(const Context& context, SessionStep& step) {
        if (const auto allowed = authorize(request_, route_, context); !allowed) {
            refuse(step, {http_status(allowed.error().code), allowed.error().message});
            return;
        }
        if (!context.state) {
            refuse(step, {500, std::string(kNoLeader)});
            return;
        }
        auto source = resolve_(request_, context);
        if (!source) {
            refuse(step, std::move(source.error()));
            return;
        }
        step.open = std::move(*source);
        begun_ = true;
        beat_ = context.now + kHeartbeat;
    }

    void take_token(const Bytes& text, const Context& context, SessionStep& step) {
        const auto message = wire::parse_json(text);
        const Value::Map* object = message ? message->as_map() : nullptr;
        if (object == nullptr) {
            refuse(step, {400, "the handshake message is not a JSON object"});
            return;
        }
        std::int64_t version = 0;
        std::string token;
        if (const auto at = object->find("version"); at != object->end()) {
            version = at->second.as_int() != nullptr ? *at->second.as_int() : 0;
        }
        if (const auto at = object->find("auth_token"); at != object->end()) {
            token = at->second.as_string() != nullptr ? *at->second.as_string() : "";
        }
        if (version != kHandshakeVersion) {
            refuse(step, {400, fmt::format("unexpected handshake value: {}", version)});
            return;
        }
        waits_for_token_ = false;
        if (!token.empty()) {
            std::erase_if(request_.headers, [](const NameValue& field) {
                return field.name == "x-nomad-token";
            });
            request_.headers.push_back({"x-nomad-token", std::move(token)});
        }
        begin(context, step);
    }

    static void take_input(const Bytes& text, SessionStep& step) {
        const auto message = wire::parse_json(text);
        const Value::Map* object = message ? message->as_map() : nullptr;
        if (object == nullptr) {
            refuse(step, {400, "a message of the session is not a JSON object"});
            return;
        }
        server::ExecInput input;
        if (const auto at = object->find("stdin"); at != object->end()) {
            const Value::Map* in = at->second.as_map();
            if (in == nullptr && !at->second.is_null()) {
                refuse(step, {400, "stdin of a message is not a JSON object"});
                return;
            }
            if (in != nullptr) {
                if (const auto data = in->find("data"); data != in->end()) {
                    const std::string* encoded = data->second.as_string();
                    auto bytes = base64_decode(encoded != nullptr ? *encoded : "?");
                    if (!bytes) {
                        refuse(step, {400, "the data of stdin is not base64"});
                        return;
                    }
                    input.stdin_data = std::move(*bytes);
                }
                if (const auto close = in->find("close"); close != in->end()) {
                    input.close_stdin =
                        close->second.as_bool() != nullptr && *close->second.as_bool();
                }
            }
        }
        if (const auto at = object->find("tty_size"); at != object->end()) {
            if (const Value::Map* size = at->second.as_map()) {
                const auto number = [size](const char* name) {
                    const auto found = size->find(name);
                    const std::int64_t* value =
                        found == size->end() ? nullptr : found->second.as_int();
                    return value == nullptr ? 0 : *value;
                };
                input.rows = number("height");
                input.columns = number("width");
            }
        }
        if (!input.stdin_data.empty() || input.close_stdin || input.rows != 0) {
            step.to_node.push_back(encode(input));
        }
    }

    void take_output(const Bytes& bytes, SessionStep& step) {
        const auto output = decode<server::ExecOutput>(bytes);
        if (!output) {
            refuse(step, {500, output.error().message});
            return;
        }
        const auto data = [&step](std::string_view stream, const Bytes& piece) {
            if (!piece.empty()) {
                step.messages.push_back(
                    fmt::format("{{\"{}\":{{\"data\":\"{}\"}}}}", stream, base64_encode(piece))
                );
            }
        };
        data("stdout", output->stdout_data);
        data("stderr", output->stderr_data);
        if (output->exited) {
            exited_ = true;
            step.messages.emplace_back("{\"stdout\":{\"close\":true}}");
            if (!tty_) {
                step.messages.emplace_back("{\"stderr\":{\"close\":true}}");
            }
            step.messages.push_back(fmt::format(
                "{{\"exited\":true,\"result\":{{\"exit_code\":{}}}}}", output->exit_code
            ));
        }
    }

    void finish(const Result<void>& result, SessionStep& step) {
        if (exited_) {
            step.close = SessionClose{.code = kCloseNormal, .reason = ""};
        } else if (result) {
            refuse(step, {500, "the program ended without an exit code"});
        } else {
            refuse(step, {http_status(result.error().code), result.error().message});
        }
    }

    Request request_;
    const Route& route_;
    bool waits_for_token_;
    bool tty_;
    bool exited_ = false;
    /// Access was granted and the program asked for.
    bool begun_ = false;
    Instant beat_;
    Resolve resolve_;
};

/// The command as a JSON list of texts.
std::expected<std::vector<std::string>, Refusal> parse_command(const std::string& text) {
    std::vector<std::string> out;
    if (text.empty()) {
        return out;
    }
    const auto value = wire::parse_json(text);
    if (!value) {
        return std::unexpected(
            Refusal{500, "failed to marshal command into json: " + value.error().message}
        );
    }
    if (value->is_null()) {
        return out;
    }
    const auto* list = value->as_list();
    if (list == nullptr) {
        return std::unexpected(
            Refusal{500, "failed to marshal command into json: it is not a list"}
        );
    }
    for (const Value& item : *list) {
        const std::string* word = item.as_string();
        if (word == nullptr) {
            return std::unexpected(
                Refusal{500, "failed to marshal command into json: it is not a list of texts"}
            );
        }
        out.push_back(*word);
    }
    return out;
}

NodeSource exec_call(
    const state::AllocView& alloc, std::string task, std::vector<std::string> command, bool tty
) {
    NodeSource source;
    source.node = alloc.node_id();
    source.request.method = server::CallMethod::Exec;
    source.request.alloc_id = alloc.id();
    source.request.task = std::move(task);
    source.request.command = std::move(command);
    source.request.tty = tty;
    return source;
}

std::expected<state::AllocView, Refusal> find_alloc(const Context& context, const std::string& text) {
    const auto id = Uuid::parse(text);
    const auto alloc = id ? context.state.alloc(*id) : std::nullopt;
    if (!alloc) {
        return std::unexpected(Refusal{404, fmt::format("Unknown allocation \"{}\"", text)});
    }
    return *alloc;
}

bool has_task(const state::AllocView& alloc, std::string_view name) {
    return std::ranges::any_of(alloc.group().tasks, [&](const auto& task) {
        return task.name == name;
    });
}

/// The parts of the query both routes share. Errors are answered before the handshake, as in
/// Nomad.
struct Asked {
    std::string task;
    std::vector<std::string> command;
    bool tty = false;
    bool handshake = false;
};
std::expected<Asked, Outcome> read_query(const Request& request) {
    Asked out;
    auto command = parse_command(text_param(request, "command"));
    if (!command) {
        return std::unexpected(text_response(command.error().status, command.error().text));
    }
    out.command = std::move(*command);
    out.task = text_param(request, "task");
    for (const auto& [name, target] :
         {std::pair("tty", &out.tty), std::pair("ws_handshake", &out.handshake)}) {
        const std::string text = text_param(request, name);
        const auto value = text.empty() ? std::optional(false) : parse_bool(text);
        if (!value) {
            return std::unexpected(text_response(
                500,
                fmt::format(
                    "{} value is not a boolean: strconv.ParseBool: parsing \"{}\": invalid syntax",
                    name,
                    text
                )
            ));
        }
        *target = *value;
    }
    return out;
}

Outcome begin_session(const Request& request, const Asked& asked, Resolve resolve) {
    const Found found = find_route(request.method, request.path);
    NL_ASSERT(found.route != nullptr);
    Session session;
    session.machine = std::make_unique<ExecSession>(
        request, *found.route, asked.handshake, asked.tty, std::move(resolve)
    );
    return session;
}

/// A program beside a task whose driver isolates nothing runs on the node itself.
std::expected<void, Refusal> check_driver(
    const Context& context, const state::AllocView& alloc, std::string_view task
) {
    constexpr std::array<std::string_view, 2> kIsolateNothing{"raw_exec", "mock_driver"};
    for (const model::Task& one : alloc.group().tasks) {
        if (one.name == task &&
            std::ranges::find(kIsolateNothing, one.driver) != kIsolateNothing.end() &&
            !may(context, alloc.namespace_(), policy::Capability::AllocNodeExec)) {
            return std::unexpected(Refusal{403, std::string(kPermissionDenied)});
        }
    }
    return {};
}

Outcome exec(const Request& request, const PathValues& path, const Context&) {
    auto asked = read_query(request);
    if (!asked) {
        return std::move(asked.error());
    }
    return begin_session(
        request,
        *asked,
        [asked = *asked, id = path[0]](const Request&, const Context& context)
            -> std::expected<NodeSource, Refusal> {
            auto alloc = find_alloc(context, id);
            if (!alloc) {
                return std::unexpected(alloc.error());
            }
            if (asked.task.empty()) {
                return std::unexpected(Refusal{400, "must provide task name"});
            }
            if (asked.command.empty()) {
                return std::unexpected(Refusal{400, "command is not present"});
            }
            if (!has_task(*alloc, asked.task)) {
                return std::unexpected(
                    Refusal{400, fmt::format("unknown task name \"{}\"", asked.task)}
                );
            }
            if (const auto allowed = check_driver(context, *alloc, asked.task); !allowed) {
                return std::unexpected(allowed.error());
            }
            return exec_call(*alloc, asked.task, asked.command, asked.tty);
        }
    );
}

/// An allocation of the job that runs the task, any of them.
std::expected<state::AllocView, Refusal> pick_alloc(
    const Context& context,
    const std::string& ns,
    const std::string& job,
    const std::string& group,
    const std::string& task
) {
    std::vector<state::AllocView> running;
    for (const state::AllocView alloc : context.state.allocs_of_job(ns, job)) {
        if (alloc.client_status() == model::AllocClientStatus::Running &&
            (group.empty() || alloc.group().name == group) && has_task(alloc, task)) {
            running.push_back(alloc);
        }
    }
    if (running.empty()) {
        return std::unexpected(Refusal{
            404, fmt::format("no running allocation of job \"{}\" has task \"{}\"", job, task)
        });
    }
    Rng rng = context.rng();
    return running[static_cast<std::size_t>(
        rng.between(0, static_cast<std::int64_t>(running.size()) - 1)
    )];
}

Outcome action(const Request& request, const PathValues& path, const Context&) {
    auto asked = read_query(request);
    if (!asked) {
        return std::move(asked.error());
    }
    const std::string name = text_param(request, "action");
    if (name.empty()) {
        return text_response(400, "action name must be provided");
    }
    if (asked->task.empty()) {
        return text_response(400, "task name must be provided");
    }
    return begin_session(
        request,
        *asked,
        [asked = *asked, job = path[0], name](const Request& r, const Context& context)
            -> std::expected<NodeSource, Refusal> {
            const std::string ns = namespace_of(r);
            if (context.state.job(ns, job) == nullptr) {
                return std::unexpected(Refusal{404, "job not found"});
            }
            const std::string id = text_param(r, "allocID");
            auto alloc = id.empty()
                             ? pick_alloc(context, ns, job, text_param(r, "group"), asked.task)
                             : find_alloc(context, id);
            if (!alloc) {
                return std::unexpected(alloc.error());
            }
            if (alloc->job_id() != job || alloc->namespace_() != ns) {
                return std::unexpected(Refusal{404, fmt::format("Unknown allocation \"{}\"", id)});
            }
            if (const auto allowed = check_driver(context, *alloc, asked.task); !allowed) {
                return std::unexpected(allowed.error());
            }
            for (const model::Task& task : alloc->group().tasks) {
                if (task.name != asked.task) {
                    continue;
                }
                for (const model::Action& one : task.actions) {
                    if (one.name == name) {
                        std::vector<std::string> command{one.command};
                        command.insert(command.end(), one.args.begin(), one.args.end());
                        return exec_call(*alloc, asked.task, std::move(command), asked.tty);
                    }
                }
            }
            return std::unexpected(Refusal{
                404,
                fmt::format(
                    "action \"{}\" does not exist in task \"{}\" of job \"{}\"", name, asked.task, job
                )
            });
        }
    );
}

constexpr Route kRoutes[] = {
    {kGet,
     "/v1/client/allocation/{alloc}/exec",
     Where::Server,
     "alloc:alloc-exec",
     "task command tty ws_handshake",
     "Run a program beside a task (WebSocket).",
     exec,
     Speaks::WebSocket},
    {kGet,
     "/v1/job/{id*}/action",
     Where::Server,
     "ns:alloc-exec",
     "action task allocID group tty command ws_handshake",
     "Run an action of a task (WebSocket).",
     action,
     Speaks::WebSocket},
};

}  // namespace

std::span<const Route> exec_routes() {
    return kRoutes;
}

}  // namespace nl::api
