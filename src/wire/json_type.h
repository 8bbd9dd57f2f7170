#pragma once
// How a C++ type reads and writes JSON, without its type: one `JsonType` for each type that occurs
// in the model, found through `json_type<T>()` (json_codec.h). Structs are tables of fields with
// offsets, so that one loop serves them all; this keeps the compiled code small and the compile
// time of the instantiations bounded. Objects live for the whole program and hold no state that
// changes.

#include "base/error.h"
#include "base/value.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace nl::wire {

class JsonType;

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
