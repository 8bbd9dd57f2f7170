#pragma once
// What the pump (api_pump.h) needs of the rest of the agent to carry out an api::Outcome.
// Implemented by the server side (ServerHost), and by an agent without a server, which can only
// forward. Every call returns at once; callbacks come from any thread, once unless said otherwise.

#include "api/context.h"
#include "api/outcome.h"
#include "base/codec.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::agent {

/// A call on a node, or a subscription, under way. Dropping it ends nothing; call cancel().
class Running {
public:
    virtual ~Running() = default;
    /// The receiver took this many bytes and wants more.
    virtual void credit(std::uint64_t bytes) = 0;
    /// Something for the call's other end, if it takes input.
    virtual void send(Bytes input) = 0;
    virtual void cancel() = 0;
};

struct SourceHandlers {
    /// Any number of times, in order.
    std::function<void(api::StreamInput)> on_input;
};

/// Where a request that this agent cannot answer goes.
struct LeaderAddress {
    /// "host:port" of an RPC listener; empty: none known.
    std::string address;
    /// This server is the leader and ready.
    bool self{false};
};

/// What travels to the server that answers a forwarded request, beside the request
/// (docs/formats/transport.md, "api-control").
struct ForwardControl {
    /// Of the request's header kForwardKey.
    std::string key;
    /// Bytes of its answer that were taken.
    std::uint64_t credit{};
    /// Messages of its session's client, in order.
    std::vector<Bytes> messages;
    NL_FIELDS(ForwardControl, (1, key), (2, credit), (3, messages))
};
inline constexpr std::string_view kForwardKey = "x-nomad-lite-forward";
/// Bytes of an answer that may be on their way without credit.
inline constexpr std::uint64_t kForwardWindow = 1U << 20;

class ApiBackend {
public:
    virtual ~ApiBackend() = default;

    virtual api::Context context() = 0;
    virtual bool is_server() const = 0;
    virtual LeaderAddress leader() const = 0;

    virtual void propose(
        const state::Command& command, std::function<void(Result<api::Applied>)> done
    ) = 0;
    /// Returns a function that ends the watch.
    virtual std::function<void()> watch(
        std::vector<state::WatchKey> keys, Index seen, std::function<void()> woken
    ) = 0;
    virtual std::shared_ptr<Running> open(
        const api::StreamSource& source, SourceHandlers handlers
    ) = 0;
    virtual void server_call(
        api::WaitServer call, std::function<void(api::ServerAnswered)> done
    ) = 0;

    /// What context() gives may answer a linearizable read if the clock, looked at after reading, is
    /// still before this. Instant::max() where there is no state to read.
    virtual Instant read_lease() const { return Instant::max(); }
    /// Asks the other servers whether this one's state is the newest and waits for it; ends with
    /// such an instant. Errors: NotLeader, Timeout, ResourceExhausted.
    virtual void confirm_read(std::function<void(Result<Instant>)> done) { done(Instant::max()); }

    /// Sends a request to another server; frames as in docs/formats/transport.md ("api").
    struct ForwardHandlers {
        std::function<void(api::Response)> on_response;
        std::function<void(api::Response head)> on_head;
        /// Answer these with credit (`control`), or the other side stops sending.
        std::function<void(Bytes)> on_data;
        std::function<void()> on_session;
        std::function<void(Bytes)> on_message;
        std::function<void(std::uint16_t code, std::string reason)> on_session_close;
        std::function<void(Result<void>)> on_done;
    };
    virtual std::function<void()> forward(
        const std::string& address, const api::Request& request, ForwardHandlers handlers
    ) = 0;
    /// Tells the server that answers a forwarded request of credit and of a session's messages. One
    /// at a time for one request: they are not ordered among themselves.
    virtual void control(
        const std::string& address,
        const ForwardControl& control,
        std::function<void(Result<void>)> done
    ) = 0;
};

}  // namespace nl::agent
