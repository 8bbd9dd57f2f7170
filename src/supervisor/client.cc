#include "supervisor/client.h"

#include "supervisor/launch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace nl::supervisor {
namespace {

constexpr int kReconnectPauseMs = 2;
constexpr int kReconnectPauseMaxMs = 200;
/// A supervisor that is started again by its guardian is back within milliseconds; after this long
/// a guardian is started too.
constexpr int kGuardianGraceMs = 300;

bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

}  // namespace

ErrorCode code_of_errno(std::int64_t error) {
    switch (error) {
        case ENOENT:
        case ESRCH:
        case ENOTDIR:
            return ErrorCode::NotFound;
        case EACCES:
        case EPERM:
            return ErrorCode::PermissionDenied;
        case EINVAL:
        case ENOEXEC:
        case E2BIG:
        case ENAMETOOLONG:
        case ELOOP:
            return ErrorCode::InvalidArgument;
        case ENOSYS:
            return ErrorCode::Unimplemented;
        case EBUSY:
            return ErrorCode::FailedPrecondition;
        default:
            return ErrorCode::Unavailable;
    }
}

SupervisorClient::SupervisorClient(std::string directory, OnExit on_exit)
    : directory_(std::move(directory)),
      on_exit_(std::move(on_exit)),
      stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Result<std::unique_ptr<SupervisorClient>> SupervisorClient::open(
    std::string directory, OnExit on_exit
) {
    NL_TRY(const bool replaced, write_programs(directory));
    NL_TRY(const int fd, connect_or_start(directory));
    std::unique_ptr<SupervisorClient> client(
        new SupervisorClient(std::move(directory), std::move(on_exit))
    );
    client->attach(fd);
    if (replaced) {
        client->restart([](Result<void>) {});
    }
    client->reader_ = std::thread([raw = client.get()] { raw->read_loop(); });
    return client;
}

SupervisorClient::~SupervisorClient() {
    stopping_ = true;
    const std::uint64_t one = 1;
    const ssize_t ignored = write(stop_fd_, &one, sizeof one);
    static_cast<void>(ignored);
    if (reader_.joinable()) {
        reader_.join();
    }
    if (fd_ >= 0) {
        close(fd_);
    }
    close(stop_fd_);
}

void SupervisorClient::attach(int fd) {
    const std::scoped_lock lock(mutex_);
    fd_ = fd;
    // A greeting of the connection before has no answer to come.
    std::erase_if(pending_, [](const auto& item) { return item.second.frame.empty(); });
    Words words;
    words.version = kProtocolVersion;
    const std::uint64_t id = next_id_++;
    Pending greeting;
    greeting.answer = [this](Result<Words> answer, std::string_view) {
        if (answer) {
            supervisor_pid_ = static_cast<int>(answer->supervisor_pid);
            guardian_pid_ = static_cast<int>(answer->guardian_pid);
        }
    };
    // The greeting first, then whatever was not answered, in the order in which it was asked. A
    // failed send shows as the end of the connection in the reader, which comes back here.
    bool ok = send_all(fd_, make_frame(Kind::Hello, id, words.encode()));
    for (auto& [other, pending] : pending_) {
        pending.items.clear();
        ok = ok && send_all(fd_, pending.frame);
    }
    pending_.emplace(id, std::move(greeting));
}

void SupervisorClient::request(Kind kind, std::string_view payload, OnAnswer answer, OnList list) {
    {
        const std::scoped_lock lock(mutex_);
        if (pending_.size() < kMaxPending && payload.size() <= kMaxFrameBytes) {
            const std::uint64_t id = next_id_++;
            Pending pending;
            pending.frame = make_frame(kind, id, payload);
            pending.answer = std::move(answer);
            pending.list = std::move(list);
            if (fd_ >= 0) {
                send_all(fd_, pending.frame);
            }
            pending_.emplace(id, std::move(pending));
            return;
        }
    }
    answer(
        fail(
            ErrorCode::ResourceExhausted,
            "{} requests wait for the supervisor, or one is above {} bytes",
            kMaxPending,
            kMaxFrameBytes
        ),
        {}
    );
}

void SupervisorClient::request_done(Kind kind, const Words& words, OnDone done) {
    request(kind, words.encode(), [done = std::move(done)](Result<Words> answer, std::string_view) {
        if (done) {
            done(answer ? Result<void>() : std::unexpected(answer.error()));
        }
    });
}

void SupervisorClient::spawn(const SpawnSpec& spec, OnSpawned done) {
    request(
        Kind::Spawn,
        spec.encode(),
        [done = std::move(done)](Result<Words> answer, std::string_view payload) {
            if (!answer) {
                done(std::unexpected(answer.error()));
                return;
            }
            TaskInfo info;
            FieldReader reader(payload);
            while (reader.next()) {
                info.read(reader);
            }
            done(std::move(info));
        }
    );
}

void SupervisorClient::signal(const std::string& id, int signal, bool whole, OnDone done) {
    Words words;
    words.id = id;
    words.signal = signal;
    words.whole = whole;
    request_done(Kind::Signal, words, std::move(done));
}

void SupervisorClient::stop(const std::string& id, int signal, Duration timeout, OnDone done) {
    Words words;
    words.id = id;
    words.signal = signal;
    words.timeout_ns = timeout.ns;
    request_done(Kind::Stop, words, std::move(done));
}

void SupervisorClient::destroy(const std::string& id, OnDone done) {
    Words words;
    words.id = id;
    request_done(Kind::Destroy, words, std::move(done));
}

void SupervisorClient::acknowledge(const std::string& id) {
    Words words;
    words.id = id;
    request_done(Kind::Ack, words, {});
}

void SupervisorClient::list(OnList done) {
    OnList also = done;
    request(
        Kind::List,
        {},
        [done = std::move(done)](Result<Words> answer, std::string_view) {
            if (!answer) {
                done(std::unexpected(answer.error()));
            }
        },
        std::move(also)
    );
}

void SupervisorClient::restart(OnDone done) {
    request_done(Kind::Restart, Words{}, std::move(done));
}
void SupervisorClient::shutdown(OnDone done) {
    request_done(Kind::Shutdown, Words{}, std::move(done));
}

void SupervisorClient::read_loop() {
    std::string buffer;
    while (!stopping_) {
        int fd = -1;
        {
            const std::scoped_lock lock(mutex_);
            fd = fd_;
        }
        if (fd < 0) {
            if (!reconnect()) {
                return;
            }
            buffer.clear();
            continue;
        }
        pollfd waits[2] = {{fd, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
        if (poll(waits, 2, -1) < 0 && errno != EINTR) {
            return;
        }
        if (waits[0].revents == 0) {
            continue;
        }
        if (!read_some(buffer)) {
            const std::scoped_lock lock(mutex_);
            close(fd_);
            fd_ = -1;
        }
    }
}

bool SupervisorClient::read_some(std::string& buffer) {
    char bytes[65536];
    const ssize_t n = recv(fd_, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (n <= 0) {
        return false;
    }
    buffer.append(bytes, static_cast<std::size_t>(n));
    std::size_t used = 0;
    while (const auto header = peek_header(std::string_view(buffer).substr(used))) {
        if (header->length > kMaxFrameBytes) {
            return false;
        }
        if (buffer.size() - used < kFrameHeaderBytes + header->length) {
            break;
        }
        take(*header, std::string_view(buffer).substr(used + kFrameHeaderBytes, header->length));
        used += kFrameHeaderBytes + header->length;
    }
    buffer.erase(0, used);
    return true;
}

void SupervisorClient::take(const FrameHeader& header, std::string_view payload) {
    if (header.kind == Kind::Exited) {
        ExitInfo exit;
        FieldReader reader(payload);
        while (reader.next()) {
            exit.read(reader);
        }
        on_exit_(exit);
        return;
    }
    if (header.kind == Kind::TaskInfo) {
        TaskInfo info;
        FieldReader reader(payload);
        while (reader.next()) {
            info.read(reader);
        }
        const std::scoped_lock lock(mutex_);
        if (const auto at = pending_.find(header.id); at != pending_.end()) {
            at->second.items.push_back(std::move(info));
        }
        return;
    }
    Pending pending;
    {
        const std::scoped_lock lock(mutex_);
        const auto at = pending_.find(header.id);
        if (at == pending_.end()) {
            return;
        }
        pending = std::move(at->second);
        pending_.erase(at);
    }
    const Words words = Words::decode(payload);
    if (header.kind == Kind::Failure) {
        pending.answer(std::unexpected(Error{code_of_errno(words.error), words.message}), payload);
        return;
    }
    if (pending.list) {
        pending.list(std::move(pending.items));
        return;
    }
    pending.answer(words, payload);
}

bool SupervisorClient::reconnect() {
    int pause_ms = kReconnectPauseMs;
    int waited_ms = 0;
    // Without a bound in count: a node without its supervisor can do nothing but try. The pause is
    // bounded, and leaving ends it.
    while (!stopping_) {
        auto fd =
            waited_ms < kGuardianGraceMs ? connect_once(directory_) : connect_or_start(directory_);
        if (fd) {
            attach(*fd);
            return true;
        }
        pollfd wait{stop_fd_, POLLIN, 0};
        poll(&wait, 1, pause_ms);
        waited_ms += pause_ms;
        pause_ms = pause_ms * 2 < kReconnectPauseMaxMs ? pause_ms * 2 : kReconnectPauseMaxMs;
    }
    return false;
}

}  // namespace nl::supervisor
