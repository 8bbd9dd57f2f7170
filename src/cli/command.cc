#include "cli/command.h"

#include "base/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace nl::cli {

namespace {

constexpr std::size_t kSynopsisColumn = 24;

constexpr auto kGroups = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"acl", "Work with ACL tokens, policies and roles"},
    {"acl auth-method", "Work with auth methods"},
    {"acl binding-rule", "Work with binding rules"},
    {"acl policy", "Work with ACL policies"},
    {"acl role", "Work with ACL roles"},
    {"acl token", "Work with ACL tokens"},
    {"alloc", "Look at allocations and act on them"},
    {"bench", "Load a cluster to see what it bears"},
    {"cluster", "Look at a seed cluster, hand over its leadership, drain a node"},
    {"config", "Check configurations"},
    {"completion", "Print shell completion scripts"},
    {"deployment", "Look at deployments and steer them"},
    {"eval", "Look at evaluations"},
    {"job", "Submit, look at, change and stop jobs"},
    {"job periodic", "Work with periodic jobs"},
    {"job tag", "Name versions of a job"},
    {"log", "Read the replicated log of a seed cluster"},
    {"namespace", "Work with namespaces"},
    {"node", "Look at nodes, drain them, set their eligibility"},
    {"node intro", "Introduce new nodes"},
    {"node pool", "Work with node pools"},
    {"operator", "Look after the servers"},
    {"operator autopilot", "Read and change autopilot's settings"},
    {"operator gossip", "Work with the gossip keyring"},
    {"operator gossip keyring", "List, install, choose and remove gossip keys"},
    {"operator raft", "Look at Raft's peers and move leadership"},
    {"operator root", "Work with the root keyring"},
    {"operator root keyring", "List, rotate and remove root keys"},
    {"operator scheduler", "Read and change the scheduler's settings"},
    {"scaling", "Look at scaling policies"},
    {"server", "Look at servers, join them, remove them"},
    {"service", "Look at registered services"},
    {"system", "Clean up and repair the cluster's records"},
    {"var", "Work with variables"},
    {"volume", "Work with volumes"},
    {"volume claim", "Work with claims to sticky host volumes"},
    {"volume snapshot", "Work with snapshots of CSI volumes"},
});

std::string indented(std::string_view text, std::string_view by) {
    std::string out;
    std::size_t start = 0;
    while (start <= text.size()) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        const std::string_view line = text.substr(start, end - start);
        if (!line.empty()) {
            out += by;
            out += line;
        }
        out += '\n';
        start = end + 1;
    }
    return out;
}

std::string wrapped(std::string_view text, std::size_t width) {
    std::string out;
    std::size_t column = 0;
    std::size_t start = 0;
    while (start < text.size()) {
        const std::size_t end = std::min(text.find(' ', start), text.size());
        const std::size_t length = end - start;
        if (column > 0 && column + 1 + length > width) {
            out += '\n';
            column = 0;
        } else if (column > 0) {
            out += ' ';
            ++column;
        }
        out += text.substr(start, length);
        column += length;
        start = end + 1;
    }
    return out;
}

std::string flag_help(const std::vector<FlagSpec>& flags) {
    std::string out;
    for (const FlagSpec& spec : flags) {
        if (spec.hidden) {
            continue;
        }
        std::string_view value;
        switch (spec.kind) {
            case FlagKind::Bool:
                break;
            case FlagKind::Text:
            case FlagKind::List:
                value = "=<value>";
                break;
            case FlagKind::Integer:
                value = "=<number>";
                break;
            case FlagKind::Duration:
                value = "=<duration>";
                break;
        }
        const std::string alias =
            spec.alias.empty() ? "" : fmt::format(", -{}{}", spec.alias, value);
        std::string text = spec.help;
        if (!spec.fallback.empty()) {
            text += fmt::format(" Default: {}.", spec.fallback);
        }
        if (spec.kind == FlagKind::List) {
            text += " May be given several times.";
        }
        out += fmt::format(
            "\n  -{}{}{}\n{}", spec.name, value, alias, indented(wrapped(text, 92), "    ")
        );
    }
    return out;
}

std::vector<FlagSpec> make_http_flags() {
    const auto text = [](std::string name, std::string help) {
        return FlagSpec{.name = std::move(name), .kind = FlagKind::Text, .help = std::move(help)};
    };
    const auto toggle = [](std::string name, std::string help, std::string alias = "") {
        return FlagSpec{
            .name = std::move(name),
            .kind = FlagKind::Bool,
            .help = std::move(help),
            .fallback = {},
            .alias = std::move(alias)
        };
    };
    return {
        text("address", "The server's address; else NOMAD_ADDR, else http://127.0.0.1:4646."),
        text("region", "The region to ask; else NOMAD_REGION, else the agent's own."),
        text("namespace", "The namespace to work in; else NOMAD_NAMESPACE, else default."),
        text("token", "The ACL token's secret; else NOMAD_TOKEN."),
        text("ca-cert", "A file with the authority's certificate (PEM); else NOMAD_CACERT."),
        text("ca-path", "A folder of such certificates; else NOMAD_CAPATH."),
        text("client-cert", "Our certificate (PEM); else NOMAD_CLIENT_CERT."),
        text("client-key", "Its private key (PEM); else NOMAD_CLIENT_KEY."),
        text(
            "tls-server-name",
            "The name to expect in the server's certificate; else NOMAD_TLS_SERVER_NAME."
        ),
        toggle(
            "tls-skip-verify",
            "Do not verify the server's certificate; else NOMAD_SKIP_VERIFY.",
            "insecure"
        ),
        toggle("no-color", "Print without colours; else NOMAD_CLI_NO_COLOR or NO_COLOR."),
        toggle(
            "force-color",
            "Print colours even when the output is no terminal; else NOMAD_CLI_FORCE_COLOR."
        ),
    };
}

std::vector<FlagSpec> make_seed_flags() {
    return {
        {.name = "addr",
         .kind = FlagKind::Text,
         .help = "The gRPC address of a server; the leader is found from there.",
         .fallback = "http://127.0.0.1:50051",
         .alias = "a"},
        {.name = "output",
         .kind = FlagKind::Text,
         .help = "The form of the answer: table or json.",
         .fallback = "table",
         .alias = "o"},
        {.name = "ca-cert", .kind = FlagKind::Text, .help = "The authority's certificate (PEM)."},
        {.name = "cert", .kind = FlagKind::Text, .help = "Our certificate (PEM)."},
        {.name = "key", .kind = FlagKind::Text, .help = "Its private key (PEM)."},
    };
}

}  // namespace

void Registry::add(Command command) {
    NL_ASSERT(!command.path.empty());
    NL_ASSERT(!commands_.contains(command.path));
    for (const std::string& alias : command.aliases) {
        NL_ASSERT(!aliases_.contains(alias));
        aliases_.emplace(alias, command.path);
    }
    std::string path = command.path;
    commands_.emplace(std::move(path), std::move(command));
}

const Command* Registry::find(std::string_view path) const {
    if (const auto found = commands_.find(path); found != commands_.end()) {
        return &found->second;
    }
    if (const auto alias = aliases_.find(path); alias != aliases_.end()) {
        return find(alias->second);
    }
    return nullptr;
}

bool Registry::is_group(std::string_view path) const {
    const std::string prefix = std::string(path) + " ";
    const auto next = commands_.lower_bound(prefix);
    return next != commands_.end() && next->first.starts_with(prefix);
}

std::vector<std::string> Registry::next_words(std::string_view path) const {
    std::set<std::string> words;
    const std::string prefix = path.empty() ? "" : std::string(path) + " ";
    for (const auto& [name, command] : commands_) {
        if (command.hidden || !name.starts_with(prefix)) {
            continue;
        }
        const std::string_view rest = std::string_view(name).substr(prefix.size());
        words.emplace(rest.substr(0, rest.find(' ')));
    }
    return {words.begin(), words.end()};
}

const std::vector<FlagSpec>& general_flags(Family family) {
    static const std::vector<FlagSpec> http = make_http_flags();
    static const std::vector<FlagSpec> seed = make_seed_flags();
    static const std::vector<FlagSpec> none;
    switch (family) {
        case Family::Http:
            return http;
        case Family::Seed:
            return seed;
        case Family::Local:
            return none;
    }
    NL_UNREACHABLE();
}

std::string group_synopsis(std::string_view path) {
    for (const auto& [name, synopsis] : kGroups) {
        if (name == path) {
            return std::string(synopsis);
        }
    }
    return "";
}

std::string command_help(const Command& command, std::string_view program) {
    std::string out = fmt::format(
        "Usage: {} {}{}{}\n", program, command.path, command.usage.empty() ? "" : " ", command.usage
    );
    if (!command.aliases.empty()) {
        out += "Also:";
        for (const std::string& alias : command.aliases) {
            out += fmt::format(" {} {}", program, alias);
        }
        out += '\n';
    }
    out += '\n';
    out += indented(command.help, "  ");
    const auto& general = general_flags(command.family);
    if (!command.flags.empty()) {
        out += fmt::format("\nOptions:\n{}", flag_help(command.flags));
    }
    if (!general.empty()) {
        out += fmt::format("\nGeneral options:\n{}", flag_help(general));
    }
    if (command.seed_form != nullptr) {
        out += "\nWith -a or -o the command talks to a seed cluster over gRPC:\n";
        out += flag_help(general_flags(Family::Seed));
    }
    while (out.ends_with("\n\n")) {
        out.pop_back();
    }
    return out;
}

std::string group_help(const Registry& registry, std::string_view path, std::string_view program) {
    std::string out = path.empty()
                          ? fmt::format("Usage: {} <command> [options] [arguments]\n\n", program)
                          : fmt::format(
                                "Usage: {} {} <subcommand> [options] [arguments]\n\n  {}.\n\n",
                                program,
                                path,
                                group_synopsis(path)
                            );
    out += path.empty() ? "Commands:\n" : "Subcommands:\n";
    for (const std::string& word : registry.next_words(path)) {
        const std::string full = path.empty() ? word : fmt::format("{} {}", path, word);
        const Command* command = registry.find(full);
        const std::string synopsis = registry.is_group(full) && !group_synopsis(full).empty()
                                         ? group_synopsis(full)
                                     : command != nullptr ? command->synopsis
                                                          : group_synopsis(full);
        out += fmt::format("    {:<{}}{}\n", word, kSynopsisColumn, synopsis);
    }
    out += fmt::format(
        "\nHelp for one of them: {} {}<{}> -help\n",
        program,
        path.empty() ? "" : fmt::format("{} ", path),
        path.empty() ? "command" : "subcommand"
    );
    return out;
}

}  // namespace nl::cli
