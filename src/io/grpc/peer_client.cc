#include "io/grpc/peer_client.h"

#include "io/internal/client_stream.h"
#include "io/internal/grpc_support.h"
#include "nomad_lite.grpc.pb.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace nl::io {

namespace {

namespace pb = ::nomadlite::v1;

class Call;

/// What outlives the client until the last call has ended.
struct Calls {
    std::mutex mutex;
    std::condition_variable quiet;
    std::set<Call*> active;
};

class Call final : public ClientCall,
                   public ::grpc::ClientReadReactor<pb::Frame>,
                   public std::enable_shared_from_this<Call> {
public:
    Call(
        std::shared_ptr<Calls> calls,
        std::shared_ptr<::grpc::Channel> channel,
        PeerClient::Request request,
        PeerClient::Handlers handlers
    )
        : calls_(std::move(calls)),
          channel_(std::move(channel)),
          stub_(pb::Peer::NewStub(channel_)),
          address_(std::move(request.address)),
          handlers_(std::move(handlers)) {
        out_.set_kind(std::move(request.method));
        out_.set_data(std::move(request.request));
        if (request.timeout) {
            context_.set_deadline(
                std::chrono::system_clock::now() + std::chrono::nanoseconds(request.timeout->ns)
            );
        }
    }

    void start() {
        self_ = shared_from_this();
        {
            const std::lock_guard lock(calls_->mutex);
            calls_->active.insert(this);
        }
        stub_->async()->Call(&context_, &out_, this);
        StartRead(&in_);
        StartCall();
    }
    void cancel() override { context_.TryCancel(); }

    void OnReadDone(bool ok) override {
        if (!ok) {
            return;
        }
        if (handlers_.on_frame) {
            handlers_.on_frame(
                {std::move(*in_.mutable_kind()), in_.id(), std::move(*in_.mutable_data())}
            );
        }
        StartRead(&in_);
    }
    void OnDone(const ::grpc::Status& status) override {
        const auto self = std::move(self_);
        if (handlers_.on_done) {
            handlers_.on_done(
                status.ok() ? Result<void>() : std::unexpected(to_error(status, address_))
            );
        }
        handlers_ = {};
        const std::lock_guard lock(calls_->mutex);
        calls_->active.erase(this);
        calls_->quiet.notify_all();
    }

private:
    std::shared_ptr<Calls> calls_;
    std::shared_ptr<::grpc::Channel> channel_;
    std::unique_ptr<pb::Peer::Stub> stub_;
    std::string address_;
    PeerClient::Handlers handlers_;
    std::shared_ptr<Call> self_;
    ::grpc::ClientContext context_;
    pb::Frame out_;
    pb::Frame in_;
};

class Client final : public PeerClient {
public:
    explicit Client(std::shared_ptr<const ChannelSettings> settings)
        : settings_(std::move(settings)) {}
    ~Client() override {
        std::unique_lock lock(calls_->mutex);
        for (Call* call : calls_->active) {
            call->cancel();
        }
        calls_->quiet.wait(lock, [&] { return calls_->active.empty(); });
    }

    std::shared_ptr<ClientCall> call(Request request, Handlers handlers) override {
        auto channel = channel_to(request.address);
        auto call = std::make_shared<Call>(
            calls_, std::move(channel), std::move(request), std::move(handlers)
        );
        call->start();
        return call;
    }

private:
    struct Cached {
        std::shared_ptr<::grpc::Channel> channel;
        std::uint64_t used{0};
    };

    std::shared_ptr<::grpc::Channel> channel_to(const std::string& address) {
        const std::lock_guard lock(mutex_);
        Cached& cached = channels_[address];
        cached.used = ++uses_;
        if (!cached.channel) {
            cached.channel = settings_->connect(address);
        }
        auto channel = cached.channel;
        if (channels_.size() > kChannelsMax) {
            auto oldest = channels_.begin();
            for (auto it = channels_.begin(); it != channels_.end(); ++it) {
                if (it->second.used < oldest->second.used) {
                    oldest = it;
                }
            }
            channels_.erase(oldest);
        }
        return channel;
    }

    std::shared_ptr<const ChannelSettings> settings_;
    std::shared_ptr<Calls> calls_{std::make_shared<Calls>()};
    std::mutex mutex_;
    std::map<std::string, Cached> channels_;
    std::uint64_t uses_{0};
};

}  // namespace

Result<std::unique_ptr<PeerClient>> PeerClient::create(std::optional<TlsOptions> tls) {
    NL_TRY(auto settings, make_channel_settings(tls));
    hold_callback_threads();
    return std::make_unique<Client>(std::move(settings));
}

void PeerClient::call_unary(Request request, std::function<void(Result<Bytes>)> done) {
    const auto first = std::make_shared<std::optional<Bytes>>();
    const std::string method = request.method;
    call(
        std::move(request),
        {.on_frame =
             [first](Frame frame) {
                 if (!*first) {
                     *first = std::move(frame.data);
                 }
             },
         .on_done =
             [first, method, done = std::move(done)](const Result<void>& result) {
                 if (!result) {
                     done(std::unexpected(result.error()));
                 } else if (!*first) {
                     done(fail(ErrorCode::Internal, "call \"{}\" was not answered", method));
                 } else {
                     done(std::move(**first));
                 }
             }}
    );
}

Result<Bytes> PeerClient::call_and_wait(Request request) {
    std::promise<Result<Bytes>> answer;
    auto future = answer.get_future();
    call_unary(std::move(request), [&](Result<Bytes> result) {
        answer.set_value(std::move(result));
    });
    return future.get();
}

}  // namespace nl::io
