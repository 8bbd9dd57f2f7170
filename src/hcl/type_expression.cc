#include "hcl/eval.h"

#include <fmt/format.h>

namespace nl::hcl {

namespace {

struct TypeReader {
    Diagnostics& diagnostics;
    TypeUse use;

    Type refuse(const Range& range, std::string detail) {
        diagnostics.error("Invalid type specification", std::move(detail), range);
        return {};
    }

    static Range name_of(const Expr& call) {
        Range name = call.start_range;
        --name.end.column;
        --name.end.byte;
        return name;
    }

    /// The parentheses and what is in them.
    static Range arguments(const Expr& call) {
        return {.start = name_of(call).end, .end = call.range.end, .file = call.range.file};
    }

    Type keyword(const Expr& e) {
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
                return refuse(
                    e.range,
                    "The keyword \"any\" cannot be used in this type specification: an exact type "
                    "is required."
                );
            }
            return {};
        }
        if (const std::string_view needs = argument_of(e.name); !needs.empty()) {
            return refuse(e.range, lacking(e.name, needs));
        }
        return refuse(
            e.range, fmt::format("The keyword \"{}\" is not a valid type specification.", e.name)
        );
    }

    Type constructor(const Expr& e) {
        const Range name = name_of(e);
        const Range inside = arguments(e);
        if (e.name == "string" || e.name == "number" || e.name == "bool") {
            return refuse(
                inside,
                fmt::format("Primitive type keyword \"{}\" does not expect arguments.", e.name)
            );
        }
        if (e.name == "any") {
            return refuse(inside, "Type constraint keyword \"any\" does not expect arguments.");
        }
        if (e.name == "optional") {
            return refuse(name, kOptional);
        }
        const std::string_view needs = argument_of(e.name);
        if (needs.empty()) {
            return refuse(
                e.range, fmt::format("Keyword \"{}\" is not a valid type constructor.", e.name)
            );
        }
        if (e.operands.size() != 1) {
            return refuse(
                e.operands.empty()
                    ? inside
                    : between(e.operands[1]->range, e.operands.back()->range),
                lacking(e.name, needs)
            );
        }
        const Expr& argument = *e.operands[0];
        if (e.name == "list") {
            return Type::list(read(argument));
        }
        if (e.name == "set") {
            return Type::set(read(argument));
        }
        if (e.name == "map") {
            return Type::map(read(argument));
        }
        return e.name == "tuple" ? tuple(argument) : object(argument);
    }

    Type tuple(const Expr& argument) {
        if (argument.kind != ExprKind::Tuple) {
            return refuse(
                argument.range, "Tuple type constructor requires a list of element types."
            );
        }
        std::vector<Type> elements;
        for (const ExprPtr& element : argument.operands) {
            elements.push_back(read(*element));
        }
        return Type::tuple(std::move(elements));
    }

    /// `optional(T)` is T to a constraint: what converts to it must have the attribute all the same.
    Type attribute(const Expr& e) {
        if (e.kind != ExprKind::Call || e.name != "optional") {
            return read(e);
        }
        const Range inside = arguments(e);
        if (e.operands.empty()) {
            return refuse(
                inside, "Optional attribute modifier requires the attribute type as its argument."
            );
        }
        if (use == TypeUse::Exact) {
            return refuse(
                name_of(e),
                "Optional attribute modifier is only for type constraints, not for exact types."
            );
        }
        if (e.operands.size() > 1) {
            return refuse(
                inside, "Optional attribute modifier expects only one argument: the attribute type."
            );
        }
        return read(*e.operands[0]);
    }

    Type object(const Expr& argument) {
        if (argument.kind != ExprKind::Object) {
            return refuse(
                argument.range,
                "Object type constructor requires a map whose keys are attribute names and whose "
                "values are the corresponding attribute types."
            );
        }
        std::map<std::string, Type, std::less<>> attributes;
        for (const ObjectItem& item : argument.items) {
            if (!item.bare_key) {
                refuse(item.key->range, "Object constructor map keys must be attribute names.");
                continue;
            }
            if (attributes.contains(item.key->name)) {
                refuse(item.key->range, "Object constructor map keys must be unique.");
                continue;
            }
            attributes.emplace(item.key->name, attribute(*item.value));
        }
        return Type::object(std::move(attributes));
    }

    Type read(const Expr& e) {
        if (e.kind == ExprKind::Variable && e.steps.empty()) {
            return keyword(e);
        }
        if (e.kind == ExprKind::Call) {
            return constructor(e);
        }
        return refuse(
            e.range,
            "A type specification is either a primitive type keyword (bool, number, string) or a "
            "complex type constructor call, like list(string)."
        );
    }

    static constexpr const char* kOptional =
        "Keyword \"optional\" is valid only as a modifier for object type attributes.";

    static std::string lacking(std::string_view name, std::string_view needs) {
        return fmt::format(
            "The {} type constructor requires one argument specifying the {}.", name, needs
        );
    }

    /// What a type constructor takes; "" for what is none.
    static std::string_view argument_of(std::string_view name) {
        if (name == "list" || name == "set" || name == "map") {
            return "element type";
        }
        if (name == "object") {
            return "attribute types and values as a map";
        }
        return name == "tuple" ? "element types as a list" : "";
    }
};

}  // namespace

Type type_of_expression(const Expr& e, Diagnostics& diagnostics, TypeUse use) {
    return TypeReader{diagnostics, use}.read(e);
}

}  // namespace nl::hcl
