#include "io/grpc/node_client.h"

#include "base/check.h"
#include "io/internal/client_stream.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace nl::io {

namespace {

/// The state outlives the client until the last stream and timer have ended.
class Session : public std::enable_shared_from_this<Session> {
public:
    Session(
        std::shared_ptr<const ChannelSettings> settings,
        std::vector<std::string> servers,
        NodeClient::Handlers handlers,
        std::shared_ptr<SharedConnections> shared
    )
        : settings_(std::move(settings)),
          shared_(std::move(shared)),
          servers_(std::move(servers)),
          handlers_(std::move(handlers)) {}

    void connect() {
        const std::lock_guard lock(mutex_);
        if (is_stopped_) {
            return;
        }
        if (servers_.empty()) {
            retry_after(NodeClient::kRetryMaxMs);
            return;
        }
        is_chosen_ = false;
        server_ = servers_[next_ % servers_.size()];
        ++busy_;
        const auto self = shared_from_this();
        stream_ = ClientStream::open(
            settings_,
            {.address = server_,
             .service = ClientStream::Service::Session,
             .is_patient = false,
             .shared = shared_},
            {.on_open = [self] { self->on_open(); },
             .on_frame =
                 [self](Frame frame) {
                     if (self->handlers_.on_frame) {
                         self->handlers_.on_frame(std::move(frame));
                     }
                 },
             .on_end = [self](const Error& error) { self->on_end(error); }}
        );
    }

    bool send(Frame frame) {
        const std::lock_guard lock(mutex_);
        if (!is_up_ || !stream_) {
            return false;
        }
        if (stream_->backlog_bytes() + frame.data.size() > NodeClient::kBacklogBytesMax) {
            stream_->cancel();
            return false;
        }
        return stream_->send({.frame = std::move(frame)});
    }
    std::size_t backlog() const {
        const std::lock_guard lock(mutex_);
        return stream_ ? stream_->backlog_bytes() : 0;
    }
    void set_servers(std::vector<std::string> servers) {
        const std::lock_guard lock(mutex_);
        servers_ = std::move(servers);
        // Stay where we are; only the order of the next tries changes.
        const auto present = std::ranges::find(servers_, server_);
        next_ =
            present == servers_.end() ? 0 : static_cast<std::size_t>(present - servers_.begin());
    }
    void prefer(const std::string& server) {
        const std::lock_guard lock(mutex_);
        if (server_ == server && stream_) {
            return;
        }
        auto at = std::ranges::find(servers_, server);
        if (at == servers_.end()) {
            at = servers_.insert(servers_.begin(), server);
        }
        next_ = static_cast<std::size_t>(at - servers_.begin());
        is_chosen_ = true;
        if (stream_) {
            stream_->cancel();
        } else if (retry_) {
            retry_->cancel();
        }
    }
    std::string connected_to() const {
        const std::lock_guard lock(mutex_);
        return is_up_ ? server_ : std::string();
    }
    void stop() {
        std::unique_lock lock(mutex_);
        is_stopped_ = true;
        if (stream_) {
            stream_->cancel();
        }
        if (retry_) {
            retry_->cancel();
        }
        quiet_.wait(lock, [&] { return busy_ == 0; });
        handlers_ = {};
    }

private:
    void on_open() {
        std::string server;
        {
            const std::lock_guard lock(mutex_);
            is_up_ = true;
            delay_ms_ = NodeClient::kRetryMinMs;
            server = server_;
            if (is_stopped_) {
                return;
            }
        }
        if (handlers_.on_connect) {
            handlers_.on_connect(server);
        }
    }

    void on_end(const Error& error) {
        std::string server;
        bool tell = false;
        {
            const std::lock_guard lock(mutex_);
            is_up_ = false;
            stream_.reset();
            server = server_;
            tell = !is_stopped_;
        }
        if (tell && handlers_.on_disconnect) {
            handlers_.on_disconnect(server, error);
        }
        const std::lock_guard lock(mutex_);
        if (!is_stopped_) {
            if (std::exchange(is_chosen_, false)) {
                retry_after(0);
            } else {
                ++next_;
                retry_after(delay_ms_);
                delay_ms_ = std::min(delay_ms_ * 2, NodeClient::kRetryMaxMs);
            }
        }
        --busy_;
        quiet_.notify_all();
    }

    void retry_after(std::int64_t ms) {
        ++busy_;
        const auto self = shared_from_this();
        retry_ = call_later(ms, [self](bool) {
            // Cancelled means chosen or stopped; connect() knows which.
            self->connect();
            const std::lock_guard lock(self->mutex_);
            --self->busy_;
            self->quiet_.notify_all();
        });
    }

    std::shared_ptr<const ChannelSettings> settings_;
    std::shared_ptr<SharedConnections> shared_;

    mutable std::mutex mutex_;
    std::condition_variable quiet_;
    std::vector<std::string> servers_;
    NodeClient::Handlers handlers_;
    std::size_t next_{0};
    std::string server_;
    std::shared_ptr<ClientStream> stream_;
    std::shared_ptr<DelayedCall> retry_;
    std::int64_t delay_ms_{NodeClient::kRetryMinMs};
    std::size_t busy_{0};
    bool is_up_{false};
    bool is_chosen_{false};
    bool is_stopped_{false};
};

class Client final : public NodeClient {
public:
    explicit Client(std::shared_ptr<Session> session) : session_(std::move(session)) {
        session_->connect();
    }
    ~Client() override { session_->stop(); }

    bool send(Frame frame) override { return session_->send(std::move(frame)); }
    std::size_t backlog() const override { return session_->backlog(); }
    void set_servers(std::vector<std::string> servers) override {
        session_->set_servers(std::move(servers));
    }
    void prefer(const std::string& server) override { session_->prefer(server); }
    std::string connected_to() const override { return session_->connected_to(); }

private:
    std::shared_ptr<Session> session_;
};

}  // namespace

Result<std::unique_ptr<NodeClient>> NodeClient::start(Options options, Handlers handlers) {
    NL_TRY(auto settings, make_channel_settings(options.tls));
    return std::make_unique<Client>(std::make_shared<Session>(
        std::move(settings),
        std::move(options.servers),
        std::move(handlers),
        std::move(options.shared)
    ));
}

}  // namespace nl::io
