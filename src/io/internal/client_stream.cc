#include "io/internal/client_stream.h"

#include "io/grpc/node_client.h"
#include "io/internal/grpc_support.h"
#include "nomad_lite.grpc.pb.h"

#include <grpcpp/alarm.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

namespace nl::io {

class SharedConnections : public std::enable_shared_from_this<SharedConnections> {
public:
    /// The returned pointer counts as one stream until it is dropped.
    std::shared_ptr<::grpc::Channel> take(
        const ChannelSettings& settings, const std::string& address
    ) {
        const std::lock_guard lock(mutex_);
        std::vector<Shared>& list = by_address_[address];
        std::size_t at = 0;
        while (at < list.size() && list[at].streams >= kStreamsPerConnection) {
            ++at;
        }
        if (at == list.size()) {
            list.push_back({settings.connect(address), 0});
        }
        ++list[at].streams;
        std::shared_ptr<::grpc::Channel> channel = list[at].channel;
        ::grpc::Channel* raw = channel.get();
        return {raw, [self = shared_from_this(), address, channel](::grpc::Channel*) mutable {
                    self->give_back(address, channel.get());
                }};
    }

private:
    struct Shared {
        std::shared_ptr<::grpc::Channel> channel;
        std::size_t streams{0};
    };

    void give_back(const std::string& address, const ::grpc::Channel* channel) {
        const std::lock_guard lock(mutex_);
        for (Shared& shared : by_address_[address]) {
            if (shared.channel.get() == channel) {
                --shared.streams;
                return;
            }
        }
    }

    std::mutex mutex_;
    std::map<std::string, std::vector<Shared>> by_address_;
};

std::shared_ptr<SharedConnections> share_connections() {
    return std::make_shared<SharedConnections>();
}

namespace {

namespace pb = ::nomadlite::v1;

class Stream final : public ClientStream,
                     public ::grpc::ClientBidiReactor<pb::Frame, pb::Frame>,
                     public std::enable_shared_from_this<Stream> {
public:
    Stream(Options options, Handlers handlers)
        : options_(std::move(options)), handlers_(std::move(handlers)) {}

    void start(const ChannelSettings& settings) {
        self_ = shared_from_this();
        channel_ = options_.shared ? options_.shared->take(settings, options_.address)
                                   : settings.connect(options_.address);
        context_.set_wait_for_ready(options_.is_patient);
        switch (options_.service) {
            case Service::Messages:
                messages_ = pb::Peer::NewStub(channel_);
                messages_->async()->Messages(&context_, this);
                break;
            case Service::Session:
                session_ = pb::Node::NewStub(channel_);
                session_->async()->Session(&context_, this);
                break;
        }
        // Writes begin outside reactions, so the stream is held until it is known to be over.
        AddHold();
        StartRead(&in_);
        StartCall();
    }

    bool send(WireFrame wire) override {
        pb::Frame frame;
        frame.set_kind(std::move(wire.frame.kind));
        frame.set_id(wire.frame.id);
        frame.set_data(std::move(wire.frame.data));
        frame.set_channel(wire.channel);
        frame.set_from(wire.from);
        {
            const std::lock_guard lock(mutex_);
            if (is_over_) {
                return false;
            }
            bytes_ += frame.data().size();
            queue_.push_back(std::move(frame));
            if (is_writing_) {
                return true;
            }
            is_writing_ = true;
            take_next();
        }
        StartWrite(&out_);
        return true;
    }
    std::size_t backlog_bytes() const override {
        const std::lock_guard lock(mutex_);
        return bytes_;
    }
    std::size_t backlog_frames() const override {
        const std::lock_guard lock(mutex_);
        return queue_.size() + (is_writing_ ? 1 : 0);
    }
    void cancel() override { context_.TryCancel(); }

    void OnReadInitialMetadataDone(bool ok) override {
        if (ok) {
            open();
        }
    }
    void OnReadDone(bool ok) override {
        if (ok) {
            open();
            if (handlers_.on_frame) {
                handlers_.on_frame(
                    {std::move(*in_.mutable_kind()), in_.id(), std::move(*in_.mutable_data())}
                );
            }
            StartRead(&in_);
            return;
        }
        over(false);
    }
    void OnWriteDone(bool ok) override {
        if (!ok) {
            over(true);
            return;
        }
        bool is_done = false;
        {
            const std::lock_guard lock(mutex_);
            bytes_ -= out_bytes_;
            out_bytes_ = 0;
            if (queue_.empty() || is_over_) {
                is_writing_ = false;
                is_done = true;
            } else {
                take_next();
            }
        }
        if (is_done) {
            release();
        } else {
            StartWrite(&out_);
        }
    }
    void OnDone(const ::grpc::Status& status) override {
        const auto self = std::move(self_);
        Error error = status.ok() ? Error{ErrorCode::Unavailable, "the server closed the stream"}
                                  : to_error(status, options_.address);
        if (handlers_.on_end) {
            handlers_.on_end(std::move(error));
        }
        handlers_ = {};
    }

private:
    void open() {
        std::call_once(opened_, [&] {
            if (handlers_.on_open) {
                handlers_.on_open();
            }
        });
    }
    void take_next() {
        out_ = std::move(queue_.front());
        queue_.pop_front();
        out_bytes_ = out_.data().size();
    }
    void over(bool was_writing) {
        {
            const std::lock_guard lock(mutex_);
            is_over_ = true;
            if (was_writing) {
                is_writing_ = false;
            }
            queue_.clear();
            bytes_ = out_bytes_;
        }
        release();
    }
    void release() {
        {
            const std::lock_guard lock(mutex_);
            if (!is_over_ || is_writing_ || is_released_) {
                return;
            }
            is_released_ = true;
        }
        RemoveHold();
    }

    Options options_;
    Handlers handlers_;
    std::shared_ptr<Stream> self_;
    std::shared_ptr<::grpc::Channel> channel_;
    std::unique_ptr<pb::Peer::Stub> messages_;
    std::unique_ptr<pb::Node::Stub> session_;
    ::grpc::ClientContext context_;
    pb::Frame in_;
    pb::Frame out_;
    std::once_flag opened_;

    mutable std::mutex mutex_;
    std::deque<pb::Frame> queue_;
    std::size_t bytes_{0};
    std::size_t out_bytes_{0};
    bool is_writing_{false};
    bool is_over_{false};
    bool is_released_{false};
};

class Delayed final : public DelayedCall {
public:
    void start(std::int64_t ms, std::function<void(bool)> callback) {
        // The alarm keeps what it is given; the callback, which may own the owner of this, goes.
        const auto once = std::make_shared<std::function<void(bool)>>(std::move(callback));
        alarm_.Set(
            std::chrono::system_clock::now() + std::chrono::milliseconds(ms),
            [once](bool due) {
                const auto run = std::exchange(*once, nullptr);
                run(due);
            }
        );
    }
    void cancel() override { alarm_.Cancel(); }

private:
    ::grpc::Alarm alarm_;
};

}  // namespace

void hold_callback_threads() {
    /// A channel without credentials goes nowhere and needs no socket; a call on it fails at once,
    /// and has by then taken its share of the threads. Never destroyed.
    struct Keeper {
        std::shared_ptr<::grpc::Channel> channel{::grpc::CreateChannel("none", nullptr)};
        ::grpc::GenericStub stub{channel};
        ::grpc::ClientContext context;
        ::grpc::Slice empty;
        ::grpc::ByteBuffer request{&empty, 1};
        ::grpc::ByteBuffer response;
    };
    static std::once_flag once;
    std::call_once(once, [] {
        static Keeper* const keeper = new Keeper();
        keeper->stub.UnaryCall(
            &keeper->context,
            "/none/none",
            {},
            &keeper->request,
            &keeper->response,
            [](const ::grpc::Status&) {}
        );
    });
}

std::shared_ptr<ClientStream> ClientStream::open(
    const std::shared_ptr<const ChannelSettings>& settings, Options options, Handlers handlers
) {
    hold_callback_threads();
    auto stream = std::make_shared<Stream>(std::move(options), std::move(handlers));
    stream->start(*settings);
    return stream;
}

std::shared_ptr<DelayedCall> call_later(std::int64_t ms, std::function<void(bool due)> callback) {
    auto delayed = std::make_shared<Delayed>();
    delayed->start(ms, std::move(callback));
    return delayed;
}

}  // namespace nl::io
