#pragma once
// The terminal as an interactive session needs it: keys as they are typed, its size, and raw mode.
// A value of functions, so that a test can be the terminal.

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace nl::cli {

struct TerminalSize {
    int rows{0};
    int columns{0};
    friend bool operator==(const TerminalSize&, const TerminalSize&) = default;
};

struct TerminalAccess {
    /// Bytes of standard input that are there now: "" when there are none yet, nothing at its end.
    std::function<std::optional<std::string>()> read_available;
    /// Hands every key on as it is typed until what it returns is let go; null without a terminal.
    std::function<std::shared_ptr<void>()> raw_mode;
    /// Zeros without a terminal.
    std::function<TerminalSize()> size;
};

/// The process's own.
TerminalAccess system_terminal();

}  // namespace nl::cli
