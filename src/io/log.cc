#include "io/log.h"

#include "io/clock.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace nl::io {

namespace {

struct Sink {
    std::uint64_t id;
    LogLevel level;
    LogFormat format;
    LogSink write;
};

/// The one log of the process; made at first use and never destroyed, so that threads may log until
/// the end.
struct Log {
    std::atomic<LogLevel> stderr_level{LogLevel::Info};
    std::atomic<LogFormat> stderr_format{LogFormat::Text};
    /// The lowest level anybody hears.
    std::atomic<LogLevel> lowest{LogLevel::Info};
    std::shared_mutex sinks_mutex;
    std::vector<Sink> sinks;
    std::uint64_t next_sink{1};
    spdlog::logger out{"nomad-lite", std::make_shared<spdlog::sinks::stderr_sink_mt>()};

    Log() {
        // Lines come whole: spdlog adds nothing.
        out.set_pattern("%v");
        out.set_level(spdlog::level::trace);
        out.flush_on(spdlog::level::trace);
    }

    void find_lowest() {
        LogLevel level = stderr_level.load();
        for (const Sink& sink : sinks) {
            level = std::min(level, sink.level);
        }
        lowest.store(level);
    }
};

Log& instance() {
    static Log* const log = new Log();
    return *log;
}

constexpr std::array<std::string_view, 6> kLevelNames = {
    "trace", "debug", "info", "warn", "error", "off"
};

void append_json(std::string& out, std::string_view text) {
    out.push_back('"');
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (c == '\n') {
            out += "\\n";
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out.push_back(c);
        }
    }
    out.push_back('"');
}

/// A fraction of fixed width keeps the columns of text in line.
std::string timestamp(WallTime at) {
    const CivilTime c = to_civil(at);
    return fmt::format(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        c.year,
        c.month,
        c.day,
        c.hour,
        c.minute,
        c.second,
        c.nanosecond / 1'000'000
    );
}

/// As Nomad (hclog) lays its lines out, so that what reads them goes on reading them.
std::string make_line(
    LogFormat format,
    const std::string& at,
    LogLevel level,
    std::string_view component,
    std::string_view message
) {
    if (format == LogFormat::Json) {
        std::string line = R"({"@level":")";
        line += to_string(level);
        line += R"(","@message":)";
        append_json(line, message);
        line += R"(,"@module":)";
        append_json(line, component);
        line += R"(,"@timestamp":")";
        line += at;
        line += "\"}";
        return line;
    }
    std::string name(to_string(level));
    std::ranges::transform(name, name.begin(), [](char c) {
        return static_cast<char>(c - 'a' + 'A');
    });
    std::string line = fmt::format("{} {:<7} {}: ", at, "[" + name + "]", component);
    // One line is one event: a message from outside cannot forge another.
    for (const char c : message) {
        line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    }
    return line;
}

}  // namespace

std::string_view to_string(LogLevel level) {
    return kLevelNames[static_cast<std::size_t>(level)];
}

std::optional<LogLevel> parse_log_level(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
        if (lower == kLevelNames[i]) {
            return static_cast<LogLevel>(i);
        }
    }
    return std::nullopt;
}

void log_setup(const LogOptions& options) {
    instance().stderr_format.store(options.format);
    log_set_level(options.level);
}

void log_set_level(LogLevel level) {
    Log& log = instance();
    const std::unique_lock lock(log.sinks_mutex);
    log.stderr_level.store(level);
    log.find_lowest();
}

bool log_enabled(LogLevel level) {
    return level != LogLevel::Off && level >= instance().lowest.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view component, std::string_view message) {
    if (!log_enabled(level)) {
        return;
    }
    Log& log = instance();
    const std::string at = timestamp(wall_now());
    const LogFormat format = log.stderr_format.load();
    if (level >= log.stderr_level.load()) {
        log.out.info(make_line(format, at, level, component, message));
    }
    const std::shared_lock lock(log.sinks_mutex);
    for (const Sink& sink : log.sinks) {
        if (level >= sink.level) {
            sink.write(level, make_line(sink.format, at, level, component, message));
        }
    }
}

std::uint64_t log_add_sink(LogLevel level, LogFormat format, LogSink sink) {
    Log& log = instance();
    const std::unique_lock lock(log.sinks_mutex);
    if (log.sinks.size() >= kLogSinksMax) {
        return 0;
    }
    const std::uint64_t id = log.next_sink++;
    log.sinks.push_back({id, level, format, std::move(sink)});
    log.find_lowest();
    return id;
}

void log_remove_sink(std::uint64_t id) {
    Log& log = instance();
    const std::unique_lock lock(log.sinks_mutex);
    std::erase_if(log.sinks, [&](const Sink& sink) { return sink.id == id; });
    log.find_lowest();
}

}  // namespace nl::io
