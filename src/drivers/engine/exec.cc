#include "drivers/engine/exec.h"

#include "wire/value_json.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace nl::drivers {
namespace {

constexpr Duration kCallTimeout = seconds(30);
constexpr std::size_t kFrameHeader = 8;

std::string string_at(const Value& value, const char* key) {
    const Value::Map* map = value.as_map();
    const auto at = map != nullptr ? map->find(key) : Value::Map::const_iterator{};
    return map != nullptr && at != map->end() && at->second.as_string() != nullptr
               ? *at->second.as_string()
               : "";
}

class EngineExec final : public client::ExecProcess {
public:
    EngineExec(
        const EngineClient& engine,
        std::string id,
        bool tty,
        EngineStream stream,
        client::ExecHandlers handlers
    )
        : engine_(engine.address()),
          id_(std::move(id)),
          tty_(tty),
          fd_(stream.fd),
          buffer_(std::move(stream.rest)),
          handlers_(std::move(handlers)),
          wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        ::fcntl(fd_, F_SETFL, O_NONBLOCK);
        thread_ = std::thread([this] { run(); });
    }
    ~EngineExec() override {
        {
            const std::scoped_lock lock(mutex_);
            stopping_ = true;
        }
        wake();
        thread_.join();
        ::close(fd_);
        ::close(wake_);
    }

    bool write(Bytes data) override {
        {
            const std::scoped_lock lock(mutex_);
            if (input_bytes_ + data.size() > kEngineExecInputMax) {
                return false;
            }
            input_bytes_ += data.size();
            input_.push_back(std::move(data));
        }
        wake();
        return true;
    }
    void close_stdin() override {
        {
            const std::scoped_lock lock(mutex_);
            close_input_ = true;
        }
        wake();
    }
    void resize(std::int64_t rows, std::int64_t columns) override {
        {
            const std::scoped_lock lock(mutex_);
            rows_ = rows;
            columns_ = columns;
            resize_ = true;
        }
        wake();
    }
    void kill() override {
        // Engines have no call that ends a program beside a task; without its ends it gets SIGHUP
        // or SIGPIPE as a terminal that is hung up gives it.
        {
            const std::scoped_lock lock(mutex_);
            stopping_ = true;
        }
        wake();
    }

private:
    void wake() {
        const std::uint64_t one = 1;
        const ssize_t ignored = ::write(wake_, &one, sizeof one);
        static_cast<void>(ignored);
    }

    void run() {
        deliver();
        bool open = true;
        while (open) {
            bool wants_write = false;
            {
                const std::scoped_lock lock(mutex_);
                if (stopping_) {
                    ::shutdown(fd_, SHUT_RDWR);
                    break;
                }
                wants_write = !input_.empty();
            }
            pollfd items[2] = {
                {fd_, static_cast<short>(POLLIN | (wants_write ? POLLOUT : 0)), 0},
                {wake_, POLLIN, 0}
            };
            ::poll(items, 2, -1);
            if (items[1].revents != 0) {
                std::uint64_t count = 0;
                const ssize_t ignored = ::read(wake_, &count, sizeof count);
                static_cast<void>(ignored);
                resize_now();
            }
            write_some();
            if (items[0].revents != 0) {
                char bytes[32768];
                const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
                if (n > 0) {
                    buffer_.append(bytes, static_cast<std::size_t>(n));
                    deliver();
                } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                    open = false;
                }
            }
        }
        finish();
    }

    void resize_now() {
        std::int64_t rows = 0;
        std::int64_t columns = 0;
        {
            const std::scoped_lock lock(mutex_);
            if (!std::exchange(resize_, false)) {
                return;
            }
            rows = rows_;
            columns = columns_;
        }
        static_cast<void>(engine_.call(
            "POST", fmt::format("/exec/{}/resize?h={}&w={}", id_, rows, columns), {}, kCallTimeout
        ));
    }

    void write_some() {
        const std::scoped_lock lock(mutex_);
        while (!input_.empty()) {
            Bytes& first = input_.front();
            const ssize_t n = ::send(fd_, first.data(), first.size(), MSG_NOSIGNAL);
            if (n < 0) {
                return;
            }
            input_bytes_ -= static_cast<std::size_t>(n);
            first.erase(0, static_cast<std::size_t>(n));
            if (!first.empty()) {
                return;
            }
            input_.pop_front();
        }
        if (close_input_ && !input_closed_) {
            input_closed_ = true;
            ::shutdown(fd_, SHUT_WR);
        }
    }

    void deliver() {
        if (tty_) {
            if (!buffer_.empty()) {
                handlers_.on_output(client::ExecOutput::Stdout, std::exchange(buffer_, {}));
            }
            return;
        }
        std::size_t used = 0;
        while (buffer_.size() - used >= kFrameHeader) {
            std::size_t length = 0;
            for (std::size_t i = 4; i < kFrameHeader; ++i) {
                length = length << 8 | static_cast<unsigned char>(buffer_[used + i]);
            }
            if (buffer_.size() - used < kFrameHeader + length) {
                break;
            }
            const bool error = buffer_[used] == 2;
            handlers_.on_output(
                error ? client::ExecOutput::Stderr : client::ExecOutput::Stdout,
                buffer_.substr(used + kFrameHeader, length)
            );
            used += kFrameHeader + length;
        }
        buffer_.erase(0, used);
    }

    void finish() {
        bool told = true;
        {
            const std::scoped_lock lock(mutex_);
            told = !stopping_;
        }
        Result<std::int64_t> code = fail(ErrorCode::Cancelled, "the program was ended");
        if (told) {
            const auto about = engine_.call("GET", "/exec/" + id_ + "/json", {}, kCallTimeout);
            const Value::Map* map = about ? about->as_map() : nullptr;
            const auto at = map != nullptr ? map->find("ExitCode") : Value::Map::const_iterator{};
            if (!about) {
                code = std::unexpected(about.error());
            } else if (map != nullptr && at != map->end() && at->second.as_int() != nullptr) {
                code = *at->second.as_int();
            } else {
                code = fail(ErrorCode::Unavailable, "the engine does not know the exit code");
            }
        }
        handlers_.on_end(std::move(code));
    }

    EngineClient engine_;
    std::string id_;
    bool tty_;
    int fd_;
    std::string buffer_;
    client::ExecHandlers handlers_;
    int wake_;
    std::mutex mutex_;
    std::deque<Bytes> input_;
    std::size_t input_bytes_ = 0;
    bool close_input_ = false;
    bool input_closed_ = false;
    bool resize_ = false;
    std::int64_t rows_ = 0;
    std::int64_t columns_ = 0;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<client::ExecProcess>> start_engine_exec(
    const EngineClient& engine,
    const std::string& container,
    const client::ExecSpec& spec,
    client::ExecHandlers handlers
) {
    if (spec.command.empty()) {
        return fail(ErrorCode::InvalidArgument, "no command to run was given");
    }
    Value::List command;
    for (const std::string& word : spec.command) {
        command.push_back(word);
    }
    NL_TRY(
        const Value made,
        engine.call(
            "POST",
            "/containers/" + container + "/exec",
            Value::Map{
                {"AttachStdin", true},
                {"AttachStdout", true},
                {"AttachStderr", true},
                {"Tty", spec.tty},
                {"Cmd", std::move(command)}
            },
            kCallTimeout
        )
    );
    const std::string id = string_at(made, "Id");
    NL_TRY(
        EngineStream stream,
        engine.hijack(
            {.method = "POST",
             .target = "/exec/" + id + "/start",
             .body = wire::write_json(Value::Map{{"Detach", false}, {"Tty", spec.tty}})},
            kCallTimeout
        )
    );
    auto out =
        std::make_unique<EngineExec>(engine, id, spec.tty, std::move(stream), std::move(handlers));
    if (spec.tty && spec.rows > 0) {
        out->resize(spec.rows, spec.columns);
    }
    return out;
}

}  // namespace nl::drivers
