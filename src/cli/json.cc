#include "cli/json.h"

#include "wire/value_json.h"

#include <fmt/format.h>

namespace nl::cli {

namespace {

const Value kNull;
const Value::List kEmptyList;
const Value::Map kEmptyMap;

}  // namespace

Result<Value> parse_json(std::string_view text) {
    return wire::parse_json(text);
}

std::string write_json(const Value& value, JsonStyle style) {
    return wire::write_json(
        value, style == JsonStyle::Indented ? wire::Layout::Pretty : wire::Layout::Compact
    );
}

std::string indent_json(std::string_view text, int spaces) {
    std::string out;
    out.reserve(text.size() * 2);
    std::size_t depth = 0;
    const auto new_line = [&] {
        out += '\n';
        out.append(depth * static_cast<std::size_t>(spaces), ' ');
    };
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            out += c;
            if (c == '\\' && i + 1 < text.size()) {
                out += text[++i];
            } else if (c == '"') {
                in_string = false;
            }
            continue;
        }
        switch (c) {
            case ' ':
            case '\n':
            case '\r':
            case '\t':
                break;
            case '"':
                in_string = true;
                out += c;
                break;
            case '{':
            case '[': {
                out += c;
                const std::size_t next = text.find_first_not_of(" \n\r\t", i + 1);
                if (next != std::string_view::npos && (text[next] == '}' || text[next] == ']')) {
                    out += text[next];
                    i = next;
                } else {
                    ++depth;
                    new_line();
                }
                break;
            }
            case '}':
            case ']':
                depth -= depth > 0 ? 1 : 0;
                new_line();
                out += c;
                break;
            case ',':
                out += c;
                new_line();
                break;
            case ':':
                out += ": ";
                break;
            default:
                out += c;
        }
    }
    return out;
}

Doc Doc::operator[](std::string_view key) const {
    const Value::Map* map = value_ == nullptr ? nullptr : value_->as_map();
    if (map == nullptr) {
        return {};
    }
    const auto found = map->find(key);
    return found == map->end() ? Doc() : Doc(found->second);
}

Doc Doc::at(std::size_t index) const {
    const Value::List& items = list();
    return index < items.size() ? Doc(items[index]) : Doc();
}

std::string Doc::text() const {
    if (is_null()) {
        return {};
    }
    if (const std::string* text = value_->as_string()) {
        return *text;
    }
    if (const std::int64_t* integer = value_->as_int()) {
        return fmt::format("{}", *integer);
    }
    if (const bool* flag = value_->as_bool()) {
        return *flag ? "true" : "false";
    }
    if (const double* number = value_->as_double()) {
        return fmt::format("{}", *number);
    }
    return {};
}

std::int64_t Doc::integer() const {
    if (is_null()) {
        return 0;
    }
    if (const std::int64_t* integer = value_->as_int()) {
        return *integer;
    }
    if (const double* number = value_->as_double()) {
        return static_cast<std::int64_t>(*number);
    }
    return 0;
}

double Doc::number() const {
    if (is_null()) {
        return 0;
    }
    if (const double* number = value_->as_double()) {
        return *number;
    }
    return static_cast<double>(integer());
}

bool Doc::flag() const {
    const bool* flag = is_null() ? nullptr : value_->as_bool();
    return flag != nullptr && *flag;
}

const Value::List& Doc::list() const {
    const Value::List* list = is_null() ? nullptr : value_->as_list();
    return list == nullptr ? kEmptyList : *list;
}

const Value::Map& Doc::map() const {
    const Value::Map* map = is_null() ? nullptr : value_->as_map();
    return map == nullptr ? kEmptyMap : *map;
}

const Value& Doc::value() const {
    return value_ == nullptr ? kNull : *value_;
}

std::string Doc::text_or(std::string_view fallback) const {
    std::string found = text();
    return found.empty() ? std::string(fallback) : found;
}

}  // namespace nl::cli
