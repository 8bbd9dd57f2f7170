#include "base/check.h"
#include "hcl/internal/token_parser.h"

namespace nl::hcl::internal {
namespace {

struct BinaryOperator {
    TokenKind token;
    Operator op;
    int level;
};

constexpr BinaryOperator kBinary[] = {
    {TokenKind::Or, Operator::Or, 0},
    {TokenKind::And, Operator::And, 1},
    {TokenKind::EqualEqual, Operator::Equal, 2},
    {TokenKind::NotEqual, Operator::NotEqual, 2},
    {TokenKind::Greater, Operator::Greater, 3},
    {TokenKind::GreaterEqual, Operator::GreaterEqual, 3},
    {TokenKind::Less, Operator::Less, 3},
    {TokenKind::LessEqual, Operator::LessEqual, 3},
    {TokenKind::Plus, Operator::Add, 4},
    {TokenKind::Minus, Operator::Subtract, 4},
    {TokenKind::Star, Operator::Multiply, 5},
    {TokenKind::Slash, Operator::Divide, 5},
    {TokenKind::Percent, Operator::Modulo, 5},
};

const BinaryOperator* binary_operator(TokenKind token) {
    // Most of what follows a value is no operator at all.
    if (token < TokenKind::Star || token > TokenKind::Or) {
        return nullptr;
    }
    for (const BinaryOperator& b : kBinary) {
        if (b.token == token) {
            return &b;
        }
    }
    return nullptr;
}

bool is_for(const Token& token) {
    return token.kind == TokenKind::Identifier && token.text == "for";
}

}  // namespace

ExprPtr TokenParser::make(ExprKind kind, const Range& range, const Range& start) {
    auto e = std::make_unique<Expr>();
    e->kind = kind;
    e->range = range;
    e->start_range = start;
    return e;
}

ExprPtr TokenParser::expression() {
    const Nested nested(*this);
    if (too_deep(peek().range)) {
        return nullptr;
    }
    ExprPtr condition = binary(0);
    if (condition == nullptr || peek().kind != TokenKind::Question) {
        return condition;
    }
    read();
    ExprPtr yes = expression();
    if (yes == nullptr) {
        return nullptr;
    }
    if (peek().kind != TokenKind::Colon) {
        error(
            "Missing false expression in conditional",
            "The conditional operator (...?...:...) requires a false expression, delimited by a "
            "colon.",
            peek().range
        );
        return nullptr;
    }
    read();
    ExprPtr no = expression();
    if (no == nullptr) {
        return nullptr;
    }
    ExprPtr e =
        make(ExprKind::Conditional, between(condition->range, no->range), condition->start_range);
    e->operands.push_back(std::move(condition));
    e->operands.push_back(std::move(yes));
    e->operands.push_back(std::move(no));
    return e;
}

/// Operators of that level and above, by climbing precedence: what binds more tightly is read by
/// the call for the right side.
ExprPtr TokenParser::binary(int level) {
    ExprPtr left = unary();
    // A long chain makes a deep tree, though parsing it needs no deep stack.
    std::size_t links = 0;
    while (left != nullptr) {
        const BinaryOperator* found = binary_operator(peek().kind);
        if (found == nullptr || found->level < level) {
            break;
        }
        depth_ += links + 1;
        const bool deep = too_deep(peek().range);
        depth_ -= links + 1;
        if (deep) {
            return nullptr;
        }
        ++links;
        read();
        ExprPtr right = binary(found->level + 1);
        if (right == nullptr) {
            return nullptr;
        }
        ExprPtr e = make(ExprKind::Binary, between(left->range, right->range), left->start_range);
        e->op = found->op;
        e->operands.push_back(std::move(left));
        e->operands.push_back(std::move(right));
        left = std::move(e);
    }
    return left;
}

ExprPtr TokenParser::unary() {
    const Token next = peek();
    if (next.kind != TokenKind::Minus && next.kind != TokenKind::Not) {
        return with_traversal();
    }
    const Nested nested(*this);
    if (too_deep(next.range)) {
        return nullptr;
    }
    read();
    ExprPtr operand = unary();
    if (operand == nullptr) {
        return nullptr;
    }
    ExprPtr e = make(ExprKind::Unary, between(next.range, operand->range), next.range);
    e->op = next.kind == TokenKind::Minus ? Operator::Negate : Operator::Not;
    e->operands.push_back(std::move(operand));
    return e;
}

ExprPtr TokenParser::with_traversal() {
    ExprPtr e = term();
    return e == nullptr ? nullptr : traversal(std::move(e));
}

ExprPtr TokenParser::traversal(ExprPtr from) {
    std::size_t links = 0;
    while (true) {
        const Token next = peek();
        if (next.kind != TokenKind::Dot && next.kind != TokenKind::OpenBracket) {
            return from;
        }
        depth_ += ++links;
        const bool deep = too_deep(next.range);
        depth_ -= links;
        if (deep) {
            return nullptr;
        }
        if (next.kind == TokenKind::Dot) {
            read();
            if (peek().kind == TokenKind::Star) {
                const Token star = read();
                from = splat(std::move(from), between(next.range, star.range), false);
            } else if (!attribute_step(from, next)) {
                return nullptr;
            }
        } else if (!index_step(from)) {
            return nullptr;
        }
        if (from == nullptr) {
            return nullptr;
        }
    }
}

namespace {

/// A step onto a variable stays in its node, so that an undeclared reference is one piece of text.
void add_step(ExprPtr& from, Step step) {
    const Range range = between(from->range, step.range);
    if (from->kind != ExprKind::Variable && from->kind != ExprKind::Relative) {
        auto e = std::make_unique<Expr>();
        e->kind = ExprKind::Relative;
        e->operands.push_back(std::move(from));
        from = std::move(e);
    }
    from->range = range;
    from->start_range = range;
    from->steps.push_back(std::move(step));
}

}  // namespace

bool TokenParser::attribute_step(ExprPtr& from, const Token& dot) {
    const Token next = peek();
    if (next.kind == TokenKind::Identifier) {
        read();
        add_step(
            from,
            {.is_attribute = true,
             .name = std::string(next.text),
             .range = between(dot.range, next.range)}
        );
        return true;
    }
    if (next.kind == TokenKind::Number) {
        // `list.0`; `list.0.1` reads as one number.
        read();
        if (const std::size_t point = next.text.find('.'); point != std::string_view::npos) {
            error(
                "Invalid legacy index syntax",
                fmt::format(
                    "When using the legacy index syntax, chaining two indexes together is not "
                    "permitted. Use the proper index syntax instead, like [{}][{}].",
                    next.text.substr(0, point),
                    next.text.substr(point + 1)
                ),
                next.range
            );
            return false;
        }
        const auto number = Number::parse(next.text);
        if (!number || !number->is_whole()) {
            error("Invalid legacy index syntax", "A whole number is required here.", next.range);
            return false;
        }
        add_step(
            from,
            {.is_attribute = false,
             .key = Value::number(*number),
             .range = between(dot.range, next.range)}
        );
        return true;
    }
    error("Invalid attribute name", "An attribute name is required after a dot.", next.range);
    return false;
}

/// To the bracket that closes the one that is open, which is where a mistake inside is told.
void TokenParser::skip_to_bracket() {
    std::size_t open = 0;
    while (tokens_[at_].kind != TokenKind::End) {
        if (tokens_[at_].kind == TokenKind::OpenBracket) {
            ++open;
        } else if (tokens_[at_].kind == TokenKind::CloseBracket && open-- == 0) {
            return;
        }
        ++at_;
    }
}

/// The range of `[*]` if that is what the bracket begins.
std::optional<Range> TokenParser::full_splat(const Token& open) {
    const Newlines newlines(*this, false);
    if (peek().kind != TokenKind::Star) {
        return std::nullopt;
    }
    read();
    if (peek().kind != TokenKind::CloseBracket) {
        skip_to_bracket();
        error(
            "Missing close bracket on splat index",
            "The star for a full splat operator must be immediately followed by a closing bracket "
            "(\"]\").",
            peek().range
        );
        return open.range;
    }
    return between(open.range, read().range);
}

bool TokenParser::index_step(ExprPtr& from) {
    const Token open = read();
    if (const auto star = full_splat(open)) {
        // What follows is outside the brackets: a newline ends it.
        from = recovering_ ? nullptr : splat(std::move(from), *star, true);
        return from != nullptr;
    }
    const Newlines newlines(*this, false);
    ExprPtr key = expression();
    if (key == nullptr) {
        return false;
    }
    if (peek().kind != TokenKind::CloseBracket) {
        skip_to_bracket();
        error(
            "Missing close bracket on index",
            "The index operator must end with a closing bracket (\"]\").",
            peek().range
        );
        return false;
    }
    const Token close = read();
    const Range range = between(open.range, close.range);
    const bool plain_text = key->kind == ExprKind::Template && key->operands.empty();
    if (key->kind == ExprKind::Literal || plain_text) {
        const Value& value = key->value;
        if (value.is_usable() && value.type().is_primitive()) {
            add_step(from, {.is_attribute = false, .key = value, .range = range});
            return true;
        }
    }
    ExprPtr e = make(ExprKind::Index, between(from->range, range), between(from->range, range));
    e->operands.push_back(std::move(from));
    e->operands.push_back(std::move(key));
    from = std::move(e);
    return true;
}

ExprPtr TokenParser::splat(ExprPtr from, const Range& marker, bool full) {
    ExprPtr each = make(ExprKind::SplatItem, marker, marker);
    // An attribute splat carries attributes only, a full splat everything that follows.
    while (each != nullptr) {
        const Token next = peek();
        if (next.kind == TokenKind::Dot) {
            if (peek_raw(1).kind == TokenKind::Star) {
                if (full) {
                    break;
                }
                error(
                    "Nested splat expression not allowed",
                    "A splat expression (*) cannot be used inside another attribute-only splat "
                    "expression.",
                    peek_raw(1).range
                );
                return nullptr;
            }
            read();
            if (!attribute_step(each, next)) {
                return nullptr;
            }
        } else if (next.kind == TokenKind::OpenBracket && full) {
            if (peek_raw(1).kind == TokenKind::Star) {
                break;
            }
            if (!index_step(each)) {
                return nullptr;
            }
        } else {
            break;
        }
    }
    ExprPtr e = make(ExprKind::Splat, between(from->range, each->range), marker);
    e->full_splat = full;
    e->operands.push_back(std::move(from));
    e->operands.push_back(std::move(each));
    return e;
}

ExprPtr TokenParser::term() {
    const Token next = peek();
    switch (next.kind) {
        case TokenKind::OpenParen:
            return parenthesised();
        case TokenKind::Number: {
            read();
            auto number = Number::parse(next.text);
            if (!number) {
                const std::size_t exponent = next.text.find_first_of("eE");
                const std::size_t point = next.text.find('.');
                const bool misshapen =
                    next.text.find('.', point + 1) != std::string_view::npos ||
                    (exponent != std::string_view::npos &&
                     next.text.find_first_of(".eE", exponent + 1) != std::string_view::npos);
                error(
                    "Invalid number literal",
                    misshapen ? std::string("Failed to recognize the value of this number literal.")
                              : fmt::format(
                                    "A number may have an exponent of at most {} and no more than "
                                    "6000 digits.",
                                    kMaxExponent
                                ),
                    next.range
                );
                return nullptr;
            }
            ExprPtr e = make(ExprKind::Literal, next.range, next.range);
            e->value = Value::number(std::move(*number));
            return e;
        }
        case TokenKind::Identifier: {
            read();
            if (peek().kind == TokenKind::OpenParen) {
                return call(next);
            }
            if (double_colon()) {
                return namespaced_call(next);
            }
            ExprPtr e = make(ExprKind::Variable, next.range, next.range);
            if (next.text == "true" || next.text == "false") {
                e->kind = ExprKind::Literal;
                e->value = Value::boolean(next.text == "true");
            } else if (next.text == "null") {
                e->kind = ExprKind::Literal;
            }
            e->name = next.text;
            return e;
        }
        case TokenKind::OpenQuote:
            return quoted_template();
        case TokenKind::OpenHeredoc:
            return heredoc_template();
        case TokenKind::OpenBracket:
            return tuple_or_for();
        case TokenKind::OpenBrace:
            return object_or_for();
        case TokenKind::End:
            error(
                "Missing expression",
                "Expected the start of an expression, but found the end of the file.",
                next.range
            );
            return nullptr;
        case TokenKind::BadText:
        case TokenKind::Invalid:
            recovering_ = true;  // Told already.
            return nullptr;
        default:
            error(
                "Invalid expression",
                "Expected the start of an expression, but found an invalid expression token.",
                next.range
            );
            return nullptr;
    }
}

ExprPtr TokenParser::parenthesised() {
    const Token open = read();
    const Newlines newlines(*this, false);
    ExprPtr inner = expression();
    if (inner == nullptr) {
        return nullptr;
    }
    if (peek().kind != TokenKind::CloseParen) {
        error(
            "Unbalanced parentheses",
            "Expected a closing parenthesis to terminate the expression.",
            peek().range
        );
        return nullptr;
    }
    const Token close = read();
    const Range range = between(open.range, close.range);
    ExprPtr e = make(ExprKind::Parens, range, range);
    e->operands.push_back(std::move(inner));
    return e;
}

bool TokenParser::double_colon() {
    return peek().kind == TokenKind::Colon && peek_raw(1).kind == TokenKind::Colon &&
           peek_raw(0).range.end.byte == peek_raw(1).range.start.byte;
}

/// There are no namespaces, which evaluation tells; the name is read as one.
ExprPtr TokenParser::namespaced_call(const Token& first) {
    Token name = first;
    while (double_colon()) {
        read();
        read();
        if (peek().kind != TokenKind::Identifier) {
            error(
                "Missing function name",
                "Function scope resolution symbol :: must be followed by a function name in this "
                "scope.",
                peek().range
            );
            return nullptr;
        }
        const Token part = read();
        const std::size_t length = part.range.end.byte - first.range.start.byte;
        name.text = std::string_view(first.text.data(), length);
        name.range = between(first.range, part.range);
    }
    if (peek().kind != TokenKind::OpenParen) {
        error(
            "Missing open parenthesis",
            "Function selector must be followed by an open parenthesis to begin the function call.",
            peek().range
        );
        return nullptr;
    }
    return call(name);
}

ExprPtr TokenParser::call(const Token& name) {
    const Token open = read();
    const Newlines newlines(*this, false);
    ExprPtr e = make(ExprKind::Call, name.range, between(name.range, open.range));
    e->name = name.text;
    while (peek().kind != TokenKind::CloseParen) {
        ExprPtr argument = expression();
        if (argument == nullptr) {
            return nullptr;
        }
        e->operands.push_back(std::move(argument));
        if (peek().kind == TokenKind::Comma) {
            read();
            continue;
        }
        if (peek().kind == TokenKind::Ellipsis) {
            e->expand_last = true;
            const Token ellipsis = read();
            if (peek().kind != TokenKind::CloseParen) {
                error(
                    "Missing closing parenthesis",
                    "An expanded function argument (with ...) must be immediately followed by "
                    "closing parentheses.",
                    ellipsis.range
                );
                return nullptr;
            }
            break;
        }
        if (peek().kind != TokenKind::CloseParen) {
            error(
                peek().kind == TokenKind::End ? "Unterminated function call"
                                              : "Missing argument separator",
                peek().kind == TokenKind::End
                    ? "There is no closing parenthesis for this function call before the end of "
                      "the file. This may be caused by incorrect parenthesis nesting elsewhere in "
                      "this file."
                    : "A comma is required to separate each function argument from the next.",
                peek().kind == TokenKind::End ? between(name.range, open.range) : peek().range
            );
            return nullptr;
        }
    }
    e->range = between(name.range, read().range);
    return e;
}

ExprPtr TokenParser::tuple_or_for() {
    const Token open = read();
    const Newlines newlines(*this, false);
    if (is_for(peek())) {
        return for_expression(open, false);
    }
    ExprPtr e = make(ExprKind::Tuple, open.range, open.range);
    while (peek().kind != TokenKind::CloseBracket) {
        ExprPtr item = expression();
        if (item == nullptr) {
            return nullptr;
        }
        e->operands.push_back(std::move(item));
        if (peek().kind == TokenKind::Comma) {
            read();
        } else if (peek().kind != TokenKind::CloseBracket) {
            if (peek().kind == TokenKind::End) {
                error(
                    "Unterminated tuple constructor expression",
                    "There is no corresponding closing bracket before the end of the file. This "
                    "may be caused by incorrect bracket nesting elsewhere in this file.",
                    open.range
                );
            } else {
                error(
                    "Missing item separator",
                    "Expected a comma to mark the beginning of the next item.",
                    peek().range
                );
            }
            return nullptr;
        }
    }
    e->range = between(open.range, read().range);
    return e;
}

ExprPtr TokenParser::object_or_for() {
    const Token open = read();
    {
        const Newlines newlines(*this, false);
        if (is_for(peek())) {
            return for_expression(open, true);
        }
    }
    const Newlines newlines(*this, true);
    ExprPtr e = make(ExprKind::Object, open.range, open.range);
    while (true) {
        while (peek().kind == TokenKind::Newline) {
            read();
        }
        if (peek().kind == TokenKind::CloseBrace) {
            break;
        }
        ObjectItem item;
        const Token first = peek();
        item.key = expression();
        if (item.key == nullptr) {
            return nullptr;
        }
        item.bare_key = item.key->kind == ExprKind::Variable && item.key->steps.empty();
        if (item.key->kind == ExprKind::Literal && first.kind == TokenKind::Identifier) {
            item.bare_key = true;
        }
        const Token sign = peek();
        if (sign.kind != TokenKind::Equal && sign.kind != TokenKind::Colon) {
            switch (sign.kind) {
                case TokenKind::Newline:
                case TokenKind::Comma:
                    error(
                        "Missing attribute value",
                        "Expected an attribute value, introduced by an equals sign (\"=\").",
                        sign.range
                    );
                    break;
                case TokenKind::End:
                    error(
                        "Unterminated object constructor expression",
                        "There is no corresponding closing brace before the end of the file. This "
                        "may be caused by incorrect brace nesting elsewhere in this file.",
                        open.range
                    );
                    break;
                default:
                    error(
                        "Missing key/value separator",
                        "Expected an equals sign (\"=\") to mark the beginning of the attribute "
                        "value.",
                        sign.range
                    );
                    break;
            }
            return nullptr;
        }
        if (item.key->kind == ExprKind::Variable && !item.bare_key) {
            error(
                "Ambiguous attribute key",
                "If this expression is intended to be a reference, wrap it in parentheses. If it's "
                "instead intended as a literal name containing periods, wrap it in quotes to "
                "create a string literal.",
                item.key->range
            );
            return nullptr;
        }
        read();
        item.value = expression();
        if (item.value == nullptr) {
            return nullptr;
        }
        e->items.push_back(std::move(item));
        const Token next = peek();
        if (next.kind == TokenKind::Comma || next.kind == TokenKind::Newline) {
            read();
        } else if (next.kind != TokenKind::CloseBrace) {
            if (next.kind == TokenKind::End) {
                error(
                    "Unterminated object constructor expression",
                    "There is no corresponding closing brace before the end of the file. This may "
                    "be caused by incorrect brace nesting elsewhere in this file.",
                    open.range
                );
            } else {
                error(
                    "Missing attribute separator",
                    "Expected a newline or comma to mark the beginning of the next attribute.",
                    next.range
                );
            }
            return nullptr;
        }
    }
    e->range = between(open.range, read().range);
    return e;
}

/// `construct` is "expression" or "directive".
bool TokenParser::for_intro(ForParts& parts, std::string_view construct) {
    const auto refuse = [&](std::string_view lacks) {
        error(
            fmt::format("Invalid 'for' {}", construct),
            fmt::format("For {} requires {}.", construct, lacks),
            peek().range
        );
        return false;
    };
    const auto variable = [&](std::string& name, std::string_view after) {
        if (peek().kind != TokenKind::Identifier) {
            return refuse(after);
        }
        name = read().text;
        return true;
    };
    if (!variable(parts.value_name, "variable name after 'for'")) {
        return false;
    }
    const bool directive = construct == "directive";
    if (peek().kind == TokenKind::Comma) {
        read();
        parts.key_name = std::move(parts.value_name);
        if (!variable(parts.value_name, "value variable name after comma")) {
            return false;
        }
    }
    if (peek().kind != TokenKind::Identifier || peek().text != "in") {
        return refuse(
            directive ? "'in' keyword after names"
                      : "the 'in' keyword after its name declarations"
        );
    }
    read();
    parts.collection = expression();
    return parts.collection != nullptr;
}

ExprPtr TokenParser::for_expression(const Token& open, bool object) {
    const Newlines newlines(*this, false);
    read();  // for
    auto loop = std::make_unique<ForParts>();
    loop->is_object = object;
    if (!for_intro(*loop, "expression")) {
        return nullptr;
    }
    const auto refuse_at = [&](std::string detail, const Range& range) {
        error("Invalid 'for' expression", std::move(detail), range);
        return nullptr;
    };
    const auto refuse = [&](std::string detail) {
        return refuse_at(std::move(detail), peek().range);
    };
    if (peek().kind != TokenKind::Colon) {
        return refuse("For expression requires a colon after the collection expression.");
    }
    read();
    loop->value = expression();
    if (loop->value == nullptr) {
        return nullptr;
    }
    if (peek().kind == TokenKind::FatArrow) {
        read();
        loop->key = std::move(loop->value);
        loop->value = expression();
        if (loop->value == nullptr) {
            return nullptr;
        }
    }
    const Token ellipsis = peek();
    if (ellipsis.kind == TokenKind::Ellipsis) {
        loop->group = true;
        read();
    }
    if (peek().kind == TokenKind::Identifier && peek().text == "if") {
        read();
        loop->condition = expression();
        if (loop->condition == nullptr) {
            return nullptr;
        }
    }
    if (peek().kind != (object ? TokenKind::CloseBrace : TokenKind::CloseBracket)) {
        return refuse("Extra characters after the end of the 'for' expression.");
    }
    const Token close = read();
    if (object && loop->key == nullptr) {
        return refuse_at(
            "Key expression is required when building an object.", loop->value->start_range
        );
    }
    if (!object && loop->key != nullptr) {
        return refuse_at(
            "Key expression is not valid when building a tuple.", loop->key->start_range
        );
    }
    if (!object && loop->group) {
        return refuse_at(
            "Grouping ellipsis (...) cannot be used when building a tuple.", ellipsis.range
        );
    }
    ExprPtr e = make(ExprKind::For, between(open.range, close.range), open.range);
    e->loop = std::move(loop);
    return e;
}

}  // namespace nl::hcl::internal
