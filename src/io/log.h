#pragma once
// The program's log: lines to stderr, as text or as JSON, through spdlog (only log.cc sees it). A
// line has a time, a level, a component and a message; secrets never go in. Sinks hear every line,
// for `agent monitor`. Safe from any thread, before set-up too (text, info).

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace nl::io {

enum class LogLevel : unsigned char { Trace, Debug, Info, Warn, Error, Off };
enum class LogFormat : unsigned char { Text, Json };

std::string_view to_string(LogLevel level);
/// Nomad's words, any case: trace debug info warn error off.
std::optional<LogLevel> parse_log_level(std::string_view text);

struct LogOptions {
    LogLevel level{LogLevel::Info};
    LogFormat format{LogFormat::Text};
};

void log_setup(const LogOptions& options);
void log_set_level(LogLevel level);
bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view component, std::string_view message);

/// One line as it was written, without the line end. Called on the writing thread: it must be quick
/// and must not log.
using LogSink = std::function<void(LogLevel level, std::string_view line)>;
/// Hears lines of `level` and above, whatever the level of stderr is. At most kLogSinksMax at once;
/// 0 means refused.
inline constexpr std::size_t kLogSinksMax = 64;
std::uint64_t log_add_sink(LogLevel level, LogFormat format, LogSink sink);
void log_remove_sink(std::uint64_t id);

template <class... Args>
void log(
    LogLevel level, std::string_view component, fmt::format_string<Args...> format, Args&&... args
) {
    if (log_enabled(level)) {
        log_line(level, component, fmt::format(format, std::forward<Args>(args)...));
    }
}
template <class... Args>
void log_debug(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::Debug, component, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_info(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::Info, component, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warn(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::Warn, component, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_error(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::Error, component, format, std::forward<Args>(args)...);
}

}  // namespace nl::io
