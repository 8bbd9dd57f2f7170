#pragma once
// The tree of a document: bodies of attributes and blocks, and expressions. Every node knows where
// it stands. Plain data, made by the parser and read by eval.h and body.h; a tree owns its nodes
// and copies what it needs of the text.

#include "hcl/source.h"
#include "hcl/value.h"

#include <memory>
#include <string>
#include <vector>

namespace nl::hcl {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class ExprKind : unsigned char {
    Literal,
    Template,     // parts joined as text; without parts the text is `value`
    Wrap,         // "${x}" alone: the value of x, whatever its type
    Variable,     // name and steps
    Relative,     // operand and steps
    Call,         // name and operands
    Conditional,  // three operands
    Binary,
    Unary,
    Parens,
    Tuple,
    Object,
    For,
    Index,  // operands 0 and 1
    Splat,
    SplatItem,    // the current element inside a splat
    TemplateIf,   // three operands
    TemplateFor,  // a For whose results are joined as text
};

enum class Operator : unsigned char {
    Or,
    And,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Negate,
    Not,
};

/// .name or [key] with a key known when parsing.
struct Step {
    bool is_attribute{true};
    std::string name;
    Value key;
    Range range;
};

struct ObjectItem {
    ExprPtr key;
    /// A bare name as key is text, not a reference.
    bool bare_key{false};
    ExprPtr value;
};

struct ForParts {
    std::string key_name;
    std::string value_name;
    ExprPtr collection;
    ExprPtr key;
    ExprPtr value;
    ExprPtr condition;
    bool is_object{false};
    bool group{false};
};

struct Expr {
    ExprKind kind{ExprKind::Literal};
    Operator op{};
    bool expand_last{false};  // f(args...)
    bool full_splat{false};   // [*] rather than .*
    Range range;
    /// Where messages about the expression point: its first part.
    Range start_range;
    Value value;
    std::string name;
    std::vector<Step> steps;
    std::vector<ExprPtr> operands;
    std::vector<ObjectItem> items;
    std::unique_ptr<ForParts> loop;
};

struct Attribute {
    std::string name;
    Range name_range;
    Range range;
    ExprPtr value;
};

struct Body;

struct Block {
    std::string type;
    Range type_range;
    std::vector<std::string> labels;
    std::vector<Range> label_ranges;
    Range open_brace;
    /// From the type to the last label.
    Range header_range;
    std::unique_ptr<Body> body;
};

struct Body {
    std::vector<Attribute> attributes;
    std::vector<Block> blocks;
    Range range;
    Range end_range;
};

}  // namespace nl::hcl
