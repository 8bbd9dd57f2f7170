#include "io/grpc/grpc_transport.h"

#include "base/check.h"
#include "io/internal/client_stream.h"
#include "io/log.h"

#include <condition_variable>
#include <deque>
#include <utility>
#include <vector>

namespace nl::io {

struct GrpcTransport::Shared {
    Options options;
    std::shared_ptr<const ChannelSettings> settings;

    std::mutex mutex;
    std::condition_variable quiet;
    Status status;
    /// Streams and timers whose end is still to come.
    std::size_t busy{0};

    void begin() {
        const std::lock_guard lock(mutex);
        ++busy;
    }
    void end() {
        const std::lock_guard lock(mutex);
        --busy;
        quiet.notify_all();
    }
    void count_sent() {
        const std::lock_guard lock(mutex);
        ++status.sent;
    }
    void count_dropped(std::size_t n) {
        const std::lock_guard lock(mutex);
        status.dropped += n;
    }
};

/// One connection that is always made anew. The stream's own queue is used only while it is up.
class GrpcTransport::Link : public std::enable_shared_from_this<Link> {
public:
    Link(std::shared_ptr<Shared> shared, Key key, std::string address)
        : shared_(std::move(shared)), key_(key), address_(std::move(address)) {}

    void connect() {
        const std::lock_guard lock(mutex_);
        if (is_stopped_) {
            return;
        }
        shared_->begin();
        is_up_ = false;
        const auto self = shared_from_this();
        stream_ = ClientStream::open(
            shared_->settings,
            {.address = address_, .service = ClientStream::Service::Messages, .is_patient = true},
            {.on_open = [self] { self->on_open(); },
             .on_frame = {},
             .on_end = [self](const Error& error) { self->on_end(error); }}
        );
    }

    void send(Bytes message) {
        const std::lock_guard lock(mutex_);
        if (is_stopped_) {
            return;
        }
        if (is_up_) {
            if (stream_->backlog_frames() < kQueuedMessagesMax &&
                stream_->backlog_bytes() + message.size() <= kQueuedBytesMax &&
                stream_->send(wrap(std::move(message)))) {
                shared_->count_sent();
            } else {
                shared_->count_dropped(1);
            }
            return;
        }
        if (waiting_.size() == kUnconnectedMessagesMax) {
            waiting_.pop_front();
            shared_->count_dropped(1);
        }
        waiting_.push_back(std::move(message));
    }

    void stop() {
        std::shared_ptr<ClientStream> stream;
        std::shared_ptr<DelayedCall> retry;
        {
            const std::lock_guard lock(mutex_);
            is_stopped_ = true;
            shared_->count_dropped(waiting_.size());
            waiting_.clear();
            stream = stream_;
            retry = retry_;
        }
        if (stream) {
            stream->cancel();
        }
        if (retry) {
            retry->cancel();
        }
    }

private:
    WireFrame wrap(Bytes message) const {
        return {
            .frame = {.kind = {}, .id = 0, .data = std::move(message)},
            .channel = static_cast<std::uint32_t>(key_.channel),
            .from = shared_->options.self.value
        };
    }

    void on_open() {
        const std::lock_guard lock(mutex_);
        is_up_ = true;
        {
            const std::lock_guard shared_lock(shared_->mutex);
            ++shared_->status.connects;
            ++shared_->status.connected;
        }
        while (!waiting_.empty() && stream_) {
            if (stream_->send(wrap(std::move(waiting_.front())))) {
                shared_->count_sent();
            }
            waiting_.pop_front();
        }
    }

    void on_end(const Error& error) {
        {
            const std::lock_guard lock(mutex_);
            const bool was_up = std::exchange(is_up_, false);
            stream_.reset();
            if (was_up) {
                const std::lock_guard shared_lock(shared_->mutex);
                --shared_->status.connected;
            }
            if (!is_stopped_) {
                log_debug("transport", "connection to {} ended: {}", address_, error.message);
                shared_->begin();
                const auto self = shared_from_this();
                retry_ = call_later(was_up ? kReconnectMinMs : kReconnectMaxMs, [self](bool due) {
                    if (due) {
                        self->connect();
                    }
                    self->shared_->end();
                });
            }
        }
        shared_->end();
    }

    std::shared_ptr<Shared> shared_;
    Key key_;
    std::string address_;

    std::mutex mutex_;
    std::shared_ptr<ClientStream> stream_;
    std::shared_ptr<DelayedCall> retry_;
    std::deque<Bytes> waiting_;
    bool is_up_{false};
    bool is_stopped_{false};
};

Result<std::unique_ptr<GrpcTransport>> GrpcTransport::create(Options options) {
    auto shared = std::make_shared<Shared>();
    NL_TRY(shared->settings, make_channel_settings(options.tls));
    shared->options = std::move(options);
    return std::unique_ptr<GrpcTransport>(new GrpcTransport(std::move(shared)));
}

GrpcTransport::GrpcTransport(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

GrpcTransport::~GrpcTransport() {
    std::map<Key, std::shared_ptr<Link>> links;
    {
        const std::lock_guard lock(mutex_);
        links.swap(links_);
    }
    for (const auto& [key, link] : links) {
        link->stop();
    }
    std::unique_lock lock(shared_->mutex);
    shared_->quiet.wait(lock, [&] { return shared_->busy == 0; });
}

void GrpcTransport::send(ServerId to, env::Channel channel, Bytes message) {
    std::shared_ptr<Link> link;
    bool is_new = false;
    {
        const std::lock_guard lock(mutex_);
        const auto address = addresses_.find(to);
        if (address == addresses_.end() || message.size() > kFrameBytesMax) {
            shared_->count_dropped(1);
            return;
        }
        auto& slot = links_[Key{to, channel}];
        if (!slot) {
            slot = std::make_shared<Link>(shared_, Key{to, channel}, address->second);
            is_new = true;
        }
        link = slot;
    }
    if (is_new) {
        link->connect();
    }
    link->send(std::move(message));
}

void GrpcTransport::set_address(ServerId server, std::string address) {
    std::vector<std::shared_ptr<Link>> old;
    bool has_heartbeat_link = false;
    {
        const std::lock_guard lock(mutex_);
        const auto known = addresses_.find(server);
        if (known != addresses_.end() && known->second == address) {
            return;
        }
        for (auto it = links_.begin(); it != links_.end();) {
            if (it->first.server == server) {
                old.push_back(std::move(it->second));
                it = links_.erase(it);
            } else {
                ++it;
            }
        }
        if (address.empty()) {
            addresses_.erase(server);
        } else if (known != addresses_.end() || addresses_.size() < kPeersMax) {
            addresses_[server] = std::move(address);
            has_heartbeat_link = server != shared_->options.self;
        } else {
            log_warn("transport", "server {} not added: the limit is {}", server, kPeersMax);
        }
    }
    for (const auto& link : old) {
        link->stop();
    }
    if (has_heartbeat_link) {
        // Connections are made before they are needed: the first vote must not wait for them.
        std::vector<std::shared_ptr<Link>> fresh;
        {
            const std::lock_guard lock(mutex_);
            for (const auto channel : {env::Channel::Raft, env::Channel::Heartbeat}) {
                const auto address_now = addresses_.find(server);
                auto& slot = links_[Key{server, channel}];
                if (!slot && address_now != addresses_.end()) {
                    slot =
                        std::make_shared<Link>(shared_, Key{server, channel}, address_now->second);
                    fresh.push_back(slot);
                }
            }
        }
        for (const auto& link : fresh) {
            link->connect();
        }
    }
}

GrpcTransport::Status GrpcTransport::status() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->status;
}

}  // namespace nl::io
