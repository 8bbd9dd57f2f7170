#include "api/testing/cluster_rig.h"

#include "model/plan.h"
#include "policy/acl.h"
#include "policy/keyring.h"
#include "state/commands/alloc.h"
#include "state/commands/node.h"
#include "state/commands/plan_results.h"
#include "state/commands/records.h"

#include <gtest/gtest.h>

namespace nl::api::testing {

namespace commands = state::commands;

ClusterRig::ClusterRig() {
    agent.name = "server-1";
    agent.server = true;
    agent.client = true;
    agent.client_connected = true;
    agent.version = "2.0.6";
    agent.own_version = "0.1.0";
    cluster.self = ServerId(1);
    cluster.leader = ServerId(1);
    cluster.term = Term(3);
    for (std::uint64_t id = 1; id <= 3; ++id) {
        Peer peer;
        peer.id = ServerId(id);
        peer.name = fmt::format("server-{}.global", id);
        peer.region = "global";
        peer.datacenter = "dc1";
        peer.address = fmt::format("127.0.0.{}:4647", id);
        peer.version = "2.0.6";
        cluster.peers.push_back(peer);
    }
}

Context ClusterRig::context() {
    Context out;
    out.state = store.snapshot();
    out.wall = wall;
    out.now = now;
    for (auto& word : out.entropy) {
        word = rng_.next();
    }
    for (char& byte : out.secret_entropy) {
        byte = static_cast<char>(rng_.below(256));
    }
    out.keyring = keyring;
    out.acl_cache = acl_cache;
    out.cluster = cluster;
    out.agent = std::make_shared<const AgentView>(agent);
    out.metrics = std::make_shared<const Metrics>(metrics);
    return out;
}

state::Effects ClusterRig::apply(const state::Command& command) {
    index_ = std::max(index_, store.index()).next();
    return store.apply(index_, command);
}

Request ClusterRig::request(std::string method, const std::string& target, Bytes body) {
    Request out;
    out.method = std::move(method);
    const std::size_t question = target.find('?');
    out.path = target.substr(0, question);
    out.raw_path = out.path;
    out.body = std::move(body);
    while (question != std::string::npos) {
        std::string_view rest = std::string_view(target).substr(question + 1);
        while (!rest.empty()) {
            const std::size_t end = rest.find('&');
            const std::string_view pair = rest.substr(0, end);
            const std::size_t equals = pair.find('=');
            out.query.push_back(
                {std::string(pair.substr(0, equals)),
                 equals == std::string_view::npos ? "" : std::string(pair.substr(equals + 1))}
            );
            rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        }
        break;
    }
    return out;
}

Outcome ClusterRig::handle(const Request& given) {
    return api::handle(given, context());
}

Outcome ClusterRig::settle(Outcome outcome) {
    while (auto* parked = std::get_if<Parked>(&outcome)) {
        const Parked waiting = std::move(*parked);
        if (std::holds_alternative<WaitChange>(waiting.on)) {
            return Parked{waiting};
        }
        WaitEnd end;
        if (const auto* proposal = std::get_if<WaitProposal>(&waiting.on)) {
            const state::Effects effects = apply(proposal->command);
            end = Proposed{Applied{effects.index, effects.result, effects.conflict_index}};
        } else if (const auto* call = std::get_if<WaitNode>(&waiting.on)) {
            const auto answer = calls.find(call->request.method);
            end = answer == calls.end() ? NodeAnswered{fail(ErrorCode::NotFound, "No path to node")}
                                        : NodeAnswered{answer->second(*call)};
        } else {
            end = servers ? servers(std::get<WaitServer>(waiting.on)) : ServerAnswered{};
        }
        outcome = waiting.resume(context(), std::move(end));
    }
    return outcome;
}

Response ClusterRig::ask(std::string method, const std::string& target, Bytes body) {
    Request asked = request(std::move(method), target, std::move(body));
    if (!token.empty()) {
        asked.headers.push_back({"x-nomad-token", token});
    }
    Outcome outcome = settle(handle(asked));
    auto* response = std::get_if<Response>(&outcome);
    EXPECT_NE(response, nullptr) << target << " is not answered at once";
    return response != nullptr ? std::move(*response) : Response{};
}

std::string ClusterRig::add_token(const std::string& name, const std::string& rules) {
    model::ACLToken made;
    made.accessor_id = Uuid::random(rng_).str();
    made.secret_id = Uuid::random(rng_).str();
    made.name = name;
    made.type = rules.empty() ? "management" : "client";
    if (!rules.empty()) {
        model::ACLPolicy policy;
        policy.name = name;
        policy.rules = rules;
        made.policies = {name};
        EXPECT_TRUE(policy::parse_policy(rules).has_value()) << rules;
        apply_body(commands::AclPolicyUpsert{{policy}});
    }
    EXPECT_TRUE(apply_body(commands::AclTokenUpsert{{made}}).result.has_value());
    return made.secret_id;
}

void ClusterRig::add_root_key() {
    Bytes entropy(policy::kEntropyBytes, '\0');
    for (char& byte : entropy) {
        byte = static_cast<char>(rng_.below(256));
    }
    const policy::RootKey key = policy::make_root_key(Uuid::random(rng_).str(), entropy);
    state::RootKeyRow row;
    row.meta.key_id = key.id;
    row.meta.state = "active";
    row.meta.algorithm = "aes256-gcm";
    row.public_key.bytes = encode(policy::public_keys(key));
    apply_body(commands::RootKeyUpsert{{row}});
    auto fresh = keyring ? std::make_shared<policy::Keyring>(*keyring)
                         : std::make_shared<policy::Keyring>();
    fresh->keys.insert_or_assign(key.id, std::make_shared<const policy::RootKey>(key));
    keyring = std::move(fresh);
}

Uuid ClusterRig::add_node(const std::string& name, const std::string& server_id) {
    commands::NodeRegister command;
    command.node.id = Uuid::random(rng_);
    command.node.secret_id = Uuid::random(rng_);
    command.node.name = name;
    command.node.datacenter = "dc1";
    command.node.node_pool = "default";
    command.node.status = model::NodeStatus::Ready;
    command.node.http_addr = "127.0.0.1:4646";
    command.node.attributes = {{"os.name", "debian"}, {"nomad.version", "2.0.6"}};
    if (!server_id.empty()) {
        command.node.meta.emplace("nomad_lite.server_id", server_id);
    }
    const auto effects = apply_body(command);
    EXPECT_TRUE(effects.result.has_value());
    return command.node.id;
}

std::string ClusterRig::register_job(const std::string& json) {
    const Response response = ask("PUT", "/v1/jobs", json);
    EXPECT_EQ(response.status, 200) << response.body;
    const std::size_t at = response.body.find("\"EvalID\":\"");
    return at == std::string::npos ? "" : response.body.substr(at + 10, 36);
}

Uuid ClusterRig::place(const std::string& job_id, const Uuid& node, const std::string& ns) {
    const auto snapshot = store.snapshot();
    const auto job = snapshot.job(ns, job_id);
    EXPECT_NE(job, nullptr);
    commands::AcceptedPlan plan;
    plan.namespace_ = ns;
    plan.job_id = job_id;
    plan.id_seed = Uuid::random(rng_);
    model::PlanGroup group;
    group.task_group = job->task_groups.front().name;
    group.job_version = job->version;
    plan.groups.push_back(group);
    plan.nodes = {node};
    commands::AcceptedPlacement placement;
    placement.name_index = static_cast<std::uint32_t>(placed_++);
    plan.placements.push_back(placement);
    for (const auto& eval : snapshot.evals_of_job(ns, job_id)) {
        plan.eval_id = eval.id;
    }
    const Uuid id = Uuid::derived(plan.id_seed, placement.number);
    apply_body(commands::PlanResults{{plan}});
    report(id, model::AllocClientStatus::Running);
    return id;
}

void ClusterRig::report(const Uuid& alloc, model::AllocClientStatus status, int exit_code) {
    const auto view = store.snapshot().alloc(alloc);
    ASSERT_TRUE(view.has_value());
    commands::AllocReport item;
    item.alloc_id = alloc;
    item.client_status = status;
    for (const auto& task : view->group().tasks) {
        model::TaskState state;
        state.started_at = wall;
        state.state = model::is_terminal(status) ? "dead" : "running";
        if (model::is_terminal(status)) {
            state.finished_at = wall + seconds(1);
            model::TaskEvent event;
            event.type = "Terminated";
            event.details = {{"exit_code", fmt::format("{}", exit_code)}};
            state.events.push_back(event);
        }
        item.task_states.emplace(task.name, state);
    }
    apply_body(commands::AllocClientUpdate{{item}, {}});
}

std::string header_of(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
        if (key == name) {
            return value;
        }
    }
    return "";
}

}  // namespace nl::api::testing
