#pragma once
// Where a failed deployment goes back to, and the words in which Nomad says so. Pure.
// Source: jobspec reference, update; JSON conventions, deployment texts.

#include "model/deployment.h"
#include "model/job.h"
#include "state/snapshot.h"

#include <memory>
#include <string>

namespace nl::server {

struct Rollback {
    /// The version to register again; null to stay with what there is.
    std::shared_ptr<const model::Job> job;
    /// The deployment's description, with what becomes of the job.
    std::string description;
};

/// For a deployment that fails with `description`: the newest stable version, unless that is what
/// runs already. `wanted`: whether the groups concerned ask for it.
Rollback plan_rollback(
    const state::Snapshot& snapshot,
    const model::Deployment& deployment,
    std::string description,
    bool wanted
);

}  // namespace nl::server
