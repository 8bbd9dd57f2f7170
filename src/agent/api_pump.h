#pragma once
// Carries requests through api::handle to their answers: waits for what a parked request waits for,
// pumps streams, and forwards to the leader what must be answered there. A parked request is one
// Exchange object and a watch; no thread waits. Work after the first look runs on a few loops of
// the pump, one loop for one exchange.

#include "agent/api_backend.h"
#include "io/loop.h"

#include <atomic>
#include <memory>
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

private:
    class Exchange;
    friend class Exchange;

    void begin(api::Request request, std::shared_ptr<AnswerSink> sink);
    io::EventLoop& pick();

    ApiBackend& backend_;
    std::vector<std::unique_ptr<io::EventLoop>> loops_;
    std::atomic<unsigned> next_{0};
    std::atomic<bool> running_{false};
};

}  // namespace nl::agent
