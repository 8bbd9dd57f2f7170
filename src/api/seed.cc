#include "api/seed.h"

#include "api/writing.h"
#include "jobspec/canonicalize.h"
#include "state/commands/job.h"
#include "state/commands/node.h"

#include <algorithm>
#include <charconv>

namespace nl::api::seed {
namespace {

namespace commands = state::commands;

constexpr std::string_view kNamespace = "default";
constexpr std::string_view kGroup = "job";
/// The original's sandbox: 256 MiB and half a core.
constexpr std::int64_t kMemoryMb = 256;
constexpr std::int64_t kCpuMhz = 100;
constexpr std::int64_t kPriority = 50;
/// Output of a job that is fetched at most.
constexpr std::int64_t kOutputBytesMax = 1 << 20;

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

std::int64_t to_ms(std::int64_t ns) {
    return ns / 1'000'000;
}

bool is_seed_job(const model::Job& job) {
    return job.meta.find(kMetaCommand) != job.meta.end();
}

std::string meta_of(const model::Job& job, std::string_view key) {
    const auto found = job.meta.find(key);
    return found == job.meta.end() ? "" : found->second;
}

/// The server beside a node; 0 when the node has none.
std::uint64_t server_of(const state::Snapshot& state, const Uuid& node_id) {
    const auto* node = state.node(node_id);
    if (node == nullptr) {
        return 0;
    }
    const auto found = node->meta.find(kMetaServerId);
    std::uint64_t id = 0;
    if (found != node->meta.end()) {
        const std::string& text = found->second;
        std::from_chars(text.data(), text.data() + text.size(), id);
    }
    return id;
}

/// The newest attempt.
std::optional<state::AllocView> last_alloc(const state::Snapshot& state, const model::Job& job) {
    std::optional<state::AllocView> out;
    for (const state::AllocView alloc : state.allocs_of_job(job.namespace_, job.id)) {
        if (!out || std::pair(alloc.create_index(), alloc.id()) >
                        std::pair(out->create_index(), out->id())) {
            out = alloc;
        }
    }
    return out;
}

/// Fills in what the task reported: exit code, times and what went wrong.
void take_task(const model::TaskState& task, JobView& out) {
    for (const auto& event : task.events) {
        if (event.type == "Terminated") {
            std::int64_t code = event.exit_code;
            if (const auto found = event.details.find("exit_code"); found != event.details.end()) {
                const std::string& text = found->second;
                std::from_chars(text.data(), text.data() + text.size(), code);
            }
            out.exit_code = static_cast<std::int32_t>(code);
        } else if (event.type == "Driver Failure" || event.type == "Setup Failure" ||
                   event.type == "Failed Validation") {
            out.error = event.display_message.empty() ? event.message : event.display_message;
        }
    }
    if (!task.finished_at.is_zero()) {
        out.completed_at_ms = to_ms(task.finished_at.unix_ns);
    }
}

Status status_of(const model::Job& job, const std::optional<state::AllocView>& alloc) {
    if (alloc && alloc->client_status() == model::AllocClientStatus::Complete &&
        !(job.stop && alloc->server_terminal())) {
        return Status::Completed;
    }
    if (job.stop) {
        return Status::Cancelled;
    }
    if (!alloc) {
        return Status::Pending;
    }
    switch (alloc->client_status()) {
        case model::AllocClientStatus::Pending:
        case model::AllocClientStatus::Unknown:
            return Status::Pending;
        case model::AllocClientStatus::Running:
            return Status::Running;
        case model::AllocClientStatus::Complete:
            return Status::Completed;
        case model::AllocClientStatus::Failed:
            return Status::Failed;
        case model::AllocClientStatus::Lost:
            // It runs again elsewhere: a lost batch allocation is replaced.
            return Status::Pending;
    }
    NL_UNREACHABLE();
}

JobView view_of(const state::Snapshot& state, const model::Job& job) {
    JobView out;
    out.id = job.id;
    out.command = meta_of(job, kMetaCommand);
    out.created_at_ms = to_ms(job.submit_time);
    const auto alloc = last_alloc(state, job);
    out.status = status_of(job, alloc);
    if (!alloc) {
        return out;
    }
    out.alloc_id = alloc->id();
    out.node_id = alloc->node_id();
    out.assigned_worker = server_of(state, alloc->node_id());
    const auto tasks = alloc->task_states();
    if (const auto task = tasks.find(kTask); task != tasks.end()) {
        take_task(task->second, out);
        if (!task->second.started_at.is_zero()) {
            out.executed_by = out.assigned_worker;
        }
    }
    if (is_terminal(out.status) && !out.completed_at_ms) {
        out.completed_at_ms = to_ms(alloc->modify_time());
    }
    if (!is_terminal(out.status)) {
        out.completed_at_ms.reset();
        out.exit_code.reset();
    }
    return out;
}

bool passes(const JobView& job, const ListFilter& filter, const std::string& substring) {
    return (filter.status == Status::Unspecified || job.status == filter.status) &&
           (filter.worker_id == 0 || job.assigned_worker == filter.worker_id) &&
           (filter.created_after_ms == 0 || job.created_at_ms >= filter.created_after_ms) &&
           (filter.created_before_ms == 0 || job.created_at_ms <= filter.created_before_ms) &&
           (substring.empty() || lower(job.command).find(substring) != std::string::npos);
}

/// The jobs in order of creation, each with its place in it.
std::vector<std::pair<Index, std::shared_ptr<const model::Job>>> by_creation(
    const state::Snapshot& state
) {
    std::vector<std::pair<Index, std::shared_ptr<const model::Job>>> out;
    for (const auto& row : state.jobs(kNamespace)) {
        if (is_seed_job(*row.job)) {
            out.emplace_back(row.job->create_index, row.job);
        }
    }
    std::ranges::sort(out, {}, [](const auto& item) {
        return std::pair(item.first, std::string_view(item.second->id));
    });
    return out;
}

Result<std::shared_ptr<const model::Job>> seed_job(
    const state::Snapshot& state, std::string_view id
) {
    const auto uuid = Uuid::parse(id);
    if (!uuid || uuid->is_nil()) {
        return fail(ErrorCode::InvalidArgument, "Invalid job_id format");
    }
    auto job = state.job(kNamespace, uuid->str());
    if (job == nullptr || !is_seed_job(*job)) {
        return fail(ErrorCode::NotFound, "Job not found");
    }
    return job;
}

}  // namespace

std::string_view to_string(Status status) {
    switch (status) {
        case Status::Unspecified:
            return "UNSPECIFIED";
        case Status::Pending:
            return "PENDING";
        case Status::Running:
            return "RUNNING";
        case Status::Completed:
            return "COMPLETED";
        case Status::Failed:
            return "FAILED";
        case Status::Cancelled:
            return "CANCELLED";
    }
    NL_UNREACHABLE();
}

Result<model::Job> make_job(
    std::string_view command,
    const std::optional<std::string>& image,
    const Uuid& id,
    const Context& context
) {
    if (command.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        return fail(ErrorCode::InvalidArgument, "command cannot be empty");
    }
    if (command.size() > kCommandBytesMax) {
        return fail(
            ErrorCode::InvalidArgument,
            "command of {} bytes is longer than the limit of {} bytes",
            command.size(),
            kCommandBytesMax
        );
    }
    const AgentView& agent = *context.agent;
    const std::string used_image = image.value_or(agent.seed_image);
    model::TaskSpec task;
    task.name = std::string(kTask);
    task.driver = agent.seed_driver;
    const Value::List arguments{"-c", std::string(command)};
    if (agent.seed_driver == "docker") {
        task.config = Value::Map{
            {"image", used_image},
            {"command", "sh"},
            {"args", arguments},
            {"network_mode", "none"},
            {"cap_drop", Value::List{"all"}},
            {"readonly_rootfs", true},
            {"security_opt", Value::List{"no-new-privileges"}},
        };
    } else {
        task.config = Value::Map{{"command", "/bin/sh"}, {"args", arguments}};
    }
    model::ResourcesSpec resources;
    resources.cpu = kCpuMhz;
    resources.memory_mb = kMemoryMb;
    task.resources = resources;
    model::RestartPolicySpec restart;
    restart.attempts = 0;
    restart.mode = "fail";
    model::ReschedulePolicySpec reschedule;
    reschedule.attempts = 0;
    reschedule.unlimited = false;
    model::TaskGroupSpec group;
    group.name = std::string(kGroup);
    group.count = 1;
    group.restart_policy = restart;
    group.reschedule_policy = reschedule;
    group.max_run_duration = kRunMax;
    group.tasks.push_back(std::move(task));
    model::JobSpec spec;
    spec.id = id.str();
    spec.name = id.str();
    spec.type = "batch";
    spec.region = agent.region;
    spec.namespace_ = std::string(kNamespace);
    spec.priority = kPriority;
    spec.datacenters = {"*"};
    spec.task_groups.push_back(std::move(group));
    spec.meta.emplace(kMetaCommand, command);
    if (image) {
        spec.meta.emplace(kMetaImage, *image);
    }
    jobspec::canonicalize(spec);
    model::Job job = jobspec::to_job(spec);
    job.submit_time = context.wall.unix_ns;
    return job;
}

commands::JobRegister registration(
    const model::Job& job, const Context& context, std::uint64_t number
) {
    commands::JobRegister command;
    command.job = std::make_shared<const model::Job>(job);
    command.eval = new_eval(job, "job-register", context);
    command.eval->id = new_id(context, number);
    return command;
}

state::Command submit_command(const model::Job& job, const Context& context) {
    return state::make_command(registration(job, context, 0), context.wall, context.entropy[2]);
}

Result<JobView> find_job(const state::Snapshot& state, std::string_view id) {
    NL_TRY(const auto job, seed_job(state, id));
    return view_of(state, *job);
}

Result<state::Command> cancel_command(std::string_view id, const Context& context) {
    NL_TRY(const auto job, seed_job(context.state, id));
    const JobView view = view_of(context.state, *job);
    if (is_terminal(view.status)) {
        return fail(
            ErrorCode::FailedPrecondition, "job is already {}", lower(to_string(view.status))
        );
    }
    commands::JobDeregister command;
    command.namespace_ = job->namespace_;
    command.job_id = job->id;
    command.eval = new_eval(*job, "job-deregister", context);
    return state::make_command(command, context.wall, context.entropy[2]);
}

Result<JobPage> list_jobs(const state::Snapshot& state, const ListFilter& filter) {
    std::pair<Index, std::string> from;
    if (!filter.page_token.empty()) {
        // The token is where the page starts: "<index>.<id>" in URL-safe base64.
        const auto text = base64url_decode(filter.page_token);
        const std::size_t dot = text ? text->find('.') : std::string::npos;
        if (dot == std::string::npos) {
            return fail(ErrorCode::InvalidArgument, "Invalid page_token");
        }
        const auto [end, failed] =
            std::from_chars(text->data(), text->data() + dot, from.first.value);
        const auto id = Uuid::parse(text->substr(dot + 1));
        if (failed != std::errc() || end != text->data() + dot || !id || id->is_nil()) {
            return fail(ErrorCode::InvalidArgument, "Invalid page_token");
        }
        from.second = id->str();
    }
    const std::uint32_t size =
        filter.page_size == 0 ? kPageSizeDefault : std::min(filter.page_size, kPageSizeMax);
    const std::string substring = lower(filter.command_substring);
    JobPage out;
    for (const auto& [index, job] : by_creation(state)) {
        JobView view = view_of(state, *job);
        if (!passes(view, filter, substring)) {
            continue;
        }
        ++out.total_count;
        if (std::pair(index, std::string(job->id)) < from) {
            continue;
        }
        if (out.jobs.size() < size) {
            out.jobs.push_back(std::move(view));
        } else if (out.next_page_token.empty()) {
            out.next_page_token = base64url_encode(fmt::format("{}.{}", index, job->id));
        }
    }
    return out;
}

std::vector<JobView> all_jobs(const state::Snapshot& state, const ListFilter& filter) {
    const std::string substring = lower(filter.command_substring);
    std::vector<JobView> out;
    for (const auto& [index, job] : by_creation(state)) {
        JobView view = view_of(state, *job);
        if (passes(view, filter, substring)) {
            out.push_back(std::move(view));
        }
    }
    return out;
}

WaitNode output_call(const JobView& job, std::string_view stream) {
    WaitNode call;
    call.node = job.node_id;
    call.request.method = server::CallMethod::Logs;
    call.request.alloc_id = job.alloc_id;
    call.request.task = kTask;
    call.request.log_type = stream;
    call.request.origin = "start";
    call.request.limit = kOutputBytesMax;
    return call;
}

std::string output_text(const std::vector<Bytes>& items) {
    std::string out;
    for (const Bytes& item : items) {
        if (const auto frame = decode<server::FileFrame>(item)) {
            out += frame->data;
        }
        if (out.size() > static_cast<std::size_t>(kOutputBytesMax)) {
            out.resize(static_cast<std::size_t>(kOutputBytesMax));
            break;
        }
    }
    return out;
}

LogCommand describe(const Bytes& entry, const state::Snapshot& state) {
    LogCommand out;
    const auto command = decode<state::Command>(entry);
    if (entry.empty() || !command) {
        return out;
    }
    out.name = state::to_string(command->type);
    if (command->type == state::CommandType::JobRegister) {
        const auto body = decode<commands::JobRegister>(command->body.bytes);
        if (body && body->job && is_seed_job(*body->job)) {
            out.kind = LogCommand::Kind::Submit;
            out.job_id = body->job->id;
            out.command = meta_of(*body->job, kMetaCommand);
            if (const std::string image = meta_of(*body->job, kMetaImage); !image.empty()) {
                out.image = image;
            }
            out.created_at_ms = to_ms(body->job->submit_time);
        }
    } else if (command->type == state::CommandType::JobDeregister) {
        const auto body = decode<commands::JobDeregister>(command->body.bytes);
        if (body && Uuid::parse(body->job_id).value_or(Uuid{}) != Uuid{}) {
            out.kind = LogCommand::Kind::Cancel;
            out.job_id = body->job_id;
        }
    } else if (command->type == state::CommandType::NodeRegister) {
        const auto body = decode<commands::NodeRegister>(command->body.bytes);
        if (body) {
            out.kind = LogCommand::Kind::RegisterWorker;
            out.worker_id = server_of(state, body->node.id);
        }
    }
    return out;
}

}  // namespace nl::api::seed
