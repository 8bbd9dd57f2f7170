#pragma once
// The tree of a parsed template. Internal to expr/template*.cc.

#include "expr/dyn.h"

#include <memory>
#include <string>
#include <vector>

namespace nl::expr {

struct TemplateNode {
    enum class Kind : unsigned char {
        // Statements.
        List,
        Text,
        Action,
        If,
        Range,
        With,
        Call,  // {{template}}
        Break,
        Continue,
        // Expressions.
        Pipe,
        Command,
        Literal,
        Nil,
        Dot,
        Field,     // .A.B: `names`
        Variable,  // $x.A.B: names[0] is "$x"
        Function,
        Chain,  // children[0], then `names`
    };
    Kind kind{};
    int line{1};
    /// Text, the name of a function or template, or the source of an expression for messages.
    std::string text;
    Dyn value;
    std::vector<std::string> names;
    /// Pipe: variables that are declared or (if `assigns`) assigned.
    std::vector<std::string> variables;
    bool assigns{};
    /// Statements of a list, commands of a pipe, words of a command.
    std::vector<TemplateNode> children;
    /// Control: the pipe is children[0], the body children[1], `else` children[2].
};

}  // namespace nl::expr
