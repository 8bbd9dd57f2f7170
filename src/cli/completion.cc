#include "cli/completion.h"

#include "cli/context.h"

#include <array>
#include <set>

namespace nl::cli {

namespace {

constexpr std::string_view kMarker = "# nomad-lite completion";

struct StartFile {
    std::string_view shell;
    std::string_view path;
};

constexpr std::array<StartFile, 3> kStartFiles{
    StartFile{.shell = "bash", .path = ".bashrc"},
    StartFile{.shell = "zsh", .path = ".zshrc"},
    StartFile{.shell = "fish", .path = ".config/fish/config.fish"},
};

std::string source_line(std::string_view shell, const std::string& program) {
    if (shell == "fish") {
        return fmt::format("{} completion fish | source {}", program, kMarker);
    }
    return fmt::format("eval \"$({} completion {})\" {}", program, shell, kMarker);
}

std::string without_marked_lines(const std::string& text) {
    std::string out;
    std::size_t start = 0;
    while (start < text.size()) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        const std::string_view line = std::string_view(text).substr(start, end - start);
        if (!line.ends_with(kMarker)) {
            out += line;
            out += '\n';
        }
        start = end + 1;
    }
    return out;
}

}  // namespace

std::vector<std::string> complete(const Registry& registry, const std::vector<std::string>& words) {
    const std::string unfinished = words.empty() ? "" : words.back();
    std::string path;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const std::string next = path.empty() ? words[i] : path + " " + words[i];
        if (registry.find(next) != nullptr || registry.is_group(next)) {
            path = next;
        }
    }
    std::set<std::string> found;
    const auto offer = [&](const std::string& word) {
        if (word.starts_with(unfinished)) {
            found.insert(word);
        }
    };
    const Command* command = registry.find(path);
    if (command != nullptr && unfinished.starts_with('-')) {
        for (const FlagSpec& spec : command->flags + general_flags(command->family)) {
            if (!spec.hidden) {
                offer("-" + spec.name + (spec.kind == FlagKind::Bool ? "" : "="));
            }
        }
        offer("-help");
    } else if (path.empty() || registry.is_group(path)) {
        for (const std::string& word : registry.next_words(path)) {
            offer(word);
        }
    }
    return {found.begin(), found.end()};
}

std::string completion_script(const std::string& shell, const std::string& program) {
    std::string function = program;
    for (char& c : function) {
        c = c == '-' ? '_' : c;
    }
    if (shell == "bash") {
        return fmt::format(
            "_{1}_complete() {{\n"
            "    local IFS=$'\\n'\n"
            "    COMPREPLY=($({0} complete -- \"${{COMP_WORDS[@]:1:COMP_CWORD}}\" 2>/dev/null))\n"
            "    if [[ ${{#COMPREPLY[@]}} -eq 1 && ${{COMPREPLY[0]}} == *= ]]; then\n"
            "        compopt -o nospace\n"
            "    fi\n"
            "}}\n"
            "complete -o default -F _{1}_complete {0}\n",
            program,
            function
        );
    }
    if (shell == "zsh") {
        return fmt::format(
            "#compdef {0}\n"
            "_{1}_complete() {{\n"
            "    local -a found\n"
            "    found=(${{(f)\"$({0} complete -- \"${{(@)words[2,$CURRENT]}}\" 2>/dev/null)\"}})\n"
            "    if (( ${{#found}} )); then\n"
            "        compadd -Q -- $found\n"
            "    else\n"
            "        _files\n"
            "    fi\n"
            "}}\n"
            "compdef _{1}_complete {0}\n",
            program,
            function
        );
    }
    if (shell == "fish") {
        return fmt::format(
            "function __{1}_complete\n"
            "    set -l typed (commandline -opc)\n"
            "    {0} complete -- $typed[2..-1] (commandline -ct) 2>/dev/null\n"
            "end\n"
            "complete -c {0} -a '(__{1}_complete)'\n",
            program,
            function
        );
    }
    return "";
}

int run_autocomplete_setup(
    const std::vector<std::string>& words,
    const Environment& environment,
    const std::string& program
) {
    const Ui ui(environment, ColorMode::Off, ColorMode::Off);
    const bool install = is_flag_word(words[1], "autocomplete-install");
    const std::string home = environment.variable("HOME").value_or("");
    if (home.empty()) {
        ui.error("cannot find the shell's start files: HOME is not set");
        return 1;
    }
    bool any = false;
    for (const StartFile& file : kStartFiles) {
        const std::string path = fmt::format("{}/{}", home, file.path);
        if (!environment.file_exists(path)) {
            continue;
        }
        const auto before = environment.read_file(path);
        if (!before) {
            ui.error(before.error().message);
            return 1;
        }
        std::string after = without_marked_lines(*before);
        if (install) {
            after += source_line(file.shell, program) + "\n";
        }
        if (after != *before) {
            if (const auto written = environment.write_file(path, after); !written) {
                ui.error(written.error().message);
                return 1;
            }
        }
        any = true;
        ui.line(fmt::format(
            "{} {}; it takes effect in the next shell", install ? "added to" : "removed from", path
        ));
    }
    if (!any) {
        ui.error(fmt::format("no start file of bash, zsh or fish found in {}", home));
        return 1;
    }
    return 0;
}

Command completion_command() {
    return {
        .path = "completion",
        .usage = "<bash|zsh|fish>",
        .synopsis = "Print a shell's completion script",
        .help =
            "Prints a script that completes commands and flags in that shell.\n\n"
            "  $ eval \"$(nomad-lite completion bash)\"\n"
            "  $ nomad-lite completion fish | source",
        .flags = {},
        .arguments = {.least = 1, .most = 1, .words = "one argument: bash, zsh or fish"},
        .run =
            [](Context& context) {
                const std::string script =
                    completion_script(context.argument(0), context.program());
                if (script.empty()) {
                    return context.usage_error(fmt::format(
                        "no completion for shell \"{}\"; there is bash, zsh and fish",
                        context.argument(0)
                    ));
                }
                context.ui().raw(script);
                return 0;
            },
        .family = Family::Local,
    };
}

Command complete_command() {
    return {
        .path = "complete",
        .usage = "-- <words>",
        .synopsis = "Answer a shell's completion script",
        .help = "Prints what may stand next, one word a line.",
        .flags = {},
        .arguments = {.least = 0, .most = kManyArguments, .words = "words"},
        .run =
            [](Context& context) {
                for (const std::string& word : complete(context.registry(), context.arguments())) {
                    context.ui().line(word);
                }
                return 0;
            },
        .family = Family::Local,
        .hidden = true,
    };
}

}  // namespace nl::cli
