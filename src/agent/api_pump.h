#pragma once
// Carries requests through api::handle to their answers: waits for what a parked request waits for,
// pumps streams, and forwards to the leader what must be answered there. A parked request is one
// Exchange object and a watch; no thread waits. Work after the first look runs on a few loops of
// the pump, one loop for one exchange.

#include "agent/api_backend.h"
#include "io/loop.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace nl::agent {

/// Where an answer goes: an HTTP connection, or a server that forwarded the request. Any thread.
class AnswerSink {
public:
    virtual ~AnswerSink() = default;
    virtual void respond(api::Response response) = 0;
    virtual void start_stream(std::int64_t status, std::vector<api::NameValue> headers) = 0;
    /// False: not taken, the receiver is gone or slow; on_writable tells when to go on.
    virtual bool write(Bytes chunk) = 0;
    virtual void end() = 0;
    virtual void abort() = 0;
    virtual void on_close(std::function<void()> callback) = 0;
    virtual void on_writable(std::function<void()> callback) = 0;

    /// Begins a session; its messages come one after another. False: the request asks for none (it
    /// has been answered).
    virtual bool start_session(std::function<void(Bytes)> on_message) = 0;
    /// As write.
    virtual bool send_message(Bytes message) = 0;
    virtual void close_session(std::uint16_t code, std::string reason) = 0;
};

/// Requests of other servers that are answered here and take credit or a session's input: the
/// server that asked tells of both in calls of their own ("api-control"). Any thread.
class Forwarded {
public:
    /// What one of them may send, and who hears of more.
    struct Window {
        std::mutex mutex;
        std::uint64_t unacknowledged{0};
        bool refused{false};
        std::function<void()> on_writable;
        std::function<void(Bytes)> on_message;

        /// False: the window is full; on_writable follows.
        bool take(std::uint64_t bytes);
    };
    void add(const std::string& key, std::shared_ptr<Window> window);
    void remove(const std::string& key);
    /// Errors: NotFound (nothing of that key is answered here).
    Result<void> control(ForwardControl control);

private:
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Window>> windows_;
};

class ApiPump {
public:
    static constexpr int kLoops = 2;
    /// How long a request waits for a leader to appear before it is refused.
    static constexpr Duration kLeaderHold = seconds(5);

    explicit ApiPump(ApiBackend& backend);
    ~ApiPump();
    ApiPump(const ApiPump&) = delete;
    ApiPump& operator=(const ApiPump&) = delete;

    void start();
    /// Ends what is parked; their clients get 503.
    void stop();

    /// From an HTTP listener: answered here or forwarded.
    void serve(api::Request request, std::shared_ptr<AnswerSink> sink);
    /// From another server: answered here, or refused with `not_leader` (then nothing was done).
    void serve_forwarded(
        api::Request request,
        std::shared_ptr<AnswerSink> sink,
        const std::function<void()>& not_leader
    );
    Forwarded& forwarded() { return forwarded_; }

    /// What concerns this agent and not the servers (ReloadAgent, SetServers, ReadProfile). Set
    /// before start().
    using AgentCalls = std::function<api::ServerAnswered(const api::WaitServer&)>;
    void set_agent_calls(AgentCalls calls) { agent_calls_ = std::move(calls); }

private:
    class Exchange;
    friend class Exchange;

    void begin(api::Request request, std::shared_ptr<AnswerSink> sink, bool linearizable);
    io::EventLoop& pick();

    ApiBackend& backend_;
    Forwarded forwarded_;
    AgentCalls agent_calls_;
    std::vector<std::unique_ptr<io::EventLoop>> loops_;
    std::atomic<unsigned> next_{0};
    std::atomic<bool> running_{false};
};

}  // namespace nl::agent
