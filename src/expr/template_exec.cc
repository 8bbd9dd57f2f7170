#include "expr/template.h"
#include "expr/template_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace nl::expr {
namespace {

using Kind = TemplateNode::Kind;
using Definitions = std::map<std::string, std::shared_ptr<const TemplateNode>, std::less<>>;

enum class Flow : unsigned char { On, Break, Continue };

class Executor {
public:
    Executor(
        const TemplateOptions& options,
        const Definitions& definitions,
        const TemplateFunctions& functions
    )
        : options_(options), definitions_(definitions), functions_(functions) {}

    Result<std::string> run(const Dyn& data) {
        variables_.emplace_back("$", data);
        NL_TRY(const Flow flow, walk(*definitions_.at(options_.name), data, 0));
        static_cast<void>(flow);
        return std::move(out_);
    }

private:
    std::unexpected<Error> wrong(const TemplateNode& at, std::string_view what) const {
        return fail(
            ErrorCode::InvalidArgument,
            "template: {}:{}: executing \"{}\" at <{}>: {}",
            options_.name,
            at.line,
            options_.name,
            at.text,
            what
        );
    }

    Result<void> emit(const TemplateNode& at, std::string_view text) {
        if (out_.size() + text.size() > kMaxTemplateOutput) {
            return wrong(at, fmt::format("the output is over {} bytes", kMaxTemplateOutput));
        }
        out_ += text;
        return {};
    }

    Result<Flow> walk(
        const TemplateNode& node, const Dyn& dot, int depth
    ) {  // NOLINT(misc-no-recursion)
        if (++steps_ > kMaxTemplateSteps) {
            return wrong(node, fmt::format("more than {} steps", kMaxTemplateSteps));
        }
        if (depth > kMaxTemplateDepth) {
            return wrong(
                node, fmt::format("exceeded maximum template depth ({})", kMaxTemplateDepth)
            );
        }
        switch (node.kind) {
            case Kind::List: {
                const std::size_t mark = variables_.size();
                for (const TemplateNode& child : node.children) {
                    NL_TRY(const Flow flow, walk(child, dot, depth));
                    if (flow != Flow::On) {
                        variables_.resize(mark);
                        return flow;
                    }
                }
                variables_.resize(mark);
                return Flow::On;
            }
            case Kind::Text:
                NL_TRY_VOID(emit(node, node.text));
                return Flow::On;
            case Kind::Action: {
                const TemplateNode& pipe = node.children.front();
                NL_TRY(const Dyn value, evaluate(pipe, dot, depth));
                if (pipe.variables.empty()) {
                    NL_TRY_VOID(emit(node, value.is_nil() ? "<no value>" : value.text()));
                }
                return Flow::On;
            }
            case Kind::If:
            case Kind::With: {
                const std::size_t mark = variables_.size();
                NL_TRY(const Dyn value, evaluate(node.children[0], dot, depth));
                Result<Flow> flow = Flow::On;
                if (value.truth()) {
                    flow = walk(node.children[1], node.kind == Kind::With ? value : dot, depth + 1);
                } else if (node.children.size() > 2) {
                    flow = walk(node.children[2], dot, depth + 1);
                }
                variables_.resize(mark);
                return flow;
            }
            case Kind::Range:
                return range(node, dot, depth);
            case Kind::Call: {
                const auto found = definitions_.find(node.text);
                if (found == definitions_.end()) {
                    return wrong(node, fmt::format("template \"{}\" not defined", node.text));
                }
                Dyn data;
                if (!node.children.empty()) {
                    NL_TRY(data, evaluate(node.children[0], dot, depth));
                }
                auto saved = std::exchange(variables_, {});
                variables_.emplace_back("$", data);
                auto flow = walk(*found->second, data, depth + 1);
                variables_ = std::move(saved);
                return flow;
            }
            case Kind::Break:
                return Flow::Break;
            case Kind::Continue:
                return Flow::Continue;
            case Kind::Pipe:
            case Kind::Command:
            case Kind::Literal:
            case Kind::Nil:
            case Kind::Dot:
            case Kind::Field:
            case Kind::Variable:
            case Kind::Function:
            case Kind::Chain:
                break;
        }
        return wrong(node, "this cannot stand here");
    }

    Result<Flow> range(
        const TemplateNode& node, const Dyn& dot, int depth
    ) {  // NOLINT(misc-no-recursion)
        const std::size_t mark = variables_.size();
        const TemplateNode& pipe = node.children[0];
        NL_TRY(const Dyn over, evaluate_commands(pipe, dot, depth));
        const auto once = [&](const Dyn& key, const Dyn& item) -> Result<Flow> {
            const std::size_t inner = variables_.size();
            const auto bind = [&](const std::string& name, const Dyn& value) {
                if (!pipe.assigns) {
                    variables_.emplace_back(name, value);
                    return;
                }
                const auto at =
                    std::find_if(variables_.rbegin(), variables_.rend(), [&](const auto& v) {
                        return v.first == name;
                    });
                if (at != variables_.rend()) {
                    at->second = value;
                }
            };
            if (pipe.variables.size() == 1) {
                bind(pipe.variables[0], item);
            } else if (pipe.variables.size() == 2) {
                bind(pipe.variables[0], key);
                bind(pipe.variables[1], item);
            }
            auto flow = walk(node.children[1], item, depth + 1);
            variables_.resize(inner);
            return flow;
        };
        bool any = false;
        if (const DynList* list = over.as_list()) {
            for (std::size_t i = 0; i < list->size(); ++i) {
                any = true;
                NL_TRY(const Flow flow, once(static_cast<std::int64_t>(i), (*list)[i]));
                if (flow == Flow::Break) {
                    break;
                }
            }
        } else if (const std::int64_t* count = over.as_int()) {
            for (std::int64_t i = 0; i < *count; ++i) {
                any = true;
                NL_TRY(const Flow flow, once(i, i));
                if (flow == Flow::Break) {
                    break;
                }
            }
        } else if (DynObject* object = over.as_object(); object != nullptr && !object->is_struct) {
            // What the body does to a shared object must not move the ground under the loop.
            const auto fields = object->fields;
            for (const auto& [key, item] : fields) {
                any = true;
                NL_TRY(const Flow flow, once(key, item));
                if (flow == Flow::Break) {
                    break;
                }
            }
        } else if (!over.is_nil()) {
            return wrong(pipe, fmt::format("range can't iterate over {}", over.text()));
        }
        variables_.resize(mark);
        if (!any && node.children.size() > 2) {
            return walk(node.children[2], dot, depth + 1);
        }
        return Flow::On;
    }

    // ---- expressions

    Result<Dyn> evaluate(
        const TemplateNode& pipe, const Dyn& dot, int depth
    ) {  // NOLINT(misc-no-recursion)
        NL_TRY(Dyn value, evaluate_commands(pipe, dot, depth));
        for (const std::string& name : pipe.variables) {
            if (!pipe.assigns) {
                variables_.emplace_back(name, value);
                continue;
            }
            const auto at =
                std::find_if(variables_.rbegin(), variables_.rend(), [&](const auto& v) {
                    return v.first == name;
                });
            if (at != variables_.rend()) {
                at->second = value;
            }
        }
        return value;
    }

    Result<Dyn> evaluate_commands(
        const TemplateNode& pipe, const Dyn& dot, int depth
    ) {  // NOLINT(misc-no-recursion)
        if (++steps_ > kMaxTemplateSteps || depth > kMaxTemplateDepth) {
            return wrong(pipe, "the template does not come to an end");
        }
        std::optional<Dyn> value;
        for (const TemplateNode& command : pipe.children) {
            NL_TRY(Dyn next, run_command(command, dot, value ? &*value : nullptr, depth + 1));
            value = std::move(next);
        }
        return std::move(*value);
    }

    Result<Dyn> run_command(  // NOLINT(misc-no-recursion)
        const TemplateNode& command,
        const Dyn& dot,
        const Dyn* last,
        int depth
    ) {
        const TemplateNode& first = command.children.front();
        if (first.kind == Kind::Function) {
            return call_function(first, command, dot, last, depth);
        }
        const bool has_arguments = command.children.size() > 1 || last != nullptr;
        if (has_arguments && (first.kind == Kind::Field || first.kind == Kind::Variable ||
                              first.kind == Kind::Chain)) {
            return call_method(first, command, dot, last, depth);
        }
        if (has_arguments) {
            return wrong(first, fmt::format("can't give argument to non-function {}", first.text));
        }
        return operand(first, dot, depth);
    }

    Result<Dyn> operand(
        const TemplateNode& node, const Dyn& dot, int depth
    ) {  // NOLINT(misc-no-recursion)
        switch (node.kind) {
            case Kind::Literal:
                return node.value;
            case Kind::Nil:
                return Dyn();
            case Kind::Dot:
                return dot;
            case Kind::Field:
                return fields(node, dot, node.names, 0);
            case Kind::Variable:
                return fields(node, variable(node.names[0]), node.names, 1);
            case Kind::Function: {
                TemplateNode command;
                command.kind = Kind::Command;
                command.line = node.line;
                command.children.push_back(node);
                return call_function(node, command, dot, nullptr, depth);
            }
            case Kind::Chain: {
                NL_TRY(const Dyn base, operand(node.children[0], dot, depth + 1));
                return fields(node, base, node.names, 0);
            }
            case Kind::Pipe:
                return evaluate(node, dot, depth + 1);
            case Kind::List:
            case Kind::Text:
            case Kind::Action:
            case Kind::If:
            case Kind::Range:
            case Kind::With:
            case Kind::Call:
            case Kind::Break:
            case Kind::Continue:
            case Kind::Command:
                break;
        }
        return wrong(node, "this is no value");
    }

    Dyn variable(const std::string& name) const {
        const auto at = std::find_if(variables_.rbegin(), variables_.rend(), [&](const auto& v) {
            return v.first == name;
        });
        return at == variables_.rend() ? Dyn() : at->second;
    }

    Result<Dyn> fields(
        const TemplateNode& node, Dyn value, const std::vector<std::string>& names, std::size_t from
    ) {
        for (std::size_t i = from; i < names.size(); ++i) {
            NL_TRY(value, field(node, value, names[i], {}));
        }
        return value;
    }

    Result<Dyn> field(
        const TemplateNode& node,
        const Dyn& value,
        const std::string& name,
        std::vector<Dyn> arguments
    ) {
        const DynObject* object = value.as_object();
        if (object == nullptr) {
            if (value.is_nil()) {
                if (options_.error_on_missing_key) {
                    return wrong(node, fmt::format("nil data; no entry for key \"{}\"", name));
                }
                return Dyn();
            }
            return wrong(
                node, fmt::format("can't evaluate field {} in type {}", name, value.kind())
            );
        }
        if (const auto method = object->methods.find(name); method != object->methods.end()) {
            auto result = method->second(arguments);
            return result ? std::move(result)
                          : Result<Dyn>(
                                wrong(node, "error calling " + name + ": " + result.error().message)
                            );
        }
        if (!arguments.empty()) {
            return wrong(
                node, fmt::format("{} has arguments but cannot be invoked as function", name)
            );
        }
        if (const auto at = object->fields.find(name); at != object->fields.end()) {
            return at->second;
        }
        if (object->is_struct) {
            return wrong(node, fmt::format("can't evaluate field {}", name));
        }
        if (options_.error_on_missing_key) {
            return wrong(node, fmt::format("map has no entry for key \"{}\"", name));
        }
        return object->zero.value_or(Dyn());
    }

    Result<std::vector<Dyn>> arguments(  // NOLINT(misc-no-recursion)
        const TemplateNode& command,
        const Dyn& dot,
        const Dyn* last,
        int depth
    ) {
        std::vector<Dyn> out;
        for (std::size_t i = 1; i < command.children.size(); ++i) {
            NL_TRY(Dyn value, operand(command.children[i], dot, depth + 1));
            out.push_back(std::move(value));
        }
        if (last != nullptr) {
            out.push_back(*last);
        }
        return out;
    }

    Result<Dyn> call_method(  // NOLINT(misc-no-recursion)
        const TemplateNode& first,
        const TemplateNode& command,
        const Dyn& dot,
        const Dyn* last,
        int depth
    ) {
        Dyn base = dot;
        std::size_t from = 0;
        if (first.kind == Kind::Variable) {
            base = variable(first.names[0]);
            from = 1;
        } else if (first.kind == Kind::Chain) {
            NL_TRY(base, operand(first.children[0], dot, depth + 1));
        }
        if (first.names.size() <= from) {
            return wrong(first, fmt::format("can't give argument to non-function {}", first.text));
        }
        for (std::size_t i = from; i + 1 < first.names.size(); ++i) {
            NL_TRY(base, field(first, base, first.names[i], {}));
        }
        NL_TRY(std::vector<Dyn> given, arguments(command, dot, last, depth));
        return field(first, base, first.names.back(), std::move(given));
    }

    Result<Dyn> call_function(  // NOLINT(misc-no-recursion)
        const TemplateNode& node,
        const TemplateNode& command,
        const Dyn& dot,
        const Dyn* last,
        int depth
    ) {
        if (++steps_ > kMaxTemplateSteps || depth > kMaxTemplateDepth) {
            return wrong(node, "the template does not come to an end");
        }
        const std::string& name = node.text;
        if (name == "and" || name == "or") {
            return both(name == "and", node, command, dot, last, depth);
        }
        NL_TRY(std::vector<Dyn> given, arguments(command, dot, last, depth));
        const TemplateFunction* function = nullptr;
        if (const auto own = functions_.find(name); own != functions_.end()) {
            function = &own->second;
        } else if (const auto known = builtin_functions().find(name);
                   known != builtin_functions().end()) {
            function = &known->second;
        }
        if (function == nullptr) {
            return wrong(node, fmt::format("\"{}\" is not a defined function", name));
        }
        auto result = (*function)(given);
        if (!result) {
            return wrong(node, fmt::format("error calling {}: {}", name, result.error().message));
        }
        return result;
    }

    /// The first that is empty (and) or not (or); what follows it is not evaluated.
    Result<Dyn> both(  // NOLINT(misc-no-recursion)
        bool all,
        const TemplateNode& node,
        const TemplateNode& command,
        const Dyn& dot,
        const Dyn* last,
        int depth
    ) {
        Dyn value;
        bool any = false;
        for (std::size_t i = 1; i < command.children.size(); ++i) {
            NL_TRY(value, operand(command.children[i], dot, depth + 1));
            any = true;
            if (value.truth() != all) {
                return value;
            }
        }
        if (last != nullptr) {
            return *last;
        }
        if (!any) {
            return wrong(node, "wrong number of args for " + node.text + ": want at least 1 got 0");
        }
        return value;
    }

    const TemplateOptions& options_;
    const Definitions& definitions_;
    const TemplateFunctions& functions_;
    std::vector<std::pair<std::string, Dyn>> variables_;
    std::string out_;
    std::size_t steps_ = 0;
};

}  // namespace

Result<std::string> Template::execute(const Dyn& data, const TemplateFunctions& functions) const {
    return Executor(options_, *definitions_, functions).run(data);
}

}  // namespace nl::expr
