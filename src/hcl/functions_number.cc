#include "hcl/internal/function_groups.h"

namespace nl::hcl::internal {
namespace {

FunctionResult extreme(Arguments a, int wanted) {
    if (a.empty()) {
        return wrong("must pass at least one number");
    }
    Number best = a[0].as_number();
    for (const Value& v : a.subspan(1)) {
        if (compare(v.as_number(), best) == wanted) {
            best = v.as_number();
        }
    }
    return Value::number(best);
}

}  // namespace

void add_number_functions(FunctionTable& table) {
    const Parameter num{.name = "num", .type = Kind::Number};
    table["abs"] = {
        .parameters = {num},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            const Number& n = a[0].as_number();
            return Value::number(n.sign() < 0 ? n.negated() : n);
        }
    };
    table["ceil"] = {
        .parameters = {num},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            return Value::number(a[0].as_number().ceil());
        }
    };
    table["floor"] = {
        .parameters = {num},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            return Value::number(a[0].as_number().floor());
        }
    };
    table["signum"] = {
        .parameters = {num},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            if (!a[0].as_number().as_int()) {
                return not_whole();
            }
            return Value::number(a[0].as_number().sign());
        }
    };
    table["log"] = {
        .parameters = {num, {.name = "base", .type = Kind::Number}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            auto result = Number::logarithm(a[0].as_number(), a[1].as_number());
            if (!result) {
                return wrong("the logarithm of these numbers is not a finite number");
            }
            return Value::number(*result);
        }
    };
    table["pow"] = {
        .parameters = {num, {.name = "power", .type = Kind::Number}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            auto result = Number::power(a[0].as_number(), a[1].as_number());
            if (!result) {
                return wrong("the power of these numbers is not a finite number");
            }
            return Value::number(*result);
        }
    };
    const Parameter numbers{.name = "numbers", .type = Kind::Number};
    table["max"] = {.rest = numbers, .call = [](Arguments a, FunctionEnvironment&) {
                        return extreme(a, 1);
                    }};
    table["min"] = {.rest = numbers, .call = [](Arguments a, FunctionEnvironment&) {
                        return extreme(a, -1);
                    }};
    table["parseint"] = {
        .parameters =
            {{.name = "number", .type = {}}, {.name = "base", .type = Kind::Number}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            if (a[0].kind() != Kind::String) {
                return wrong("first argument must be a string, not " + a[0].type().friendly(), 0);
            }
            const auto base = a[1].as_number().as_int();
            if (!base) {
                return not_whole("", 1);
            }
            if (*base < 2 || *base > 62) {
                return wrong("base must be a whole number between 2 and 62 inclusive", 1);
            }
            auto n = Number::parse_whole(a[0].as_string(), static_cast<int>(*base));
            if (!n) {
                return wrong(
                    fmt::format(
                        "cannot parse \"{}\" as a base {} integer", a[0].as_string(), *base
                    ),
                    0
                );
            }
            return Value::number(*n);
        }
    };
}

}  // namespace nl::hcl::internal
