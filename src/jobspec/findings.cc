#include "jobspec/findings.h"

namespace nl::jobspec {

std::string joined(const std::vector<std::string>& all) {
    std::string out = fmt::format("{} error{} occurred:\n", all.size(), all.size() == 1 ? "" : "s");
    bool first = true;
    for (const std::string& one : all) {
        out += first ? "\t* " : "\n\t* ";
        first = false;
        out += one;
    }
    return out + "\n\n";
}

void Mistakes::add_nested(std::string_view title, const Mistakes& inner) {
    if (!inner.empty()) {
        list_.push_back(std::string(title) + joined(inner.list()));
    }
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c == '\r') {
            out += "\\r";
        } else if (byte < 0x20 || byte == 0x7F) {
            out += fmt::format("\\x{:02x}", byte);
        } else {
            out += c;
        }
    }
    return out + "\"";
}

bool is_word(std::string_view name, std::string_view also, std::size_t longest) {
    return !name.empty() && name.size() <= longest && std::ranges::all_of(name, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               also.find(c) != std::string_view::npos;
    });
}

bool escapes(std::string_view path, int depth) {
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        const std::string_view part = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (part == "..") {
            --depth;
        } else if (!part.empty() && part != ".") {
            ++depth;
        }
        // What lies above has names nobody can count on to come back.
        if (depth < 0) {
            return true;
        }
    }
    return false;
}

}  // namespace nl::jobspec
