#pragma once
// What a command is, and the table of all of them. A command file makes one `Command` value: its
// path, its help page, its flags and the function that runs it; `registry.cc` lists them. The same
// values make the help pages, the flag parser, the suggestions for typing mistakes and the shell
// completion, so none of them can disagree with another.

#include "cli/flags.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nl::cli {

class Context;

enum class Family : unsigned char {
    /// Talks to the HTTP API: takes the general flags (-address, -token, …).
    Http,
    /// One of the seed's commands over gRPC: takes -a/--addr, -o/--output and the TLS flags.
    Seed,
    /// Needs no server, or is one.
    Local,
};

/// How many arguments a command takes, and Nomad's words for it.
struct ArgumentRule {
    std::size_t least{0};
    std::size_t most{0};
    /// Completes "This command takes …": "one argument: <job>".
    std::string words{"no arguments"};
};

/// No upper bound on arguments.
constexpr std::size_t kManyArguments = 100'000;

struct Command {
    /// "job run".
    std::string path;
    /// What follows the path in the usage line: "[options] <path>".
    std::string usage;
    /// One line for lists of commands.
    std::string synopsis;
    /// Paragraphs and examples; the flags are added from `flags`.
    std::string help;
    std::vector<FlagSpec> flags;
    ArgumentRule arguments;
    std::function<int(Context&)> run;

    Family family{Family::Http};
    /// Words after the first argument belong to another program and are not searched for -help.
    bool runs_a_program{false};
    bool hidden{false};
    std::vector<std::string> aliases{};
    /// Names the help page in the hint after an argument error where Nomad names another one.
    std::string help_path{};
    /// The same words in the seed's form: taken when its flags (-a, -o) are given.
    std::shared_ptr<const Command> seed_form{};
    /// A local command that came with the seed: its flags stand anywhere, wrong usage exits with 2.
    bool from_seed{false};

    bool seed_manners() const { return family == Family::Seed || from_seed; }
    int usage_exit() const { return seed_manners() ? 2 : 1; }
};

class Registry {
public:
    /// Two commands with one path are our own mistake.
    void add(Command command);

    /// The command at exactly that path or alias, or null.
    const Command* find(std::string_view path) const;
    /// True when commands live below that path ("job").
    bool is_group(std::string_view path) const;
    /// The words that may follow that path, sorted, without hidden ones; "" is the top.
    std::vector<std::string> next_words(std::string_view path) const;
    const std::map<std::string, Command, std::less<>>& all() const { return commands_; }

private:
    std::map<std::string, Command, std::less<>> commands_;
    std::map<std::string, std::string, std::less<>> aliases_;
};

/// Every command of the binary.
Registry make_registry();

/// The flags that every command of that family takes.
const std::vector<FlagSpec>& general_flags(Family family);

/// The help page of one command, as `-help` prints it. `program` is the name it was called by.
std::string command_help(const Command& command, std::string_view program);
/// The list of commands below a path; "" for the top.
std::string group_help(const Registry& registry, std::string_view path, std::string_view program);
/// What a group of commands is for, one line.
std::string group_synopsis(std::string_view path);

}  // namespace nl::cli
