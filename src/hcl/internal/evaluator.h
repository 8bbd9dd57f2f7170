#pragma once
// Works out expressions. One class over several files: names, texts and structures in eval.cc,
// operators and conditionals in eval_operators.cc, loops and splats in eval_loops.cc, functions in
// eval_call.cc.

#include "hcl/eval.h"

#include <fmt/format.h>

#include <map>
#include <span>
#include <string>
#include <string_view>

namespace nl::hcl::internal {

class Evaluator {
public:
    Evaluator(const EvalContext& context, Diagnostics& diagnostics)
        : context_(context), diagnostics_(diagnostics) {}

    Value run(const Expr& e);

private:
    Value mistake(std::string summary, std::string detail, const Range& range, Type type = {});
    bool step(const Range& range);
    Value along(Value value, std::span<const Step> steps);
    /// The reference's own text, with the delimiters it was written with where it stands alone.
    std::string kept_text(const Expr& e) const;
    Value variable(const Expr& e);
    Value text(const Expr& e);
    Value object(const Expr& e);
    Value unary(const Expr& e);
    Value binary(const Expr& e);
    /// Only the mistakes of the chosen branch count.
    Value conditional(const Expr& e);
    Value loop(const Expr& e);
    struct Rounds {
        Value::Items items;
        Value::Attributes attributes;
        std::map<std::string, Value::Items, std::less<>> groups;
        std::string text;
        bool known{true};
    };
    void one_round(const ForParts& parts, const EvalContext& inner, bool as_text, Rounds& out);
    Value splat(const Expr& e);
    Value call(const Expr& e);
    Value attempt(const Expr& e);
    Value ask(const Expr& e);
    Value convert_call(const Expr& e);
    bool argument_count(const Expr& e, std::span<const std::string_view> names);
    static Range call_end(const Expr& e);

    const EvalContext& context_;
    Diagnostics& diagnostics_;
};

}  // namespace nl::hcl::internal
