#pragma once
// The API of an agent without a server: it answers for itself and sends everything else to a
// server.

#include "agent/api_backend.h"
#include "agent/client_host.h"
#include "agent/rpc_sink.h"
#include "io/clock.h"
#include "io/entropy.h"

#include <mutex>

namespace nl::agent {

class ClientBackend final : public ApiBackend {
public:
    ClientBackend(std::unique_ptr<io::PeerClient> peers, std::vector<std::string> servers)
        : peers_(std::move(peers)), servers_(std::move(servers)) {}

    void set_client(const ClientHost* client) { client_ = client; }
    void set_agent_view(std::shared_ptr<const api::AgentView> view) {
        const std::lock_guard lock(mutex_);
        view_ = std::move(view);
    }
    void set_metrics(std::shared_ptr<const api::Metrics> metrics) {
        const std::lock_guard lock(mutex_);
        metrics_ = std::move(metrics);
    }
    void stop() { peers_.reset(); }

    api::Context context() override {
        api::Context out;
        out.now = io::now();
        out.wall = io::wall_now();
        for (auto& word : out.entropy) {
            word = io::random_seed();
        }
        const Bytes secrets = io::random_bytes(out.secret_entropy.size());
        std::copy(secrets.begin(), secrets.end(), out.secret_entropy.begin());
        const std::lock_guard lock(mutex_);
        out.agent = view_;
        out.metrics = metrics_;
        return out;
    }
    bool is_server() const override { return false; }
    LeaderAddress leader() const override {
        // The node's session is with the leader.
        LeaderAddress out{
            .address = client_.load() != nullptr ? client_.load()->connected_to() : "", .self = false
        };
        return out;
    }
    void propose(const state::Command&, std::function<void(Result<api::Applied>)> done) override {
        done(fail(ErrorCode::NotLeader, "No cluster leader"));
    }
    std::function<void()> watch(std::vector<state::WatchKey>, Index, std::function<void()>)
        override {
        return [] {};
    }
    std::shared_ptr<Running> open(const api::StreamSource&, SourceHandlers handlers) override {
        handlers.on_input(
            api::SourceEnded{fail(ErrorCode::Unimplemented, "this agent has no server")}
        );
        return nullptr;
    }
    void server_call(api::WaitServer, std::function<void(api::ServerAnswered)> done) override {
        done({.result = fail(ErrorCode::Unimplemented, "this agent has no server")});
    }
    std::function<void()> forward(
        const std::string& address, const api::Request& request, ForwardHandlers handlers
    ) override {
        return forward_request(*peers_, address, request, std::move(handlers));
    }
    void control(
        const std::string& address,
        const ForwardControl& control,
        std::function<void(Result<void>)> done
    ) override {
        send_control(*peers_, address, control, std::move(done));
    }

private:
    std::unique_ptr<io::PeerClient> peers_;
    std::vector<std::string> servers_;
    std::atomic<const ClientHost*> client_{nullptr};
    mutable std::mutex mutex_;
    std::shared_ptr<const api::AgentView> view_;
    std::shared_ptr<const api::Metrics> metrics_;
};

}  // namespace nl::agent
