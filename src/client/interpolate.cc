#include "client/interpolate.h"

#include <utility>

namespace nl::client {
namespace {

std::optional<std::string> find(const StringMap& map, std::string_view key) {
    const auto at = map.find(key);
    return at == map.end() ? std::nullopt : std::optional(at->second);
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/// HCL says one thing of a name nobody knows and another of what is not a name at all.
std::string complaint(std::string_view name) {
    std::size_t end = 0;
    while (end < name.size() && is_name_character(name[end])) {
        ++end;
    }
    if (end < name.size() && name[end] != '[') {
        return "Extra characters after interpolation expression; Expected a closing brace to end "
               "the interpolation expression, but found "
               "extra characters.";
    }
    return fmt::format(
        "Unknown variable; There is no variable named \"{}\".",
        name.substr(0, name.find_first_of(".["))
    );
}

}  // namespace

Result<std::string> interpolate(std::string_view text, const Lookup& lookup, Unknown unknown) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t dollar = text.find("${");
        if (dollar == std::string_view::npos) {
            out.append(text);
            break;
        }
        if (dollar > 0 && text[dollar - 1] == '$') {
            out.append(text.substr(0, dollar - 1)).append("${");
            text.remove_prefix(dollar + 2);
            continue;
        }
        const std::size_t end = text.find('}', dollar);
        if (end == std::string_view::npos) {
            out.append(text);
            break;
        }
        out.append(text.substr(0, dollar));
        std::string_view name = text.substr(dollar + 2, end - dollar - 2);
        while (name.starts_with(' ')) {
            name.remove_prefix(1);
        }
        while (name.ends_with(' ')) {
            name.remove_suffix(1);
        }
        if (const auto value = lookup(name)) {
            out.append(*value);
        } else if (unknown == Unknown::Keep) {
            out.append(text.substr(dollar, end - dollar + 1));
        } else {
            return fail(ErrorCode::InvalidArgument, "{}", complaint(name));
        }
        text.remove_prefix(end + 1);
    }
    return out;
}

Result<Value> interpolate(
    const Value& value, const Lookup& lookup, Unknown unknown
) {  // NOLINT(misc-no-recursion): depth is bounded by the codec
    if (const std::string* text = value.as_string()) {
        NL_TRY(std::string done, interpolate(std::string_view(*text), lookup, unknown));
        return Value(std::move(done));
    }
    if (const Value::List* list = value.as_list()) {
        Value::List out;
        for (const Value& item : *list) {
            NL_TRY(Value done, interpolate(item, lookup, unknown));
            out.push_back(std::move(done));
        }
        return Value(std::move(out));
    }
    if (const Value::Map* map = value.as_map()) {
        Value::Map out;
        for (const auto& [key, item] : *map) {
            NL_TRY(Value done, interpolate(item, lookup, unknown));
            out.emplace(key, std::move(done));
        }
        return Value(std::move(out));
    }
    return value;
}

std::optional<std::string> node_variable(
    const model::Node& node, std::string_view region, std::string_view name
) {
    if (name == "node.unique.id") {
        return node.id.str();
    }
    if (name == "node.unique.name") {
        return node.name;
    }
    if (name == "node.datacenter") {
        return node.datacenter;
    }
    if (name == "node.region") {
        return std::string(region);
    }
    if (name == "node.class") {
        return node.node_class;
    }
    if (name == "node.pool") {
        return node.node_pool;
    }
    if (name.starts_with("attr.")) {
        return find(node.attributes, name.substr(5));
    }
    if (name.starts_with("meta.")) {
        return find(node.meta, name.substr(5));
    }
    return std::nullopt;
}

}  // namespace nl::client
