#pragma once
// One running command: its arguments, flags, voice and connections. Connections are made at the
// first use, so that a command without need for a server works without one.

#include "cli/api.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/ui.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::cli {

class Context {
public:
    Context(
        const Environment& environment,
        const Registry& registry,
        const Command& command,
        ParsedLine line,
        std::string program
    );

    const Environment& env() const { return *environment_; }
    const Registry& registry() const { return *registry_; }
    const Command& command() const { return *command_; }
    const std::string& program() const { return program_; }
    const Ui& ui() const { return ui_; }

    const FlagValues& flags() const { return line_.flags; }
    const std::vector<std::string>& arguments() const { return line_.arguments; }
    /// The argument at that place, or "".
    std::string argument(std::size_t index) const;
    bool on(std::string_view flag) const { return line_.flags.on(flag); }
    std::string text(std::string_view flag) const { return line_.flags.text(flag); }

    /// Full with -verbose, else short.
    IdLength id_length() const;

    /// The HTTP API; prints the failure and returns null when no connection can be made.
    Api* api();
    /// A connection of its own, for a second stream at the same time; null as above.
    std::unique_ptr<Api> open_api() const;
    /// The seed's gRPC API, likewise.
    io::SeedClient* seed();

    /// Prints to standard error and returns 1, so that a command can end with
    /// `return context.fail("Error querying job: {}", …)`.
    template <class... Args>
    int fail(fmt::format_string<Args...> format, Args&&... args) const {
        ui_.error(fmt::format(format, std::forward<Args>(args)...));
        return 1;
    }
    /// As `fail`, followed by the hint where help is.
    int usage_error(std::string_view sentence) const;

    template <class... Args>
    void line(fmt::format_string<Args...> format, Args&&... args) const {
        ui_.line(fmt::format(format, std::forward<Args>(args)...));
    }

    /// The time as lists show it, in the local zone.
    std::string time(WallTime time) const;
    std::string time(Doc value) const { return time(read_time(value)); }
    /// "3m ago", or "" for no time.
    std::string ago(Doc value) const;

    /// For -json and -t: prints the value and returns the exit code. Both set is a usage error.
    int print_object(const Value& value) const;
    bool wants_object() const;

    /// Asks with " [y/N] "; anything but y or yes is no.
    bool confirm(std::string_view question) const;

    /// The same connections and flags for another command's function (aliases and routed commands).
    Context routed(const Command& command, ParsedLine line) const;

private:
    const Environment* environment_;
    const Registry* registry_;
    const Command* command_;
    ParsedLine line_;
    std::string program_;
    Ui ui_;
    std::unique_ptr<Api> api_;
    std::unique_ptr<io::SeedClient> seed_;
};

/// -json and -t, as most reading commands take them.
std::vector<FlagSpec> object_flags();

/// Joins lists of flags.
std::vector<FlagSpec> operator+(std::vector<FlagSpec> a, const std::vector<FlagSpec>& b);

}  // namespace nl::cli
