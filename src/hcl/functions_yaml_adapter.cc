#include "hcl/internal/function_groups.h"
#include "hcl/json.h"
#include "hcl/text.h"

#include <yaml.h>

#include <map>

namespace nl::hcl::internal {
namespace {

constexpr std::size_t kMaxYamlDepth = 100;
constexpr std::size_t kMaxYamlNodes = 200'000;

/// Reads one YAML document (libyaml's events) into a value; anchors are copied, within a bound.
class YamlReader {
public:
    explicit YamlReader(std::string_view text) {
        yaml_parser_initialize(&parser_);
        yaml_parser_set_input_string(
            &parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size()
        );
    }
    ~YamlReader() { yaml_parser_delete(&parser_); }
    YamlReader(const YamlReader&) = delete;
    YamlReader& operator=(const YamlReader&) = delete;

    std::expected<Value, std::string> document() {
        Value value;
        if (!expect(YAML_STREAM_START_EVENT) || !expect(YAML_DOCUMENT_START_EVENT)) {
            // An empty stream is null.
            return error_.empty() ? std::expected<Value, std::string>(Value{})
                                  : std::unexpected(error_);
        }
        if (!node(value, 0) || !expect(YAML_DOCUMENT_END_EVENT) || !expect(YAML_STREAM_END_EVENT)) {
            return std::unexpected(error_.empty() ? "only one document is allowed" : error_);
        }
        return value;
    }

private:
    struct Event {
        yaml_event_t raw{};
        Event() = default;
        ~Event() { yaml_event_delete(&raw); }
        Event(const Event&) = delete;
        Event& operator=(const Event&) = delete;
    };

    bool next(Event& event) {
        if (yaml_parser_parse(&parser_, &event.raw) == 0) {
            error_ = fmt::format(
                "on line {}, column {}: {}",
                parser_.problem_mark.line + 1,
                parser_.problem_mark.column + 1,
                parser_.problem != nullptr ? parser_.problem : "unreadable"
            );
            return false;
        }
        return true;
    }

    bool expect(yaml_event_type_t type) {
        Event event;
        return next(event) && event.raw.type == type;
    }

    static std::string text_of(const unsigned char* bytes, std::size_t length) {
        return {reinterpret_cast<const char*>(bytes), length};
    }

    bool node(Value& out, std::size_t depth) {
        Event event;
        return next(event) && node_from(event, out, depth);
    }

    bool remember(const unsigned char* anchor, const Value& value) {
        if (anchor != nullptr) {
            anchors_.insert_or_assign(reinterpret_cast<const char*>(anchor), value);
        }
        return true;
    }

    bool node_from(const Event& event, Value& out, std::size_t depth) {
        if (depth > kMaxYamlDepth || ++nodes_ > kMaxYamlNodes) {
            error_ = fmt::format("more than {} levels or {} nodes", kMaxYamlDepth, kMaxYamlNodes);
            return false;
        }
        switch (event.raw.type) {
            case YAML_SCALAR_EVENT: {
                const auto& s = event.raw.data.scalar;
                out = scalar(
                    text_of(s.value, s.length),
                    s.style == YAML_PLAIN_SCALAR_STYLE,
                    s.tag != nullptr ? reinterpret_cast<const char*>(s.tag) : ""
                );
                return remember(s.anchor, out);
            }
            case YAML_SEQUENCE_START_EVENT: {
                Value::Items items;
                while (true) {
                    Event inner;
                    if (!next(inner)) {
                        return false;
                    }
                    if (inner.raw.type == YAML_SEQUENCE_END_EVENT) {
                        break;
                    }
                    if (!node_from(inner, items.emplace_back(), depth + 1)) {
                        return false;
                    }
                }
                out = Value::tuple(std::move(items));
                return remember(event.raw.data.sequence_start.anchor, out);
            }
            case YAML_MAPPING_START_EVENT: {
                Value::Attributes all;
                Value::Attributes inherited;
                while (true) {
                    Event inner;
                    if (!next(inner)) {
                        return false;
                    }
                    if (inner.raw.type == YAML_MAPPING_END_EVENT) {
                        break;
                    }
                    Value key;
                    Value value;
                    if (!node_from(inner, key, depth + 1) || !node(value, depth + 1)) {
                        return false;
                    }
                    const auto name = convert(key, Kind::String);
                    if (!name || !name->is_usable()) {
                        error_ = "mapping keys must be plain text";
                        return false;
                    }
                    if (name->as_string() == "<<" && value.is_usable() && value.is_mapping()) {
                        inherited = value.attributes();
                    } else {
                        all.insert_or_assign(name->as_string(), std::move(value));
                    }
                }
                all.merge(inherited);
                out = Value::object(std::move(all));
                return remember(event.raw.data.mapping_start.anchor, out);
            }
            case YAML_ALIAS_EVENT: {
                const auto found =
                    anchors_.find(reinterpret_cast<const char*>(event.raw.data.alias.anchor));
                if (found == anchors_.end()) {
                    error_ = "reference to an undefined anchor";
                    return false;
                }
                out = found->second;
                return true;
            }
            default:
                error_ = "a value is required";
                return false;
        }
    }

    static Value scalar(const std::string& text, bool plain, std::string_view tag) {
        if (!plain || tag == "tag:yaml.org,2002:str") {
            return Value::string(text);
        }
        if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
            return {};
        }
        if (text == "true" || text == "True" || text == "TRUE") {
            return Value::boolean(true);
        }
        if (text == "false" || text == "False" || text == "FALSE") {
            return Value::boolean(false);
        }
        if (text.starts_with("0x")) {
            if (auto n = Number::parse_whole(std::string_view(text).substr(2), 16)) {
                return Value::number(*n);
            }
        }
        if (text.starts_with("0o")) {
            if (auto n = Number::parse_whole(std::string_view(text).substr(2), 8)) {
                return Value::number(*n);
            }
        }
        if (auto n = Number::parse(text)) {
            return Value::number(*n);
        }
        return Value::string(text);
    }

    yaml_parser_t parser_{};
    std::map<std::string, Value, std::less<>> anchors_;
    std::string error_;
    std::size_t nodes_{0};
};

void append_indent(std::string& out, std::size_t depth) {
    out.append(depth * 2, ' ');
}

/// Text is always quoted, so that nothing in it is taken for another kind of value.
void append_yaml(std::string& out, const Value& value, std::size_t depth, bool after_dash) {
    if (!value.is_usable()) {
        out += "null\n";
        return;
    }
    if (value.is_sequence()) {
        if (value.length() == 0) {
            out += "[]\n";
            return;
        }
        bool first = after_dash;
        for (const Value& item : value.items()) {
            if (!first) {
                append_indent(out, depth);
            }
            first = false;
            out += "- ";
            append_yaml(out, item, depth + 1, true);
        }
        return;
    }
    if (value.is_mapping()) {
        if (value.length() == 0) {
            out += "{}\n";
            return;
        }
        bool first = after_dash;
        for (const auto& [key, item] : value.attributes()) {
            if (!first) {
                append_indent(out, depth);
            }
            first = false;
            append_json_text(out, key);
            out += ':';
            const bool nested =
                item.is_usable() && (item.is_sequence() || item.is_mapping()) && item.length() > 0;
            if (nested) {
                out += '\n';
                const bool list = item.is_sequence();
                append_yaml(out, item, list ? depth : depth + 1, false);
            } else {
                out += ' ';
                append_yaml(out, item, depth + 1, false);
            }
        }
        return;
    }
    if (value.kind() == Kind::String && value.as_string().ends_with('\n') &&
        value.as_string().find_first_not_of('\n') == 0 && value.as_string()[0] != ' ') {
        // Text of several lines reads better as a block.
        out += "|\n";
        std::string_view rest = value.as_string();
        while (!rest.empty()) {
            const std::size_t end = rest.find('\n');
            if (end > 0) {
                append_indent(out, std::max<std::size_t>(depth, 1));
            }
            out += rest.substr(0, end + 1);
            rest.remove_prefix(end + 1);
        }
        return;
    }
    append_json(out, value);
    out += '\n';
}

}  // namespace

void add_yaml_functions(FunctionTable& table) {
    table["yamldecode"] = {
        .parameters = {{.name = "src", .type = Kind::String}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            auto value = YamlReader(a[0].as_string()).document();
            if (!value) {
                return wrong(value.error(), 0);
            }
            return std::move(*value);
        }
    };
    table["yamlencode"] = {
        .parameters = {{.name = "value", .type = {}, .allow_null = true}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            std::string out;
            append_yaml(out, a[0], 0, false);
            return Value::string(out);
        }
    };
}

}  // namespace nl::hcl::internal
