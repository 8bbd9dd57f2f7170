#include "hcl/eval.h"

#include <fmt/format.h>

namespace nl::hcl {

Value index_value(
    const Value& value, const Value& key, const Range& range, Diagnostics& diagnostics
) {
    const auto mistake = [&](std::string_view detail) {
        diagnostics.error("Invalid index", std::string(detail), range);
        return Value::unknown();
    };
    if (value.is_null()) {
        diagnostics.error(
            "Attempt to index null value",
            "This value is null, so it does not have any indices.",
            range
        );
        return Value::unknown();
    }
    if (key.is_null()) {
        return mistake("Can't use a null value as an indexing key.");
    }
    if (value.is_unknown() || key.is_unknown()) {
        return Value::unknown();
    }
    constexpr std::string_view kAbsent =
        "The given key does not identify an element in this collection value";
    if (value.kind() == Kind::List || value.kind() == Kind::Tuple) {
        const auto number = convert(key, Kind::Number);
        if (!number) {
            return mistake(fmt::format("{}: {}.", kAbsent, number.error().message));
        }
        const auto at = number->as_number().as_int();
        const auto size = static_cast<std::int64_t>(value.items().size());
        if (!at) {
            return mistake(fmt::format(
                "{}: indexing a sequence requires a whole number{}.",
                kAbsent,
                number->as_number().is_whole() ? "" : ", but the given index has a fractional part"
            ));
        }
        if (*at < 0) {
            return mistake(
                fmt::format("{}: a negative number is not a valid index for a sequence.", kAbsent)
            );
        }
        if (*at >= size) {
            return mistake(
                size == 0 ? fmt::format("{}: the collection has no elements.", kAbsent)
                          : fmt::format(
                                "{}: the given index is greater than or equal to the length of the "
                                "collection.",
                                kAbsent
                            )
            );
        }
        return value.items()[static_cast<std::size_t>(*at)];
    }
    if (value.is_mapping()) {
        const auto text = convert(key, Kind::String);
        if (!text) {
            return mistake(fmt::format("{}: {}.", kAbsent, text.error().message));
        }
        const auto found = value.attributes().find(text->as_string());
        if (found == value.attributes().end()) {
            const bool by_number = value.kind() == Kind::Object && key.kind() == Kind::Number;
            return mistake(fmt::format(
                "{}.{}",
                kAbsent,
                by_number ? " An object only supports looking up attributes by name, not by numeric "
                            "index."
                          : ""
            ));
        }
        return found->second;
    }
    if (value.kind() == Kind::Set) {
        return mistake(
            "Elements of a set are identified only by their value and don't have any separate "
            "index or key to select with, so it's only possible to perform operations across all "
            "elements of the set."
        );
    }
    return mistake("This value does not have any indices.");
}

Value attribute_value(
    const Value& value, std::string_view name, const Range& range, Diagnostics& diagnostics
) {
    const auto mistake = [&](std::string summary, std::string detail) {
        diagnostics.error(std::move(summary), std::move(detail), range);
        return Value::unknown();
    };
    if (value.is_null()) {
        return mistake(
            "Attempt to get attribute from null value",
            "This value is null, so it does not have any attributes."
        );
    }
    if (value.is_unknown()) {
        const Type type = value.type();
        if (type.is_primitive()) {
            return mistake(
                "Unsupported attribute",
                fmt::format(
                    "Can't access attributes on a primitive-typed value ({}).", type.friendly()
                )
            );
        }
        if (type.kind() == Kind::Map) {
            return Value::unknown(type.element());
        }
        if (type.kind() == Kind::Object) {
            const auto found = type.attributes().find(name);
            return found == type.attributes().end()
                       ? mistake(
                             "Unsupported attribute",
                             fmt::format(
                                 "This object does not have an attribute named \"{}\".", name
                             )
                         )
                       : Value::unknown(found->second);
        }
        return Value::unknown();
    }
    if (value.is_mapping()) {
        const auto found = value.attributes().find(name);
        if (found != value.attributes().end()) {
            return found->second;
        }
        if (value.kind() == Kind::Map) {
            return mistake(
                "Missing map element",
                fmt::format("This map does not have an element with the key \"{}\".", name)
            );
        }
        return mistake(
            "Unsupported attribute",
            fmt::format("This object does not have an attribute named \"{}\".", name)
        );
    }
    const bool of_objects =
        value.is_sequence() && !value.items().empty() && value.items().front().is_mapping();
    if (of_objects) {
        return mistake(
            "Unsupported attribute",
            fmt::format(
                "Can't access attributes on a list of objects. Did you mean to access attribute "
                "\"{}\" for a specific element of the list, or across all elements of the list?",
                name
            )
        );
    }
    if (value.type().is_primitive()) {
        return mistake(
            "Unsupported attribute",
            fmt::format(
                "Can't access attributes on a primitive-typed value ({}).", value.type().friendly()
            )
        );
    }
    return mistake("Unsupported attribute", "This value does not have any attributes.");
}

}  // namespace nl::hcl
