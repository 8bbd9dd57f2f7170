// The OpenAPI 3.0 description, made from the table of routes and the model's field lists. Only what
// neither knows stands here: which noun a route takes and answers.
#include "api/json_text.h"
#include "api/params.h"
#include "api/routes.h"
#include "wire/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace nl::api {
namespace {

/// What a route takes and answers: a noun, "[]" and a noun, or "" for what has no noun of its own.
struct Types {
    Methods method;
    std::string_view pattern;
    std::string_view answer;
    std::string_view body = "";
};
constexpr Types kTypes[] = {
    {kGet, "/v1/jobs", "[]JobListStub"},
    {kPut, "/v1/jobs", "JobRegisterResponse", "{Job}"},
    {kPut, "/v1/jobs/parse", "Job"},
    {kGet, "/v1/jobs/statuses", "[]JobStatusesJob"},
    {kGet, "/v1/job/{id}", "Job"},
    {kPut, "/v1/job/{id}", "JobRegisterResponse", "{Job}"},
    {kDelete, "/v1/job/{id}", "JobDeregisterResponse"},
    {kPut, "/v1/job/{id}/plan", "JobPlanResponse", "{Job}"},
    {kPut, "/v1/job/{id}/evaluate", "JobRegisterResponse"},
    {kGet, "/v1/job/{id}/allocations", "[]AllocListStub"},
    {kGet, "/v1/job/{id}/evaluations", "[]Evaluation"},
    {kGet, "/v1/job/{id}/deployments", "[]Deployment"},
    {kGet, "/v1/job/{id}/deployment", "Deployment"},
    {kGet, "/v1/job/{id}/summary", "JobSummary"},
    {kGet, "/v1/job/{id}/submission", "JobSubmission"},
    {kGet, "/v1/job/{id}/services", "[]ServiceRegistration"},
    {kGet, "/v1/job/{id}/actions", "[]JobAction"},
    {kPut, "/v1/job/{id}/dispatch", "JobDispatchResponse"},
    {kPut, "/v1/job/{id}/dispatch/payload", "JobDispatchResponse"},
    {kPut, "/v1/job/{id}/revert", "JobRegisterResponse"},
    {kGet, "/v1/job/{id}/scale", "JobScaleStatus"},
    {kPut, "/v1/job/{id}/scale", "JobRegisterResponse"},
    {kPut, "/v1/validate/job", "JobValidateResponse", "{Job}"},
    {kGet, "/v1/nodes", "[]NodeListStub"},
    {kGet, "/v1/node/{id}", "Node"},
    {kGet, "/v1/node/{id}/allocations", "[]Allocation"},
    {kPut, "/v1/node/{id}/evaluate", "NodeUpdateResponse"},
    {kPut, "/v1/node/{id}/drain", "NodeDrainUpdateResponse"},
    {kPut, "/v1/node/{id}/eligibility", "NodeEligibilityUpdateResponse"},
    {kPut, "/v1/node/{id}/purge", "NodeUpdateResponse"},
    {kGet, "/v1/node/pools", "[]NodePool"},
    {kPut, "/v1/node/pools", "", "NodePool"},
    {kGet, "/v1/node/pool/{name}", "NodePool"},
    {kPut, "/v1/node/pool/{name}", "", "NodePool"},
    {kGet, "/v1/node/pool/{name}/nodes", "[]NodeListStub"},
    {kGet, "/v1/node/pool/{name}/jobs", "[]JobListStub"},
    {kGet, "/v1/allocations", "[]AllocListStub"},
    {kGet, "/v1/allocation/{id}", "Allocation"},
    {kPut, "/v1/allocation/{id}/stop", "AllocStopResponse"},
    {kGet, "/v1/allocation/{id}/services", "[]ServiceRegistration"},
    {kGet, "/v1/evaluations", "[]Evaluation"},
    {kDelete, "/v1/evaluations", "EvalDeleteResponse"},
    {kGet, "/v1/evaluation/{id}", "Evaluation"},
    {kGet, "/v1/evaluation/{id}/allocations", "[]AllocListStub"},
    {kGet, "/v1/deployments", "[]Deployment"},
    {kGet, "/v1/deployment/{id}", "Deployment"},
    {kGet, "/v1/deployment/allocations/{id}", "[]AllocListStub"},
    {kPut, "/v1/deployment/fail/{id}", "DeploymentUpdateResponse"},
    {kPut, "/v1/deployment/pause/{id}", "DeploymentUpdateResponse"},
    {kPut, "/v1/deployment/promote/{id}", "DeploymentUpdateResponse"},
    {kPut, "/v1/deployment/allocation-health/{id}", "DeploymentUpdateResponse"},
    {kPut, "/v1/deployment/unblock/{id}", "DeploymentUpdateResponse"},
    {kGet, "/v1/volumes", "[]HostVolumeStub"},
    {kGet, "/v1/volume/host/{id}", "HostVolume"},
    {kGet, "/v1/plugins", "[]CSIPluginListStub"},
    {kGet, "/v1/services", "[]ServiceRegistrationListStub"},
    {kGet, "/v1/service/{name}", "[]ServiceRegistration"},
    {kGet, "/v1/vars", "[]VariableMetadata"},
    {kGet, "/v1/namespaces", "[]Namespace"},
    {kGet, "/v1/namespace/{name}", "Namespace"},
    {kPut, "/v1/namespace/{name}", "", "Namespace"},
    {kPut, "/v1/namespace", "", "Namespace"},
    {kGet, "/v1/acl/tokens", "[]ACLTokenListStub"},
    {kPut, "/v1/acl/token", "ACLToken", "ACLToken"},
    {kGet, "/v1/acl/token/{accessor}", "ACLToken"},
    {kGet, "/v1/acl/policies", "[]ACLPolicyListStub"},
    {kGet, "/v1/acl/policy/{name}", "ACLPolicy"},
    {kGet, "/v1/client/fs/ls/{alloc}", "[]AllocFileInfo"},
    {kGet, "/v1/client/fs/stat/{alloc}", "AllocFileInfo"},
    {kGet, "/v1/client/stats", "HostStats"},
    {kGet, "/v1/client/allocation/{alloc}/stats", "AllocResourceUsage"},
    {kGet, "/v1/client/metadata", "NodeMetaResponse"},
    {kPut, "/v1/client/metadata", "NodeMetaResponse"},
    {kGet, "/v1/agent/members", "ServerMembersResponse"},
    {kGet, "/v1/scaling/policies", "[]ScalingPolicyListStub"},
    {kGet, "/v1/scaling/policy/{id}", "ScalingPolicy"},
    {kGet, "/v1/operator/raft/configuration", "RaftConfigurationResponse"},
    {kGet, "/v1/operator/autopilot/configuration", "AutopilotConfiguration"},
    {kGet, "/v1/operator/autopilot/health", "OperatorHealthReply"},
    {kPut, "/v1/operator/scheduler/configuration", "", "SchedulerConfiguration"},
};

std::string ref(std::string_view noun) {
    return fmt::format("{{\"$ref\":\"#/components/schemas/{}\"}}", noun);
}

std::string schema_of(std::string_view type) {
    if (type.starts_with("[]")) {
        return fmt::format("{{\"type\":\"array\",\"items\":{}}}", ref(type.substr(2)));
    }
    if (type.starts_with('{')) {
        const std::string_view noun = type.substr(1, type.size() - 2);
        return fmt::format(
            "{{\"type\":\"object\",\"properties\":{{\"{}\":{}}}}}", noun, ref(noun)
        );
    }
    return type.empty() ? "{}" : ref(type);
}

std::string content(std::string_view type) {
    return fmt::format("{{\"application/json\":{{\"schema\":{}}}}}", schema_of(type));
}

/// The pattern as OpenAPI writes it, and the names in it.
std::string path_of(std::string_view pattern, std::vector<std::string>& names) {
    std::string path(pattern);
    for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{', at + 1)) {
        std::size_t end = path.find('}', at);
        if (path[end - 1] == '*') {
            path.erase(end - 1, 1);
            --end;
        }
        names.push_back(path.substr(at + 1, end - at - 1));
    }
    return path;
}

constexpr std::array<std::string_view, 3> kBoth{"region", "namespace", "pretty"};
constexpr std::array<std::string_view, 9> kReads{
    "index", "wait", "stale", "prefix", "filter", "per_page", "next_token", "reverse", "consistent"
};

std::string parameters(const Route& route, Methods method, const std::vector<std::string>& names) {
    std::string out;
    std::set<std::string, std::less<>> seen;
    const auto add = [&](std::string_view name, std::string_view in) {
        if (!seen.emplace(name).second) {
            return;
        }
        out += fmt::format(
            "{}{{\"name\":{},\"in\":\"{}\",\"required\":{},\"schema\":{{\"type\":\"string\"}}}}",
            out.empty() ? "" : ",",
            json_quote(name),
            in,
            in == "path"
        );
    };
    for (const std::string& name : names) {
        add(name, "path");
    }
    std::string_view rest = route.parameters;
    while (!rest.empty()) {
        const std::size_t space = rest.find(' ');
        add(rest.substr(0, space), "query");
        rest = space == std::string_view::npos ? std::string_view{} : rest.substr(space + 1);
    }
    for (const std::string_view name : kBoth) {
        add(name, "query");
    }
    if (method == kGet && route.where == Where::Server) {
        for (const std::string_view name : kReads) {
            add(name, "query");
        }
    }
    return out;
}

std::string operation(
    const Route& route,
    Methods method,
    std::string_view verb,
    const std::string& path,
    const std::vector<std::string>& names
) {
    const auto types = std::ranges::find_if(kTypes, [&](const Types& t) {
        return t.method == method && t.pattern == path;
    });
    const bool known = types != std::end(kTypes);
    std::string id(verb);
    for (const char c : path) {
        const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        id += word ? c : '_';
    }
    std::string body;
    if (known && !types->body.empty()) {
        body = fmt::format(
            "\"requestBody\":{{\"required\":true,\"content\":{}}},", content(types->body)
        );
    }
    std::string tag = "pages";
    if (path.starts_with("/v1/")) {
        const std::size_t slash = path.find('/', 4);
        tag = path.substr(4, slash == std::string::npos ? slash : slash - 4);
    }
    return fmt::format(
        "{{\"operationId\":{},\"summary\":{},\"tags\":[{}],\"x-acl\":{},\"parameters\":[{}],{}"
        "\"responses\":{{\"{}\":{{\"description\":\"OK\"{}}},"
        "\"default\":{{\"description\":\"An error, as text\",\"content\":{{\"text/plain\":{{"
        "\"schema\":{{\"type\":\"string\"}}}}}}}}}}}}",
        json_quote(id),
        json_quote(route.summary),
        json_quote(tag),
        json_quote(route.rule),
        parameters(route, method, names),
        body,
        route.speaks == Speaks::WebSocket ? "101" : "200",
        known && !types->answer.empty() ? ",\"content\":" + content(types->answer) : ""
    );
}

}  // namespace

std::string openapi_json(std::string_view version) {
    struct Named {
        Methods bit;
        std::string_view name;
    };
    constexpr std::array<Named, 3> kNames{{{kGet, "get"}, {kPut, "put"}, {kDelete, "delete"}}};
    std::map<std::string, std::map<std::string, std::string>> paths;
    for (const Route& route : routes()) {
        std::vector<std::string> names;
        const std::string path = path_of(route.pattern, names);
        for (const auto& [bit, name] : kNames) {
            // The first row that fits wins, here as in dispatch.
            if ((route.methods & bit) != 0 && !paths[path].contains(std::string(name))) {
                paths[path].emplace(name, operation(route, bit, name, path, names));
            }
        }
    }
    std::string out = fmt::format(
        "{{\"openapi\":\"3.0.3\",\"info\":{{\"title\":\"nomad-lite\",\"version\":{},\"license\":{{"
        "\"name\":\"Apache-2.0\"}}}},\"servers\":[{{\"url\":\"/\"}}],\"security\":[{{}},{{"
        "\"token\":[]}}],\"paths\":{{",
        json_quote(version)
    );
    bool first = true;
    for (const auto& [path, operations] : paths) {
        out += fmt::format("{}{}:{{", first ? "" : ",", json_quote(path));
        first = false;
        bool first_operation = true;
        for (const auto& [name, text] : operations) {
            out += fmt::format("{}\"{}\":{}", first_operation ? "" : ",", name, text);
            first_operation = false;
        }
        out += "}";
    }
    out += "},\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"apiKey\",\"in\":\"header\","
           "\"name\":\"X-Nomad-Token\"}},\"schemas\":{";
    out += wire::schemas_json();
    return out + "}}}";
}

}  // namespace nl::api
