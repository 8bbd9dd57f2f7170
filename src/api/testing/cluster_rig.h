#pragma once
// A server for tests of routes: a store to which proposals are applied at once, a clock and chance
// that stand still unless moved, and nodes that answer what the test says. No sockets, no threads.

#include "api/context.h"
#include "api/outcome.h"
#include "api/routes.h"
#include "model/job.h"
#include "state/store.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace nl::api::testing {

class ClusterRig {
public:
    ClusterRig();

    state::Store store;
    AgentView agent;
    ClusterView cluster;
    Metrics metrics;
    std::shared_ptr<const policy::Keyring> keyring;
    std::shared_ptr<policy::AclCache> acl_cache;
    WallTime wall{1'700'000'000'000'000'000};
    Instant now{1'000'000'000};
    /// Answers of nodes, by method.
    std::map<server::CallMethod, std::function<Result<std::vector<Bytes>>(const WaitNode&)>> calls;
    /// Answers of the servers' machinery.
    std::function<ServerAnswered(const WaitServer&)> servers;
    /// Sent with every request; "" for none.
    std::string token;

    Context context();
    /// Applies a command as if committed.
    state::Effects apply(const state::Command& command);
    template <class Body>
    state::Effects apply_body(const Body& body) {
        return apply(state::make_command(body, wall, 1));
    }

    static Request request(std::string method, const std::string& target, Bytes body = {});
    /// One step: what handling leads to.
    Outcome handle(const Request& request);
    /// Goes on until there is an answer or a wait for a change.
    Outcome settle(Outcome outcome);
    /// The answer; fails the test if there is none at once.
    Response ask(std::string method, const std::string& target, Bytes body = {});

    // Short ways to a state.
    /// A token with one policy of these rules; its secret. "" for a management token.
    std::string add_token(const std::string& name, const std::string& rules);
    /// A root key of the state and of `keyring`.
    void add_root_key();
    Uuid add_node(const std::string& name, const std::string& server_id = "");
    /// Registers through the API; the evaluation's id.
    std::string register_job(const std::string& json);
    /// One more running allocation of the job's first group.
    Uuid place(const std::string& job_id, const Uuid& node, const std::string& ns = "default");
    void report(const Uuid& alloc, model::AllocClientStatus status, int exit_code = 0);

private:
    Rng rng_{42};
    Index index_;
    std::uint64_t placed_ = 0;
};

std::string header_of(const Response& response, std::string_view name);

}  // namespace nl::api::testing
