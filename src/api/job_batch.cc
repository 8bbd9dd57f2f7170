#include "api/job_batch.h"

#include "api/body.h"
#include "api/job_intake.h"
#include "api/json_text.h"
#include "api/params.h"
#include "api/status.h"
#include "api/writing.h"
#include "state/commands/job.h"
#include "wire/value_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace nl::api {
namespace {

namespace commands = state::commands;

struct Item {
    std::string job_id;
    std::string namespace_;
    std::string error;
    std::string warnings;
    Uuid eval_id;
    Index job_modify_index;
    /// Absent for one that was refused.
    std::optional<commands::JobRegister> command;
};

/// What is carried from one entry of the log to the next.
struct Batch {
    std::vector<Item> items;
    std::size_t next{0};
};

void take_item(
    const Value& given, const Request& request, const Context& context, std::size_t number, Item& item
) {
    if (const Value* job = member(given, "Job"); job != nullptr) {
        item.job_id = text_member(*job, "ID");
    }
    auto intake = take_job(request, given, context);
    if (!intake) {
        item.error = intake.error().body;
        return;
    }
    model::Job& job = intake->job;
    item.namespace_ = job.namespace_;
    item.warnings = intake->warnings;
    if (!intake->errors.empty()) {
        item.error = errors_text(intake->errors);
        return;
    }
    if (job.namespace_ != namespace_of(request)) {
        item.error = fmt::format(
            "job \"{}\" is of namespace \"{}\", the call of \"{}\"",
            job.id,
            job.namespace_,
            namespace_of(request)
        );
        return;
    }
    if (const auto allowed = check_job_access(
            job,
            policy::bit(policy::Capability::SubmitJob) |
                policy::bit(policy::Capability::RegisterJob),
            context
        );
        !allowed) {
        item.error = allowed.error().message;
        return;
    }
    const auto old = context.state.job(job.namespace_, job.id);
    if (const auto allowed = check_registration(job, old.get(), context); !allowed) {
        item.error = allowed.error().message;
        return;
    }
    commands::JobRegister command;
    command.keep_versions = context.agent->job_tracked_versions;
    command.enforce_index = bool_member(given, "EnforceIndex");
    const auto index = int_member(given, "JobModifyIndex").value_or(0);
    command.check_index = Index(static_cast<std::uint64_t>(std::max<std::int64_t>(0, index)));
    job.submit_time = context.wall.unix_ns;
    if (!job.periodic && (!job.parameterized_job || job.dispatched)) {
        command.eval = new_eval(job, "job-register", context);
        // 0 and 1 are taken by whoever needs one id or two.
        command.eval->id = new_id(context, 16 + number);
        item.eval_id = command.eval->id;
    }
    command.job = std::make_shared<const model::Job>(std::move(job));
    item.command = std::move(command);
}

/// What became of one, from the state that holds it.
void settle(Item& item, const Context& context, Index applied) {
    const commands::JobRegister& command = *item.command;
    const auto job = context.state.job(item.namespace_, item.job_id);
    if (job == nullptr && command.enforce_index) {
        item.eval_id = Uuid{};
        item.error = fmt::format(
            "Enforcing job modify index {}: job does not exist", command.check_index
        );
        return;
    }
    item.job_modify_index = job != nullptr ? job->job_modify_index : applied;
    const bool stands = !command.enforce_index || item.job_modify_index == applied ||
                        (command.check_index != Index(0) &&
                         item.job_modify_index == command.check_index);
    if (!stands) {
        item.eval_id = Uuid{};
        item.error = fmt::format(
            "Enforcing job modify index {}: job exists with conflicting job modify index: {}",
            command.check_index,
            item.job_modify_index
        );
    }
}

Response answer(const Batch& batch, Index index) {
    std::string out = "{\"Results\":[";
    for (const Item& item : batch.items) {
        if (out.back() == '}') {
            out += ',';
        }
        out += wire::write_json(Value::Map{
            {"JobID", item.job_id},
            {"Namespace", item.namespace_},
            {"EvalID", item.eval_id.is_nil() ? std::string() : item.eval_id.str()},
            {"JobModifyIndex", static_cast<std::int64_t>(item.job_modify_index.value)},
            {"Error", item.error},
            {"Warnings", item.warnings}
        });
    }
    out += "]}";
    return write_response(std::move(out), index);
}

Outcome go_on(std::shared_ptr<Batch> batch, const Context& context, Index index) {
    commands::JobBatchRegister command;
    const std::size_t first = batch->next;
    std::size_t& next = batch->next;
    for (; next < batch->items.size() && command.jobs.size() < kBatchJobsAtOnce; ++next) {
        if (batch->items[next].command) {
            command.jobs.push_back(*batch->items[next].command);
        }
    }
    if (command.jobs.empty()) {
        return answer(*batch, index);
    }
    return propose(
        command, context, [batch, first](const Context& c, const Applied& applied) -> Outcome {
            for (std::size_t i = first; i < batch->next; ++i) {
                if (batch->items[i].command) {
                    settle(batch->items[i], c, applied.index);
                    batch->items[i].command.reset();
                }
            }
            return go_on(batch, c, applied.index);
        }
    );
}

}  // namespace

Outcome register_batch(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const auto found = body->as_map()->find("Jobs");
    const Value::List* jobs =
        found == body->as_map()->end() ? nullptr : found->second.as_list();
    if (jobs == nullptr) {
        return text_response(400, "Jobs must be a list of jobs to register");
    }
    if (jobs->size() > kBatchJobsMax) {
        return text_response(
            400, fmt::format("{} jobs in one call exceed the limit of {}", jobs->size(), kBatchJobsMax)
        );
    }
    if (context.state.scheduler_config().reject_job_registration) {
        return text_response(
            403, "Job registration, dispatch, and scale are disabled by the scheduler configuration"
        );
    }
    auto batch = std::make_shared<Batch>();
    batch->items.resize(jobs->size());
    for (std::size_t i = 0; i < jobs->size(); ++i) {
        if ((*jobs)[i].as_map() == nullptr) {
            batch->items[i].error = "Job must be specified";
            continue;
        }
        take_item((*jobs)[i], request, context, i, batch->items[i]);
    }
    return go_on(batch, context, context.state.index());
}

}  // namespace nl::api
