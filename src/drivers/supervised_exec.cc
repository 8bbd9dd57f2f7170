#include "drivers/supervised_exec.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace nl::drivers {
namespace {

constexpr std::size_t kReadBytes = 32 * 1024;
/// What ^D is to a terminal: the way its reader sees an end.
constexpr char kEndOfTransmission = 4;

void shut(int& fd) {
    if (fd >= 0) {
        close(std::exchange(fd, -1));
    }
}

std::string own_path(int fd) {
    return fmt::format("/proc/{}/fd/{}", getpid(), fd);
}

std::int64_t steady_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch()
    )
        .count();
}

}  // namespace

SupervisedExec::SupervisedExec(client::ExecHandlers handlers)
    : handlers_(std::move(handlers)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Result<std::unique_ptr<SupervisedExec>> SupervisedExec::make(
    const client::ExecSpec& asked, client::ExecHandlers handlers, supervisor::SpawnSpec& spec
) {
    std::unique_ptr<SupervisedExec> self(new SupervisedExec(std::move(handlers)));
    const auto broken = [](const char* what) {
        return fail(ErrorCode::Unavailable, "cannot make a {}: {}", what, std::strerror(errno));
    };
    if (asked.tty) {
        self->tty_ = true;
        self->in_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        char name[64];
        if (self->in_ < 0 || grantpt(self->in_) != 0 || unlockpt(self->in_) != 0 ||
            ptsname_r(self->in_, name, sizeof name) != 0) {
            return broken("terminal");
        }
        self->theirs_[0] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
        self->out_ = fcntl(self->in_, F_DUPFD_CLOEXEC, 3);
        if (self->theirs_[0] < 0 || self->out_ < 0) {
            return broken("terminal");
        }
        if (spec.change_user) {
            // The program may open its terminal again by name.
            static_cast<void>(
                fchown(self->theirs_[0], static_cast<uid_t>(spec.uid), static_cast<gid_t>(-1)) == 0
            );
        }
        self->resize(asked.rows, asked.columns);
        spec.stdin_path = spec.stdout_path = spec.stderr_path = name;
        spec.controlling_terminal = true;
        return self;
    }
    int in[2];
    int out[2];
    int err[2];
    if (pipe2(in, O_CLOEXEC) != 0) {
        return broken("pipe");
    }
    self->theirs_[0] = in[0];
    self->in_ = in[1];
    if (pipe2(out, O_CLOEXEC) != 0) {
        return broken("pipe");
    }
    self->theirs_[1] = out[1];
    self->out_ = out[0];
    if (pipe2(err, O_CLOEXEC) != 0) {
        return broken("pipe");
    }
    self->theirs_[2] = err[1];
    self->err_ = err[0];
    for (const int fd : {self->in_, self->out_, self->err_}) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    spec.stdin_path = own_path(in[0]);
    spec.stdout_path = own_path(out[1]);
    spec.stderr_path = own_path(err[1]);
    return self;
}

SupervisedExec::~SupervisedExec() {
    kill();
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    wake();
    if (thread_.joinable()) {
        thread_.join();
    }
    close_all();
    shut(wake_);
}

void SupervisedExec::close_all() {
    for (int* fd : {&in_, &out_, &err_, &theirs_[0], &theirs_[1], &theirs_[2]}) {
        shut(*fd);
    }
}

void SupervisedExec::begin(std::function<void()> kill) {
    for (int& fd : theirs_) {
        shut(fd);
    }
    {
        const std::scoped_lock lock(mutex_);
        kill_ = std::move(kill);
    }
    thread_ = std::thread([this] { run(); });
}

void SupervisedExec::wake() {
    const std::uint64_t one = 1;
    static_cast<void>(::write(wake_, &one, sizeof one) == sizeof one);
}

void SupervisedExec::exited(Result<std::int64_t> exit_code) {
    {
        const std::scoped_lock lock(mutex_);
        if (exit_) {
            return;
        }
        exit_ = std::move(exit_code);
    }
    wake();
}

bool SupervisedExec::write(Bytes data) {
    {
        const std::scoped_lock lock(mutex_);
        if (close_input_ || exit_) {
            return true;
        }
        if (input_bytes_ + data.size() > kExecInputBytesMax) {
            return false;
        }
        input_bytes_ += data.size();
        input_.push_back(std::move(data));
    }
    wake();
    return true;
}

void SupervisedExec::close_stdin() {
    {
        const std::scoped_lock lock(mutex_);
        if (std::exchange(close_input_, true)) {
            return;
        }
        if (tty_) {
            input_.emplace_back(1, kEndOfTransmission);
            ++input_bytes_;
        }
    }
    wake();
}

void SupervisedExec::resize(std::int64_t rows, std::int64_t columns) {
    if (!tty_ || rows <= 0 || columns <= 0 || rows > UINT16_MAX || columns > UINT16_MAX) {
        return;
    }
    winsize size{};
    size.ws_row = static_cast<unsigned short>(rows);
    size.ws_col = static_cast<unsigned short>(columns);
    const std::scoped_lock lock(mutex_);
    if (in_ >= 0) {
        ioctl(in_, TIOCSWINSZ, &size);
    }
}

void SupervisedExec::kill() {
    std::function<void()> end;
    {
        const std::scoped_lock lock(mutex_);
        if (!exit_ && !std::exchange(killed_, true)) {
            end = kill_;
        }
    }
    if (end) {
        end();
    }
}

bool SupervisedExec::read_some(int& fd, client::ExecOutput which) {
    Bytes data(kReadBytes, '\0');
    const ssize_t n = ::read(fd, data.data(), data.size());
    if (n > 0) {
        data.resize(static_cast<std::size_t>(n));
        handlers_.on_output(which, std::move(data));
        return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    // A terminal whose last user has gone says EIO.
    shut(fd);
    return false;
}

void SupervisedExec::write_some() {
    while (true) {
        const std::scoped_lock lock(mutex_);
        if (input_.empty()) {
            if (close_input_ && !tty_) {
                shut(in_);
            }
            return;
        }
        Bytes& first = input_.front();
        const ssize_t n = ::write(in_, first.data(), first.size());
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR) {
                return;
            }
            // It reads no more.
            input_.clear();
            input_bytes_ = 0;
            close_input_ = true;
            continue;
        }
        input_bytes_ -= static_cast<std::size_t>(n);
        first.erase(0, static_cast<std::size_t>(n));
        if (first.empty()) {
            input_.pop_front();
        }
    }
}

void SupervisedExec::run() {
    // A program that ends while we write to it must not end the agent.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    std::int64_t drain_until = 0;
    while (true) {
        bool wants_write = false;
        bool has_exit = false;
        {
            const std::scoped_lock lock(mutex_);
            if (stopping_) {
                return;
            }
            has_exit = exit_.has_value();
            wants_write = in_ >= 0 && (!input_.empty() || (close_input_ && !tty_));
        }
        if (has_exit && drain_until == 0) {
            drain_until = steady_ms() + kExecDrain.ms();
        }
        if (has_exit && ((out_ < 0 && err_ < 0) || steady_ms() >= drain_until)) {
            break;
        }
        pollfd waits[4] = {
            {wake_, POLLIN, 0},
            {out_, POLLIN, 0},
            {err_, POLLIN, 0},
            {wants_write ? in_ : -1, POLLOUT, 0}
        };
        const int timeout = has_exit ? static_cast<int>(drain_until - steady_ms()) : -1;
        if (poll(waits, 4, timeout < 0 && has_exit ? 0 : timeout) < 0 && errno != EINTR) {
            break;
        }
        if (waits[0].revents != 0) {
            std::uint64_t count = 0;
            static_cast<void>(::read(wake_, &count, sizeof count) == sizeof count);
        }
        if (waits[1].revents != 0) {
            read_some(out_, client::ExecOutput::Stdout);
        }
        if (waits[2].revents != 0) {
            read_some(err_, client::ExecOutput::Stderr);
        }
        if (waits[3].revents != 0) {
            write_some();
        }
    }
    Result<std::int64_t> code = fail(ErrorCode::Unavailable, "the program's end is not known");
    {
        const std::scoped_lock lock(mutex_);
        if (stopping_) {
            return;
        }
        if (exit_) {
            code = *exit_;
        }
    }
    handlers_.on_end(std::move(code));
}

}  // namespace nl::drivers
