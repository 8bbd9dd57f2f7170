#include "hcl/internal/evaluator.h"

namespace nl::hcl::internal {

namespace {

/// Why two types have none in common, from the outside in.
std::string difference(const Type& yes, const Type& no) {
    if (yes.kind() == Kind::Object && no.kind() == Kind::Object) {
        const auto absent = [](const Type& in, const Type& from, std::string_view a, std::string_view b) {
            for (const auto& [name, unused] : in.attributes()) {
                if (!from.attributes().contains(name)) {
                    return fmt::format(
                        "The '{}' value includes object attribute \"{}\", which is absent in the "
                        "'{}' value.",
                        a,
                        name,
                        b
                    );
                }
            }
            return std::string();
        };
        if (std::string only = absent(yes, no, "true", "false"); !only.empty()) {
            return only;
        }
        if (std::string only = absent(no, yes, "false", "true"); !only.empty()) {
            return only;
        }
        for (const auto& [name, type] : yes.attributes()) {
            const Type& other = no.attributes().find(name)->second;
            if (!unify({type, other})) {
                return fmt::format(
                    "Type mismatch for object attribute \"{}\": {}", name, difference(type, other)
                );
            }
        }
    }
    if (yes.kind() == Kind::Tuple && no.kind() == Kind::Tuple) {
        const std::size_t length = yes.elements().size();
        if (length != no.elements().size()) {
            return fmt::format(
                "The 'true' tuple has length {}, but the 'false' tuple has length {}.",
                length,
                no.elements().size()
            );
        }
        for (std::size_t i = 0; i < length; ++i) {
            if (!unify({yes.elements()[i], no.elements()[i]})) {
                return fmt::format(
                    "Type mismatch for tuple element {}: {}",
                    i,
                    difference(yes.elements()[i], no.elements()[i])
                );
            }
        }
    }
    return fmt::format(
        "The 'true' value is {}, but the 'false' value is {}.", yes.friendly(), no.friendly()
    );
}

}  // namespace

Value Evaluator::unary(const Expr& e) {
    const Type type = e.op == Operator::Negate ? Kind::Number : Kind::Bool;
    const Value operand = run(*e.operands[0]);
    auto v = convert(operand, type);
    if (!v) {
        return mistake(
            "Invalid operand",
            fmt::format("Unsuitable value for unary operand: {}.", v.error().message),
            e.operands[0]->range,
            type
        );
    }
    if (v->is_unknown()) {
        return Value::unknown(type);
    }
    if (v->is_null()) {
        return mistake(
            "Operation failed",
            "Error during operation: argument must not be null.",
            e.range,
            type
        );
    }
    return e.op == Operator::Negate ? Value::number(v->as_number().negated())
                                    : Value::boolean(!v->as_bool());
}

Value Evaluator::binary(const Expr& e) {
    Value left = run(*e.operands[0]);
    Value right = run(*e.operands[1]);
    if (e.op == Operator::Equal || e.op == Operator::NotEqual) {
        const bool nulls = left.is_null() || right.is_null();
        if (!nulls && (!left.is_wholly_known() || !right.is_wholly_known())) {
            return Value::unknown(Kind::Bool);
        }
        return Value::boolean((left == right) == (e.op == Operator::Equal));
    }
    const bool logic = e.op == Operator::And || e.op == Operator::Or;
    const bool arithmetic = e.op == Operator::Add || e.op == Operator::Subtract ||
                            e.op == Operator::Multiply || e.op == Operator::Divide ||
                            e.op == Operator::Modulo;
    const Type result = arithmetic ? Kind::Number : Kind::Bool;
    const Type wanted = logic ? Kind::Bool : Kind::Number;
    bool fine = true;
    const auto operand = [&](Value& v, const Expr& from, std::string_view side) {
        auto converted = convert(v, wanted);
        if (!converted) {
            mistake(
                "Invalid operand",
                fmt::format(
                    "Unsuitable value for {} operand: {}.", side, converted.error().message
                ),
                from.range
            );
            fine = false;
            return;
        }
        v = std::move(*converted);
    };
    operand(left, *e.operands[0], "left");
    operand(right, *e.operands[1], "right");
    if (!fine || left.is_unknown() || right.is_unknown()) {
        return Value::unknown(result);
    }
    const auto failed = [&](std::string_view why) {
        return mistake(
            "Operation failed", fmt::format("Error during operation: {}.", why), e.range, result
        );
    };
    if (left.is_null() || right.is_null()) {
        return failed("argument must not be null");
    }
    if (logic) {
        return Value::boolean(
            e.op == Operator::And ? left.as_bool() && right.as_bool()
                                  : left.as_bool() || right.as_bool()
        );
    }
    const Number& a = left.as_number();
    const Number& b = right.as_number();
    switch (e.op) {
        case Operator::Add:
            return Value::number(a + b);
        case Operator::Subtract:
            return Value::number(a - b);
        case Operator::Multiply:
            return Value::number(a * b);
        case Operator::Divide:
            if (b.sign() == 0) {
                return failed(
                    a.sign() == 0 ? "can't divide zero by zero or infinity by infinity"
                                  : "division by zero"
                );
            }
            return Value::number(divide(a, b));
        case Operator::Modulo:
            return b.sign() == 0 ? left : Value::number(remainder(a, b));
        case Operator::Greater:
            return Value::boolean(compare(a, b) > 0);
        case Operator::GreaterEqual:
            return Value::boolean(compare(a, b) >= 0);
        case Operator::Less:
            return Value::boolean(compare(a, b) < 0);
        default:
            return Value::boolean(compare(a, b) <= 0);
    }
}

/// Only the mistakes of the chosen branch count.
Value Evaluator::conditional(const Expr& e) {
    Diagnostics yes_mistakes;
    Diagnostics no_mistakes;
    Value yes = Evaluator(context_, yes_mistakes).run(*e.operands[1]);
    Value no = Evaluator(context_, no_mistakes).run(*e.operands[2]);
    const std::optional<Type> type = unify({yes.type(), no.type()});
    if (!type) {
        return mistake(
            "Inconsistent conditional result types",
            "The true and false result expressions must have consistent types. " +
                difference(yes.type(), no.type()),
            between(e.operands[1]->range, e.operands[2]->range)
        );
    }
    const Value condition = run(*e.operands[0]);
    if (condition.is_null()) {
        return mistake(
            "Null condition",
            "The condition value is null. Conditions must either be true or false.",
            e.operands[0]->range
        );
    }
    const auto decided = convert(condition, Kind::Bool);
    if (!decided) {
        return mistake(
            "Incorrect condition type",
            "The condition expression must be of type bool.",
            e.operands[0]->range
        );
    }
    if (decided->is_unknown()) {
        return Value::unknown(*type);
    }
    diagnostics_.append(decided->as_bool() ? yes_mistakes : no_mistakes);
    auto chosen = convert(decided->as_bool() ? yes : no, *type);
    if (!chosen) {
        // Texts in a set that would have to be numbers, for example.
        return mistake(
            "Inconsistent conditional result types",
            fmt::format(
                "The {} result value has the wrong type: {}.",
                decided->as_bool() ? "true" : "false",
                chosen.error().message
            ),
            e.operands[decided->as_bool() ? 1 : 2]->range,
            *type
        );
    }
    return std::move(*chosen);
}

}  // namespace nl::hcl::internal
