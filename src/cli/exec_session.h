#pragma once
// A terminal's side of a program run beside a task: keys and standard input out, output in, the
// exit code back. Shared by `alloc exec` and `job action`. Source: JSON conventions, 5.1.

#include "cli/api.h"
#include "cli/context.h"
#include "cli/terminal.h"

#include <string>

namespace nl::cli {

struct ExecFlags {
    bool interactive{true};
    bool tty{false};
    /// The first letter of the escapes after a newline; 0: none.
    char escape{'~'};
};

/// -i, -t and -e, as both commands take them.
std::vector<FlagSpec> exec_flags();
/// Errors: InvalidArgument, a sentence for a usage error.
Result<ExecFlags> read_exec_flags(const Context& context);

/// Runs the session to its end and returns the command's exit code, or 1 after a printed failure.
int run_exec_session(
    const Context& context,
    const TerminalAccess& terminal,
    const std::string& path,
    Query query,
    const ExecFlags& flags
);

/// Looks for an escape in what is typed: `<escape>.` after a newline leaves the session,
/// `<escape><escape>` types one.
class EscapeFilter {
public:
    explicit EscapeFilter(char escape) : escape_(escape) {}
    /// What is to be sent of `typed`; sets `leave` at the escape.
    std::string feed(std::string_view typed, bool& leave);

private:
    char escape_;
    bool at_line_start_{true};
    bool pending_{false};
};

}  // namespace nl::cli
