#include "cli/program.h"

#include "cli/completion.h"
#include "cli/context.h"

#include <algorithm>
#include <array>

namespace nl::cli {

namespace {

constexpr int kUnknownCommand = 127;
constexpr int kHelpForGroup = 1;
constexpr int kSeedUsage = 2;

// The groups in which the seed's flags may stand before the subcommand: `job -a URL list`.
constexpr std::array<std::string_view, 3> kSeedGroups{"job", "cluster", "log"};

bool is_help(std::string_view word) {
    return word == "-h" || word == "-help" || word == "--help";
}

const FlagSpec* seed_flag(std::string_view word) {
    for (const FlagSpec& spec : general_flags(Family::Seed)) {
        if (is_flag_word(word, spec.name) ||
            (!spec.alias.empty() && is_flag_word(word, spec.alias))) {
            return &spec;
        }
    }
    return nullptr;
}

bool selects_seed_form(std::string_view word) {
    const FlagSpec* spec = seed_flag(word);
    return spec != nullptr && (spec->name == "addr" || spec->name == "output");
}

// -ojson: a one-letter flag with its value attached, as it may stand before the subcommand.
bool has_attached_value(std::string_view word) {
    return word.size() > 2 && (word.starts_with("-a") || word.starts_with("-o")) &&
           word.find('=') == std::string_view::npos && seed_flag(word) == nullptr;
}

struct Found {
    std::string path;
    const Command* command{nullptr};
    std::vector<std::string> group_flags;
    std::vector<std::string> rest;
};

Found find_command(const Registry& registry, const std::vector<std::string>& words) {
    Found found;
    std::size_t i = 1;
    while (i < words.size()) {
        const std::string& word = words[i];
        const bool in_seed_group = std::ranges::find(kSeedGroups, found.path) != kSeedGroups.end();
        if (in_seed_group && has_attached_value(word)) {
            found.group_flags.push_back(fmt::format("{}={}", word.substr(0, 2), word.substr(2)));
            ++i;
            continue;
        }
        if (in_seed_group && seed_flag(word) != nullptr) {
            found.group_flags.push_back(word);
            ++i;
            if (word.find('=') == std::string::npos && i < words.size()) {
                found.group_flags.push_back(words[i++]);
            }
            continue;
        }
        const std::string next = found.path.empty() ? word : found.path + " " + word;
        if (registry.find(next) == nullptr && !registry.is_group(next)) {
            break;
        }
        found.path = next;
        ++i;
    }
    found.command = registry.find(found.path);
    found.rest.assign(words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
    return found;
}

std::string base_name(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

bool asks_for_help(const Command& command, const std::vector<std::string>& words) {
    for (const std::string& word : words) {
        if (word == "--" || (command.runs_a_program && !word.starts_with('-'))) {
            return false;
        }
        if (is_help(word)) {
            return true;
        }
    }
    return false;
}

std::string argument_error(const Command& command, const std::vector<std::string>& arguments) {
    std::string sentence = fmt::format("This command takes {}", command.arguments.words);
    // A flag after the arguments is the usual reason, and Go's rules give no hint of it.
    const auto late = std::ranges::find_if(arguments, [](const std::string& word) {
        return word.size() > 1 && word[0] == '-';
    });
    if (late != arguments.end() && arguments.size() > command.arguments.most) {
        sentence += fmt::format(" (flags such as {} stand before the arguments)", *late);
    }
    return sentence;
}

int unknown_word(
    const Registry& registry, const Found& found, const std::string& program, const Ui& ui
) {
    const std::string& word = found.rest.front();
    std::vector<std::string> candidates = registry.next_words(found.path);
    const std::string near = nearest(word, candidates);
    const std::string prefix = found.path.empty() ? "" : found.path + " ";
    const bool is_flag = word.starts_with('-');
    std::string sentence = fmt::format(
        "unknown {} \"{}{}\"", is_flag ? "flag" : "command", is_flag ? "" : prefix, word
    );
    if (!near.empty() && !is_flag) {
        sentence += fmt::format("; did you mean \"{}{}\"?", prefix, near);
    }
    ui.error(sentence);
    ui.error(fmt::format("For a list of commands try '{} {}-help'", program, prefix));
    if (found.path.empty()) {
        return kUnknownCommand;
    }
    return found.path == "cluster" || found.path == "log" || !found.group_flags.empty()
               ? kSeedUsage
               : kHelpForGroup;
}

int run_command(
    const Registry& registry,
    const Command& chosen,
    const std::vector<std::string>& words,
    const Environment& environment,
    const std::string& program
) {
    const bool seed_words = std::ranges::any_of(words, selects_seed_form);
    const Command& command = chosen.seed_form != nullptr && seed_words ? *chosen.seed_form : chosen;
    if (asks_for_help(command, words)) {
        environment.out(command_help(command, program));
        return 0;
    }
    const std::vector<FlagSpec> specs = command.flags + general_flags(command.family);
    const FlagOrder order = command.seed_manners() ? FlagOrder::Anywhere : FlagOrder::First;
    auto line = parse_flags(specs, words, order);
    if (!line) {
        const Context context(
            environment,
            registry,
            command,
            parse_flags(specs, {}, order).value_or(ParsedLine{}),
            program
        );
        return context.usage_error(line.error().message);
    }
    const std::size_t count = line->arguments.size();
    const bool wrong_count = count < command.arguments.least || count > command.arguments.most;
    const std::string sentence = wrong_count ? argument_error(command, line->arguments) : "";
    Context context(environment, registry, command, std::move(*line), program);
    if (wrong_count) {
        return context.usage_error(sentence);
    }
    if (command.family == Family::Seed && context.text("output") != "table" &&
        context.text("output") != "json") {
        return context.usage_error(
            fmt::format("flag -output takes table or json, not \"{}\"", context.text("output"))
        );
    }
    return command.run(context);
}

}  // namespace

int run(
    const Registry& registry, const std::vector<std::string>& words, const Environment& environment
) {
    const std::string program =
        words.empty() || base_name(words[0]) != "nomad" ? "nomad-lite" : "nomad";
    if (words.size() < 2) {
        environment.out(group_help(registry, "", program));
        return kUnknownCommand;
    }
    if (is_help(words[1])) {
        environment.out(group_help(registry, "", program));
        return 0;
    }
    std::vector<std::string> spoken = words;
    if (words[1] == "-v" || words[1] == "-version" || words[1] == "--version") {
        spoken[1] = "version";
    }
    if (is_flag_word(words[1], "autocomplete-install") ||
        is_flag_word(words[1], "autocomplete-uninstall")) {
        return run_autocomplete_setup(words, environment, program);
    }
    Found found = find_command(registry, spoken);
    if (found.command == nullptr) {
        const Ui ui(environment, ColorMode::Off, ColorMode::Off);
        if (found.rest.empty()) {
            environment.err(group_help(registry, found.path, program));
            return kHelpForGroup;
        }
        if (is_help(found.rest.front())) {
            environment.out(group_help(registry, found.path, program));
            return 0;
        }
        return unknown_word(registry, found, program, ui);
    }
    if (registry.is_group(found.path) && found.command->arguments.most == 0 &&
        !found.rest.empty() && !found.rest.front().starts_with('-')) {
        return unknown_word(
            registry, found, program, Ui(environment, ColorMode::Off, ColorMode::Off)
        );
    }
    std::vector<std::string> line = std::move(found.group_flags);
    line.insert(line.end(), found.rest.begin(), found.rest.end());
    return run_command(registry, *found.command, line, environment, program);
}

int run(const std::vector<std::string>& words, const Environment& environment) {
    return run(make_registry(), words, environment);
}

}  // namespace nl::cli
