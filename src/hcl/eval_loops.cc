#include "hcl/internal/evaluator.h"

#include <algorithm>

namespace nl::hcl::internal {

Value Evaluator::loop(const Expr& e) {
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

void Evaluator::one_round(const ForParts& parts, const EvalContext& inner, bool as_text, Rounds& out) {
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

Value Evaluator::splat(const Expr& e) {
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
    if (!source.is_sequence()) {
        items.push_back(each(source));
        return Value::tuple(std::move(items));
    }
    for (const Value& v : source.items()) {
        items.push_back(each(v));
    }
    if (source.kind() == Kind::Tuple) {
        return Value::tuple(std::move(items));
    }
    // From elements of one type come results of one type; an empty list is asked for it too.
    const Type type =
        items.empty() ? each(Value::unknown(source.element_type())).type() : items[0].type();
    const bool alike =
        std::ranges::all_of(items, [&](const Value& v) { return v.type() == type; });
    return alike ? Value::list(type, std::move(items)) : Value::tuple(std::move(items));
}

}  // namespace nl::hcl::internal
