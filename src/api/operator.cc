// Routes for operators: the Raft membership, scheduler and autopilot.
// Source: Nomad HTTP API, 14 and 16.
#include "model/operator.h"

#include "api/body.h"
#include "api/json_text.h"
#include "api/listing.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "state/commands/settings.h"
#include "wire/json.h"

#include <algorithm>
#include <charconv>

namespace nl::api {
namespace {

namespace commands = state::commands;

std::optional<std::uint64_t> parse_index(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end != text.data() + text.size()) {
        return {};
    }
    return value;
}

Outcome raft_configuration(const Request&, const PathValues&, const Context& context) {
    model::RaftConfigurationResponse out;
    for (const Peer& peer : context.cluster.peers) {
        out.servers.push_back(
            {.id = fmt::format("{}", peer.id),
             .node = peer.name,
             .address = peer.address,
             .leader = peer.id == context.cluster.leader,
             .voter = peer.voter,
             .raft_protocol = "3"}
        );
    }
    return json_response(wire::to_json(out));
}

Outcome remove_peer(const Request& request, const PathValues&, const Context& context) {
    if (!text_param(request, "address").empty()) {
        return text_response(
            400, "Removing a peer by address is not supported in the current raft protocol version"
        );
    }
    const std::string id = text_param(request, "id");
    if (id.empty()) {
        return text_response(400, "Must specify the peer's ID to remove");
    }
    const auto number = parse_index(id);
    if (!number || context.cluster.peer(ServerId(*number)) == nullptr) {
        return text_response(
            500, fmt::format("id \"{}\" was not found in the Raft configuration", id)
        );
    }
    return ask_servers(
        {RemovePeer{ServerId(*number)}},
        [](const Context&, const ServerAnswered& answered) {
            return answered.result ? empty_response()
                                   : text_response(500, answered.result.error().message);
        }
    );
}

StringMap id_and_address(const Peer* peer) {
    if (peer == nullptr) {
        return {{"ID", ""}, {"Address", ""}};
    }
    return {{"ID", fmt::format("{}", peer->id)}, {"Address", peer->address}};
}

Outcome transfer(const Request& request, const PathValues&, const Context& context) {
    const std::string id = text_param(request, "id");
    const std::string address = text_param(request, "address");
    if (id.empty() == address.empty()) {
        return text_response(400, "must specify id or address");
    }
    const Peer* to = nullptr;
    for (const Peer& peer : context.cluster.peers) {
        if (fmt::format("{}", peer.id) == id || (!address.empty() && peer.address == address)) {
            to = &peer;
        }
    }
    if (to == nullptr) {
        return text_response(
            500,
            fmt::format(
                "{} \"{}\" was not found in the Raft configuration",
                id.empty() ? "address" : "id",
                id.empty() ? address : id
            )
        );
    }
    model::LeadershipTransferResponse out;
    out.from = id_and_address(context.cluster.leader_peer());
    out.to = id_and_address(to);
    out.noop = to->id == context.cluster.leader;
    if (out.noop) {
        return json_response(wire::to_json(out));
    }
    return ask_servers(
        {TransferLeadership{to->id}},
        [out](const Context&, const ServerAnswered& answered) -> Outcome {
            if (!answered.result) {
                return text_response(500, answered.result.error().message);
            }
            return json_response(wire::to_json(out));
        }
    );
}

// ---- snapshots

Outcome save_snapshot(const Request&, const PathValues&, const Context&) {
    return ask_servers(
        {SaveSnapshot{}},
        [](const Context& context, ServerAnswered answered) -> Outcome {
            if (!answered.result) {
                return text_response(500, answered.result.error().message);
            }
            Response response{200, {}, std::move(answered.bytes)};
            response.headers.push_back({"Content-Type", "application/x-gzip"});
            response.headers.push_back({"Digest", std::move(answered.text)});
            response.headers.push_back(
                {"X-Nomad-Index", fmt::format("{}", context.state.index())}
            );
            return response;
        }
    );
}

Outcome restore_snapshot(const Request& request, const PathValues&, const Context&) {
    if (request.body.empty()) {
        return text_response(400, "the body must be a snapshot file");
    }
    return ask_servers(
        {RestoreSnapshot{request.body}},
        [](const Context&, const ServerAnswered& answered) -> Outcome {
            if (!answered.result) {
                const ErrorCode code = answered.result.error().code;
                const bool theirs =
                    code == ErrorCode::InvalidArgument || code == ErrorCode::Corruption;
                return text_response(theirs ? 400 : 500, answered.result.error().message);
            }
            return write_response("{}", answered.index);
        }
    );
}

// ---- scheduler

Outcome get_scheduler(const Request& request, const PathValues&, const Context& context) {
    return read_envelope(
        request,
        context,
        [](const Context& c, const ReadOptions&) -> Result<Look> {
            const auto& config = c.state.scheduler_config();
            model::SchedulerConfigurationResponse out;
            out.scheduler_config = config;
            return Look{
                json_response(wire::to_json(out)),
                config.modify_index,
                {state::watch_table(state::TableId::SchedulerConfig)},
                {}
            };
        }
    );
}

struct Check {
    bool wanted = false;
    Index index;
};
std::expected<Check, Response> check_of(const Request& request) {
    const std::string text = text_param(request, "cas");
    if (text.empty()) {
        return Check{};
    }
    const auto index = parse_index(text);
    if (!index) {
        return std::unexpected(
            text_response(400, fmt::format("Error parsing cas value: invalid number \"{}\"", text))
        );
    }
    return Check{true, Index(*index)};
}

Outcome put_scheduler(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto config = wire::from_value<model::SchedulerConfiguration>(*body);
    if (!config) {
        return text_response(
            400, fmt::format("Error parsing scheduler config: {}", config.error().message)
        );
    }
    const auto check = check_of(request);
    if (!check) {
        return check.error();
    }
    if (config->scheduler_algorithm.empty()) {
        config->scheduler_algorithm = "binpack";
    }
    if (config->scheduler_algorithm != "binpack" && config->scheduler_algorithm != "spread") {
        return text_response(
            400, fmt::format("invalid scheduler algorithm: {}", config->scheduler_algorithm)
        );
    }
    config->preemption_config.ensure();
    commands::SchedulerConfigSet command{std::move(*config), check->wanted, check->index};
    const auto answer = [](bool updated) {
        return [updated](const Context&, const Applied& applied) -> Outcome {
            return write_response(
                wire::to_json(model::SchedulerSetConfigurationResponse{updated}), applied.index
            );
        };
    };
    return propose(command, context, answer(true), answer(false));
}

// ---- autopilot

Outcome get_autopilot(const Request&, const PathValues&, const Context& context) {
    return json_response(wire::to_json(context.state.autopilot_config()));
}

Outcome put_autopilot(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto config = wire::from_value<model::AutopilotConfiguration>(*body);
    if (!config) {
        return text_response(
            400, fmt::format("Error parsing autopilot config: {}", config.error().message)
        );
    }
    const auto check = check_of(request);
    if (!check) {
        return check.error();
    }
    commands::AutopilotConfigSet command{std::move(*config), check->wanted, check->index};
    const auto answer = [](bool updated) {
        return [updated](const Context&, const Applied&) -> Outcome {
            return json_response(updated ? "true" : "false");
        };
    };
    return propose(command, context, answer(true), answer(false));
}

Outcome autopilot_health(const Request&, const PathValues&, const Context& context) {
    model::OperatorHealthReply out;
    std::int64_t voters = 0;
    std::int64_t healthy_voters = 0;
    for (const Peer& peer : context.cluster.peers) {
        model::ServerHealth health;
        health.id = fmt::format("{}", peer.id);
        health.name = peer.name;
        health.address = peer.address;
        health.serf_status = peer.alive ? "alive" : "failed";
        health.version = peer.version;
        health.leader = peer.id == context.cluster.leader;
        health.last_contact = peer.last_contact;
        health.last_term = static_cast<std::int64_t>(context.cluster.term.value);
        health.last_index = context.cluster.last_log_index;
        health.healthy = peer.alive;
        health.voter = peer.voter;
        out.servers.push_back(health);
        if (peer.voter) {
            ++voters;
            healthy_voters += peer.alive ? 1 : 0;
            out.voters.push_back(health.id);
        }
        if (health.leader) {
            out.leader = health.id;
        }
    }
    const bool led = context.cluster.leader != ServerId{};
    out.healthy = led && healthy_voters == voters;
    // How many more may fail while a majority stays.
    out.failure_tolerance = std::max<std::int64_t>(0, healthy_voters - (voters / 2 + 1));
    Response response = json_response(wire::to_json(out));
    response.status = out.healthy ? 200 : 429;
    return response;
}

Outcome license(const Request&, const PathValues&, const Context&) {
    return Response{204, {}, {}};
}

/// Whether a task asks Vault without an identity of its own for the cluster it names.
bool uses_vault_token(const model::Task& task) {
    if (!task.vault) {
        return false;
    }
    const std::string wanted =
        "vault_" + (task.vault->cluster.empty() ? std::string("default") : task.vault->cluster);
    return std::ranges::none_of(task.identities, [&](const auto& identity) {
        return identity.name == wanted;
    });
}

/// Every node here knows workload identities, and no token of Vault's is ever kept by a server: only
/// jobs can be behind.
Outcome check_vault_identities(const Request&, const PathValues&, const Context& context) {
    std::vector<model::JobListStub> jobs;
    for (const auto& row : context.state.jobs()) {
        const bool old = !row.job->stop &&
                         std::ranges::any_of(row.job->task_groups, [](const auto& group) {
                             return std::ranges::any_of(group.tasks, uses_vault_token);
                         });
        if (old) {
            const auto* summary =
                context.state.job_summary(row.job->namespace_, row.job->id);
            jobs.push_back(job_stub(*row.job, summary, false));
        }
    }
    return json_response(fmt::format(
        "{{\"JobsWithoutVaultIdentity\":{},\"OutdatedNodes\":[],\"VaultTokens\":[]}}",
        jobs.empty() ? "[]" : wire::to_json(jobs)
    ));
}

Outcome enterprise_only(const Request&, const PathValues&, const Context&) {
    return text_response(501, std::string(kEnterpriseOnly));
}

constexpr Route kRoutes[] = {
    {kGet,
     "/v1/operator/raft/configuration",
     Where::Server,
     "management",
     "",
     "The Raft membership.",
     raft_configuration},
    {kDelete,
     "/v1/operator/raft/peer",
     Where::Leader,
     "management",
     "id address",
     "Remove a server.",
     remove_peer},
    {kPut,
     "/v1/operator/raft/transfer-leadership",
     Where::Leader,
     "management",
     "id address",
     "Hand leadership over.",
     transfer},
    {kGet,
     "/v1/operator/snapshot",
     Where::Server,
     "management",
     "",
     "The whole state as a file.",
     save_snapshot},
    {kPut,
     "/v1/operator/snapshot",
     Where::Leader,
     "management",
     "",
     "Replace the whole state by a saved one.",
     restore_snapshot},
    {kGet,
     "/v1/operator/scheduler/configuration",
     Where::Server,
     "operator:read",
     "",
     "The scheduler's configuration.",
     get_scheduler},
    {kPut,
     "/v1/operator/scheduler/configuration",
     Where::Leader,
     "operator:write",
     "cas",
     "Configure the scheduler.",
     put_scheduler},
    {kGet,
     "/v1/operator/autopilot/configuration",
     Where::Server,
     "operator:read",
     "",
     "Autopilot's configuration.",
     get_autopilot},
    {kPut,
     "/v1/operator/autopilot/configuration",
     Where::Leader,
     "operator:write",
     "cas",
     "Configure autopilot.",
     put_autopilot},
    {kGet,
     "/v1/operator/autopilot/health",
     Where::Server,
     "operator:read",
     "",
     "Health of the servers.",
     autopilot_health},
    {kGet, "/v1/operator/license", Where::Local, "operator:read", "", "No license.", license},
    {kPut,
     "/v1/operator/license",
     Where::Local,
     "operator:write",
     "",
     "No license.",
     enterprise_only},
    {kPut,
     "/v1/operator/utilization",
     Where::Local,
     "operator:write",
     "",
     "Not in this edition.",
     enterprise_only},
    {kGet,
     "/v1/operator/upgrade-check/vault-workload-identity",
     Where::Server,
     "operator:read",
     "",
     "What still uses Vault the old way.",
     check_vault_identities},
    {kGet | kDelete | kPut,
     "/v1/recommendation",
     Where::Local,
     "management",
     "",
     "Not in this edition.",
     enterprise_only},
    {kGet,
     "/v1/recommendation/{id}",
     Where::Local,
     "management",
     "",
     "Not in this edition.",
     enterprise_only},
    {kPut,
     "/v1/recommendations/apply",
     Where::Local,
     "management",
     "",
     "Not in this edition.",
     enterprise_only},
    {kGet,
     "/v1/sentinel/policies",
     Where::Local,
     "management",
     "",
     "Not in this edition.",
     enterprise_only},
    {kAny,
     "/v1/sentinel/policy/{name}",
     Where::Local,
     "management",
     "",
     "Not in this edition.",
     enterprise_only},
    {kGet, "/v1/quotas", Where::Local, "management", "", "Not in this edition.", enterprise_only},
    {kGet,
     "/v1/quota-usages",
     Where::Local,
     "management",
     "",
     "Not in this edition.",
     enterprise_only},
    {kAny,
     "/v1/quota/{name*}",
     Where::Local,
     "management",
     "",
     "Not in this edition.",
     enterprise_only},
    {kPut, "/v1/quota", Where::Local, "management", "", "Not in this edition.", enterprise_only},
    {kGet | kDelete,
     "/v1/recommendations",
     Where::Local,
     "management",
     "",
     "Not in this edition.",
     enterprise_only},
};

}  // namespace

std::span<const Route> operator_routes() {
    return kRoutes;
}

}  // namespace nl::api
