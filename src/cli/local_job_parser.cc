// Job files read on the user's machine, where their file functions and variables belong.

#include "cli/environment.h"
#include "jobspec/jobspec.h"
#include "wire/json.h"

#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace nl::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxMatches = 100'000;

// "*" and "?" stay within a path segment, "**" crosses them.
bool matches(std::string_view pattern, std::string_view path) {
    if (pattern.empty()) {
        return path.empty();
    }
    if (pattern.starts_with("**")) {
        std::string_view rest = pattern.substr(2);
        if (rest.starts_with('/') && matches(rest.substr(1), path)) {
            return true;
        }
        for (std::size_t i = 0; i <= path.size(); ++i) {
            if (matches(rest, path.substr(i))) {
                return true;
            }
        }
        return false;
    }
    if (pattern[0] == '*') {
        for (std::size_t i = 0; i <= path.size(); ++i) {
            if (matches(pattern.substr(1), path.substr(i))) {
                return true;
            }
            if (i < path.size() && path[i] == '/') {
                return false;
            }
        }
        return false;
    }
    if (path.empty() || (pattern[0] != path[0] && (pattern[0] != '?' || path[0] == '/'))) {
        return false;
    }
    return matches(pattern.substr(1), path.substr(1));
}

class LocalFiles final : public hcl::FileAccess {
public:
    explicit LocalFiles(std::function<Result<std::string>(const std::string&)> read)
        : read_(std::move(read)) {}

    Result<std::string> read(std::string_view path) const override {
        return read_(std::string(path));
    }

    Result<bool> exists(std::string_view path) const override {
        std::error_code error;
        return fs::exists(fs::path(path), error);
    }

    Result<std::vector<std::string>> match(std::string_view directory, std::string_view pattern)
        const override {
        std::error_code error;
        std::vector<std::string> found;
        fs::recursive_directory_iterator it(fs::path(directory), error);
        if (error) {
            return fail(ErrorCode::NotFound, "cannot list {}: {}", directory, error.message());
        }
        for (; it != fs::recursive_directory_iterator() && !error; it.increment(error)) {
            std::error_code ignored;
            if (!it->is_regular_file(ignored)) {
                continue;
            }
            const std::string path = it->path().lexically_relative(fs::path(directory)).string();
            if (matches(pattern, path)) {
                found.push_back(path);
            }
            if (found.size() > kMaxMatches) {
                return fail(
                    ErrorCode::TooLarge, "more than {} files in {} match", kMaxMatches, directory
                );
            }
        }
        std::ranges::sort(found);
        return found;
    }

    std::string working_directory() const override {
        std::error_code error;
        return fs::current_path(error).string();
    }

    std::string home_directory() const override {
        const char* home = std::getenv("HOME");
        return home == nullptr ? "" : home;
    }

private:
    std::function<Result<std::string>(const std::string&)> read_;
};

void fill_with_entropy(std::span<std::uint8_t> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count = ::getrandom(bytes.data() + done, bytes.size() - done, 0);
        if (count > 0) {
            done += static_cast<std::size_t>(count);
        }
    }
}

}  // namespace

Result<ParsedJob> parse_job_here(const Environment& environment, const JobText& text) {
    const LocalFiles files(environment.read_file);
    jobspec::ParseInput input;
    input.source = text.source;
    input.filename = text.filename;
    for (const auto& [name, content] : text.variable_files) {
        input.variable_files.push_back({.name = name, .text = content});
    }
    input.variable_flags = text.variable_flags;
    input.environment = environment.variables_with_prefix("NOMAD_VAR_");
    input.undeclared = text.strict ? jobspec::Undeclared::Refuse : jobspec::Undeclared::Warn;
    input.now = environment.now();
    input.entropy = fill_with_entropy;
    input.files = &files;
    NL_TRY(jobspec::ParseOutput output, jobspec::parse(input));
    return ParsedJob{.job = wire::to_value(output.job), .warnings = std::move(output.warnings)};
}

}  // namespace nl::cli
