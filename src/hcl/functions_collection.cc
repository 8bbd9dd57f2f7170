#include "hcl/internal/function_groups.h"

#include <algorithm>

namespace nl::hcl::internal {
namespace {

Value::Items elements_of(const Value& v) {
    Value::Items items;
    if (v.is_sequence()) {
        return v.items();
    }
    for (const auto& [key, item] : v.attributes()) {
        items.push_back(item);
    }
    return items;
}

/// A list if all items have one type to agree on, a tuple otherwise.
Value list_or_tuple(Value::Items items) {
    std::vector<Type> types;
    for (const Value& v : items) {
        types.push_back(v.type());
    }
    const Value tuple = Value::tuple(std::move(items));
    if (const auto common = unify(types)) {
        if (auto list = convert(tuple, Type::list(*common))) {
            return std::move(*list);
        }
    }
    return tuple;
}

FunctionResult chunks(Arguments a, FunctionEnvironment&) {
    const auto size = a[1].as_number().as_int();
    if (!size) {
        return not_whole("invalid size: ");
    }
    if (*size < 0) {
        return wrong("the size argument must be positive");
    }
    const auto& items = a[0].items();
    const std::size_t step =
        *size == 0 ? std::max<std::size_t>(items.size(), 1) : static_cast<std::size_t>(*size);
    Value::Items out;
    for (std::size_t i = 0; i < items.size(); i += step) {
        const auto begin = items.begin() + static_cast<std::ptrdiff_t>(i);
        const auto end = begin + static_cast<std::ptrdiff_t>(std::min(step, items.size() - i));
        out.push_back(Value::list(a[0].element_type(), Value::Items(begin, end)));
    }
    return Value::list(Type::list(a[0].element_type()), std::move(out));
}

FunctionResult first_given(Arguments a, FunctionEnvironment&) {
    std::vector<Type> types;
    for (const Value& v : a) {
        types.push_back(v.type());
    }
    const auto common = unify(types);
    if (!common || a.empty()) {
        return wrong("all arguments must have the same type");
    }
    for (const Value& v : a) {
        if (v.is_unknown()) {
            return Value::unknown(*common);
        }
        if (!v.is_null()) {
            auto converted = convert(v, *common);
            return converted ? FunctionResult(*converted) : wrong(converted.error().message);
        }
    }
    return wrong("no non-null arguments");
}

FunctionResult first_list(Arguments a, FunctionEnvironment&) {
    for (const Value& v : a) {
        if (!v.is_usable() || !v.is_sequence()) {
            return wrong("coalescelist arguments must be lists or tuples");
        }
        if (v.length() > 0) {
            return v;
        }
    }
    return a.empty() ? wrong("at least one argument is required")
                     : FunctionResult(wrong("no non-null arguments"));
}

FunctionResult concatenated(Arguments a, FunctionEnvironment&) {
    Value::Items all;
    bool lists = true;
    std::vector<Type> types;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i].kind() != Kind::List && a[i].kind() != Kind::Tuple) {
            return wrong(
                "all arguments must be lists or tuples; got " + a[i].type().friendly(),
                static_cast<int>(i)
            );
        }
        lists = lists && a[i].kind() == Kind::List;
        types.push_back(a[i].element_type());
        all.insert(all.end(), a[i].items().begin(), a[i].items().end());
    }
    if (a.empty()) {
        return wrong("at least one argument is required");
    }
    const Value tuple = Value::tuple(std::move(all));
    // An empty list has a say in the type as well.
    const auto common = lists ? unify(types) : std::nullopt;
    auto list = common ? convert(tuple, Type::list(*common)) : Result<Value>(tuple);
    return list ? std::move(*list) : tuple;
}

FunctionResult nth(Arguments a, FunctionEnvironment&) {
    if (a[0].kind() != Kind::List && a[0].kind() != Kind::Tuple) {
        return wrong("cannot read elements from " + a[0].type().friendly());
    }
    const auto index = a[1].as_number().as_int();
    if (!index) {
        return not_whole("invalid index: ");
    }
    const auto size = static_cast<std::int64_t>(a[0].length());
    if (size == 0) {
        return wrong("cannot use element function with an empty list");
    }
    return a[0].items()[static_cast<std::size_t>(((*index % size) + size) % size)];
}

bool flatten_into(const Value& v, Value::Items& out) {
    for (const Value& item : v.items()) {
        if (item.is_usable() && item.is_sequence()) {
            if (!flatten_into(item, out)) {
                return false;
            }
        } else {
            out.push_back(item);
        }
    }
    return out.size() <= kMaxFunctionElements;
}

FunctionResult at_key(Arguments a, FunctionEnvironment&) {
    if (a[0].kind() == Kind::List || a[0].kind() == Kind::Tuple) {
        const bool tuple = a[0].kind() == Kind::Tuple;
        if (a[1].kind() != Kind::Number) {
            return wrong(fmt::format("key for {} must be number", tuple ? "tuple" : "list"));
        }
        const auto i = a[1].as_number().as_int();
        if (!i || *i < 0 || *i >= static_cast<std::int64_t>(a[0].length())) {
            return wrong(
                tuple ? fmt::format("key must be between 0 and {} inclusive", a[0].length())
                      : std::string("invalid index")
            );
        }
        return a[0].items()[static_cast<std::size_t>(*i)];
    }
    if (a[0].kind() == Kind::Map) {
        if (a[1].kind() != Kind::String) {
            return wrong("key for map must be string");
        }
        const auto found = a[0].attributes().find(a[1].as_string());
        return found == a[0].attributes().end() ? wrong("invalid index")
                                                : FunctionResult(found->second);
    }
    return wrong("collection must be a list, a map or a tuple");
}

FunctionResult lookup(Arguments a, FunctionEnvironment&) {
    if (!a[0].is_mapping()) {
        return wrong("lookup() requires a map as the first argument", 0);
    }
    const auto found = a[0].attributes().find(a[1].as_string());
    if (found != a[0].attributes().end()) {
        return found->second;
    }
    if (a[0].kind() == Kind::Map) {
        auto fallback = convert(a[2], a[0].element_type());
        if (!fallback) {
            return wrong("the default value must have the same type as the map elements", 2);
        }
        return *fallback;
    }
    return a[2];
}

FunctionResult merged(Arguments a, FunctionEnvironment&) {
    Value::Attributes all;
    bool maps = !a.empty();
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i].is_null()) {
            continue;
        }
        if (!a[i].is_mapping()) {
            return wrong("arguments must be maps or objects, got \"" + a[i].type().friendly() + "\"");
        }
        maps = maps && a[i].kind() == Kind::Map && a[i].element_type() == a[0].element_type();
        for (const auto& [key, v] : a[i].attributes()) {
            all.insert_or_assign(key, v);
        }
    }
    return maps && !a[0].is_null() ? Value::map(a[0].element_type(), std::move(all))
                                   : Value::object(std::move(all));
}

FunctionResult counted(Arguments a, FunctionEnvironment&) {
    constexpr std::size_t kMaxRange = 1024;  // As the original bounds it.
    Number start = 0;
    Number end;
    if (a.empty() || a.size() > 3) {
        return wrong("must have one, two, or three arguments");
    }
    if (a.size() == 1) {
        end = a[0].as_number();
    } else {
        start = a[0].as_number();
        end = a[1].as_number();
    }
    Number step = compare(end, start) < 0 ? -1 : 1;
    if (a.size() == 3) {
        step = a[2].as_number();
        if (compare(end, start) < 0 && step.sign() > 0) {
            return wrong("end must be greater than start when step is positive", 1);
        }
        if (compare(end, start) > 0 && step.sign() < 0) {
            return wrong("end must be less than start when step is negative", 1);
        }
    }
    const bool endless = step.sign() == 0 && compare(start, end) != 0;
    Value::Items items;
    for (Number n = start; endless || compare(n, end) * step.sign() < 0; n = n + step) {
        if (endless || items.size() >= kMaxRange) {
            return wrong(
                "more than 1024 values were generated; either decrease the difference between "
                "start and end or use a smaller step"
            );
        }
        items.push_back(Value::number(n));
    }
    return Value::list(Kind::Number, std::move(items));
}

/// All arguments as sets of one element type.
std::expected<std::vector<Value>, FunctionError> same_sets(Arguments a) {
    std::vector<Type> types;
    for (const Value& v : a) {
        if (v.length() > 0) {
            types.push_back(v.element_type());
        }
    }
    const auto common = unify(types);
    if (!common) {
        return wrong("given sets must all have compatible element types");
    }
    std::vector<Value> sets;
    for (const Value& v : a) {
        auto set = convert(v, Type::set(*common));
        if (!set) {
            return wrong(set.error().message);
        }
        sets.push_back(std::move(*set));
    }
    return sets;
}

FunctionResult united(Arguments a, FunctionEnvironment&) {
    auto sets = same_sets(a);
    if (!sets) {
        return std::unexpected(sets.error());
    }
    Value::Items all;
    for (const Value& s : *sets) {
        all.insert(all.end(), s.items().begin(), s.items().end());
    }
    return Value::set(sets->front().element_type(), std::move(all));
}

FunctionResult intersected(Arguments a, FunctionEnvironment&) {
    auto sets = same_sets(a);
    if (!sets) {
        return std::unexpected(sets.error());
    }
    Value::Items all;
    for (const Value& v : sets->front().items()) {
        if (std::ranges::all_of(*sets, [&](const Value& s) {
                return std::ranges::find(s.items(), v) != s.items().end();
            })) {
            all.push_back(v);
        }
    }
    return Value::set(sets->front().element_type(), std::move(all));
}

FunctionResult product(Arguments a, FunctionEnvironment&) {
    std::vector<Value::Items> rows{{}};
    std::vector<Type> types;
    bool sets = false;
    if (a.size() < 2) {
        return wrong("at least two arguments are required");
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!a[i].is_sequence()) {
            return wrong("a set or a list is required", static_cast<int>(i));
        }
        sets = sets || a[i].kind() == Kind::Set;
        const Value list = a[i].kind() == Kind::Tuple ? list_or_tuple(a[i].items()) : a[i];
        if (list.kind() == Kind::Tuple) {
            return wrong("all elements must be of the same type", static_cast<int>(i));
        }
        types.push_back(list.element_type());
        if (rows.size() * a[i].length() > kMaxFunctionElements) {
            return wrong(
                fmt::format("the product would have more than {} elements", kMaxFunctionElements)
            );
        }
        std::vector<Value::Items> longer;
        for (const auto& row : rows) {
            for (const Value& v : list.items()) {
                longer.push_back(row);
                longer.back().push_back(v);
            }
        }
        rows = std::move(longer);
    }
    Value::Items items;
    for (auto& row : rows) {
        items.push_back(Value::tuple(std::move(row)));
    }
    const Type row = Type::tuple(std::move(types));
    return sets ? Value::set(row, std::move(items)) : Value::list(row, std::move(items));
}

FunctionResult sliced(Arguments a, FunctionEnvironment&) {
    if (a[0].kind() != Kind::List && a[0].kind() != Kind::Tuple) {
        return wrong(
            a[0].kind() == Kind::Set
                ? "cannot slice a set, because its elements do not have indices; explicitly "
                  "convert to a list if the ordering of the result is not important"
                : "must be a list or tuple value",
            0
        );
    }
    const auto start = a[1].as_number().as_int();
    const auto end = a[2].as_number().as_int();
    const auto size = static_cast<std::int64_t>(a[0].length());
    if (!start) {
        return not_whole("invalid start index: ", 1);
    }
    if (*start < 0) {
        return wrong("start index must not be less than zero", 1);
    }
    if (*start > size) {
        return wrong("start index must not be greater than the length of the list", 1);
    }
    if (!end) {
        return not_whole("invalid end index: ", 2);
    }
    if (*end < 0) {
        return wrong("end index must not be less than zero", 2);
    }
    if (*end > size) {
        return wrong("end index must not be greater than the length of the list", 2);
    }
    if (*start > *end) {
        return wrong("start index must not be greater than end index", 1);
    }
    Value::Items items(a[0].items().begin() + *start, a[0].items().begin() + *end);
    return a[0].kind() == Kind::List ? Value::list(a[0].element_type(), std::move(items))
                                     : Value::tuple(std::move(items));
}

FunctionResult zipped(Arguments a, FunctionEnvironment&) {
    if (!a[1].is_sequence()) {
        return wrong("values must be a list or tuple value", 1);
    }
    if (a[0].length() != a[1].length()) {
        return wrong(fmt::format(
            "number of keys ({}) does not match number of values ({})", a[0].length(), a[1].length()
        ));
    }
    Value::Attributes all;
    for (std::size_t i = 0; i < a[0].length(); ++i) {
        if (a[0].items()[i].is_null()) {
            return wrong(fmt::format("keys list has null value at index {}", i));
        }
        all.insert_or_assign(a[0].items()[i].as_string(), a[1].items()[i]);
    }
    return a[1].kind() == Kind::List ? Value::map(a[1].element_type(), std::move(all))
                                     : Value::object(std::move(all));
}

}  // namespace

void add_collection_functions(FunctionTable& table) {
    const Type any_list = Type::list(Type{});
    const Parameter list{.name = "list", .type = any_list};
    const Parameter any{.name = "list", .type = {}};
    const Parameter index{.name = "index", .type = Kind::Number};
    table["chunklist"] = {
        .parameters = {list, {.name = "size", .type = Kind::Number}}, .call = chunks
    };
    table["coalesce"] = {
        .rest = Parameter{.name = "vals", .type = {}, .allow_null = true, .allow_unknown = true},
        .call = first_given
    };
    table["coalescelist"] = {
        .rest = Parameter{.name = "vals", .type = {}, .allow_null = true}, .call = first_list
    };
    table["compact"] = {
        .parameters = {{.name = "list", .type = Type::list(Kind::String)}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            Value::Items items;
            for (const Value& v : a[0].items()) {
                if (!v.is_null() && !v.as_string().empty()) {
                    items.push_back(v);
                }
            }
            return Value::list(Kind::String, std::move(items));
        }
    };
    table["concat"] = {.rest = Parameter{.name = "seqs", .type = {}}, .call = concatenated};
    table["contains"] = {
        .parameters = {any, {.name = "value", .type = {}}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            if (!a[0].is_sequence()) {
                return wrong("argument must be list, tuple, or set");
            }
            return Value::boolean(std::ranges::find(a[0].items(), a[1]) != a[0].items().end());
        }
    };
    table["distinct"] = {
        .parameters = {list},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            Value::Items items;
            for (const Value& v : a[0].items()) {
                if (std::ranges::find(items, v) == items.end()) {
                    items.push_back(v);
                }
            }
            return Value::list(a[0].element_type(), std::move(items));
        }
    };
    table["element"] = {.parameters = {any, index}, .call = nth};
    table["flatten"] = {
        .parameters = {any},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            if (!a[0].is_sequence()) {
                return wrong("can only flatten lists, sets and tuples");
            }
            Value::Items items;
            if (!flatten_into(a[0], items)) {
                return wrong(
                    fmt::format("the result would have more than {} elements", kMaxFunctionElements)
                );
            }
            return Value::tuple(std::move(items));
        }
    };
    table["index"] = {
        .parameters = {{.name = "collection", .type = {}}, {.name = "key", .type = {}}},
        .call = at_key
    };
    table["keys"] = {
        .parameters = {{.name = "inputMap", .type = {}}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            if (!a[0].is_mapping()) {
                return wrong("must have map or object type", 0);
            }
            Value::Items items;
            for (const auto& [key, unused] : a[0].attributes()) {
                items.push_back(Value::string(key));
            }
            return a[0].kind() == Kind::Map ? Value::list(Kind::String, std::move(items))
                                            : Value::tuple(std::move(items));
        }
    };
    table["values"] = {
        .parameters = {{.name = "mapping", .type = {}}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            if (!a[0].is_mapping()) {
                return wrong("values() requires a map as the first argument");
            }
            Value::Items items = elements_of(a[0]);
            return a[0].kind() == Kind::Map ? Value::list(a[0].element_type(), std::move(items))
                                            : Value::tuple(std::move(items));
        }
    };
    table["length"] = {
        .parameters = {{.name = "collection", .type = {}, .allow_unknown = true}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            if (!a[0].is_known()) {
                return Value::unknown(Kind::Number);
            }
            if (!a[0].is_sequence() && a[0].kind() != Kind::Map) {
                return wrong("collection must be a list, a map or a tuple");
            }
            return Value::number(static_cast<std::int64_t>(a[0].length()));
        }
    };
    table["lookup"] = {
        .parameters =
            {{.name = "inputMap", .type = {}},
             {.name = "key", .type = Kind::String},
             {.name = "default", .type = {}}},
        .call = lookup
    };
    table["merge"] = {
        .rest = Parameter{.name = "maps", .type = {}, .allow_null = true}, .call = merged
    };
    table["range"] = {.rest = Parameter{.name = "params", .type = Kind::Number}, .call = counted};
    const Type any_set = Type::set(Type{});
    const Parameter set{.name = "first_set", .type = any_set};
    const Parameter sets{.name = "other_sets", .type = any_set};
    table["setunion"] = {.parameters = {set}, .rest = sets, .call = united};
    table["setintersection"] = {.parameters = {set}, .rest = sets, .call = intersected};
    table["setproduct"] = {.rest = Parameter{.name = "sets", .type = {}}, .call = product};
    table["slice"] = {
        .parameters =
            {any,
             {.name = "start_index", .type = Kind::Number},
             {.name = "end_index", .type = Kind::Number}},
        .call = sliced
    };
    table["sort"] = {
        .parameters = {{.name = "list", .type = Type::list(Kind::String)}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            Value::Items items = a[0].items();
            for (std::size_t i = 0; i < items.size(); ++i) {
                if (items[i].is_null()) {
                    return wrong(fmt::format(
                        "given list element {} is null; a null string cannot be sorted", i
                    ));
                }
            }
            std::ranges::sort(items, [](const Value& x, const Value& y) {
                return x.as_string() < y.as_string();
            });
            return Value::list(Kind::String, std::move(items));
        }
    };
    table["zipmap"] = {
        .parameters =
            {{.name = "keys", .type = Type::list(Kind::String)}, {.name = "values", .type = {}}},
        .call = zipped
    };
}

}  // namespace nl::hcl::internal
