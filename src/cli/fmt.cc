#include "cli/command.h"
#include "cli/context.h"
#include "cli/environment.h"
#include "hcl/format.h"

#include <algorithm>
#include <filesystem>

namespace nl::cli {
namespace {

// A folder with more files than this is not one of job files.
constexpr std::size_t kMaxFiles = 100'000;

bool is_hcl(const std::filesystem::path& path) {
    return path.extension() == ".hcl" || path.extension() == ".nomad";
}

/// The files a path stands for; those of a folder only if they end in .hcl or .nomad.
Result<std::vector<std::string>> files_of(const std::string& path, bool recursive) {
    std::error_code error;
    if (path == "-") {
        return std::vector<std::string>{path};
    }
    if (!std::filesystem::exists(path, error)) {
        return fail(ErrorCode::NotFound, "No file or directory at {}", path);
    }
    if (!std::filesystem::is_directory(path, error)) {
        if (!is_hcl(path)) {
            return fail(
                ErrorCode::InvalidArgument, "Only .nomad and .hcl files can be formatted: {}", path
            );
        }
        return std::vector<std::string>{path};
    }
    std::vector<std::string> out;
    const auto take = [&](const std::filesystem::directory_entry& entry) {
        if (out.size() < kMaxFiles && entry.is_regular_file(error) && is_hcl(entry.path())) {
            out.push_back(entry.path().string());
        }
    };
    if (recursive) {
        for (std::filesystem::recursive_directory_iterator it(path, error), end; it != end;
             it.increment(error)) {
            take(*it);
            if (error) {
                break;
            }
        }
    } else {
        for (std::filesystem::directory_iterator it(path, error), end; it != end;
             it.increment(error)) {
            take(*it);
            if (error) {
                break;
            }
        }
    }
    if (error) {
        return fail(ErrorCode::NotFound, "folder \"{}\": {}", path, error.message());
    }
    std::ranges::sort(out);
    return out;
}

int run(Context& context) {
    const bool check = context.on("check");
    // Neither named nor written: then it is shown.
    const bool show = !context.on("list") && (!context.on("write") || check);
    bool changed = false;
    bool failed = false;
    const std::vector<std::string> paths =
        context.arguments().empty() ? std::vector<std::string>{"."} : context.arguments();
    for (const std::string& path : paths) {
        const auto files = files_of(path, context.on("recursive"));
        if (!files) {
            context.fail("{}", files.error().message);
            failed = true;
            continue;
        }
        for (const std::string& file : *files) {
            const auto text = context.env().read_file(file);
            if (!text) {
                context.fail("Failed to read '{}': {}", file, text.error().message);
                failed = true;
                continue;
            }
            const bool from_input = file == "-";
            hcl::SourceNames names;
            const std::uint32_t number = names.add(from_input ? "<stdin>" : file);
            hcl::Diagnostics diagnostics;
            const std::string laid_out = hcl::format(*text, number, diagnostics);
            if (diagnostics.has_errors()) {
                context.fail("{}", all_errors(diagnostics, names));
                failed = true;
                continue;
            }
            if (from_input || show) {
                context.env().out(laid_out);
            }
            if (laid_out == *text) {
                continue;
            }
            changed = true;
            if (from_input) {
                continue;
            }
            if (context.on("list")) {
                context.line("{}", file);
            }
            if (!check && context.on("write")) {
                const auto written = context.env().write_file(file, laid_out);
                if (!written) {
                    context.fail("Failed to write '{}': {}", file, written.error().message);
                    failed = true;
                }
            }
        }
    }
    return failed || (check && changed) ? 1 : 0;
}

}  // namespace

Command fmt_command() {
    return {
        .path = "fmt",
        .usage = "[flags] paths ...",
        .synopsis = "Rewrite job and configuration files to canonical format",
        .help =
            "Lays out HCL files the one way, and names those that changed. A folder stands for "
            "its\n"
            "files that end in .hcl or .nomad, \"-\" for standard input, no path for this "
            "folder.\n\n"
            "Example:\n\n  $ nomad-lite fmt -check -recursive jobs",
        .flags =
            {{.name = "check",
              .kind = FlagKind::Bool,
              .help = "Change nothing; exit with 1 if a file is not formatted."},
             {.name = "list",
              .kind = FlagKind::Bool,
              .help = "Name the files that change.",
              .fallback = "true"},
             {.name = "write",
              .kind = FlagKind::Bool,
              .help = "Write the files that change.",
              .fallback = "true"},
             {.name = "recursive",
              .kind = FlagKind::Bool,
              .help = "Look into folders of folders too."}},
        .arguments = {.least = 0, .most = kManyArguments, .words = "any arguments: paths"},
        .run = run,
        .family = Family::Local,
    };
}

}  // namespace nl::cli
