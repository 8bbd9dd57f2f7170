#include "client/signals.h"

#include <algorithm>
#include <array>
#include <utility>

namespace nl::client {
namespace {

constexpr std::array<std::pair<std::string_view, int>, 31> kSignals{{
    {"SIGHUP", 1},     {"SIGINT", 2},   {"SIGQUIT", 3},   {"SIGILL", 4},   {"SIGTRAP", 5},
    {"SIGABRT", 6},    {"SIGBUS", 7},   {"SIGFPE", 8},    {"SIGKILL", 9},  {"SIGUSR1", 10},
    {"SIGSEGV", 11},   {"SIGUSR2", 12}, {"SIGPIPE", 13},  {"SIGALRM", 14}, {"SIGTERM", 15},
    {"SIGSTKFLT", 16}, {"SIGCHLD", 17}, {"SIGCONT", 18},  {"SIGSTOP", 19}, {"SIGTSTP", 20},
    {"SIGTTIN", 21},   {"SIGTTOU", 22}, {"SIGURG", 23},   {"SIGXCPU", 24}, {"SIGXFSZ", 25},
    {"SIGVTALRM", 26}, {"SIGPROF", 27}, {"SIGWINCH", 28}, {"SIGIO", 29},   {"SIGPWR", 30},
    {"SIGSYS", 31},
}};

}  // namespace

Result<int> parse_signal(std::string_view name) {
    std::string upper(name);
    std::ranges::transform(upper, upper.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    if (!upper.starts_with("SIG")) {
        upper.insert(0, "SIG");
    }
    const auto at = std::ranges::find(
        kSignals, std::string_view(upper), &std::pair<std::string_view, int>::first
    );
    if (at == kSignals.end()) {
        return fail(ErrorCode::InvalidArgument, "invalid signal \"{}\"", name);
    }
    return at->second;
}

std::string signal_name(int signal) {
    const auto at = std::ranges::find(kSignals, signal, &std::pair<std::string_view, int>::second);
    return at == kSignals.end() ? fmt::format("signal {}", signal) : std::string(at->first);
}

}  // namespace nl::client
