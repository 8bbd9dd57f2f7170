#include "hcl/internal/evaluator.h"

namespace nl::hcl::internal {

/// The closing parenthesis.
Range Evaluator::call_end(const Expr& e) {
    Range close = e.range;
    close.start = close.end;
    --close.start.column;
    --close.start.byte;
    return close;
}

/// Whether a function that looks at expressions is given as many as it has parameters.
bool Evaluator::argument_count(const Expr& e, std::span<const std::string_view> names) {
    if (e.operands.size() < names.size()) {
        mistake(
            "Not enough function arguments",
            fmt::format(
                "Function \"{}\" expects {} argument(s). Missing value for \"{}\".",
                e.name,
                names.size(),
                names[e.operands.size()]
            ),
            call_end(e)
        );
        return false;
    }
    if (e.operands.size() > names.size()) {
        mistake(
            "Too many function arguments",
            fmt::format("Function \"{}\" expects only {} argument(s).", e.name, names.size()),
            e.operands[names.size()]->start_range
        );
        return false;
    }
    return true;
}

Value Evaluator::ask(const Expr& e) {
    static constexpr std::string_view kNames[] = {"expression"};
    if (!argument_count(e, kNames)) {
        return Value::unknown(Kind::Bool);
    }
    Diagnostics mistakes;
    Evaluator(context_, mistakes).run(*e.operands[0]);
    return Value::boolean(!mistakes.has_errors());
}

Value Evaluator::attempt(const Expr& e) {
    const auto failed = [&](std::string_view why) {
        return mistake(
            "Error in function call",
            fmt::format("Call to function \"try\" failed: {}.", why),
            e.start_range
        );
    };
    if (e.operands.empty()) {
        return failed("at least one argument is required");
    }
    Diagnostics all;
    for (const ExprPtr& candidate : e.operands) {
        Diagnostics mistakes;
        const Value v = Evaluator(context_, mistakes).run(*candidate);
        if (!mistakes.has_errors()) {
            return v;
        }
        all.append(mistakes);
    }
    std::string why = "no expression succeeded:";
    for (const Diagnostic& d : all.items()) {
        why += fmt::format("\n- {}\n  {}", d.summary, d.detail);
    }
    return failed(why + "\n\nAt least one expression must produce a successful result");
}

Value Evaluator::convert_call(const Expr& e) {
    static constexpr std::string_view kNames[] = {"value", "type"};
    if (!argument_count(e, kNames)) {
        return Value::unknown();
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
            "Invalid function argument",
            fmt::format("Invalid value for \"value\" parameter: {}.", converted.error().message),
            e.operands[0]->start_range
        );
    }
    return std::move(*converted);
}

Value Evaluator::call(const Expr& e) {
    if (e.name == "try") {
        return attempt(e);
    }
    if (e.name == "can") {
        return ask(e);
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
        if (const std::size_t space = e.name.rfind("::"); space != std::string::npos) {
            return mistake(
                "Call to unknown function",
                fmt::format(
                    "There are no functions in namespace \"{}\".", e.name.substr(0, space + 2)
                ),
                name_range
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
    std::vector<Range> sources;
    for (std::size_t i = 0; i < e.operands.size(); ++i) {
        Value v = run(*e.operands[i]);
        if (!e.expand_last || i + 1 < e.operands.size()) {
            arguments.push_back(std::move(v));
            sources.push_back(e.operands[i]->start_range);
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
            sources.push_back(e.operands[i]->range);
        }
    }
    const auto& parameters = function->parameters;
    if (arguments.size() < parameters.size()) {
        return mistake(
            "Not enough function arguments",
            fmt::format(
                "Function \"{}\" expects{} {} argument(s). Missing value for \"{}\".",
                e.name,
                function->rest ? " at least" : "",
                parameters.size(),
                parameters[arguments.size()].name
            ),
            call_end(e)
        );
    }
    if (!function->rest && arguments.size() > parameters.size()) {
        return mistake(
            "Too many function arguments",
            fmt::format("Function \"{}\" expects only {} argument(s).", e.name, parameters.size()),
            sources[parameters.size()]
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
                sources[i]
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
                sources[at]
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

}  // namespace nl::hcl::internal
