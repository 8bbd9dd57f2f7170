#include "cli/diff.h"

#include "cli/format.h"

#include <algorithm>

namespace nl::cli {

namespace {

// Deeper than any job: objects in tasks in groups.
constexpr std::size_t kMaxDepth = 32;

std::size_t marker_width(Doc part) {
    const std::string type = part["Type"].text();
    return type == "Edited" ? 4 : type == "Added" || type == "Deleted" ? 2 : 0;
}

/// What stands in one column together.
struct Columns {
    std::size_t name{0};
    std::size_t marker{0};

    explicit Columns(Doc diff) {
        for (const Value& field : diff["Fields"].list()) {
            name = std::max(name, Doc(field)["Name"].text().size());
        }
        for (const char* list : {"Fields", "Objects", "TaskGroups", "Tasks"}) {
            for (const Value& item : diff[list].list()) {
                marker = std::max(marker, marker_width(item));
            }
        }
    }
};

/// In quotes, with what a terminal would act on escaped.
std::string quoted(const std::string& text) {
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

class DiffPrinter {
public:
    DiffPrinter(const Ui& ui, DiffStyle style) : ui_(ui), style_(style) {}

    std::string job(Doc diff) {
        out_ += marker(diff);
        out_ += ui_.bold(fmt::format("Job: {}", quoted(diff["ID"].text()))) + "\n";
        const Columns columns(diff);
        if (opened(diff)) {
            members(diff, 0, columns, 0);
            if (!diff["Fields"].list().empty() || !diff["Objects"].list().empty()) {
                out_ += '\n';
            }
        }
        for (const Value& item : diff["TaskGroups"].list()) {
            group(item, columns.marker - marker_width(item));
            out_ += '\n';
        }
        while (out_.ends_with('\n')) {
            out_.pop_back();
        }
        return std::move(out_);
    }

private:
    bool opened(Doc part) const {
        return style_ == DiffStyle::Everything || part["Type"].text() == "Edited";
    }

    std::string marker(Doc part) const {
        const std::string type = part["Type"].text();
        return type == "Added"     ? ui_.green("+") + " "
               : type == "Deleted" ? ui_.red("-") + " "
               : type == "Edited"  ? ui_.yellow("+/-") + " "
                                   : "";
    }

    void spaces(std::size_t count) { out_.append(count, ' '); }

    void group(Doc diff, std::size_t padding) {
        out_ += marker(diff);
        spaces(padding);
        out_ += ui_.bold(fmt::format("Task Group: {}", quoted(diff["Name"].text())));
        std::vector<std::string> updates;
        for (const auto& [kind, count] : diff["Updates"].map()) {
            const std::string text = fmt::format("{} {}", Doc(count).integer(), kind);
            updates.push_back(
                kind == "create"                                      ? ui_.green(text)
                : kind == "destroy"                                   ? ui_.red(text)
                : kind == "migrate" || kind == "in-place update"      ? ui_.cyan(text)
                : kind == "create/destroy update" || kind == "canary" ? ui_.yellow(text)
                                                                      : text
            );
        }
        out_ += updates.empty() ? "\n" : fmt::format(" ({})\n", join(updates, ", "));
        const Columns columns(diff);
        const std::size_t indent = padding + 2;
        if (opened(diff)) {
            members(diff, indent, columns, 0);
            if (!diff["Fields"].list().empty() || !diff["Objects"].list().empty()) {
                out_ += '\n';
            }
        }
        for (const Value& item : diff["Tasks"].list()) {
            task(item, indent, columns.marker - marker_width(item));
            out_ += '\n';
        }
    }

    void task(Doc diff, std::size_t indent, std::size_t padding) {
        spaces(indent);
        out_ += marker(diff);
        spaces(padding);
        out_ += ui_.bold(fmt::format("Task: {}", quoted(diff["Name"].text())));
        out_ += annotations(diff);
        if (diff["Type"].text() == "None" || !opened(diff)) {
            return;
        }
        out_ += '\n';
        members(diff, indent + 2, Columns(diff), 0);
    }

    std::string annotations(Doc part) const {
        std::vector<std::string> words;
        for (const std::string& note : texts(part["Annotations"].list())) {
            words.push_back(
                note == "forces create"                  ? ui_.green(note)
                : note == "forces destroy"               ? ui_.red(note)
                : note == "forces in-place update"       ? ui_.cyan(note)
                : note == "forces create/destroy update" ? ui_.yellow(note)
                                                         : note
            );
        }
        return words.empty() ? "" : fmt::format(" ({})", join(words, ", "));
    }

    /// Fields and objects, a line each, without a newline after the last.
    void members(Doc diff, std::size_t indent, const Columns& columns, std::size_t depth) {
        bool first = true;
        const auto next = [&] {
            if (!first) {
                out_ += '\n';
            }
            first = false;
        };
        for (const Value& item : diff["Fields"].list()) {
            next();
            field(item, indent, columns);
        }
        for (const Value& item : diff["Objects"].list()) {
            next();
            object(item, indent, columns.marker - marker_width(item), depth);
        }
    }

    void field(Doc diff, std::size_t indent, const Columns& columns) {
        const std::string name = diff["Name"].text();
        spaces(indent);
        out_ += marker(diff);
        spaces(columns.marker - marker_width(diff));
        out_ += name + ": ";
        spaces(columns.name - name.size());
        const std::string type = diff["Type"].text();
        if (type == "Edited") {
            out_ += quoted(diff["Old"].text()) + " => " + quoted(diff["New"].text());
        } else {
            out_ += quoted(diff[type == "Deleted" ? "Old" : "New"].text());
        }
        out_ += annotations(diff);
    }

    void object(Doc diff, std::size_t indent, std::size_t padding, std::size_t depth) {
        spaces(indent);
        out_ += marker(diff);
        spaces(padding);
        out_ += diff["Name"].text() + " {\n";
        if (depth < kMaxDepth) {
            members(diff, indent + padding + 2, Columns(diff), depth + 1);
        }
        out_ += '\n';
        spaces(indent + marker_width(diff) + padding);
        out_ += '}';
    }

    const Ui& ui_;
    DiffStyle style_;
    std::string out_;
};

}  // namespace

std::string job_diff_text(const Ui& ui, Doc diff, DiffStyle style) {
    return DiffPrinter(ui, style).job(diff);
}

}  // namespace nl::cli
