#pragma once
// How a C++ type reads and writes JSON, without its type: one `JsonType` for each type that occurs
// in the model, found through `json_type<T>()` (json_codec.h). Structs are tables of fields with
// offsets, so that one loop serves them all; this keeps the compiled code small and the compile
// time of the instantiations bounded. Objects live for the whole program and hold no state that
// changes.

#include "base/codec.h"
#include "base/error.h"
#include "base/value.h"

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace nl::wire {

class JsonType;

/// JSON Schemas by noun; an entry is made before its fields are looked at, so that a noun may hold
/// itself.
using JsonSchemas = std::map<std::string, std::string, std::less<>>;

/// One field of a struct: where it lies, how it is spelt, and which rules of names.h hold for it.
struct JsonField {
    std::string name;   ///< Job
    std::string key;    ///< "Job":
    std::string where;  ///< Evaluation.Job, as error texts name it
    std::size_t offset;
    const JsonType* type;
    bool omit_empty;
    bool addition;
    bool only_as_written;
    bool duration_text;
    bool empty_not_null;
};

class JsonType {
public:
    JsonType() = default;
    JsonType(const JsonType&) = delete;
    JsonType& operator=(const JsonType&) = delete;
    virtual ~JsonType() = default;

    /// Appends the object at `object`. `written`: inside a job as written, where Nomad's client
    /// types leave nothing out. `how`: the field that holds it, null inside lists and maps.
    virtual void append(
        std::string& out, const void* object, bool written, const JsonField* how
    ) const = 0;
    /// Reads into the object at `object`. Errors: InvalidArgument naming `where`.
    virtual Result<void> read(const Value& value, void* object, std::string_view where) const = 0;
    /// Whether a field that omits its zero value leaves this one out.
    virtual bool is_default(const void* object) const = 0;
    /// Its JSON Schema (OpenAPI 3.0); the nouns it holds are added to `all`. `duration_text`: its
    /// field is spelt as text.
    virtual std::string schema(JsonSchemas& all, bool duration_text) const = 0;
};

/// Box, std::optional and std::shared_ptr: null or what they hold.
class JsonNullable final : public JsonType {
public:
    JsonNullable(const codec::NullableType& shape, const JsonType& (*held)())
        : shape_(shape), held_(held) {}

    void append(std::string& out, const void* object, bool written, const JsonField* how)
        const override;
    Result<void> read(const Value& value, void* object, std::string_view where) const override;
    bool is_default(const void* object) const override;
    std::string schema(JsonSchemas& all, bool duration_text) const override;

private:
    const codec::NullableType& shape_;
    const JsonType& (*held_)();
};

/// std::vector; an empty one is null unless its field says otherwise.
class JsonList final : public JsonType {
public:
    JsonList(const codec::ListType& shape, const JsonType& (*item)())
        : shape_(shape), item_(item) {}

    void append(std::string& out, const void* object, bool written, const JsonField* how)
        const override;
    Result<void> read(const Value& value, void* object, std::string_view where) const override;
    bool is_default(const void* object) const override;
    std::string schema(JsonSchemas& all, bool duration_text) const override;

private:
    const codec::ListType& shape_;
    const JsonType& (*item_)();
};

/// std::map by text; an empty one is null unless its field says otherwise.
class JsonMap final : public JsonType {
public:
    JsonMap(const codec::MapType& shape, const JsonType& (*item)()) : shape_(shape), item_(item) {}

    void append(std::string& out, const void* object, bool written, const JsonField* how)
        const override;
    Result<void> read(const Value& value, void* object, std::string_view where) const override;
    bool is_default(const void* object) const override;
    std::string schema(JsonSchemas& all, bool duration_text) const override;

private:
    const codec::MapType& shape_;
    const JsonType& (*item_)();
};

/// A struct with a field list.
class JsonStruct : public JsonType {
public:
    /// What the field list says of one field.
    struct Seed {
        std::string_view name;
        std::size_t offset;
        const JsonType& (*type)();
    };

    /// `written`: the as-written form of a noun.
    JsonStruct(std::string_view noun, bool written, const std::vector<Seed>& seeds);

    void append(std::string& out, const void* object, bool written, const JsonField* how)
        const override;
    Result<void> read(const Value& value, void* object, std::string_view where) const override;
    bool is_default(const void* object) const override;
    std::string schema(JsonSchemas& all, bool duration_text) const override;

private:
    std::string_view noun_;
    bool written_;
    std::vector<JsonField> fields_;
};

/// The error for a value of the wrong kind, worded as Go's decoder does.
std::unexpected<Error> json_mismatch(
    const Value& value, std::string_view where, std::string_view wanted
);

}  // namespace nl::wire
