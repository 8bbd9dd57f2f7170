#include "wire/json_type.h"

#include "wire/names.h"
#include "wire/partial.h"
#include "wire/value_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nl::wire {
namespace {

/// Go's word for what a JSON value is, for error texts.
std::string_view json_kind(const Value& v) {
    if (v.is_null()) {
        return "null";
    }
    if (v.as_bool() != nullptr) {
        return "bool";
    }
    if (v.as_int() != nullptr || v.as_double() != nullptr) {
        return "number";
    }
    if (v.as_string() != nullptr) {
        return "string";
    }
    return v.as_list() != nullptr ? "array" : "object";
}

bool equal_fold(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto lower = [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        };
        if (lower(a[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}

const Value* find_member(const Value::Map& map, std::string_view name) {
    if (const auto exact = map.find(name); exact != map.end()) {
        return &exact->second;
    }
    const Value* found = nullptr;
    for (const auto& [key, item] : map) {
        if (equal_fold(key, name)) {
            found = &item;
        }
    }
    return found;
}

/// Set by OnlyFields for the next struct that is written.
thread_local const std::span<const std::string>* only_fields = nullptr;

/// A number in the model that is a boolean in JSON.
class NumberAsBool final : public JsonType {
public:
    void append(std::string& out, const void* object, bool, const JsonField*) const override {
        out += is_default(object) ? "false" : "true";
    }
    Result<void> read(const Value& value, void* object, std::string_view where) const override {
        if (value.as_bool() == nullptr) {
            return json_mismatch(value, where, "bool");
        }
        *static_cast<std::int64_t*>(object) = *value.as_bool() ? 1 : 0;
        return {};
    }
    bool is_default(const void* object) const override {
        return *static_cast<const std::int64_t*>(object) == 0;
    }
    std::string schema(JsonSchemas&, bool) const override { return "{\"type\":\"boolean\"}"; }
};

const JsonType& number_as_bool_type() {
    static const NumberAsBool kType;
    return kType;
}

}  // namespace

OnlyFields::OnlyFields(std::span<const std::string> fields) : fields_(fields) {
    only_fields = &fields_;
}

OnlyFields::~OnlyFields() {
    only_fields = nullptr;
}

std::unexpected<Error> json_mismatch(
    const Value& value, std::string_view where, std::string_view wanted
) {
    return fail(
        ErrorCode::InvalidArgument,
        "json: cannot unmarshal {} into Go struct field {} of type {}",
        json_kind(value),
        where,
        wanted
    );
}

void JsonNullable::append(
    std::string& out, const void* object, bool written, const JsonField* how
) const {
    if (const void* held = shape_.get(object); held != nullptr) {
        held_().append(out, held, written, how);
    } else {
        out += "null";
    }
}

Result<void> JsonNullable::read(const Value& value, void* object, std::string_view where) const {
    shape_.reset(object);
    if (value.is_null()) {
        return {};
    }
    return held_().read(value, shape_.make(object), where);
}

bool JsonNullable::is_default(const void* object) const {
    return shape_.get(object) == nullptr;
}

void JsonList::append(
    std::string& out, const void* object, bool written, const JsonField* how
) const {
    std::size_t count = 0;
    const char* at = static_cast<const char*>(shape_.items(object, count));
    if (count == 0 && (how == nullptr || !how->empty_not_null)) {
        out += "null";
        return;
    }
    const JsonType& type = item_();
    out += '[';
    for (std::size_t i = 0; i < count; ++i, at += shape_.stride) {
        if (i > 0) {
            out += ',';
        }
        type.append(out, at, written, nullptr);
    }
    out += ']';
}

Result<void> JsonList::read(const Value& value, void* object, std::string_view where) const {
    const Value::List* list = value.as_list();
    if (list == nullptr) {
        return json_mismatch(value, where, "[]");
    }
    shape_.start(object, list->size());
    const JsonType& type = item_();
    for (const Value& from : *list) {
        void* item = shape_.add(object);
        if (!from.is_null()) {
            NL_TRY_VOID(type.read(from, item, where));
        }
    }
    return {};
}

bool JsonList::is_default(const void* object) const {
    std::size_t count = 0;
    shape_.items(object, count);
    return count == 0;
}

void JsonMap::append(
    std::string& out, const void* object, bool written, const JsonField* how
) const {
    if (shape_.size(object) == 0 && (how == nullptr || !how->empty_not_null)) {
        out += "null";
        return;
    }
    struct Context {
        std::string& out;
        const JsonType& type;
        bool written;
        bool first;
    } context{out, item_(), written, true};
    out += '{';
    shape_.each(object, &context, [](void* raw, std::string_view key, const void* item) {
        Context& at = *static_cast<Context*>(raw);
        if (!at.first) {
            at.out += ',';
        }
        at.first = false;
        append_json_string(at.out, key);
        at.out += ':';
        at.type.append(at.out, item, at.written, nullptr);
    });
    out += '}';
}

Result<void> JsonMap::read(const Value& value, void* object, std::string_view where) const {
    const Value::Map* map = value.as_map();
    if (map == nullptr) {
        return json_mismatch(value, where, "map[string]");
    }
    shape_.clear(object);
    const JsonType& type = item_();
    for (const auto& [key, from] : *map) {
        void* item = shape_.put(object, std::string(key));
        if (!from.is_null()) {
            NL_TRY_VOID(type.read(from, item, where));
        }
    }
    return {};
}

bool JsonMap::is_default(const void* object) const {
    return shape_.size(object) == 0;
}

JsonStruct::JsonStruct(std::string_view noun, bool written, const std::vector<Seed>& seeds)
    : noun_(noun), written_(written) {
    fields_.reserve(seeds.size());
    for (const Seed& seed : seeds) {
        JsonField field;
        field.name = json_name(noun, seed.name);
        append_json_string(field.key, field.name);
        field.key += ':';
        field.where = fmt::format("{}.{}", noun, field.name);
        field.offset = seed.offset;
        field.type = number_as_bool(noun, seed.name) ? &number_as_bool_type() : &seed.type();
        field.omit_empty = omits_empty(noun, seed.name);
        field.addition = is_addition(noun, seed.name);
        field.only_as_written = only_as_written(noun, seed.name);
        field.duration_text = duration_as_text(noun, seed.name);
        field.empty_not_null = empty_not_null(noun, seed.name);
        fields_.push_back(std::move(field));
    }
}

void JsonStruct::append(
    std::string& out, const void* object, bool written, const JsonField* /*how*/
) const {
    const bool all = written || written_;
    // Of the outermost struct alone.
    const auto* fields = std::exchange(only_fields, nullptr);
    bool first = true;
    out += '{';
    for (const JsonField& field : fields_) {
        if (field.only_as_written && !all) {
            continue;
        }
        if (fields != nullptr && std::ranges::find(*fields, field.name) == fields->end()) {
            continue;
        }
        const void* member = static_cast<const char*>(object) + field.offset;
        const bool may_go = field.addition || (field.omit_empty && !all);
        if (may_go && field.type->is_default(member)) {
            continue;
        }
        if (!first) {
            out += ',';
        }
        first = false;
        out += field.key;
        field.type->append(out, member, all, &field);
    }
    out += '}';
}

Result<void> JsonStruct::read(const Value& value, void* object, std::string_view where) const {
    const Value::Map* map = value.as_map();
    if (map == nullptr) {
        return json_mismatch(value, where, noun_);
    }
    for (const JsonField& field : fields_) {
        const Value* found = find_member(*map, field.name);
        if (found != nullptr && !found->is_null()) {
            NL_TRY_VOID(
                field.type->read(*found, static_cast<char*>(object) + field.offset, field.where)
            );
        }
    }
    return {};
}

bool JsonStruct::is_default(const void* /*object*/) const {
    // A nested struct is written even when all of it is zero, as Go's omitempty does.
    return false;
}

std::string JsonNullable::schema(JsonSchemas& all, bool duration_text) const {
    return "{\"nullable\":true,\"allOf\":[" + held_().schema(all, duration_text) + "]}";
}

std::string JsonList::schema(JsonSchemas& all, bool /*duration_text*/) const {
    return "{\"type\":\"array\",\"nullable\":true,\"items\":" + item_().schema(all, false) + "}";
}

std::string JsonMap::schema(JsonSchemas& all, bool /*duration_text*/) const {
    return "{\"type\":\"object\",\"nullable\":true,\"additionalProperties\":" +
           item_().schema(all, false) + "}";
}

std::string JsonStruct::schema(JsonSchemas& all, bool /*duration_text*/) const {
    if (all.emplace(noun_, "").second) {
        std::string properties;
        for (const JsonField& field : fields_) {
            if (!properties.empty()) {
                properties += ',';
            }
            properties += field.key;
            properties += field.type->schema(all, field.duration_text);
        }
        all.find(noun_)->second = "{\"type\":\"object\",\"properties\":{" + properties + "}}";
    }
    return fmt::format("{{\"$ref\":\"#/components/schemas/{}\"}}", noun_);
}

}  // namespace nl::wire
