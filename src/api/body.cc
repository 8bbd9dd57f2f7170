#include "api/body.h"

#include "wire/value_json.h"

namespace nl::api {
namespace {

bool same_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) {
        return false;
    }
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (lower(a[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}

}  // namespace

Result<Value> optional_body(const Request& request) {
    if (request.body.empty()) {
        return Value(Value::Map{});
    }
    NL_TRY(Value value, wire::parse_json(request.body));
    if (value.is_null()) {
        return Value(Value::Map{});
    }
    if (value.as_map() == nullptr) {
        return fail(ErrorCode::InvalidArgument, "the request body must be a JSON object");
    }
    return value;
}

Result<Value> body_object(const Request& request) {
    if (request.body.empty()) {
        return fail(ErrorCode::InvalidArgument, "Request body is empty");
    }
    return optional_body(request);
}

const Value* member(const Value& object, std::string_view name) {
    const Value::Map* map = object.as_map();
    if (map == nullptr) {
        return nullptr;
    }
    auto found = map->find(name);
    if (found == map->end()) {
        for (auto it = map->begin(); it != map->end(); ++it) {
            if (same_ignoring_case(it->first, name)) {
                found = it;
                break;
            }
        }
    }
    return found == map->end() || found->second.is_null() ? nullptr : &found->second;
}

std::string text_member(const Value& object, std::string_view name) {
    const Value* value = member(object, name);
    const std::string* text = value != nullptr ? value->as_string() : nullptr;
    return text != nullptr ? *text : "";
}

bool bool_member(const Value& object, std::string_view name, bool otherwise) {
    const Value* value = member(object, name);
    const bool* flag = value != nullptr ? value->as_bool() : nullptr;
    return flag != nullptr ? *flag : otherwise;
}

std::optional<std::int64_t> int_member(const Value& object, std::string_view name) {
    const Value* value = member(object, name);
    if (value == nullptr) {
        return {};
    }
    if (const auto* number = value->as_int()) {
        return *number;
    }
    if (const auto* number = value->as_double()) {
        return static_cast<std::int64_t>(*number);
    }
    return {};
}

StringMap text_map_member(const Value& object, std::string_view name) {
    StringMap out;
    const Value* value = member(object, name);
    if (const auto* map = value != nullptr ? value->as_map() : nullptr) {
        for (const auto& [key, item] : *map) {
            if (const auto* text = item.as_string()) {
                out.emplace(key, *text);
            }
        }
    }
    return out;
}

std::vector<std::string> text_list_member(const Value& object, std::string_view name) {
    std::vector<std::string> out;
    const Value* value = member(object, name);
    if (const auto* list = value != nullptr ? value->as_list() : nullptr) {
        for (const Value& item : *list) {
            if (const auto* text = item.as_string()) {
                out.push_back(*text);
            }
        }
    }
    return out;
}

}  // namespace nl::api
