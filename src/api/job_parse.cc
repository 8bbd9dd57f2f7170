// Reading job files for clients that cannot. Source: Nomad HTTP API, 1, `jobs/parse`.
#include "api/body.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "jobspec/canonicalize.h"
#include "jobspec/jobspec.h"
#include "wire/json.h"

namespace nl::api {
namespace {

/// Fills with the call's own entropy first, then with what is derived from it.
std::function<void(std::span<std::uint8_t>)> entropy_of(const Context& context) {
    return [rng = context.rng()](std::span<std::uint8_t> out) mutable {
        for (auto& byte : out) {
            byte = static_cast<std::uint8_t>(rng.next());
        }
    };
}

Outcome parse(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    jobspec::ParseInput input;
    input.source = text_member(*body, "JobHCL");
    if (input.source.empty()) {
        return text_response(400, "Job spec is empty");
    }
    input.variables_content = text_member(*body, "Variables");
    input.now = context.wall;
    input.entropy = entropy_of(context);
    auto parsed = jobspec::parse(input);
    if (!parsed) {
        return text_response(400, "Failed to parse job: " + parsed.error().message);
    }
    if (const std::string ns = text_param(request, "namespace");
        !ns.empty() && !parsed->job.namespace_) {
        parsed->job.namespace_ = ns;
    }
    if (bool_member(*body, "Canonicalize")) {
        jobspec::canonicalize(parsed->job);
    }
    return json_response(wire::to_json(parsed->job));
}

constexpr Route kRoutes[] = {
    {kPut,
     "/v1/jobs/parse",
     Where::Local,
     "ns:parse-job|ns:submit-job",
     "",
     "Read a job specification.",
     parse},
};

}  // namespace

std::span<const Route> job_parse_routes() {
    return kRoutes;
}

}  // namespace nl::api
