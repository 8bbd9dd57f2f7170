#include "cli/diff.h"

#include "cli/format.h"

#include <algorithm>
#include <array>

namespace nl::cli {

namespace {

// Deeper than any job: objects in tasks in groups.
constexpr std::size_t kMaxDepth = 32;

struct Marker {
    std::string text;
    std::size_t width;
};

class DiffPrinter {
public:
    DiffPrinter(const Ui& ui, DiffStyle style) : ui_(ui), style_(style) {}

    std::string job(Doc diff) {
        const Marker mark = marker(diff["Type"].text());
        out_ += fmt::format("{}Job: \"{}\"\n", mark.text, diff["ID"].text());
        const std::size_t indent = mark.width;
        if (is_edited(diff) || style_ == DiffStyle::Everything) {
            members(diff, indent);
        }
        for (const Value& item : diff["TaskGroups"].list()) {
            group(item);
        }
        while (out_.ends_with('\n')) {
            out_.pop_back();
        }
        return std::move(out_);
    }

private:
    bool shown(Doc part) const {
        return style_ == DiffStyle::Everything || part["Type"].text() != "None";
    }
    static bool is_edited(Doc part) { return part["Type"].text() == "Edited"; }

    Marker marker(const std::string& type) const {
        if (type == "Added") {
            return {.text = ui_.green("+") + " ", .width = 2};
        }
        if (type == "Deleted") {
            return {.text = ui_.red("-") + " ", .width = 2};
        }
        if (type == "Edited") {
            return {.text = ui_.yellow("+/-") + " ", .width = 4};
        }
        return {.text = "", .width = 0};
    }

    void group(Doc diff) {
        if (!shown(diff)) {
            return;
        }
        const Marker mark = marker(diff["Type"].text());
        std::vector<std::string> updates;
        for (const auto& [kind, count] : diff["Updates"].map()) {
            const std::string text = fmt::format("{} {}", Doc(count).integer(), kind);
            const bool creates = kind == "create" || kind == "in-place update";
            updates.push_back(
                creates                             ? ui_.green(text)
                : kind == "ignore"                  ? text
                : kind.find("destroy") != kind.npos ? ui_.red(text)
                                                    : ui_.cyan(text)
            );
        }
        out_ += fmt::format(
            "{}Task Group: \"{}\"{}\n",
            mark.text,
            diff["Name"].text(),
            updates.empty() ? "" : fmt::format(" ({})", join(updates, ", "))
        );
        // A group that is wholly new or gone says so by its head, and in full with -verbose.
        if (is_edited(diff) || style_ == DiffStyle::Everything) {
            members(diff, 2);
        }
        for (const Value& item : diff["Tasks"].list()) {
            task(item);
        }
        out_ += '\n';
    }

    void task(Doc diff) {
        if (!shown(diff)) {
            return;
        }
        const Marker mark = marker(diff["Type"].text());
        out_ +=
            fmt::format("  {}Task: \"{}\"{}\n", mark.text, diff["Name"].text(), annotations(diff));
        if (is_edited(diff) || style_ == DiffStyle::Everything) {
            members(diff, 4);
        }
    }

    std::string annotations(Doc part) const {
        std::vector<std::string> words;
        for (const std::string& note : texts(part["Annotations"].list())) {
            words.push_back(
                note == "forces create"                  ? ui_.green(note)
                : note == "forces in-place update"       ? ui_.cyan(note)
                : note == "forces create/destroy update" ? ui_.red(note)
                : note == "forces destroy"               ? ui_.red(note)
                                                         : note
            );
        }
        return words.empty() ? "" : fmt::format(" ({})", join(words, ", "));
    }

    void members(Doc diff, std::size_t indent) {
        std::size_t name_width = 0;
        std::size_t mark_width = 0;
        const auto measure = [&](const char* list) {
            for (const Value& item : diff[list].list()) {
                if (!shown(item)) {
                    continue;
                }
                mark_width = std::max(mark_width, marker(Doc(item)["Type"].text()).width);
                if (list == std::string_view("Fields")) {
                    name_width = std::max(name_width, Doc(item)["Name"].text().size());
                }
            }
        };
        measure("Fields");
        measure("Objects");
        for (const Value& field : diff["Fields"].list()) {
            if (shown(field)) {
                this->field(field, indent, mark_width, name_width);
            }
        }
        for (const Value& object : diff["Objects"].list()) {
            if (shown(object)) {
                this->object(object, indent, mark_width);
            }
        }
    }

    void field(Doc diff, std::size_t indent, std::size_t mark_width, std::size_t name_width) {
        const Marker mark = marker(diff["Type"].text());
        const std::string name = diff["Name"].text();
        out_.append(indent, ' ');
        out_ += mark.text;
        out_.append(mark_width - mark.width, ' ');
        out_ += name;
        out_ += ':';
        out_.append(name_width - name.size() + 1, ' ');
        const std::string type = diff["Type"].text();
        if (type == "Deleted") {
            out_ += fmt::format("\"{}\"", diff["Old"].text());
        } else if (type == "Edited") {
            out_ += fmt::format("\"{}\" => \"{}\"", diff["Old"].text(), diff["New"].text());
        } else {
            out_ += fmt::format("\"{}\"", diff["New"].text());
        }
        out_ += annotations(diff);
        out_ += '\n';
    }

    void object(Doc diff, std::size_t indent, std::size_t mark_width) {
        if (indent > kMaxDepth * 4) {
            return;
        }
        const Marker mark = marker(diff["Type"].text());
        out_.append(indent, ' ');
        out_ += mark.text;
        out_.append(mark_width - mark.width, ' ');
        out_ += fmt::format("{} {{\n", diff["Name"].text());
        members(diff, indent + mark_width + 2);
        out_.append(indent + mark_width, ' ');
        out_ += "}\n";
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
