#include "api/job_intake.h"

#include "api/access.h"
#include "api/body.h"
#include "api/elsewhere.h"
#include "api/params.h"
#include "api/status.h"
#include "jobspec/canonicalize.h"
#include "jobspec/validate.h"
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

/// An empty list of enabled ones enables all; disabled ones are disabled in any case.
bool enables(
    const std::vector<std::string>& enabled,
    const std::vector<std::string>& disabled,
    const std::string& name
) {
    return (enabled.empty() || std::ranges::find(enabled, name) != enabled.end()) &&
           std::ranges::find(disabled, name) == disabled.end();
}

std::string not_allowed(
    std::string_view what, const std::vector<std::string>& names, const std::string& ns
) {
    if (names.empty()) {
        return "";
    }
    if (names.size() == 1) {
        return fmt::format(
            "used {} \"{}\" is not allowed in namespace \"{}\"", what, names.front(), ns
        );
    }
    return fmt::format(
        "used {}s [\"{}\"] are not allowed in namespace \"{}\"",
        what,
        fmt::join(names, "\" \""),
        ns
    );
}

/// Why the namespace's capabilities do not allow the job; "" if they do.
std::string refused_by_namespace(const model::Job& job, const model::Namespace& ns) {
    if (!ns.capabilities) {
        return "";
    }
    const model::NamespaceCapabilities& able = *ns.capabilities;
    std::vector<std::string> drivers;
    std::vector<std::string> modes;
    for (const auto& group : job.task_groups) {
        for (const auto& task : group.tasks) {
            if (!enables(able.enabled_task_drivers, able.disabled_task_drivers, task.driver)) {
                drivers.push_back(task.driver);
            }
        }
        for (const auto& network : group.networks) {
            const std::string mode = network.mode.empty() ? "host" : network.mode;
            if (!enables(able.enabled_network_modes, able.disabled_network_modes, mode)) {
                modes.push_back(mode);
            }
        }
    }
    std::string text = not_allowed("task driver", drivers, ns.name);
    return text.empty() ? not_allowed("group network mode", modes, ns.name) : text;
}

/// Whether tasks in the pool may use more memory than they reserve.
bool oversubscribes(const std::string& pool_name, const Context& context) {
    const model::NodePool* pool = context.state.node_pool(pool_name);
    if (pool != nullptr && pool->scheduler_configuration &&
        pool->scheduler_configuration->memory_oversubscription_enabled) {
        return *pool->scheduler_configuration->memory_oversubscription_enabled;
    }
    return context.state.scheduler_config().memory_oversubscription_enabled;
}

}  // namespace

std::string errors_text(const std::vector<std::string>& errors) {
    return jobspec::errors_text(errors);
}

std::string warnings_text(const std::vector<std::string>& warnings) {
    return jobspec::warnings_text(warnings);
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
    if (*spec->region != context.agent->region) {
        return std::unexpected(text_response(500, std::string(kNoRegion)));
    }
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
    jobspec::Findings found = jobspec::validate(
        out.job,
        {.memory_oversubscription = oversubscribes(out.job.node_pool, context),
         .zones = context.agent->zones.get()}
    );
    out.errors = std::move(found.errors);
    out.warnings = jobspec::warnings_text(found.warnings);
    return out;
}

Result<void> check_job_access(
    const model::Job& job, policy::CapabilitySet any_of, const Context& context
) {
    const auto refuse = [] {
        return fail(ErrorCode::PermissionDenied, "{}", kPermissionDenied);
    };
    if (!may(context, job.namespace_, any_of)) {
        return refuse();
    }
    const policy::Acl& acl = *caller_of(context).acl;
    for (const auto& group : job.task_groups) {
        for (const auto& [name, volume] : group.volumes) {
            const auto mount = volume.read_only ? policy::HostVolumeMount::ReadOnly
                                                : policy::HostVolumeMount::ReadWrite;
            if (volume.type == "host" && !acl.allows_host_volume(volume.source, mount)) {
                return refuse();
            }
            if (volume.type == "csi" &&
                !may(context, job.namespace_, policy::Capability::CsiMountVolume)) {
                return refuse();
            }
        }
    }
    return {};
}

Result<void> check_registration(
    const model::Job& job, const model::Job* old, const Context& context
) {
    const auto refuse = [](std::string text) {
        return std::unexpected(Error{ErrorCode::Internal, std::move(text)});
    };
    const model::Namespace* ns = context.state.namespace_(job.namespace_);
    if (ns == nullptr) {
        return refuse(
            fmt::format("job \"{}\" is in nonexistent namespace \"{}\"", job.id, job.namespace_)
        );
    }
    if (auto text = refused_by_namespace(job, *ns); !text.empty()) {
        return refuse(std::move(text));
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
