// Routes that a node answers: files, logs, measurements, restart and signal. The request goes to
// the allocation's node over its session; its items come back as they are made.
// Source: Nomad HTTP API, 11; JSON conventions, 5.2.
#include "api/body.h"
#include "api/json_text.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "model/client_stats.h"
#include "model/service_registration.h"
#include "server/node_more.h"
#include "wire/json.h"

#include <charconv>

namespace nl::api {
namespace {

using server::CallMethod;
using server::CallRequest;

/// Idle time after which a followed stream shows that it is alive.
constexpr Duration kHeartbeat = seconds(1);

/// A call about an allocation, or the answer that it cannot be made.
std::expected<WaitNode, Response> alloc_call(
    CallMethod method, const std::string& text, const Context& context
) {
    if (text.empty()) {
        return std::unexpected(text_response(400, "must provide a valid alloc id"));
    }
    const auto id = path_uuid(text, "alloc");
    if (!id) {
        return std::unexpected(error_response(id.error()));
    }
    const auto alloc = context.state.alloc(*id);
    if (!alloc) {
        return std::unexpected(text_response(404, fmt::format("Unknown allocation \"{}\"", text)));
    }
    WaitNode call;
    call.node = alloc->node_id();
    call.request.method = method;
    call.request.alloc_id = *id;
    return call;
}

bool has_task(const Context& context, const Uuid& alloc_id, std::string_view task) {
    const auto alloc = context.state.alloc(alloc_id);
    return alloc && std::ranges::any_of(alloc->group().tasks, [&](const auto& candidate) {
               return candidate.name == task;
           });
}

std::expected<std::int64_t, Response> number_param(
    const Request& request, std::string_view name, std::int64_t status
) {
    const std::string text = text_param(request, name);
    std::int64_t value = 0;
    if (text.empty()) {
        return value;
    }
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end != text.data() + text.size()) {
        return std::unexpected(text_response(
            status,
            fmt::format(
                "error parsing {}: strconv.ParseInt: parsing \"{}\": invalid syntax", name, text
            )
        ));
    }
    return value;
}

/// Answers with the JSON of the single item of type T.
template <class T>
Outcome answer_one(WaitNode call) {
    return ask_node(std::move(call), [](const Context&, const NodeAnswered& answered) -> Outcome {
        if (!answered.items) {
            return error_response(answered.items.error());
        }
        if (answered.items->empty()) {
            return text_response(500, "the node gave no answer");
        }
        const auto item = decode<T>(answered.items->front());
        return item ? json_response(wire::to_json(*item)) : error_response(item.error());
    });
}

// ---- files

Outcome list_files(const Request& request, const PathValues& path, const Context& context) {
    auto call = alloc_call(CallMethod::FsList, path[0], context);
    if (!call) {
        return call.error();
    }
    call->request.path = text_param(request, "path");
    if (call->request.path.empty()) {
        call->request.path = "/";
    }
    return ask_node(std::move(*call), [](const Context&, const NodeAnswered& answered) -> Outcome {
        if (!answered.items) {
            return error_response(answered.items.error());
        }
        std::vector<model::AllocFileInfo> files;
        for (const Bytes& item : *answered.items) {
            auto file = decode<model::AllocFileInfo>(item);
            if (!file) {
                return error_response(file.error());
            }
            files.push_back(std::move(*file));
        }
        return json_response(wire::to_json(files));
    });
}

Outcome stat_file(const Request& request, const PathValues& path, const Context& context) {
    auto call = alloc_call(CallMethod::FsStat, path[0], context);
    if (!call) {
        return call.error();
    }
    call->request.path = text_param(request, "path");
    if (call->request.path.empty()) {
        return text_response(400, "must provide a file name");
    }
    return answer_one<model::AllocFileInfo>(std::move(*call));
}

/// Bytes as they come. As in Nomad, a file that cannot be read whole answers 200 with why: readers
/// of a stream have had the status already.
class RawStream final : public StreamMachine {
public:
    explicit RawStream(bool whole) : whole_(whole) {}

    StreamStep on(const StreamInput& input, const Context&) override {
        StreamStep step;
        if (const auto* item = std::get_if<Item>(&input)) {
            step.bytes = item->bytes;
            sent_ = true;
        } else if (const auto* ended = std::get_if<SourceEnded>(&input)) {
            step.end = true;
            if (!ended->result && sent_) {
                step.cut = true;
            } else if (!ended->result) {
                const Error& error = ended->result.error();
                const bool about_file = error.code == ErrorCode::NotFound ||
                                        error.code == ErrorCode::InvalidArgument;
                step.instead = whole_ && about_file ? text_response(200, error.message)
                                                    : error_response(error);
            }
        }
        return step;
    }

private:
    bool whole_;
    bool sent_ = false;
};

Outcome read_file(
    const Request& request, const PathValues& path, const Context& context, CallMethod method
) {
    auto call = alloc_call(method, path[0], context);
    if (!call) {
        return call.error();
    }
    call->request.path = text_param(request, "path");
    if (call->request.path.empty()) {
        return text_response(400, "must provide a file name");
    }
    if (method == CallMethod::FsReadAt) {
        const auto offset = number_param(request, "offset", 500);
        const auto limit = number_param(request, "limit", 500);
        if (!offset || !limit) {
            return offset ? limit.error() : offset.error();
        }
        call->request.offset = *offset;
        call->request.limit = *limit;
    }
    Stream stream;
    stream.headers = {{"Content-Type", "text/plain; charset=utf-8"}};
    stream.source = std::move(*call);
    stream.machine = std::make_unique<RawStream>(method == CallMethod::FsCat);
    return stream;
}

Outcome read_at(const Request& request, const PathValues& path, const Context& context) {
    return read_file(request, path, context, CallMethod::FsReadAt);
}
Outcome cat(const Request& request, const PathValues& path, const Context& context) {
    return read_file(request, path, context, CallMethod::FsCat);
}

std::string frame_json(const server::FileFrame& frame) {
    std::string out = "{";
    const auto add = [&out](std::string_view name, const std::string& value) {
        out += fmt::format("{}\"{}\":{}", out.size() > 1 ? "," : "", name, value);
    };
    if (!frame.data.empty()) {
        add("Data", "\"" + base64_encode(frame.data) + "\"");
    }
    if (!frame.file.empty()) {
        add("File", json_quote(frame.file));
    }
    if (frame.offset != 0) {
        add("Offset", fmt::format("{}", frame.offset));
    }
    if (!frame.file_event.empty()) {
        add("FileEvent", json_quote(frame.file_event));
    }
    return out + "}";
}

/// Frames of a followed file or log, framed as JSON or (plain) only their data.
class FileFrames final : public StreamMachine {
public:
    enum class Form : unsigned char { Frames, Plain };
    FileFrames(Form form, bool follow) : form_(form), follow_(follow) {}

    StreamStep on(const StreamInput& input, const Context& context) override {
        StreamStep step;
        if (const auto* item = std::get_if<Item>(&input)) {
            take(item->bytes, step);
        } else if (const auto* ended = std::get_if<SourceEnded>(&input)) {
            step.end = true;
            if (!ended->result && sent_) {
                step.cut = true;
            } else if (!ended->result) {
                step.instead = error_response(ended->result.error());
            }
            return step;
        } else if (std::holds_alternative<Tick>(input) && form_ == Form::Frames) {
            // Before the first frame there is no telling yet whether the file exists.
            step.bytes = sent_ ? "{}" : "";
        }
        if (follow_ && form_ == Form::Frames) {
            step.wake = context.now + kHeartbeat;
        }
        sent_ = sent_ || !step.bytes.empty();
        return step;
    }

private:
    void take(const Bytes& bytes, StreamStep& step) {
        const auto frame = decode<server::FileFrame>(bytes);
        if (!frame) {
            step.cut = true;
            step.end = true;
            return;
        }
        step.bytes = form_ == Form::Plain ? frame->data : frame_json(*frame);
    }

    Form form_;
    bool follow_;
    bool sent_ = false;
};

Outcome frames(WaitNode call, bool plain, bool follow) {
    Stream stream;
    stream.headers = {
        {"Content-Type", plain ? "text/plain" : "application/json"},
        {"X-Content-Type-Options", "nosniff"}
    };
    stream.source = std::move(call);
    stream.machine = std::make_unique<FileFrames>(
        plain ? FileFrames::Form::Plain : FileFrames::Form::Frames, follow
    );
    return stream;
}

Outcome follow_file(const Request& request, const PathValues& path, const Context& context) {
    auto call = alloc_call(CallMethod::FsStream, path[0], context);
    if (!call) {
        return call.error();
    }
    CallRequest& asked = call->request;
    asked.path = text_param(request, "path");
    if (asked.path.empty()) {
        return text_response(400, "must provide a file name");
    }
    const auto offset = number_param(request, "offset", 500);
    if (!offset) {
        return offset.error();
    }
    asked.offset = *offset;
    asked.origin = text_param(request, "origin");
    if (asked.origin.empty()) {
        asked.origin = "start";
    }
    if (asked.origin != "start" && asked.origin != "end") {
        return text_response(400, "origin must be start or end");
    }
    const auto follow = flag(request, "follow", true);
    if (!follow) {
        return error_response(follow.error());
    }
    asked.follow = *follow;
    return frames(std::move(*call), false, *follow);
}

Outcome logs(const Request& request, const PathValues& path, const Context& context) {
    auto call = alloc_call(CallMethod::Logs, path[0], context);
    if (!call) {
        return call.error();
    }
    CallRequest& asked = call->request;
    asked.task = text_param(request, "task");
    if (asked.task.empty()) {
        return text_response(400, "must provide task name");
    }
    const auto follow = bool_param(request, "follow");
    const auto plain = bool_param(request, "plain");
    if (!follow || !plain) {
        return error_response(follow ? plain.error() : follow.error());
    }
    asked.log_type = text_param(request, "type");
    if (asked.log_type != "stdout" && asked.log_type != "stderr") {
        return text_response(400, "must provide log type (stdout/stderr)");
    }
    const auto offset = number_param(request, "offset", 400);
    if (!offset) {
        return offset.error();
    }
    asked.offset = *offset;
    asked.origin = text_param(request, "origin");
    if (asked.origin.empty()) {
        asked.origin = "start";
    }
    if (asked.origin != "start" && asked.origin != "end") {
        return text_response(400, "origin must be start or end");
    }
    if (!has_task(context, asked.alloc_id, asked.task)) {
        return text_response(400, fmt::format("unknown task name \"{}\"", asked.task));
    }
    const auto alloc = context.state.alloc(asked.alloc_id);
    const auto states = alloc->task_states();
    const auto state = states.find(asked.task);
    if (state == states.end() || state->second.started_at.is_zero()) {
        return text_response(
            404, fmt::format("task \"{}\" not started yet. No logs available", asked.task)
        );
    }
    asked.follow = follow->value_or(false);
    return frames(std::move(*call), plain->value_or(false), asked.follow);
}

// ---- measurements

std::expected<WaitNode, Response> node_call(
    CallMethod method, const Request& request, const Context& context
) {
    WaitNode call;
    call.request.method = method;
    const std::string text = text_param(request, "node_id");
    if (text.empty()) {
        if (context.agent->node_id.is_nil()) {
            return std::unexpected(text_response(400, "No local Node and node_id not provided"));
        }
        call.node = context.agent->node_id;
        return call;
    }
    const auto id = path_uuid(text, "node");
    if (!id) {
        return std::unexpected(error_response(id.error()));
    }
    if (context.state.node(*id) == nullptr) {
        return std::unexpected(text_response(404, fmt::format("Unknown node \"{}\"", text)));
    }
    call.node = *id;
    return call;
}

Outcome host_stats(const Request& request, const PathValues&, const Context& context) {
    auto call = node_call(CallMethod::HostStats, request, context);
    if (!call) {
        return call.error();
    }
    return answer_one<model::HostStats>(std::move(*call));
}

Outcome answer_empty(WaitNode call) {
    return ask_node(std::move(call), [](const Context&, const NodeAnswered& answered) -> Outcome {
        return answered.items ? empty_response() : error_response(answered.items.error());
    });
}

Outcome collect_garbage(const Request& request, const PathValues&, const Context& context) {
    auto call = node_call(CallMethod::Gc, request, context);
    if (!call) {
        return call.error();
    }
    return answer_empty(std::move(*call));
}

Outcome collect_alloc(const Request&, const PathValues& path, const Context& context) {
    auto call = alloc_call(CallMethod::Gc, path[0], context);
    if (!call) {
        return call.error();
    }
    return answer_empty(std::move(*call));
}

Outcome alloc_stats(const Request& request, const PathValues& path, const Context& context) {
    auto call = alloc_call(CallMethod::AllocStats, path[0], context);
    if (!call) {
        return call.error();
    }
    call->request.task = text_param(request, "task");
    return answer_one<model::AllocResourceUsage>(std::move(*call));
}

/// The last answers of its services' checks, by their ids.
Outcome alloc_checks(const Request&, const PathValues& path, const Context& context) {
    auto call = alloc_call(server::CallMethod::Checks, path[0], context);
    if (!call) {
        return call.error();
    }
    return ask_node(std::move(*call), [](const Context&, const NodeAnswered& answered) -> Outcome {
        if (!answered.items) {
            return error_response(answered.items.error());
        }
        std::string out = "{";
        for (const Bytes& item : *answered.items) {
            auto result = decode<model::CheckQueryResult>(item);
            if (!result) {
                return error_response(result.error());
            }
            out += fmt::format(
                "{}{}:{}", out.size() > 1 ? "," : "", json_quote(result->id), wire::to_json(*result)
            );
        }
        return json_response(out + "}");
    });
}

// ---- lifecycle

/// `{"Index":0}` on success; a refusal of the node is 500 with its text unless it names a status.
Outcome answer_done(WaitNode call) {
    return ask_node(std::move(call), [](const Context&, const NodeAnswered& answered) -> Outcome {
        if (answered.items) {
            return json_response("{\"Index\":0}");
        }
        const Error& error = answered.items.error();
        const bool not_found = error.code == ErrorCode::NotFound;
        return text_response(not_found ? 404 : 500, error.message);
    });
}

Outcome restart(const Request& request, const PathValues& path, const Context& context) {
    const auto body = optional_body(request);
    if (!body) {
        return error_response(body.error());
    }
    auto call = alloc_call(CallMethod::Restart, path[0], context);
    if (!call) {
        return call.error();
    }
    call->request.task = text_member(*body, "TaskName");
    call->request.all_tasks = bool_member(*body, "AllTasks");
    const std::string& task = call->request.task;
    if (!task.empty() && call->request.all_tasks) {
        return text_response(500, "Can't restart all tasks when a task name is provided");
    }
    if (!task.empty() && !has_task(context, call->request.alloc_id, task)) {
        return text_response(500, fmt::format("Could not find task \"{}\"", task));
    }
    return answer_done(std::move(*call));
}

Outcome signal(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto call = alloc_call(CallMethod::Signal, path[0], context);
    if (!call) {
        return call.error();
    }
    call->request.task = text_member(*body, "Task");
    call->request.signal = text_member(*body, "Signal");
    const std::string& task = call->request.task;
    if (!task.empty() && !has_task(context, call->request.alloc_id, task)) {
        return text_response(500, fmt::format("Could not find task \"{}\"", task));
    }
    return answer_done(std::move(*call));
}

// ---- schedules

/// Whether a task is paused by its schedule, as its node reports it.
Outcome schedule_state(const Request& request, const PathValues& path, const Context& context) {
    const auto call = alloc_call(CallMethod::Checks, path[0], context);
    if (!call) {
        return call.error();
    }
    const std::string task = text_param(request, "task");
    if (!has_task(context, call->request.alloc_id, task)) {
        return text_response(
            task.empty() ? 400 : 404,
            task.empty() ? "must provide task name" : fmt::format("unknown task name \"{}\"", task)
        );
    }
    const auto states = context.state.alloc(call->request.alloc_id)->task_states();
    const auto state = states.find(task);
    return json_response(fmt::format(
        "{{\"ScheduleState\":{}}}", json_quote(state == states.end() ? "" : state->second.paused)
    ));
}

/// Only tasks with a schedule can be paused, and schedules belong to Nomad's other edition.
Outcome set_schedule_state(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const auto call = alloc_call(CallMethod::Checks, path[0], context);
    if (!call) {
        return call.error();
    }
    const std::string wanted = text_member(*body, "ScheduleState");
    if (wanted != "pause" && wanted != "run" && wanted != "scheduled") {
        return text_response(400, "Not a valid task schedule state");
    }
    return text_response(501, std::string(kEnterpriseOnly));
}

constexpr Route kRoutes[] = {
    {kGet,
     "/v1/client/fs/ls/{alloc}",
     Where::Server,
     "alloc:read-fs",
     "path",
     "Files of an allocation.",
     list_files},
    {kGet,
     "/v1/client/fs/stat/{alloc}",
     Where::Server,
     "alloc:read-fs",
     "path",
     "A file of an allocation.",
     stat_file},
    {kGet,
     "/v1/client/fs/readat/{alloc}",
     Where::Server,
     "alloc:read-fs",
     "path offset limit",
     "A part of a file.",
     read_at},
    {kGet, "/v1/client/fs/cat/{alloc}", Where::Server, "alloc:read-fs", "path", "A whole file.", cat},
    {kGet,
     "/v1/client/fs/stream/{alloc}",
     Where::Server,
     "alloc:read-fs",
     "path offset origin follow",
     "Follow a file.",
     follow_file},
    {kGet,
     "/v1/client/fs/logs/{alloc}",
     Where::Server,
     "alloc:read-logs|alloc:read-fs",
     "task type follow offset origin plain",
     "Output of a task.",
     logs},
    {kGet, "/v1/client/stats", Where::Server, "node:read", "node_id", "Load of a node.", host_stats
    },
    {kGet,
     "/v1/client/gc",
     Where::Server,
     "node:write",
     "node_id",
     "Remove finished allocations from a node.",
     collect_garbage},
    {kGet,
     "/v1/client/allocation/{alloc}/stats",
     Where::Server,
     "alloc:read-job",
     "task",
     "What an allocation uses.",
     alloc_stats},
    {kGet,
     "/v1/client/allocation/{alloc}/checks",
     Where::Server,
     "ns:read-job",
     "",
     "The checks of an allocation's services.",
     alloc_checks},
    {kGet,
     "/v1/allocation/{alloc}/checks",
     Where::Server,
     "ns:read-job",
     "",
     "The checks of an allocation's services.",
     alloc_checks},
    {kAny,
     "/v1/client/allocation/{alloc}/restart",
     Where::Server,
     "alloc:alloc-lifecycle",
     "",
     "Restart tasks.",
     restart},
    {kPut,
     "/v1/client/allocation/{alloc}/signal",
     Where::Server,
     "alloc:alloc-lifecycle",
     "",
     "Signal a task.",
     signal},
    {kGet,
     "/v1/client/allocation/{alloc}/pause",
     Where::Server,
     "alloc:read-job",
     "task",
     "Whether a task is paused by its schedule.",
     schedule_state},
    {kPut,
     "/v1/client/allocation/{alloc}/pause",
     Where::Server,
     "alloc:submit-job|alloc:pause-allocation",
     "",
     "Not in this edition.",
     set_schedule_state},
    {kGet | kPut,
     "/v1/client/allocation/{alloc}/gc",
     Where::Server,
     "alloc:submit-job|alloc:gc-allocation",
     "",
     "Remove a finished allocation from its node.",
     collect_alloc},
};

}  // namespace

std::span<const Route> client_routes() {
    return kRoutes;
}

}  // namespace nl::api
