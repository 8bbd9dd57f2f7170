#include "hcl/eval.h"

#include "base/check.h"
#include "hcl/internal/evaluator.h"
#include "hcl/text.h"

namespace nl::hcl::internal {

Value Evaluator::run(const Expr& e) {
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
            const Range brackets{
                .start = e.operands[0]->range.end, .end = e.range.end, .file = e.range.file
            };
            return index_value(collection, key, brackets, diagnostics_);
        }
        case ExprKind::Splat:
            return splat(e);
        case ExprKind::SplatItem:
            NL_ASSERT(context_.splat_item != nullptr);
            return *context_.splat_item;
    }
    NL_UNREACHABLE();
}

Value Evaluator::mistake(std::string summary, std::string detail, const Range& range, Type type) {
    diagnostics_.error(std::move(summary), std::move(detail), range);
    return Value::unknown(std::move(type));
}

bool Evaluator::step(const Range& range) {
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

Value Evaluator::along(Value value, std::span<const Step> steps) {
    for (const Step& s : steps) {
        value = s.is_attribute ? attribute_value(value, s.name, s.range, diagnostics_)
                               : index_value(value, s.key, s.range, diagnostics_);
    }
    return value;
}

/// The reference's own text, with the delimiters it was written with where it stands alone.
std::string Evaluator::kept_text(const Expr& e) const {
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

Value Evaluator::variable(const Expr& e) {
    if (const Value* found = context_.scope ? context_.scope->find(e.name) : nullptr) {
        return along(*found, e.steps);
    }
    if (context_.kept_sources != nullptr && e.range.file < context_.kept_sources->size()) {
        return Value::string(kept_text(e));
    }
    Range root = e.range;
    if (!e.steps.empty()) {
        root.end = root.start;
        root.end.column += static_cast<std::uint32_t>(grapheme_count(e.name));
        root.end.byte += static_cast<std::uint32_t>(e.name.size());
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

Value Evaluator::text(const Expr& e) {
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
                fmt::format(
                    "Cannot include the given value in a string template: {}.",
                    as_text.error().message
                ),
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

Value Evaluator::object(const Expr& e) {
    Value::Attributes all;
    bool known = true;
    for (const ObjectItem& item : e.items) {
        Value key = item.bare_key ? Value::string(item.key->name) : run(*item.key);
        Value value = run(*item.value);
        if (key.is_null()) {
            mistake(
                "Null value as key", "Can't use a null value as a key.", item.value->start_range
            );
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

}  // namespace nl::hcl::internal

namespace nl::hcl {

const Value* Scope::find(std::string_view name) const {
    for (const Scope* s = this; s != nullptr; s = s->parent) {
        if (const auto found = s->variables.find(name); found != s->variables.end()) {
            return &found->second;
        }
    }
    return nullptr;
}

Value evaluate(const Expr& e, const EvalContext& context, Diagnostics& diagnostics) {
    return internal::Evaluator(context, diagnostics).run(e);
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

}  // namespace nl::hcl
