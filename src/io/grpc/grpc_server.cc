#include "io/grpc/grpc_server.h"

#include "base/check.h"
#include "io/internal/grpc_support.h"
#include "io/internal/seed_services.h"
#include "nomad_lite.grpc.pb.h"

#include <grpcpp/resource_quota.h>

#include <chrono>
#include <deque>
#include <mutex>
#include <set>
#include <utility>

namespace nl::io {

namespace {

namespace pb = ::nomadlite::v1;
using Context = ::grpc::CallbackServerContext;

constexpr int kKeepaliveMs = 10'000;
constexpr int kKeepaliveTimeoutMs = 5'000;
/// Clients ping every two seconds; faster is not punished, so that clocks may differ.
constexpr int kPingIntervalMinMs = 500;
constexpr int kMessageOverhead = 1024 * 1024;

std::string common_name_of(const Context& context) {
    const auto auth = context.auth_context();
    if (!auth || !auth->IsPeerAuthenticated()) {
        return {};
    }
    const auto names = auth->FindPropertyValues("x509_common_name");
    return names.empty() ? std::string() : std::string(names[0].data(), names[0].size());
}

pb::Frame to_wire(Frame frame) {
    pb::Frame out;
    out.set_kind(std::move(frame.kind));
    out.set_id(frame.id);
    out.set_data(std::move(frame.data));
    return out;
}
Frame from_wire(pb::Frame& in) {
    return {std::move(*in.mutable_kind()), in.id(), std::move(*in.mutable_data())};
}

/// What a reactor lets the sender do.
class Out {
public:
    virtual ~Out() = default;
    virtual void start_write(const pb::Frame* frame) = 0;
    virtual void end(const ::grpc::Status& status) = 0;
};

/// Writes frames one after another and ends the call once. The reactor lives until end() has been
/// called and gRPC is through with it; nobody touches it after calling end().
class Sender {
public:
    explicit Sender(std::size_t backlog_max) : backlog_max_(backlog_max) {}

    /// What was written, or the end that was said, before there was a reactor leaves now: a handler
    /// may answer from another thread before gRPC has got the reactor.
    void attach(Out* out) {
        std::optional<::grpc::Status> end;
        bool starts = false;
        {
            const std::lock_guard lock(mutex_);
            out_ = out;
            starts = take_next();
            if (!starts) {
                end = take_end();
            }
        }
        if (starts) {
            out->start_write(&writing_);
        } else if (end) {
            out->end(*end);
        }
    }

    bool write(Frame frame) {
        std::optional<::grpc::Status> failed;
        bool starts = false;
        {
            const std::lock_guard lock(mutex_);
            if (status_) {
                return false;
            }
            if (bytes_ + frame.data.size() > backlog_max_) {
                queue_.clear();
                status_ = ::grpc::Status(
                    ::grpc::StatusCode::RESOURCE_EXHAUSTED, "the caller reads too slowly"
                );
                failed = take_end();
            } else {
                bytes_ += frame.data.size();
                queue_.push_back(to_wire(std::move(frame)));
                starts = take_next();
            }
        }
        if (starts) {
            out_->start_write(&writing_);
            return true;
        }
        if (failed) {
            out_->end(*failed);
        }
        const std::lock_guard lock(mutex_);
        return !status_;
    }

    /// The first one counts; what is queued leaves before it.
    void finish(const ::grpc::Status& status) { finish(status, false); }
    /// The other side has gone: what is queued is dropped. True the first time.
    bool abandon() { return finish({::grpc::StatusCode::CANCELLED, "the caller went away"}, true); }

    void on_write_done(bool ok) {
        std::optional<::grpc::Status> end;
        bool starts = false;
        {
            const std::lock_guard lock(mutex_);
            is_writing_ = false;
            bytes_ -= writing_bytes_;
            writing_bytes_ = 0;
            if (!ok) {
                queue_.clear();
                if (!status_) {
                    status_ = ::grpc::Status(::grpc::StatusCode::CANCELLED, "the stream broke");
                }
            }
            starts = take_next();
            if (!starts) {
                end = take_end();
            }
        }
        if (starts) {
            out_->start_write(&writing_);
        } else if (end) {
            out_->end(*end);
        }
    }

    std::size_t backlog() const {
        const std::lock_guard lock(mutex_);
        return bytes_;
    }

private:
    bool finish(const ::grpc::Status& status, bool drops_queue) {
        std::optional<::grpc::Status> end;
        bool is_first = false;
        {
            const std::lock_guard lock(mutex_);
            if (drops_queue) {
                queue_.clear();
            }
            if (!status_) {
                status_ = status;
                is_first = true;
            }
            end = take_end();
        }
        if (end) {
            out_->end(*end);
        }
        return is_first;
    }
    bool take_next() {
        if (out_ == nullptr || is_writing_ || queue_.empty() || is_ended_) {
            return false;
        }
        writing_ = std::move(queue_.front());
        queue_.pop_front();
        writing_bytes_ = writing_.data().size();
        is_writing_ = true;
        return true;
    }
    std::optional<::grpc::Status> take_end() {
        if (out_ == nullptr || !status_ || is_writing_ || !queue_.empty() || is_ended_) {
            return std::nullopt;
        }
        is_ended_ = true;
        return status_;
    }

    const std::size_t backlog_max_;
    Out* out_{nullptr};
    mutable std::mutex mutex_;
    std::deque<pb::Frame> queue_;
    std::size_t bytes_{0};
    pb::Frame writing_;
    std::size_t writing_bytes_{0};
    bool is_writing_{false};
    bool is_ended_{false};
    std::optional<::grpc::Status> status_;
};

/// The state of one call, held by its reactor and by the handler's Responder.
struct CallState {
    Sender sender{Responder::kBacklogBytesMax};
    std::mutex mutex;
    bool is_cancelled{false};
    std::function<void()> on_cancel;

    void cancel() {
        if (!sender.abandon()) {
            return;
        }
        std::function<void()> callback;
        {
            const std::lock_guard lock(mutex);
            is_cancelled = true;
            callback = std::exchange(on_cancel, nullptr);
        }
        if (callback) {
            callback();
        }
    }
};

class CallResponder final : public Responder {
public:
    explicit CallResponder(std::shared_ptr<CallState> state) : state_(std::move(state)) {}
    ~CallResponder() override {
        state_->sender.finish({::grpc::StatusCode::INTERNAL, "the call was not answered"});
    }
    bool write(Frame frame) override { return state_->sender.write(std::move(frame)); }
    void finish(Result<void> result) override {
        state_->sender.finish(result ? ::grpc::Status::OK : to_exact_status(result.error()));
    }
    std::size_t backlog() const override { return state_->sender.backlog(); }
    void on_cancel(std::function<void()> callback) override {
        {
            const std::lock_guard lock(state_->mutex);
            if (!state_->is_cancelled) {
                state_->on_cancel = std::move(callback);
                return;
            }
        }
        callback();
    }

private:
    std::shared_ptr<CallState> state_;
};

class CallReactor final : public ::grpc::ServerWriteReactor<pb::Frame>, public Out {
public:
    explicit CallReactor(std::shared_ptr<CallState> state) : state_(std::move(state)) {
        state_->sender.attach(this);
    }
    void start_write(const pb::Frame* frame) override { StartWrite(frame); }
    void end(const ::grpc::Status& status) override { Finish(status); }
    void OnWriteDone(bool ok) override { state_->sender.on_write_done(ok); }
    void OnCancel() override { state_->cancel(); }
    void OnDone() override {
        {
            const std::lock_guard lock(state_->mutex);
            state_->on_cancel = nullptr;
        }
        delete this;
    }

private:
    std::shared_ptr<CallState> state_;
};

class SessionState final : public ServerSession {
public:
    SessionState(std::string peer, std::string common_name)
        : peer_(std::move(peer)), common_name_(std::move(common_name)) {}
    bool send(Frame frame) override { return sender.write(std::move(frame)); }
    std::size_t backlog() const override { return sender.backlog(); }
    void close(Result<void> reason) override {
        sender.finish(reason ? ::grpc::Status::OK : to_exact_status(reason.error()));
    }
    const std::string& peer() const override { return peer_; }
    const std::string& common_name() const override { return common_name_; }

    Sender sender{ServerSession::kBacklogBytesMax};

private:
    std::string peer_;
    std::string common_name_;
};

/// The streams that are open, so that stop() can end them: they would never end by themselves.
class OpenStreams {
public:
    /// False when the server is stopping.
    bool add(Sender* sender) {
        const std::lock_guard lock(mutex_);
        if (is_stopping_) {
            return false;
        }
        senders_.insert(sender);
        return true;
    }
    void remove(Sender* sender) {
        const std::lock_guard lock(mutex_);
        senders_.erase(sender);
    }
    void end_all() {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
        for (Sender* sender : senders_) {
            sender->finish({::grpc::StatusCode::UNAVAILABLE, "the server is stopping"});
        }
    }

private:
    std::mutex mutex_;
    std::set<Sender*> senders_;
    bool is_stopping_{false};
};

/// A stream in both directions: a session, or another server's messages.
class StreamReactor : public ::grpc::ServerBidiReactor<pb::Frame, pb::Frame>, public Out {
public:
    StreamReactor(OpenStreams& open, std::shared_ptr<SessionState> state)
        : open_(open), state_(std::move(state)) {}
    void begin() {
        if (!open_.add(&state_->sender)) {
            state_->sender.finish({::grpc::StatusCode::UNAVAILABLE, "the server is stopping"});
            state_->sender.attach(this);
            return;
        }
        StartSendInitialMetadata();
        StartRead(&in_);
        // The last thing done here, since the end may already wait for it.
        state_->sender.attach(this);
    }
    void start_write(const pb::Frame* frame) override { StartWrite(frame); }
    void end(const ::grpc::Status& status) override { Finish(status); }
    void OnReadDone(bool ok) override {
        if (!ok) {
            state_->sender.abandon();
            return;
        }
        on_frame(in_);
        StartRead(&in_);
    }
    void OnWriteDone(bool ok) override { state_->sender.on_write_done(ok); }
    void OnCancel() override { state_->sender.abandon(); }
    void OnDone() override {
        open_.remove(&state_->sender);
        on_end();
        delete this;
    }

protected:
    virtual void on_frame(pb::Frame& frame) = 0;
    virtual void on_end() {}

private:
    OpenStreams& open_;
    std::shared_ptr<SessionState> state_;
    pb::Frame in_;
};

class SessionReactor final : public StreamReactor {
public:
    SessionReactor(
        OpenStreams& open, const std::shared_ptr<SessionState>& state, SessionHandlers handlers
    )
        : StreamReactor(open, state), handlers_(std::move(handlers)) {}

private:
    void on_frame(pb::Frame& frame) override {
        if (handlers_.on_frame) {
            handlers_.on_frame(from_wire(frame));
        }
    }
    void on_end() override {
        if (handlers_.on_end) {
            handlers_.on_end();
        }
    }

    SessionHandlers handlers_;
};

class MessagesReactor final : public StreamReactor {
public:
    MessagesReactor(
        OpenStreams& open,
        const std::shared_ptr<SessionState>& state,
        const std::function<void(ServerId, env::Channel, Bytes)>& on_message
    )
        : StreamReactor(open, state), on_message_(on_message) {}

private:
    void on_frame(pb::Frame& frame) override {
        if (frame.channel() <= static_cast<std::uint32_t>(env::Channel::Snapshot)) {
            on_message_(
                ServerId(frame.from()),
                static_cast<env::Channel>(frame.channel()),
                std::move(*frame.mutable_data())
            );
        }
    }

    const std::function<void(ServerId, env::Channel, Bytes)>& on_message_;
};

template <class Reactor>
Reactor* refuse(Reactor* reactor, const char* what) {
    reactor->Finish(::grpc::Status(::grpc::StatusCode::UNIMPLEMENTED, what));
    return reactor;
}
class RefusedCall final : public ::grpc::ServerWriteReactor<pb::Frame> {
    void OnDone() override { delete this; }
};
class RefusedStream final : public ::grpc::ServerBidiReactor<pb::Frame, pb::Frame> {
    void OnDone() override { delete this; }
};

std::shared_ptr<SessionState> state_of(const Context& context) {
    return std::make_shared<SessionState>(peer_address(context.peer()), common_name_of(context));
}

class PeerService final : public pb::Peer::CallbackService {
public:
    PeerService(const GrpcHandlers& handlers, OpenStreams& open)
        : handlers_(handlers), open_(open) {}

    ::grpc::ServerBidiReactor<pb::Frame, pb::Frame>* Messages(Context* context) override {
        if (!handlers_.on_message) {
            return refuse(new RefusedStream(), "this agent is no server");
        }
        auto* reactor = new MessagesReactor(open_, state_of(*context), handlers_.on_message);
        reactor->begin();
        return reactor;
    }

    ::grpc::ServerWriteReactor<pb::Frame>* Call(Context* context, const pb::Frame* request)
        override {
        if (!handlers_.on_call) {
            return refuse(new RefusedCall(), "this agent is no server");
        }
        auto state = std::make_shared<CallState>();
        auto* reactor = new CallReactor(state);
        handlers_.on_call(
            {.method = request->kind(),
             .request = request->data(),
             .peer = peer_address(context->peer()),
             .common_name = common_name_of(*context)},
            std::make_shared<CallResponder>(std::move(state))
        );
        return reactor;
    }

private:
    const GrpcHandlers& handlers_;
    OpenStreams& open_;
};

class NodeService final : public pb::Node::CallbackService {
public:
    NodeService(const GrpcHandlers& handlers, OpenStreams& open)
        : handlers_(handlers), open_(open) {}

    ::grpc::ServerBidiReactor<pb::Frame, pb::Frame>* Session(Context* context) override {
        if (!handlers_.on_session) {
            return refuse(new RefusedStream(), "this agent is no server");
        }
        const auto state = state_of(*context);
        auto* reactor = new SessionReactor(open_, state, handlers_.on_session(state));
        reactor->begin();
        return reactor;
    }

private:
    const GrpcHandlers& handlers_;
    OpenStreams& open_;
};

class Server final : public GrpcServer {
public:
    Server(GrpcServerOptions options, GrpcHandlers handlers)
        : options_(std::move(options)), handlers_(std::move(handlers)) {}
    ~Server() override { stop(Duration{}); }

    Result<void> listen() {
        NL_TRY(const auto credentials, make_server_credentials(options_.tls));
        hold_callback_threads();
        ::grpc::ServerBuilder builder;
        ::grpc::ResourceQuota quota("nomad-lite");
        quota.Resize(options_.memory_bytes_max);
        quota.SetMaxThreads(options_.threads_max);
        builder.SetResourceQuota(quota);
        builder.SetMaxReceiveMessageSize(static_cast<int>(kFrameBytesMax) + kMessageOverhead);
        builder.SetMaxSendMessageSize(static_cast<int>(kFrameBytesMax) + kMessageOverhead);
        // Two agents on one port would each get some of the connections.
        builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
        builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
        builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
        builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
        builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
        builder.AddChannelArgument(
            GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kPingIntervalMinMs
        );
        builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
        ports_.assign(options_.listen.size(), 0);
        for (std::size_t i = 0; i < options_.listen.size(); ++i) {
            builder.AddListeningPort(options_.listen[i], credentials, &ports_[i]);
        }
        builder.RegisterService(&peer_);
        builder.RegisterService(&node_);
        seed_ = make_seed_services(handlers_.seed, handlers_.current_term);
        for (const auto& service : seed_) {
            builder.RegisterService(service.get());
        }
        server_ = builder.BuildAndStart();
        for (std::size_t i = 0; i < ports_.size(); ++i) {
            if (ports_[i] == 0 || !server_) {
                return fail(
                    ErrorCode::Unavailable,
                    "cannot listen on {} for gRPC: the port is in use or not allowed",
                    options_.listen[i]
                );
            }
        }
        return {};
    }

    const std::vector<int>& ports() const override { return ports_; }

    void stop(Duration grace) override {
        const std::lock_guard lock(stop_mutex_);
        if (!server_) {
            return;
        }
        open_.end_all();
        server_->Shutdown(std::chrono::system_clock::now() + std::chrono::nanoseconds(grace.ns));
        server_->Wait();
        server_.reset();
    }

private:
    GrpcServerOptions options_;
    GrpcHandlers handlers_;
    OpenStreams open_;
    PeerService peer_{handlers_, open_};
    NodeService node_{handlers_, open_};
    std::vector<std::unique_ptr<::grpc::Service>> seed_;
    std::vector<int> ports_;
    std::mutex stop_mutex_;
    std::unique_ptr<::grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(
    GrpcServerOptions options, GrpcHandlers handlers
) {
    auto server = std::make_unique<Server>(std::move(options), std::move(handlers));
    NL_TRY_VOID(server->listen());
    return server;
}

}  // namespace nl::io
