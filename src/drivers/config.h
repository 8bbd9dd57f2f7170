#pragma once
// Reads a driver's block of a task, or a plugin's block of the agent, into a struct with a field
// list: parsing, validation, wording of errors and documentation come from the one list. Values are
// taken as HCL and JSON clients send them: a block is a list with one map, a number may stand for a
// string and back. An unknown option is refused. Field names are the option's names; one that C++
// keeps for itself ends in '_' (`class_`). A struct lists what must be given in `kRequired`.
// Include only in the .cc files of drivers: the templates are costly to compile.

#include "base/codec.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/time.h"
#include "base/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::drivers {

/// A scalar as a command line takes it. nullopt for lists, maps and null.
std::optional<std::string> text_of(const Value& value);

namespace detail {

inline std::unexpected<Error> bad(const std::string& where, std::string_view wanted) {
    return fail(ErrorCode::InvalidArgument, "config: {} must be {}", where, wanted);
}

/// The option nearest to a mistyped one, as " (is \"x\" meant?)", or "".
std::string nearest(std::string_view word, const std::vector<std::string_view>& known);

template <class T>
Result<void> read_config_struct(
    const Value::Map& map, T& out, const std::string& prefix, std::string_view owner
);

template <class T>
Result<void> read_option(
    const Value& value, T& out, const std::string& where, std::string_view owner
) {
    if constexpr (std::is_same_v<T, Value>) {
        out = value;
        return {};
    } else if constexpr (kIsOptional<T>) {
        typename T::value_type inner{};
        NL_TRY_VOID(read_option(value, inner, where, owner));
        out = std::move(inner);
        return {};
    } else if constexpr (std::is_same_v<T, bool>) {
        const auto text = text_of(value);
        if (!text || (*text != "true" && *text != "false" && *text != "1" && *text != "0")) {
            return bad(where, "true or false");
        }
        out = *text == "true" || *text == "1";
        return {};
    } else if constexpr (std::is_same_v<T, std::string>) {
        auto text = text_of(value);
        if (!text) {
            return bad(where, "a string");
        }
        out = std::move(*text);
        return {};
    } else if constexpr (std::is_same_v<T, Duration>) {
        if (const std::int64_t* ns = value.as_int()) {
            out = nanoseconds(*ns);
            return {};
        }
        const auto text = text_of(value);
        auto parsed = text ? parse_duration(*text) : Result<Duration>(bad(where, ""));
        if (!parsed || parsed->ns < 0) {
            return bad(where, "a duration such as \"30s\"");
        }
        out = *parsed;
        return {};
    } else if constexpr (std::is_integral_v<T>) {
        const auto text = text_of(value);
        std::int64_t number = 0;
        const bool ok = text && !text->empty() && [&] {
            const auto [end, error] =
                std::from_chars(text->data(), text->data() + text->size(), number);
            return error == std::errc{} && end == text->data() + text->size();
        }();
        if (!ok) {
            return bad(where, "a whole number");
        }
        out = static_cast<T>(number);
        return {};
    } else if constexpr (std::is_same_v<T, double>) {
        const double* number = value.as_double();
        const std::int64_t* whole = value.as_int();
        if (number == nullptr && whole == nullptr) {
            return bad(where, "a number");
        }
        out = number != nullptr ? *number : static_cast<double>(*whole);
        return {};
    } else if constexpr (kIsStringMap<T>) {
        const auto add = [&](const Value::Map& map) -> Result<void> {
            for (const auto& [key, item] : map) {
                typename T::mapped_type one{};
                NL_TRY_VOID(read_option(item, one, where + "." + key, owner));
                out.insert_or_assign(key, std::move(one));
            }
            return {};
        };
        if (const Value::Map* map = value.as_map()) {
            return add(*map);
        }
        if (const Value::List* list = value.as_list()) {
            for (const Value& item : *list) {
                if (item.as_map() == nullptr) {
                    return bad(where, "a map");
                }
                NL_TRY_VOID(add(*item.as_map()));
            }
            return {};
        }
        return bad(where, "a map");
    } else if constexpr (kIsVector<T>) {
        using Item = typename T::value_type;
        constexpr const char* kWanted = HasFields<Item> ? "a block" : "a list of strings";
        const auto add = [&](const Value& item) -> Result<void> {
            Item one{};
            if constexpr (HasFields<Item>) {
                if (item.as_map() == nullptr) {
                    return bad(where, kWanted);
                }
                NL_TRY_VOID(read_config_struct(*item.as_map(), one, where + ".", owner));
            } else {
                if (!text_of(item)) {
                    return bad(where, kWanted);
                }
                NL_TRY_VOID(read_option(item, one, where, owner));
            }
            out.push_back(std::move(one));
            return {};
        };
        if (const Value::List* list = value.as_list()) {
            for (const Value& item : *list) {
                NL_TRY_VOID(add(item));
            }
            return {};
        }
        if (HasFields<Item> && value.as_map() != nullptr) {
            return add(value);
        }
        return bad(where, kWanted);
    } else if constexpr (kIsBox<T>) {
        const Value::Map* map = value.as_map();
        if (const Value::List* list = value.as_list()) {
            if (list->empty()) {
                return {};
            }
            map = list->size() == 1 ? list->front().as_map() : nullptr;
        }
        if (map == nullptr) {
            return bad(where, "one block");
        }
        return read_config_struct(*map, out.ensure(), where + ".", owner);
    } else {
        static_assert(HasFields<T>);
        const Value::Map* map = value.as_map();
        if (map == nullptr) {
            return bad(where, "a block");
        }
        return read_config_struct(*map, out, where + ".", owner);
    }
}

inline std::string_view option_name(std::string_view field) {
    return field.ends_with('_') ? field.substr(0, field.size() - 1) : field;
}

template <class T>
Result<void> read_config_struct(
    const Value::Map& map, T& out, const std::string& prefix, std::string_view owner
) {
    std::vector<std::string_view> known;
    Result<void> result;
    visit_fields(out, [&](FieldInfo info, auto& member) {
        const std::string_view name = option_name(info.name);
        known.push_back(name);
        const auto at = map.find(name);
        if (result && at != map.end() && !at->second.is_null()) {
            result = read_option(at->second, member, prefix + std::string(name), owner);
        }
    });
    if (!result) {
        return result;
    }
    for (const auto& [key, value] : map) {
        if (std::ranges::find(known, key) == known.end()) {
            return fail(
                ErrorCode::InvalidArgument,
                "config: there is no option \"{}{}\" in {}{}",
                prefix,
                key,
                owner,
                nearest(key, known)
            );
        }
    }
    if constexpr (requires { T::kRequired; }) {
        for (const std::string_view name : T::kRequired) {
            const auto at = map.find(name);
            if (at == map.end() || at->second.is_null() || at->second == Value("")) {
                return fail(
                    ErrorCode::InvalidArgument,
                    "config: missing required argument \"{}{}\"",
                    prefix,
                    name
                );
            }
        }
    }
    return {};
}

}  // namespace detail

/// `owner` is "driver exec" or "plugin \"docker\"". Errors: InvalidArgument.
template <class T>
Result<T> read_config(std::string_view owner, const ValueMap& map) {
    T out{};
    NL_TRY_VOID(detail::read_config_struct(map, out, "", owner));
    return out;
}

}  // namespace nl::drivers
