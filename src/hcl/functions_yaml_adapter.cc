#include "hcl/internal/function_groups.h"
#include "hcl/json.h"
#include "hcl/text.h"

#include <yaml.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>

namespace nl::hcl::internal {
namespace {

constexpr std::size_t kMaxYamlDepth = 100;
constexpr std::size_t kMaxYamlNodes = 200'000;

/// A date or time as YAML writes them, brought to RFC 3339 with whole seconds; nullopt for other
/// text.
std::optional<std::string> yaml_timestamp(std::string_view text) {
    std::size_t at = 0;
    const auto digits = [&](std::size_t least, std::size_t most) -> std::optional<int> {
        int n = 0;
        std::size_t seen = 0;
        while (seen < most && at < text.size() && text[at] >= '0' && text[at] <= '9') {
            n = n * 10 + (text[at++] - '0');
            ++seen;
        }
        return seen >= least ? std::optional(n) : std::nullopt;
    };
    const auto take = [&](char c) { return at < text.size() && text[at] == c && (++at, true); };
    const auto year = digits(4, 4);
    const auto month = year && take('-') ? digits(1, 2) : std::nullopt;
    const auto day = month && take('-') ? digits(1, 2) : std::nullopt;
    if (!day || *month < 1 || *month > 12 || *day < 1 || *day > days_in_month(*year, *month)) {
        return std::nullopt;
    }
    const std::string date = fmt::format("{:04}-{:02}-{:02}", *year, *month, *day);
    if (at == text.size()) {
        return date + "T00:00:00Z";
    }
    const bool spaced = text[at] == ' ';
    if (!spaced && text[at] != 'T' && text[at] != 't') {
        return std::nullopt;
    }
    ++at;
    const auto hour = digits(1, 2);
    const auto minute = hour && take(':') ? digits(1, 2) : std::nullopt;
    const auto second = minute && take(':') ? digits(1, 2) : std::nullopt;
    if (!second || *hour > 23 || *minute > 59 || *second > 59) {
        return std::nullopt;
    }
    if (take('.')) {
        if (!digits(1, 9)) {
            return std::nullopt;
        }
    }
    std::string_view zone = text.substr(at);
    if (spaced ? !zone.empty() : zone.empty()) {
        return std::nullopt;
    }
    if (spaced || zone == "Z") {
        zone = "Z";
    } else {
        const bool sign = zone.size() == 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':';
        if (!sign || zone.find_first_not_of("0123456789", 1) != 3 ||
            zone.find_first_not_of("0123456789", 4) != std::string_view::npos) {
            return std::nullopt;
        }
    }
    return fmt::format("{}T{:02}:{:02}:{:02}{}", date, *hour, *minute, *second, zone);
}

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
            return std::unexpected(
                error_.empty() ? "on line 1, column 1: missing start of document" : error_
            );
        }
        if (!node(value, 0) || !expect(YAML_DOCUMENT_END_EVENT) || !expect(YAML_STREAM_END_EVENT)) {
            return std::unexpected(error_.empty() ? "unexpected extra content after value" : error_);
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
                auto value = scalar(
                    text_of(s.value, s.length),
                    s.style == YAML_PLAIN_SCALAR_STYLE,
                    s.tag != nullptr ? reinterpret_cast<const char*>(s.tag) : ""
                );
                if (!value) {
                    return false;
                }
                out = std::move(*value);
                return remember(s.anchor, out);
            }
            case YAML_SEQUENCE_START_EVENT: {
                if (!tag_fits(event.raw.data.sequence_start.tag, "sequence", "seq")) {
                    return false;
                }
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
                if (!tag_fits(event.raw.data.mapping_start.tag, "mapping", "map")) {
                    return false;
                }
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
                    if (key.is_null()) {
                        error_ = "mapping key cannot be null";
                        return false;
                    }
                    const auto name = convert(key, Kind::String);
                    if (!name) {
                        error_ = "only strings are allowed as mapping keys";
                        return false;
                    }
                    if (name->as_string() == "<<") {
                        if (!value.is_usable() || !value.is_mapping()) {
                            error_ = fmt::format(
                                "cannot merge {} into mapping", value.type().friendly()
                            );
                            return false;
                        }
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
                    error_ = fmt::format(
                        "reference to undefined anchor \"{}\"",
                        reinterpret_cast<const char*>(event.raw.data.alias.anchor)
                    );
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

    static bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
        return std::ranges::find(words, text) != words.end();
    }

    /// What plain text stands for; text where it stands for itself.
    std::optional<Value> resolved(const std::string& text) {
        if (text.empty() || one_of(text, {"~", "null", "Null", "NULL"})) {
            return Value{};
        }
        if (one_of(text, {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})) {
            return Value::boolean(true);
        }
        if (one_of(
                text, {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
            )) {
            return Value::boolean(false);
        }
        if (one_of(text, {".nan", ".NaN", ".NAN"})) {
            error_ = "floating point NaN is not supported";
            return std::nullopt;
        }
        const std::string_view unsigned_text =
            std::string_view(text).substr(text[0] == '+' || text[0] == '-' ? 1 : 0);
        if (one_of(unsigned_text, {".inf", ".Inf", ".INF"})) {
            error_ = "floating point infinity is not supported";
            return std::nullopt;
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
        return Value::string(yaml_timestamp(text).value_or(text));
    }

    std::optional<Value> scalar(const std::string& text, bool plain, std::string_view tag) {
        constexpr std::string_view kCore = "tag:yaml.org,2002:";
        if (tag.empty() || tag == "!") {
            if (!tag.empty() && plain) {
                error_ = "unsupported tag \"!\"";
                return std::nullopt;
            }
            return plain ? resolved(text) : Value::string(text);
        }
        const std::string_view kind = tag.starts_with(kCore) ? tag.substr(kCore.size()) : "";
        if (kind == "str" || kind == "binary") {
            return Value::string(text);
        }
        if (kind == "null") {
            return Value{};
        }
        if (kind == "timestamp") {
            return Value::string(yaml_timestamp(text).value_or(text));
        }
        const bool number = kind == "int" || kind == "float";
        if (!number && kind != "bool") {
            error_ = fmt::format("unsupported tag \"{}\"", tag);
            return std::nullopt;
        }
        auto value = resolved(text);
        if (value && value->kind() != (number ? Kind::Number : Kind::Bool)) {
            error_ = fmt::format("cannot parse \"{}\" as {}", text, tag);
            return std::nullopt;
        }
        return value;
    }

    /// Whether a structure may carry that tag.
    bool tag_fits(const unsigned char* raw, std::string_view structure, std::string_view own) {
        const std::string_view tag =
            raw != nullptr ? std::string_view(reinterpret_cast<const char*>(raw)) : "";
        if (tag.empty() || tag == fmt::format("tag:yaml.org,2002:{}", own)) {
            return true;
        }
        error_ = fmt::format("can't interpret {} as {}", structure, tag);
        return false;
    }

    yaml_parser_t parser_{};
    std::map<std::string, Value, std::less<>> anchors_;
    std::string error_;
    std::size_t nodes_{0};
};

/// Writes a value as YAML. Text is always quoted or a literal block, so that nothing in it is taken
/// for another kind of value.
class YamlWriter {
public:
    YamlWriter() {
        yaml_emitter_initialize(&emitter_);
        yaml_emitter_set_unicode(&emitter_, 1);
        yaml_emitter_set_output(&emitter_, append, &out_);
    }
    ~YamlWriter() { yaml_emitter_delete(&emitter_); }
    YamlWriter(const YamlWriter&) = delete;
    YamlWriter& operator=(const YamlWriter&) = delete;

    std::string document(const Value& value) {
        yaml_event_t event{};
        yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
        emit(event);
        yaml_document_start_event_initialize(&event, nullptr, nullptr, nullptr, 1);
        emit(event);
        node(value);
        yaml_document_end_event_initialize(&event, 1);
        emit(event);
        yaml_emitter_flush(&emitter_);
        const bool plain = !value.is_usable() || value.kind() == Kind::Number ||
                           value.kind() == Kind::Bool;
        if (plain && !out_.ends_with("...\n")) {
            // Nothing else would show where a plain scalar ends.
            out_ += out_.ends_with('\n') ? "...\n" : "\n...\n";
        }
        return std::move(out_);
    }

private:
    static int append(void* to, unsigned char* bytes, std::size_t length) {
        static_cast<std::string*>(to)->append(reinterpret_cast<const char*>(bytes), length);
        return 1;
    }

    void emit(yaml_event_t& event) { static_cast<void>(yaml_emitter_emit(&emitter_, &event)); }

    void scalar(const std::string& text, yaml_scalar_style_t style) {
        yaml_event_t event{};
        yaml_scalar_event_initialize(
            &event,
            nullptr,
            nullptr,
            reinterpret_cast<const unsigned char*>(text.data()),
            static_cast<int>(text.size()),
            1,
            1,
            style
        );
        emit(event);
    }

    void text(const std::string& text) {
        scalar(
            text,
            text.find('\n') == std::string::npos ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                                 : YAML_LITERAL_SCALAR_STYLE
        );
    }

    void node(const Value& value) {
        yaml_event_t event{};
        if (!value.is_usable()) {
            scalar("null", YAML_PLAIN_SCALAR_STYLE);
        } else if (value.is_sequence()) {
            yaml_sequence_start_event_initialize(
                &event,
                nullptr,
                nullptr,
                1,
                value.length() == 0 ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE
            );
            emit(event);
            for (const Value& item : value.items()) {
                node(item);
            }
            yaml_sequence_end_event_initialize(&event);
            emit(event);
        } else if (value.is_mapping()) {
            yaml_mapping_start_event_initialize(
                &event,
                nullptr,
                nullptr,
                1,
                value.length() == 0 ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE
            );
            emit(event);
            for (const auto& [key, item] : value.attributes()) {
                text(key);
                node(item);
            }
            yaml_mapping_end_event_initialize(&event);
            emit(event);
        } else if (value.kind() == Kind::String) {
            text(value.as_string());
        } else if (value.kind() == Kind::Bool) {
            scalar(value.as_bool() ? "true" : "false", YAML_PLAIN_SCALAR_STYLE);
        } else {
            scalar(value.as_number().str(), YAML_PLAIN_SCALAR_STYLE);
        }
    }

    yaml_emitter_t emitter_{};
    std::string out_;
};

}  // namespace

void add_yaml_functions(FunctionTable& table) {
    table["yamldecode"] = {
        .parameters = {{.name = "src", .type = Kind::String}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            auto value = YamlReader(a[0].as_string()).document();
            if (!value) {
                return wrong(value.error());
            }
            return std::move(*value);
        }
    };
    table["yamlencode"] = {
        .parameters = {{.name = "value", .type = {}, .allow_null = true}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            return Value::string(YamlWriter().document(a[0]));
        }
    };
}

}  // namespace nl::hcl::internal
