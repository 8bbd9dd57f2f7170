#include "server/identities.h"

#include "model/job.h"

#include <algorithm>

namespace nl::server {

Result<policy::Claims> claims_of(
    const state::AllocView& alloc, const IdentityRequest& request, WallTime now
) {
    if (alloc.terminal()) {
        return fail(
            ErrorCode::FailedPrecondition,
            "allocation {} has ended: it has no identity any more",
            alloc.id()
        );
    }
    const auto& tasks = alloc.group().tasks;
    const bool of_service = !request.identity.service_name.empty();
    if (!of_service && std::ranges::none_of(tasks, [&](const auto& task) {
            return task.name == request.task;
        })) {
        return fail(
            ErrorCode::NotFound, "allocation {} has no task \"{}\"", alloc.id(), request.task
        );
    }
    const model::Job& job = alloc.job();
    policy::Claims out;
    out.namespace_ = job.namespace_;
    // A dispatched or periodic job acts under the name its policies know.
    out.job_id = job.parent_id.empty() ? job.id : job.parent_id;
    out.group = alloc.task_group();
    out.task = of_service ? "" : request.task;
    out.service = request.identity.service_name;
    out.alloc_id = alloc.id().str();
    out.region = request.region;
    out.issuer = request.issuer;
    out.id = request.token_id;
    out.issued_at = now;
    if (!request.identity.name.empty()) {
        out.identity = request.identity.name;
    }
    if (out.identity != kDefaultIdentity) {
        out.audience = request.identity.audience;
    }
    if (request.identity.ttl > Duration{}) {
        out.expires_at = now + request.identity.ttl;
    }
    return out;
}

Result<std::string> identity_token(
    const state::AllocView& alloc,
    const IdentityRequest& request,
    const policy::RootKey& key,
    WallTime now
) {
    NL_TRY(const policy::Claims claims, claims_of(alloc, request, now));
    const bool own = claims.identity == kDefaultIdentity;
    return policy::sign_identity(
        claims,
        key,
        own || key.rsa.empty() ? policy::SigningAlgorithm::EdDSA : policy::SigningAlgorithm::RS256
    );
}

}  // namespace nl::server
