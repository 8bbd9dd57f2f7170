// The one file that includes simdjson. Its padded parser copies the input once; numbers beyond 64
// bits become doubles.
#include "wire/value_json.h"

#include <simdjson.h>

namespace nl::wire {
namespace {

Result<Value> convert(simdjson::dom::element element) {
    using simdjson::dom::element_type;
    switch (element.type()) {
        case element_type::NULL_VALUE:
            return Value();
        case element_type::BOOL:
            return Value(element.get_bool().value_unsafe());
        case element_type::INT64:
            return Value(element.get_int64().value_unsafe());
        case element_type::UINT64: {
            return Value(static_cast<double>(element.get_uint64().value_unsafe()));
        }
        case element_type::DOUBLE:
            return Value(element.get_double().value_unsafe());
        case element_type::STRING:
            return Value(std::string(element.get_string().value_unsafe()));
        case element_type::ARRAY: {
            Value::List list;
            const simdjson::dom::array array = element.get_array().value_unsafe();
            for (const auto item : array) {
                NL_TRY(Value value, convert(item));
                list.push_back(std::move(value));
            }
            return Value(std::move(list));
        }
        case element_type::OBJECT: {
            Value::Map map;
            const simdjson::dom::object object = element.get_object().value_unsafe();
            for (const auto field : object) {
                NL_TRY(Value value, convert(field.value));
                map.insert_or_assign(std::string(field.key), std::move(value));
            }
            return Value(std::move(map));
        }
    }
    return fail(ErrorCode::InvalidArgument, "invalid JSON");
}

}  // namespace

Result<Value> parse_json(std::string_view text) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        return fail(ErrorCode::InvalidArgument, "EOF");
    }
    simdjson::dom::parser parser;
    if (parser.allocate(text.size(), kMaxJsonDepth) != simdjson::SUCCESS) {
        return fail(ErrorCode::TooLarge, "JSON of {} bytes is too large", text.size());
    }
    const auto parsed = parser.parse(text.data(), text.size());
    if (parsed.error() != simdjson::SUCCESS) {
        return fail(
            ErrorCode::InvalidArgument, "invalid JSON: {}", simdjson::error_message(parsed.error())
        );
    }
    return convert(parsed.value_unsafe());
}

}  // namespace nl::wire
