#include "hcl/eval.h"

#include "base/check.h"

#include <algorithm>

namespace nl::hcl {

const Value* Scope::find(std::string_view name) const {
    for (const Scope* s = this; s != nullptr; s = s->parent) {
        if (const auto found = s->variables.find(name); found != s->variables.end()) {
            return &found->second;
        }
    }
    return nullptr;
}

namespace {

class Evaluator {
public:
    Evaluator(const EvalContext& context, Diagnostics& diagnostics)
        : context_(context), diagnostics_(diagnostics) {}

    Value run(const Expr& e) {
        if (!step(e.range)) {
            return Value::unknown();
        }
        switch (e.kind) {
            case ExprKind::Literal:
                return e.value;
            case ExprKind::Template:
                return text(e);
            case ExprKind::Wrap:
            case ExprKind::Parens:
                return run(*e.operands[0]);
            case ExprKind::Variable:
                return variable(e);
            case ExprKind::Relative:
                return along(run(*e.operands[0]), e.steps);
            case ExprKind::Call:
                return call(e);
            case ExprKind::Conditional:
                return conditional(e);
            case ExprKind::TemplateIf:
                return conditional(e);
            case ExprKind::Binary:
                return binary(e);
            case ExprKind::Unary:
                return unary(e);
            case ExprKind::Tuple: {
                Value::Items items;
                items.reserve(e.operands.size());
                for (const ExprPtr& item : e.operands) {
                    items.push_back(run(*item));
                }
                return Value::tuple(std::move(items));
            }
            case ExprKind::Object:
                return object(e);
            case ExprKind::For:
            case ExprKind::TemplateFor:
                return loop(e);
            case ExprKind::Index: {
                const Value collection = run(*e.operands[0]);
                const Value key = run(*e.operands[1]);
                return index_value(collection, key, e.operands[1]->range, diagnostics_);
            }
            case ExprKind::Splat:
                return splat(e);
            case ExprKind::SplatItem:
                NL_ASSERT(context_.splat_item != nullptr);
                return *context_.splat_item;
        }
        NL_UNREACHABLE();
    }

private:
    Value mistake(std::string summary, std::string detail, const Range& range, Type type = {}) {
        diagnostics_.error(std::move(summary), std::move(detail), range);
        return Value::unknown(std::move(type));
    }

    bool step(const Range& range) {
        if (context_.steps == nullptr || ++*context_.steps <= kMaxEvaluationSteps) {
            return true;
        }
        if (*context_.steps == kMaxEvaluationSteps + 1) {
            diagnostics_.error(
                "Expression too large",
                fmt::format(
                    "Evaluating this document takes more than {} steps.", kMaxEvaluationSteps
                ),
                range
            );
        }
        return false;
    }

    Value along(Value value, std::span<const Step> steps) {
        for (const Step& s : steps) {
            value = s.is_attribute ? attribute_value(value, s.name, s.range, diagnostics_)
                                   : index_value(value, s.key, s.range, diagnostics_);
        }
        return value;
    }

    /// The reference's own text, with the delimiters it was written with where it stands alone.
    std::string kept_text(const Expr& e) const {
        const std::string_view source = (*context_.kept_sources)[e.range.file];
        std::size_t begin = e.range.start.byte;
        std::size_t end = e.range.end.byte;
        NL_ASSERT(begin <= end && end <= source.size());
        const std::string_view plain = source.substr(begin, end - begin);
        while (begin > 0 && (source[begin - 1] == ' ' || source[begin - 1] == '\t')) {
            --begin;
        }
        const std::size_t spaced_end = source.find_first_not_of(" \t", end);
        const bool alone = begin >= 2 && source.substr(begin - 2, 2) == "${" &&
                           spaced_end != std::string_view::npos && source[spaced_end] == '}';
        if (!alone) {
            return fmt::format("${{{}}}", plain);
        }
        end = spaced_end;
        // Nomad takes every closing brace that follows.
        while (end < source.size() && source[end] == '}') {
            ++end;
        }
        return std::string(source.substr(begin - 2, end - begin + 2));
    }

    Value variable(const Expr& e) {
        if (const Value* found = context_.scope ? context_.scope->find(e.name) : nullptr) {
            return along(*found, e.steps);
        }
        if (context_.kept_sources != nullptr && e.range.file < context_.kept_sources->size()) {
            return Value::string(kept_text(e));
        }
        Range root = e.range;
        if (!e.steps.empty()) {
            root.end = e.steps.front().range.start;
        }
        std::vector<std::string_view> known;
        for (const Scope* s = context_.scope; s != nullptr; s = s->parent) {
            for (const auto& [name, unused] : s->variables) {
                known.push_back(name);
            }
        }
        if (known.empty()) {
            return mistake("Variables not allowed", "Variables may not be used here.", root);
        }
        const std::string_view near = nearest_name(e.name, known);
        return mistake(
            "Unknown variable",
            fmt::format("There is no variable named \"{}\".", e.name) +
                (near.empty() ? "" : fmt::format(" Did you mean \"{}\"?", near)),
            root
        );
    }

    Value text(const Expr& e) {
        if (e.operands.empty()) {
            // Nothing between directives is an empty text.
            return e.value.is_usable() ? e.value : Value::string("");
        }
        std::string out;
        bool known = true;
        for (const ExprPtr& part : e.operands) {
            const Value v = run(*part);
            if (v.is_null()) {
                mistake(
                    "Invalid template interpolation value",
                    "The expression result is null. Cannot include a null value in a string "
                    "template.",
                    part->range
                );
                known = false;
                continue;
            }
            if (v.is_unknown()) {
                known = false;
                continue;
            }
            auto as_text = convert(v, Kind::String);
            if (!as_text) {
                mistake(
                    "Invalid template interpolation value",
                    "Cannot include the given value in a string template: string required.",
                    part->range
                );
                known = false;
                continue;
            }
            if (out.size() + as_text->as_string().size() > kMaxTextBytes) {
                return mistake(
                    "Expression too large",
                    fmt::format("A text may have at most {} bytes.", kMaxTextBytes),
                    e.range
                );
            }
            out += as_text->as_string();
        }
        return known ? Value::string(out) : Value::unknown(Kind::String);
    }

    Value object(const Expr& e) {
        Value::Attributes all;
        bool known = true;
        for (const ObjectItem& item : e.items) {
            Value key = item.bare_key ? Value::string(item.key->name) : run(*item.key);
            Value value = run(*item.value);
            if (key.is_null()) {
                mistake("Null value as key", "Can't use a null value as a key.", item.key->range);
                known = false;
                continue;
            }
            if (key.is_unknown()) {
                known = false;
                continue;
            }
            auto text_key = convert(key, Kind::String);
            if (!text_key) {
                mistake(
                    "Incorrect key type",
                    fmt::format("Can't use this value as a key: {}.", text_key.error().message),
                    item.key->range
                );
                known = false;
                continue;
            }
            all.insert_or_assign(text_key->as_string(), std::move(value));
        }
        return known ? Value::object(std::move(all)) : Value::unknown();
    }

    Value unary(const Expr& e) {
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

    Value binary(const Expr& e) {
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
                    return failed("division by zero");
                }
                return Value::number(divide(a, b));
            case Operator::Modulo:
                if (b.sign() == 0) {
                    return failed("division by zero");
                }
                return Value::number(remainder(a, b));
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
    Value conditional(const Expr& e) {
        Diagnostics yes_mistakes;
        Diagnostics no_mistakes;
        Value yes = Evaluator(context_, yes_mistakes).run(*e.operands[1]);
        Value no = Evaluator(context_, no_mistakes).run(*e.operands[2]);
        const std::optional<Type> type = unify({yes.type(), no.type()});
        if (!type) {
            return mistake(
                "Inconsistent conditional result types",
                fmt::format(
                    "The true and false result expressions must have consistent types. The 'true' "
                    "value is {}, but the 'false' value is {}.",
                    yes.type().friendly(),
                    no.type().friendly()
                ),
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
        NL_ASSERT(chosen.has_value());
        return std::move(*chosen);
    }

    Value loop(const Expr& e) {
        const ForParts& parts = *e.loop;
        const bool as_text = e.kind == ExprKind::TemplateFor;
        const Value collection = run(*parts.collection);
        if (collection.is_null()) {
            return mistake(
                "Iteration over null value",
                "A null value cannot be used as the collection in a 'for' expression.",
                parts.collection->range
            );
        }
        if (collection.is_unknown()) {
            return Value::unknown();
        }
        if (!collection.is_sequence() && !collection.is_mapping()) {
            return mistake(
                "Iteration over non-iterable value",
                fmt::format(
                    "A value of type {} cannot be used as the collection in a 'for' expression.",
                    collection.type().friendly()
                ),
                parts.collection->range
            );
        }
        Scope inner{.parent = context_.scope};
        const EvalContext inner_context = context_.in(inner);
        Rounds out;
        const auto round = [&](Value key, const Value& value) {
            if (!parts.key_name.empty()) {
                inner.variables.insert_or_assign(parts.key_name, std::move(key));
            }
            inner.variables.insert_or_assign(parts.value_name, value);
            one_round(parts, inner_context, as_text, out);
            return step(e.range);
        };
        if (collection.is_sequence()) {
            std::int64_t index = 0;
            for (const Value& v : collection.items()) {
                Value key = collection.kind() == Kind::Set ? v : Value::number(index++);
                if (!round(std::move(key), v)) {
                    return Value::unknown();
                }
            }
        } else {
            for (const auto& [key, v] : collection.attributes()) {
                if (!round(Value::string(key), v)) {
                    return Value::unknown();
                }
            }
        }
        if (!out.known) {
            return Value::unknown();
        }
        if (as_text) {
            return Value::string(out.text);
        }
        if (!parts.is_object) {
            return Value::tuple(std::move(out.items));
        }
        for (auto& [key, group] : out.groups) {
            out.attributes.emplace(key, Value::tuple(std::move(group)));
        }
        return Value::object(std::move(out.attributes));
    }

    struct Rounds {
        Value::Items items;
        Value::Attributes attributes;
        std::map<std::string, Value::Items, std::less<>> groups;
        std::string text;
        bool known{true};
    };

    void one_round(const ForParts& parts, const EvalContext& inner, bool as_text, Rounds& out) {
        Evaluator each(inner, diagnostics_);
        if (parts.condition != nullptr) {
            const Value wanted = each.run(*parts.condition);
            if (wanted.is_null()) {
                mistake(
                    "Condition is null",
                    "The value of the 'if' clause must not be null.",
                    parts.condition->range
                );
                out.known = false;
                return;
            }
            const auto decided = convert(wanted, Kind::Bool);
            if (!decided) {
                mistake(
                    "Invalid 'for' condition",
                    fmt::format("The 'if' clause value is invalid: {}.", decided.error().message),
                    parts.condition->range
                );
                out.known = false;
                return;
            }
            if (decided->is_unknown()) {
                out.known = false;
                return;
            }
            if (!decided->as_bool()) {
                return;
            }
        }
        if (as_text) {
            const Value v = each.run(*parts.value);
            if (!v.is_usable()) {
                out.known = false;
            } else if (out.text.size() + v.as_string().size() <= kMaxTextBytes) {
                out.text += v.as_string();
            } else {
                mistake(
                    "Expression too large",
                    fmt::format("A text may have at most {} bytes.", kMaxTextBytes),
                    parts.value->range
                );
                out.known = false;
            }
            return;
        }
        if (!parts.is_object) {
            out.items.push_back(each.run(*parts.value));
            return;
        }
        const Value key = each.run(*parts.key);
        if (key.is_null()) {
            mistake(
                "Invalid object key",
                "Key expression in 'for' expression must not produce a null value.",
                parts.key->range
            );
            out.known = false;
            return;
        }
        const auto text_key = convert(key, Kind::String);
        if (!text_key) {
            mistake(
                "Invalid object key",
                fmt::format(
                    "The key expression produced an invalid result: {}.", text_key.error().message
                ),
                parts.key->range
            );
            out.known = false;
            return;
        }
        if (text_key->is_unknown()) {
            out.known = false;
            return;
        }
        Value v = each.run(*parts.value);
        if (parts.group) {
            out.groups[text_key->as_string()].push_back(std::move(v));
        } else if (!out.attributes.emplace(text_key->as_string(), std::move(v)).second) {
            mistake(
                "Duplicate object key",
                fmt::format(
                    "Two different items produced the key \"{}\" in this 'for' expression. If "
                    "duplicates are expected, use the ellipsis (...) after the value expression to "
                    "enable grouping by key.",
                    text_key->as_string()
                ),
                parts.key->range
            );
        }
    }

    Value splat(const Expr& e) {
        const Value source = run(*e.operands[0]);
        if (source.is_unknown()) {
            return Value::unknown();
        }
        if (source.is_null()) {
            return Value::tuple({});
        }
        const auto each = [&](const Value& item) {
            EvalContext inner = context_;
            inner.splat_item = &item;
            return Evaluator(inner, diagnostics_).run(*e.operands[1]);
        };
        Value::Items items;
        if (source.is_sequence()) {
            for (const Value& v : source.items()) {
                items.push_back(each(v));
            }
        } else {
            items.push_back(each(source));
        }
        return Value::tuple(std::move(items));
    }

    Value call(const Expr& e);
    Value attempt(const Expr& e, bool only_ask);
    Value convert_call(const Expr& e);

    const EvalContext& context_;
    Diagnostics& diagnostics_;
};

/// try(a, b, ...) and can(a).
Value Evaluator::attempt(const Expr& e, bool only_ask) {
    if (e.operands.empty()) {
        return mistake(
            "Error in function call",
            fmt::format(
                "Call to function \"{}\" failed: at least one argument is required.", e.name
            ),
            e.start_range
        );
    }
    Diagnostics last;
    for (const ExprPtr& candidate : e.operands) {
        Diagnostics mistakes;
        const Value v = Evaluator(context_, mistakes).run(*candidate);
        if (!mistakes.has_errors()) {
            return only_ask ? Value::boolean(true) : v;
        }
        last = std::move(mistakes);
        if (only_ask) {
            return Value::boolean(false);
        }
    }
    std::string why;
    for (const Diagnostic& d : last.items()) {
        why += fmt::format("\n- {}; {}", d.summary, d.detail);
    }
    return mistake(
        "Error in function call",
        fmt::format("Call to function \"try\" failed: no expression succeeded:{}", why),
        e.start_range
    );
}

Value Evaluator::convert_call(const Expr& e) {
    if (e.operands.size() != 2) {
        return mistake(
            e.operands.size() < 2 ? "Not enough function arguments" : "Too many function arguments",
            "Function \"convert\" expects 2 argument(s).",
            e.start_range
        );
    }
    const Value v = run(*e.operands[0]);
    const std::size_t before = diagnostics_.error_count();
    const Type type = type_of_expression(*e.operands[1], diagnostics_);
    if (diagnostics_.error_count() != before) {
        return Value::unknown();
    }
    auto converted = convert(v, type);
    if (!converted) {
        return mistake(
            "Error in function call",
            fmt::format("Call to function \"convert\" failed: {}.", converted.error().message),
            e.start_range
        );
    }
    return std::move(*converted);
}

Value Evaluator::call(const Expr& e) {
    if (e.name == "try" || e.name == "can") {
        return attempt(e, e.name == "can");
    }
    if (e.name == "convert") {
        return convert_call(e);
    }
    const Function* function = nullptr;
    if (context_.functions != nullptr) {
        if (const auto found = context_.functions->find(e.name);
            found != context_.functions->end()) {
            function = &found->second;
        }
    }
    Range name_range = e.range;
    name_range.end = e.start_range.end;
    --name_range.end.column;
    --name_range.end.byte;
    if (function == nullptr) {
        std::vector<std::string_view> known{"try", "can", "convert"};
        if (context_.functions != nullptr) {
            for (const auto& [name, unused] : *context_.functions) {
                known.push_back(name);
            }
        } else {
            return mistake(
                "Function calls not allowed", "Functions may not be called here.", e.range
            );
        }
        const std::string_view near = nearest_name(e.name, known);
        return mistake(
            "Call to unknown function",
            fmt::format("There is no function named \"{}\".", e.name) +
                (near.empty() ? "" : fmt::format(" Did you mean \"{}\"?", near)),
            name_range
        );
    }

    std::vector<Value> arguments;
    std::vector<const Expr*> sources;
    for (std::size_t i = 0; i < e.operands.size(); ++i) {
        Value v = run(*e.operands[i]);
        if (!e.expand_last || i + 1 < e.operands.size()) {
            arguments.push_back(std::move(v));
            sources.push_back(e.operands[i].get());
            continue;
        }
        if (v.is_unknown()) {
            return Value::unknown();
        }
        if (v.is_null() || !v.is_sequence()) {
            return mistake(
                "Invalid expanding argument value",
                v.is_null() ? "The expanding argument (indicated by ...) must not be null."
                            : "The expanding argument (indicated by ...) must be of a tuple, list, "
                              "or set type.",
                e.operands[i]->range
            );
        }
        for (const Value& item : v.items()) {
            arguments.push_back(item);
            sources.push_back(e.operands[i].get());
        }
    }
    const auto& parameters = function->parameters;
    if (arguments.size() < parameters.size()) {
        Range close = e.range;
        close.start = close.end;
        --close.start.column;
        --close.start.byte;
        return mistake(
            "Not enough function arguments",
            fmt::format(
                "Function \"{}\" expects{} {} argument(s). Missing value for \"{}\".",
                e.name,
                function->rest ? " at least" : "",
                parameters.size(),
                parameters[arguments.size()].name
            ),
            close
        );
    }
    if (!function->rest && arguments.size() > parameters.size()) {
        return mistake(
            "Too many function arguments",
            fmt::format("Function \"{}\" expects only {} argument(s).", e.name, parameters.size()),
            between(sources[parameters.size()]->range, sources.back()->range)
        );
    }

    bool fine = true;
    bool known = true;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const Parameter& p = i < parameters.size() ? parameters[i] : *function->rest;
        const auto refuse = [&](std::string_view why) {
            mistake(
                "Invalid function argument",
                fmt::format("Invalid value for \"{}\" parameter: {}.", p.name, why),
                sources[i]->start_range
            );
            fine = false;
        };
        auto converted = convert(arguments[i], p.type);
        if (!converted) {
            refuse(converted.error().message);
            continue;
        }
        arguments[i] = std::move(*converted);
        if (arguments[i].is_null() && !p.allow_null) {
            refuse("argument must not be null");
        } else if (!p.allow_unknown && !arguments[i].is_wholly_known()) {
            known = false;
        }
    }
    if (!fine || !known) {
        return Value::unknown();
    }
    FunctionEnvironment none;
    auto result =
        function->call(arguments, context_.environment != nullptr ? *context_.environment : none);
    if (!result) {
        const FunctionError& error = result.error();
        if (error.argument >= 0 && static_cast<std::size_t>(error.argument) < sources.size()) {
            const auto at = static_cast<std::size_t>(error.argument);
            const Parameter& p = at < parameters.size() ? parameters[at] : *function->rest;
            return mistake(
                "Invalid function argument",
                fmt::format("Invalid value for \"{}\" parameter: {}.", p.name, error.message),
                sources[at]->start_range
            );
        }
        return mistake(
            "Error in function call",
            fmt::format("Call to function \"{}\" failed: {}.", e.name, error.message),
            e.start_range
        );
    }
    return std::move(*result);
}

}  // namespace

Value evaluate(const Expr& e, const EvalContext& context, Diagnostics& diagnostics) {
    return Evaluator(context, diagnostics).run(e);
}

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
            return mistake(fmt::format("{}: indexing a sequence requires a whole number.", kAbsent)
            );
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
            return mistake(fmt::format("{}.", kAbsent));
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

void collect_references(const Expr& e, std::vector<const Expr*>& out) {
    if (e.kind == ExprKind::Variable) {
        out.push_back(&e);
    }
    for (const ExprPtr& operand : e.operands) {
        collect_references(*operand, out);
    }
    for (const ObjectItem& item : e.items) {
        if (!item.bare_key) {
            collect_references(*item.key, out);
        }
        collect_references(*item.value, out);
    }
    if (e.loop != nullptr) {
        for (const ExprPtr* part :
             {&e.loop->collection, &e.loop->key, &e.loop->value, &e.loop->condition}) {
            if (*part != nullptr) {
                collect_references(**part, out);
            }
        }
    }
}

Type type_of_expression(const Expr& e, Diagnostics& diagnostics, TypeUse use) {
    const auto mistake = [&](std::string detail) {
        diagnostics.error("Invalid type specification", std::move(detail), e.range);
        return Type{};
    };
    if (e.kind == ExprKind::Variable && e.steps.empty()) {
        if (e.name == "string") {
            return Kind::String;
        }
        if (e.name == "number") {
            return Kind::Number;
        }
        if (e.name == "bool") {
            return Kind::Bool;
        }
        if (e.name == "any") {
            if (use == TypeUse::Exact) {
                return mistake(
                    "The keyword \"any\" cannot be used in this type specification: an exact type "
                    "is required."
                );
            }
            return {};
        }
        if (e.name == "list" || e.name == "set" || e.name == "map") {
            return mistake(fmt::format(
                "The {} type constructor requires one argument specifying the element type.", e.name
            ));
        }
        if (e.name == "object" || e.name == "tuple") {
            return mistake(fmt::format(
                "The {} type constructor requires one argument specifying the {}.",
                e.name,
                e.name == "object" ? "attribute types and values as a map"
                                   : "element types as a list"
            ));
        }
        return mistake(fmt::format("The keyword \"{}\" is not a valid type specification.", e.name)
        );
    }
    if (e.kind != ExprKind::Call) {
        return mistake(
            "A type specification is either a primitive type keyword (bool, number, string) or a "
            "complex type constructor call, like list(string)."
        );
    }
    const bool known = e.name == "list" || e.name == "set" || e.name == "map" ||
                       e.name == "object" || e.name == "tuple";
    if (!known) {
        if (e.name == "string" || e.name == "number" || e.name == "bool" || e.name == "any") {
            return mistake(
                fmt::format("Primitive type keyword \"{}\" does not expect arguments.", e.name)
            );
        }
        return mistake(fmt::format("Keyword \"{}\" is not a valid type constructor.", e.name));
    }
    if (e.operands.size() != 1) {
        return mistake(fmt::format("The {} type constructor requires one argument.", e.name));
    }
    const Expr& argument = *e.operands[0];
    if (e.name == "list") {
        return Type::list(type_of_expression(argument, diagnostics, use));
    }
    if (e.name == "set") {
        return Type::set(type_of_expression(argument, diagnostics, use));
    }
    if (e.name == "map") {
        return Type::map(type_of_expression(argument, diagnostics, use));
    }
    if (e.name == "tuple") {
        if (argument.kind != ExprKind::Tuple) {
            return mistake("Tuple type constructor requires a list of element types.");
        }
        std::vector<Type> elements;
        for (const ExprPtr& element : argument.operands) {
            elements.push_back(type_of_expression(*element, diagnostics, use));
        }
        return Type::tuple(std::move(elements));
    }
    if (argument.kind != ExprKind::Object) {
        return mistake(
            "Object type constructor requires a map whose keys are attribute names and whose "
            "values are the corresponding attribute types."
        );
    }
    std::map<std::string, Type, std::less<>> attributes;
    std::set<std::string, std::less<>> optional;
    for (const ObjectItem& item : argument.items) {
        std::string name;
        if (item.bare_key) {
            name = item.key->name;
        } else if (item.key->kind == ExprKind::Template && item.key->operands.empty()) {
            name = item.key->value.as_string();
        } else {
            return mistake("Object constructor map keys must be attribute names.");
        }
        const Expr* type = item.value.get();
        if (type->kind == ExprKind::Call && type->name == "optional" &&
            type->operands.size() == 1) {
            optional.insert(name);
            type = type->operands[0].get();
        }
        attributes.insert_or_assign(name, type_of_expression(*type, diagnostics, use));
    }
    return Type::object(std::move(attributes), std::move(optional));
}

}  // namespace nl::hcl
