#include "base/bytes.h"
#include "hcl/internal/function_groups.h"
#include "hcl/text.h"

#include <algorithm>

namespace nl::hcl::internal {
namespace {

constexpr std::string_view kDisabled = "filesystem function disabled";

/// As Go's filepath.Clean.
std::string cleaned(std::string_view path) {
    const bool rooted = path.starts_with('/');
    std::vector<std::string_view> parts;
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        const std::string_view part = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (part.empty() || part == ".") {
            continue;
        }
        if (part == ".." && !parts.empty() && parts.back() != "..") {
            parts.pop_back();
        } else if (part != ".." || !rooted) {
            parts.push_back(part);
        }
    }
    std::string out = rooted ? "/" : "";
    out += fmt::format("{}", fmt::join(parts, "/"));
    return out.empty() ? "." : out;
}

std::string expanded(std::string_view path, const FileAccess& files) {
    if (path == "~" || path.starts_with("~/")) {
        return files.home_directory() + std::string(path.substr(1));
    }
    return std::string(path);
}

FunctionResult content(Arguments a, FunctionEnvironment& e, bool base64) {
    if (e.files == nullptr) {
        return wrong(std::string(kDisabled));
    }
    auto bytes = e.files->read(expanded(a[0].as_string(), *e.files));
    if (!bytes) {
        return wrong(bytes.error().message);
    }
    if (base64) {
        return Value::string(base64_encode(*bytes));
    }
    if (!is_utf8(*bytes)) {
        return wrong(fmt::format(
            "contents of {} are not valid UTF-8; use the filebase64 function to obtain the "
            "Base64 encoded contents",
            a[0].as_string()
        ));
    }
    return Value::string(*bytes);
}

}  // namespace

void add_file_functions(FunctionTable& table) {
    const Parameter path{.name = "path", .type = Kind::String};
    table["file"] = {.parameters = {path}, .call = [](Arguments a, FunctionEnvironment& e) {
                         return content(a, e, false);
                     }};
    table["filebase64"] = {.parameters = {path}, .call = [](Arguments a, FunctionEnvironment& e) {
                               return content(a, e, true);
                           }};
    table["fileexists"] = {
        .parameters = {path},
        .call = [](Arguments a, FunctionEnvironment& e) -> FunctionResult {
            if (e.files == nullptr) {
                return wrong(std::string(kDisabled));
            }
            auto exists = e.files->exists(expanded(a[0].as_string(), *e.files));
            if (!exists) {
                return wrong(exists.error().message);
            }
            return Value::boolean(*exists);
        }
    };
    table["fileset"] = {
        .parameters = {path, {.name = "pattern", .type = Kind::String}},
        .call = [](Arguments a, FunctionEnvironment& e) -> FunctionResult {
            if (e.files == nullptr) {
                return wrong(std::string(kDisabled));
            }
            auto found = e.files->match(expanded(a[0].as_string(), *e.files), a[1].as_string());
            if (!found) {
                return wrong(found.error().message);
            }
            Value::Items items;
            for (const std::string& name : *found) {
                items.push_back(Value::string(name));
            }
            return Value::set(Kind::String, std::move(items));
        }
    };
    table["abspath"] = {
        .parameters = {path},
        .call = [](Arguments a, FunctionEnvironment& e) -> FunctionResult {
            if (e.files == nullptr) {
                return wrong(std::string(kDisabled));
            }
            const std::string& given = a[0].as_string();
            return Value::string(
                cleaned(given.starts_with('/') ? given : e.files->working_directory() + "/" + given)
            );
        }
    };
    table["pathexpand"] = {
        .parameters = {path},
        .call = [](Arguments a, FunctionEnvironment& e) -> FunctionResult {
            if (e.files == nullptr) {
                return wrong(std::string(kDisabled));
            }
            return Value::string(expanded(a[0].as_string(), *e.files));
        }
    };
    table["basename"] = {
        .parameters = {path},
        .call = [](Arguments a, FunctionEnvironment& e) -> FunctionResult {
            if (e.files == nullptr) {
                return wrong(std::string(kDisabled));
            }
            std::string_view p = a[0].as_string();
            if (p.empty()) {
                return Value::string(".");
            }
            while (p.size() > 1 && p.ends_with('/')) {
                p.remove_suffix(1);
            }
            return Value::string(p == "/" ? p : p.substr(p.find_last_of('/') + 1));
        }
    };
    table["dirname"] = {
        .parameters = {path},
        .call = [](Arguments a, FunctionEnvironment& e) -> FunctionResult {
            if (e.files == nullptr) {
                return wrong(std::string(kDisabled));
            }
            const std::string_view p = a[0].as_string();
            const std::size_t slash = p.find_last_of('/');
            return Value::string(
                slash == std::string_view::npos ? "." : cleaned(p.substr(0, slash + 1))
            );
        }
    };
}

}  // namespace nl::hcl::internal
