#pragma once
// Expressions to values. A mistake gives a diagnostic and an unknown value, so that evaluation goes
// on. Work is counted against a budget, since a few lines of loops can ask for any amount of it.
// Source: HCL2 native syntax specification, "Expressions".

#include "hcl/ast.h"
#include "hcl/functions.h"

#include <string>
#include <string_view>
#include <vector>

namespace nl::hcl {

/// Names visible to an expression; inner scopes hide outer ones.
struct Scope {
    const Scope* parent{nullptr};
    Value::Attributes variables;

    const Value* find(std::string_view name) const;
};

/// Evaluated nodes and loop rounds for one document.
inline constexpr std::size_t kMaxEvaluationSteps = 5'000'000;
/// Longest text a template may make.
inline constexpr std::size_t kMaxTextBytes = 64 * 1024 * 1024;

struct EvalContext {
    const Scope* scope{nullptr};
    const FunctionTable* functions{nullptr};
    FunctionEnvironment* environment{nullptr};
    /// The documents by file number, if references to undeclared names are to be kept as their own
    /// text, "${a.b}"; null if they are mistakes.
    const std::vector<std::string_view>* kept_sources{nullptr};
    std::size_t* steps{nullptr};
    const Value* splat_item{nullptr};

    EvalContext in(const Scope& inner) const {
        EvalContext c = *this;
        c.scope = &inner;
        return c;
    }
};

Value evaluate(const Expr& e, const EvalContext& context, Diagnostics& diagnostics);

/// `value[key]` and `value.name` as expressions do it.
Value index_value(
    const Value& value, const Value& key, const Range& range, Diagnostics& diagnostics
);
Value attribute_value(
    const Value& value, std::string_view name, const Range& range, Diagnostics& diagnostics
);

/// The names of the roots that an expression refers to.
void collect_references(const Expr& e, std::vector<const Expr*>& out);

/// Whether a type may leave parts open, as `any`.
enum class TypeUse : unsigned char { Constraint, Exact };

/// A type as written in a variable's declaration: `list(string)`. Dynamic after an error.
Type type_of_expression(const Expr& e, Diagnostics& diagnostics, TypeUse use = TypeUse::Constraint);

}  // namespace nl::hcl
