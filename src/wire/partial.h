#pragma once
// A part of an object as a value: a filter over a hundred thousand objects looks at one or two
// fields of each, and making all the others would be most of its work.

#include "base/value.h"
#include "wire/json.h"

#include <span>
#include <string>

namespace nl::wire {

/// While it lives, the next object that this thread writes shows only these of its own fields (by
/// their JSON names); what those hold is written whole.
class OnlyFields {
public:
    explicit OnlyFields(std::span<const std::string> fields);
    ~OnlyFields();
    OnlyFields(const OnlyFields&) = delete;
    OnlyFields& operator=(const OnlyFields&) = delete;

private:
    std::span<const std::string> fields_;
};

/// As to_value, of the object's own fields only those named.
template <class T>
Value to_partial_value(const T& object, std::span<const std::string> fields) {
    const OnlyFields only(fields);
    return to_value(object);
}

}  // namespace nl::wire
