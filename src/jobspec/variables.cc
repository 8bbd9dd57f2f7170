#include "jobspec/variables.h"

#include "hcl/parser.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::jobspec {

using hcl::BodyAttribute;
using hcl::BodyBlock;
using hcl::Kind;
using hcl::Range;
using hcl::Value;

namespace {

/// Where messages about a whole value point.
Range whole_range(const BodyAttribute& a) {
    return a.expression() != nullptr ? a.expression()->range : a.value_range;
}

std::string unsupported(const BodyAttribute& a) {
    return fmt::format("An argument named \"{}\" is not expected here.", a.name);
}

}  // namespace

Variables::Variable* Variables::find(std::string_view name) {
    const auto found = std::ranges::find(variables_, name, &Variable::name);
    return found == variables_.end() ? nullptr : &*found;
}

void Variables::declare(const BodyBlock& block) {
    if (block.type == "variable") {
        declare_variable(block);
        return;
    }
    if (block.type != "variables" && block.type != "locals") {
        return;
    }
    const hcl::BodyContent content = block.body.read({}, context_, diagnostics_, made_);
    for (const BodyBlock& b : content.blocks) {
        diagnostics_.error(
            "Unexpected \"" + b.type + "\" block", "Blocks are not allowed here.", b.type_range
        );
    }
    for (const BodyAttribute& a : content.attributes) {
        if (block.type == "locals") {
            if (!locals_.emplace(a.name, Local{.attribute = a}).second) {
                diagnostics_.error(
                    "Duplicate value in locals",
                    fmt::format("Duplicate {} definition found.", a.name),
                    a.name_range
                );
            }
            continue;
        }
        if (find(a.name) != nullptr) {
            diagnostics_.error(
                "Duplicate variable",
                fmt::format("Duplicate {} variable definition found.", a.name),
                a.name_range
            );
            continue;
        }
        Variable& variable = variables_.emplace_back();
        variable.name = a.name;
        variable.range = a.name_range;
        variable.value = a.evaluate(context_, diagnostics_);
        variable.value_range = whole_range(a);
    }
}

void Variables::declare_variable(const BodyBlock& block) {
    const std::string& name = block.labels.at(0);
    if (find(name) != nullptr) {
        diagnostics_.error(
            "Duplicate variable",
            fmt::format("Duplicate {} variable definition found.", name),
            block.header_range
        );
        return;
    }
    const hcl::BodyContent content =
        block.body.read({{"validation", 0}}, context_, diagnostics_, made_);
    Variable variable;
    variable.name = name;
    variable.range = block.header_range;
    const BodyAttribute* given = nullptr;
    for (const BodyAttribute& a : content.attributes) {
        if (a.name == "default") {
            given = &a;
        } else if (a.name == "description") {
            if (!convert(a.evaluate(context_, diagnostics_), Kind::String)) {
                diagnostics_.error(
                    "Unsuitable value type", "Unsuitable value: a string is required", a.value_range
                );
            }
        } else if (a.name == "type") {
            if (a.expression() != nullptr) {
                variable.type =
                    type_of_expression(*a.expression(), diagnostics_, hcl::TypeUse::Exact);
            } else {
                // In JSON the type is text.
                const auto text = a.evaluate(context_, diagnostics_);
                const auto e =
                    text.is_usable() && text.kind() == Kind::String
                        ? hcl::parse_expression(text.as_string(), a.value_range.file, diagnostics_)
                        : nullptr;
                if (e != nullptr) {
                    variable.type = type_of_expression(*e, diagnostics_, hcl::TypeUse::Exact);
                }
            }
        } else {
            const std::vector<std::string_view> known{"default", "type", "description"};
            const auto near = hcl::nearest_name(a.name, known);
            diagnostics_.error(
                "Unsupported argument",
                unsupported(a) + (near.empty() ? "" : fmt::format(" Did you mean \"{}\"?", near)),
                a.name_range
            );
        }
    }
    if (given != nullptr) {
        const Value value = given->evaluate(context_, diagnostics_);
        auto converted = convert(value, variable.type.value_or(hcl::Type{}));
        if (converted) {
            variable.value = std::move(*converted);
        } else {
            diagnostics_.error(
                "Invalid default value for variable",
                fmt::format(
                    "This default value is not compatible with the variable's type constraint: {}.",
                    converted.error().message
                ),
                whole_range(*given)
            );
            variable.value = Value::unknown();
        }
        variable.value_range = whole_range(*given);
    }
    for (const BodyBlock& b : content.blocks) {
        if (b.type == "validation") {
            add_rule(variable, b);
        } else {
            diagnostics_.error(
                "Unsupported block type",
                fmt::format("Blocks of type \"{}\" are not expected here.", b.type),
                b.type_range
            );
        }
    }
    variables_.push_back(std::move(variable));
}

void Variables::add_rule(Variable& variable, const BodyBlock& block) {
    const hcl::BodyContent content = block.body.read({}, context_, diagnostics_, made_);
    Rule rule;
    bool has_condition = false;
    bool has_message = false;
    rule.range = block.header_range;
    for (const BodyAttribute& a : content.attributes) {
        if (a.name == "condition") {
            has_condition = true;
            rule.condition = a;
            bool refers = a.expression() == nullptr;
            if (a.expression() != nullptr) {
                std::vector<const hcl::Expr*> references;
                collect_references(*a.expression(), references);
                for (const hcl::Expr* e : references) {
                    const bool own =
                        e->name == "var" && !e->steps.empty() && e->steps[0].name == variable.name;
                    refers = refers || own;
                    if (e->name == "var" && !own) {
                        diagnostics_.error(
                            "Invalid reference in variable validation",
                            fmt::format(
                                "The condition for variable \"{}\" can only refer to the variable "
                                "itself, using var.{}.",
                                variable.name,
                                variable.name
                            ),
                            e->range
                        );
                    }
                }
            }
            if (!refers) {
                diagnostics_.error(
                    "Invalid variable validation condition",
                    fmt::format(
                        "The condition for variable \"{}\" must refer to var.{} in order to test "
                        "incoming values.",
                        variable.name,
                        variable.name
                    ),
                    whole_range(a)
                );
            }
        } else if (a.name == "error_message") {
            has_message = true;
            const Value text = a.evaluate(context_, diagnostics_);
            if (text.is_usable() && text.kind() == Kind::String) {
                rule.message = text.as_string();
            }
            const bool sentence =
                !rule.message.empty() &&
                std::string_view(".!?").find(rule.message.back()) != std::string_view::npos;
            if (rule.message.empty()) {
                diagnostics_.error(
                    "Invalid validation error message",
                    "An empty string is not a valid nor useful error message.",
                    whole_range(a)
                );
            } else if (!sentence) {
                diagnostics_.error(
                    "Invalid validation error message",
                    "Validation error message must be at least one full English sentence starting "
                    "with an uppercase letter and ending with a period or question mark.",
                    whole_range(a)
                );
            }
        } else {
            diagnostics_.error("Unsupported argument", unsupported(a), a.name_range);
        }
    }
    for (const auto& [there, what] :
         {std::pair(has_condition, "condition"), std::pair(has_message, "error_message")}) {
        if (!there) {
            diagnostics_.error(
                "Missing required argument",
                fmt::format("The argument \"{}\" is required, but no definition was found.", what),
                content.missing_range
            );
            return;
        }
    }
    variable.rules.push_back(std::move(rule));
}

void Variables::set(Variable& variable, Value value, std::string origin, const Range& range) {
    auto converted = convert(value, variable.type.value_or(hcl::Type{}));
    if (!converted) {
        diagnostics_.error(
            "Invalid value for variable",
            fmt::format(
                "The value for {} is not compatible with the variable's type constraint: {}.",
                variable.name,
                converted.error().message
            ),
            range
        );
        variable.value = Value::unknown();
        return;
    }
    variable.value = std::move(*converted);
    variable.origin = std::move(origin);
    variable.value_range = range;
}

/// A value given as text on the command line or in the environment.
Result<void> Variables::take_text(
    const std::string& name, const std::string& text, std::string origin, Variable& variable
) {
    // Without a type, the default's kind tells whether the text is meant as it stands.
    const Kind kind = variable.type    ? variable.type->kind()
                      : variable.value ? variable.value->type().kind()
                                       : Kind::String;
    const std::uint32_t file = names_.add(fmt::format("<value for var.{} from {}>", name, origin));
    if (kind == Kind::String || kind == Kind::Dynamic) {
        set(variable, Value::string(text), std::move(origin), {.file = file});
        return {};
    }
    hcl::Diagnostics mistakes;
    const auto e = hcl::parse_expression(text, file, mistakes);
    if (e == nullptr || mistakes.has_errors()) {
        return std::unexpected(Error{ErrorCode::InvalidArgument, first_error(mistakes, names_)});
    }
    set(variable, hcl::evaluate(*e, context_, diagnostics_), std::move(origin), e->range);
    return {};
}

Result<void> Variables::take_file(
    const NamedText& file, std::optional<Undeclared> undeclared, std::vector<std::string>& warnings
) {
    hcl::Diagnostics mistakes;
    const std::uint32_t number = names_.add(file.name);
    documents_.push_back(hcl::read_document(file.text, number, names_, mistakes));
    if (mistakes.has_errors()) {
        return std::unexpected(Error{ErrorCode::InvalidArgument, first_error(mistakes, names_)});
    }
    const hcl::BodyContent content = documents_.back()->view().read({}, context_, mistakes, made_);
    for (const BodyBlock& b : content.blocks) {
        mistakes.error(
            fmt::format("Unexpected \"{}\" block", b.type),
            "Blocks are not allowed here.",
            b.type_range
        );
    }
    for (const BodyAttribute& a : content.attributes) {
        Variable* variable = find(a.name);
        if (variable != nullptr) {
            set(*variable, a.evaluate(context_, mistakes), "varfile", whole_range(a));
        } else if (undeclared == Undeclared::Refuse) {
            mistakes.error(
                "Undefined variable",
                fmt::format(
                    "A \"{0}\" variable was set but was not declared as an input variable. To "
                    "declare variable \"{0}\", place this block in the job file:\n\nvariable "
                    "\"{0}\" {{}}",
                    a.name
                ),
                a.name_range
            );
        } else if (undeclared) {
            warnings.push_back(
                fmt::format("variable \"{}\" of {} is not declared", a.name, file.name)
            );
        }
    }
    if (mistakes.has_errors()) {
        return std::unexpected(Error{ErrorCode::InvalidArgument, all_errors(mistakes, names_)});
    }
    return {};
}

Result<void> Variables::take_values(const ParseInput& input, std::vector<std::string>& warnings) {
    constexpr std::string_view kPrefix = "NOMAD_VAR_";
    for (const auto& [key, text] : input.environment) {
        if (!key.starts_with(kPrefix)) {
            continue;
        }
        const std::string name = key.substr(kPrefix.size());
        if (Variable* variable = find(name)) {
            NL_TRY_VOID(take_text(name, text, "environment", *variable));
        }
    }
    if (!input.variables_content.empty()) {
        const auto taken =
            take_file({input.filename, input.variables_content}, std::nullopt, warnings);
        if (!taken) {
            return std::unexpected(Error{
                ErrorCode::InvalidArgument, "unable to parse var content: " + taken.error().message
            });
        }
    }
    for (const NamedText& file : input.variable_files) {
        NL_TRY_VOID(take_file(file, input.undeclared, warnings));
    }
    for (const auto& [name, text] : input.variable_flags) {
        Variable* variable = find(name);
        if (variable != nullptr) {
            NL_TRY_VOID(take_text(name, text, "arguments", *variable));
            continue;
        }
        if (input.undeclared == Undeclared::Refuse) {
            return fail(
                ErrorCode::InvalidArgument,
                "Undefined -var variable; A \"{0}\" variable was passed in the command line but "
                "was not found in known variables. To declare variable \"{0}\", place this block "
                "in the job file: variable \"{0}\" {{}}",
                name
            );
        }
        warnings.push_back(fmt::format("variable \"{}\" of -var is not declared", name));
    }
    return {};
}

Value Variables::values() {
    Value::Attributes all;
    for (Variable& variable : variables_) {
        if (!variable.value) {
            diagnostics_.error(
                fmt::format("Unset variable \"{}\"", variable.name),
                "A used variable must be set or have a default value.",
                variable.range
            );
            all.emplace(variable.name, Value::unknown(variable.type.value_or(hcl::Type{})));
            continue;
        }
        all.emplace(variable.name, *variable.value);
        if (!variable.value->is_known()) {
            continue;
        }
        for (const Rule& rule : variable.rules) {
            hcl::Scope scope;
            scope.variables.emplace("var", Value::object({{variable.name, *variable.value}}));
            const Value result = rule.condition.evaluate(context_.in(scope), diagnostics_);
            if (result.is_unknown()) {
                continue;
            }
            const auto holds = convert(result, Kind::Bool);
            if (!holds || holds->is_null()) {
                diagnostics_.error(
                    "Invalid variable validation result",
                    holds ? "Validation condition expression must return either true or false, "
                            "not null."
                          : fmt::format(
                                "Invalid validation condition result value: {}.",
                                holds.error().message
                            ),
                    whole_range(rule.condition)
                );
            } else if (!holds->as_bool()) {
                diagnostics_.error(
                    fmt::format("Invalid value for {} variable", variable.origin),
                    fmt::format(
                        "{}\n\nThis was checked by the validation rule at {}.",
                        rule.message,
                        to_string(rule.range, names_)
                    ),
                    variable.value_range
                );
            }
        }
    }
    return Value::object(std::move(all));
}

void Variables::work_out(const std::string& name, Local& local, const hcl::EvalContext& context) {
    if (local.state == Local::State::Done) {
        return;
    }
    if (local.state == Local::State::Working) {
        diagnostics_.error(
            "Circular reference",
            fmt::format("The value of local.{} depends on itself.", name),
            local.attribute.value_range
        );
        local.value = Value::unknown();
        return;
    }
    local.state = Local::State::Working;
    hcl::Scope scope{.parent = context.scope};
    Value::Attributes needed;
    if (local.attribute.expression() != nullptr) {
        std::vector<const hcl::Expr*> references;
        collect_references(*local.attribute.expression(), references);
        bool whole = false;
        for (const hcl::Expr* e : references) {
            if (e->name != "local") {
                continue;
            }
            whole = whole || e->steps.empty() || !e->steps[0].is_attribute;
            if (!e->steps.empty() && e->steps[0].is_attribute) {
                if (const auto other = locals_.find(e->steps[0].name); other != locals_.end()) {
                    work_out(other->first, other->second, context);
                    needed.insert_or_assign(other->first, other->second.value);
                }
            }
        }
        if (whole) {
            // `local["x"]`: any of them may be meant.
            for (auto& [other_name, other] : locals_) {
                if (&other != &local && other.state != Local::State::Working) {
                    work_out(other_name, other, context);
                    needed.insert_or_assign(other_name, other.value);
                }
            }
        }
    } else {
        for (auto& [other_name, other] : locals_) {
            if (&other != &local && other.state == Local::State::Done) {
                needed.insert_or_assign(other_name, other.value);
            }
        }
    }
    scope.variables.emplace("local", Value::object(std::move(needed)));
    Value value = local.attribute.evaluate(context.in(scope), diagnostics_);
    if (local.state == Local::State::Working) {
        local.value = std::move(value);
    }
    local.state = Local::State::Done;
}

Value Variables::locals(const hcl::EvalContext& context) {
    Value::Attributes all;
    for (auto& [name, local] : locals_) {
        work_out(name, local, context);
        all.insert_or_assign(name, local.value);
    }
    return Value::object(std::move(all));
}

}  // namespace nl::jobspec
