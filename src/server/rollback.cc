#include "server/rollback.h"

#include "state/commands/job.h"

#include <fmt/format.h>

#include <utility>

namespace nl::server {

Rollback plan_rollback(
    const state::Snapshot& snapshot,
    const model::Deployment& deployment,
    std::string description,
    bool wanted
) {
    Rollback out{.description = std::move(description)};
    if (!wanted) {
        return out;
    }
    std::shared_ptr<const model::Job> stable;
    for (const state::JobVersionRow& row :
         snapshot.job_versions(deployment.namespace_, deployment.job_id)) {
        if (row.job->stable) {
            stable = row.job;
        }
    }
    if (stable == nullptr) {
        out.description += " - no stable job version to auto revert to";
        return out;
    }
    const auto current = snapshot.job(deployment.namespace_, deployment.job_id);
    if (current == nullptr || !state::commands::spec_changed(*current, *stable)) {
        out.description += fmt::format(
            " - not rolling back to stable job version {} as current job has same specification",
            stable->version
        );
        return out;
    }
    out.description += fmt::format(" - rolling back to job version {}", stable->version);
    auto job = std::make_shared<model::Job>(*stable);
    job->version_tag.reset();
    job->stable = false;
    out.job = std::move(job);
    return out;
}

}  // namespace nl::server
