#include "cli/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

namespace nl::cli {
namespace {

constexpr std::size_t kReadBytes = 32'768;

std::optional<std::string> read_available() {
    pollfd wait{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, 0) <= 0) {
        return "";
    }
    std::string bytes(kReadBytes, '\0');
    const ssize_t count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
        return "";
    }
    if (count <= 0) {
        return std::nullopt;
    }
    bytes.resize(static_cast<std::size_t>(count));
    return bytes;
}

std::shared_ptr<void> raw_mode() {
    termios before{};
    if (::tcgetattr(STDIN_FILENO, &before) != 0) {
        return nullptr;
    }
    termios raw = before;
    ::cfmakeraw(&raw);
    if (::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0) {
        return nullptr;
    }
    return {nullptr, [before](std::nullptr_t) { ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before); }};
}

TerminalSize size() {
    winsize found{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) != 0) {
        return {};
    }
    return {.rows = found.ws_row, .columns = found.ws_col};
}

}  // namespace

TerminalAccess system_terminal() {
    return {.read_available = read_available, .raw_mode = raw_mode, .size = size};
}

}  // namespace nl::cli
