#include "api/job_intake.h"

#include "api/body.h"
#include "api/params.h"
#include "api/status.h"
#include "jobspec/canonicalize.h"
#include "wire/json.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::api {
namespace {

std::string first_of(std::initializer_list<std::string> texts) {
    for (const auto& text : texts) {
        if (!text.empty()) {
            return text;
        }
    }
    return "";
}

constexpr std::int64_t kPriorityMin = 1;
constexpr std::int64_t kPriorityMax = 100;

std::vector<std::string> task_problems(const model::Task& task) {
    std::vector<std::string> out;
    if (task.name.find_first_of("/\\") != std::string::npos) {
        out.emplace_back("Task name cannot include slashes");
    }
    if (task.driver.empty()) {
        out.emplace_back("Missing task driver");
    }
    if (task.kill_timeout.ns < 0) {
        out.emplace_back("KillTimeout must be a positive value");
    }
    return out;
}

/// Names of `items` that are absent or there twice; `noun` is "Job task group" or "Task".
template <class Items>
void check_names(
    const Items& items, std::string_view noun, std::string_view kind, std::vector<std::string>& out
) {
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (items[i].name.empty()) {
            out.push_back(fmt::format("{} {} missing name", noun, i + 1));
            continue;
        }
        for (std::size_t before = 0; before < i; ++before) {
            if (items[before].name == items[i].name) {
                out.push_back(fmt::format(
                    "{} {} redefines '{}' from {} {}", noun, i + 1, items[i].name, kind, before + 1
                ));
                break;
            }
        }
    }
}

std::vector<std::string> group_problems(const model::TaskGroup& group, const model::Job& job) {
    std::vector<std::string> out;
    if (group.count < 0) {
        out.emplace_back("Task group count can't be negative");
    }
    if (job.type == "system" && group.count > 1) {
        out.push_back(fmt::format(
            "Job task group {} has count {}. Count cannot exceed 1 with system scheduler",
            group.name,
            group.count
        ));
    }
    if (group.tasks.empty()) {
        out.emplace_back("Missing tasks for task group");
    }
    check_names(group.tasks, "Task", "task", out);
    for (const auto& task : group.tasks) {
        if (const auto problems = task_problems(task); !problems.empty()) {
            out.push_back(
                fmt::format("Task {} validation failed: {}", task.name, errors_text(problems))
            );
        }
    }
    return out;
}

std::vector<std::string> job_problems(const model::Job& job) {
    std::vector<std::string> out;
    const bool known = job.type == "service" || job.type == "batch" || job.type == "system" ||
                       job.type == "sysbatch";
    if (!known) {
        out.push_back(fmt::format("Invalid job type: \"{}\"", job.type));
    }
    if (job.id.find(' ') != std::string::npos) {
        out.emplace_back("Job ID contains a space");
    }
    if (job.id.find('\0') != std::string::npos) {
        out.emplace_back("Job ID contains a null character");
    }
    if (job.name.empty()) {
        out.emplace_back("Missing job name");
    }
    if (job.priority < kPriorityMin || job.priority > kPriorityMax) {
        out.push_back(
            fmt::format("job priority must be between [{}, {}]", kPriorityMin, kPriorityMax)
        );
    }
    if (job.task_groups.empty()) {
        out.emplace_back("Missing job task groups");
    }
    if (job.periodic && job.type != "batch" && job.type != "sysbatch") {
        out.emplace_back("Periodic can only be used with \"batch\" or \"sysbatch\" scheduler");
    }
    if (job.parameterized_job && job.type != "batch" && job.type != "sysbatch") {
        out.emplace_back(
            "Parameterized job can only be used with \"batch\" or \"sysbatch\" scheduler"
        );
    }
    check_names(job.task_groups, "Job task group", "group", out);
    for (const auto& group : job.task_groups) {
        if (const auto problems = group_problems(group, job); !problems.empty()) {
            out.push_back(fmt::format(
                "Task group {} validation failed: {}", group.name, errors_text(problems)
            ));
        }
    }
    return out;
}

}  // namespace

std::string errors_text(const std::vector<std::string>& errors) {
    std::string out =
        fmt::format("{} error{} occurred:\n", errors.size(), errors.size() == 1 ? "" : "s");
    for (const auto& error : errors) {
        out += "\t* " + error + "\n";
    }
    return out + "\n";
}

std::string warnings_text(const std::vector<std::string>& warnings) {
    if (warnings.empty()) {
        return "";
    }
    std::string out =
        fmt::format("{} warning{}:\n", warnings.size(), warnings.size() == 1 ? "" : "s");
    for (const auto& warning : warnings) {
        out += "\n* " + warning;
    }
    return out;
}

std::expected<Intake, Response> take_job(
    const Request& request, const Value& body, const Context& context
) {
    const Value* given = member(body, "Job");
    if (given == nullptr || given->as_map() == nullptr) {
        return std::unexpected(text_response(400, "Job must be specified"));
    }
    auto spec = wire::from_value<model::JobSpec>(*given);
    if (!spec) {
        return std::unexpected(error_response(spec.error()));
    }
    if (spec->id.value_or("").empty()) {
        return std::unexpected(text_response(400, "Job ID hasn't been provided"));
    }
    spec->region = first_of(
        {text_param(request, "region"),
         text_member(body, "Region"),
         spec->region.value_or(""),
         context.agent->region}
    );
    spec->namespace_ = first_of(
        {text_param(request, "namespace"),
         text_member(body, "Namespace"),
         spec->namespace_.value_or(""),
         "default"}
    );
    jobspec::canonicalize(*spec);
    Intake out;
    out.job = jobspec::to_job(*spec);
    const bool system = out.job.type == "system";
    if (system && std::ranges::any_of(out.job.task_groups, [](const auto& group) {
            return group.scaling.has_value();
        })) {
        return std::unexpected(
            text_response(400, "Task groups with job type system do not support scaling blocks")
        );
    }
    out.errors = job_problems(out.job);
    return out;
}

Result<void> check_registration(
    const model::Job& job, const model::Job* old, const Context& context
) {
    const auto refuse = [](std::string text) {
        return std::unexpected(Error{ErrorCode::Internal, std::move(text)});
    };
    if (context.state.namespace_(job.namespace_) == nullptr) {
        return refuse(
            fmt::format("job \"{}\" is in nonexistent namespace \"{}\"", job.id, job.namespace_)
        );
    }
    if (context.state.node_pool(job.node_pool) == nullptr) {
        return refuse(
            fmt::format("job \"{}\" is in nonexistent node pool \"{}\"", job.id, job.node_pool)
        );
    }
    if (old == nullptr) {
        return job.dispatched ? Result<void>(refuse("job can't be submitted with 'Dispatched' set"))
                              : Result<void>();
    }
    if (old->type != job.type) {
        return refuse(
            fmt::format("cannot update job from type \"{}\" to \"{}\"", old->type, job.type)
        );
    }
    if (old->periodic && !job.periodic) {
        return refuse("cannot update periodic job to being non-periodic");
    }
    if (!old->periodic && job.periodic) {
        return refuse("cannot update non-periodic job to being periodic");
    }
    if (old->parameterized_job && !job.parameterized_job) {
        return refuse("cannot update parameterized job to being non-parameterized");
    }
    if (!old->parameterized_job && job.parameterized_job) {
        return refuse("cannot update non-parameterized job to being parameterized");
    }
    if (old->dispatched != job.dispatched) {
        return refuse("field 'Dispatched' is read-only");
    }
    return {};
}

}  // namespace nl::api
