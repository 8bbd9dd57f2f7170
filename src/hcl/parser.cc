#include "hcl/parser.h"

#include "hcl/internal/token_parser.h"

#include <algorithm>

namespace nl::hcl {
namespace internal {

namespace {

/// What is wrong with a token whatever stands around it. All such mistakes come before the
/// parser's own.
void refuse_token(const Token& token, Diagnostics& diagnostics) {
    if (token.kind == TokenKind::QuotedNewline) {
        diagnostics.error(
            "Invalid multi-line string",
            "Quoted strings may not be split over multiple lines. To produce a multi-line string, "
            "either use the \\n escape to represent a newline character or use the \"heredoc\" "
            "multi-line template syntax.",
            token.range
        );
        return;
    }
    if (token.kind == TokenKind::BadText) {
        diagnostics.error(
            "Invalid character encoding",
            "All input files must be UTF-8 encoded. Ensure that UTF-8 encoding is selected in your "
            "editor.",
            token.range
        );
        return;
    }
    constexpr std::string_view kBitwise = "Bitwise operators are not supported.";
    const auto unsupported = [&](std::string_view meant) {
        diagnostics.error(
            "Unsupported operator",
            meant.empty() ? std::string(kBitwise)
                          : fmt::format("{} Did you mean boolean {}?", kBitwise, meant),
            token.range
        );
    };
    const auto invalid = [&](std::string_view detail) {
        diagnostics.error("Invalid character", std::string(detail), token.range);
    };
    switch (token.text.size() == 1 ? token.text[0] : '\0') {
        case '&':
            return unsupported("AND (\"&&\")");
        case '|':
            return unsupported("OR (\"||\")");
        case '~':
            return unsupported("NOT (\"!\")");
        case '^':
            return unsupported("");
        case '\'':
            return invalid("Single quotes are not valid. Use double quotes (\") to enclose strings.");
        case '`':
            return invalid(
                "The \"`\" character is not valid. To create a multi-line string, use the "
                "\"heredoc\" syntax, like \"<<EOT\"."
            );
        case ';':
            return invalid(
                "The \";\" character is not valid. Use newlines to separate arguments and blocks, "
                "and commas to separate items in collection values."
            );
        default:
            return invalid("This character is not used within the language.");
    }
}

}  // namespace

TokenParser::TokenParser(std::vector<Token> tokens, Diagnostics& diagnostics)
    : tokens_(std::move(tokens)), diagnostics_(diagnostics) {
    std::size_t kept = 0;
    for (Token& t : tokens_) {
        if (t.kind == TokenKind::Comment) {
            if (!t.text.ends_with('\n')) {
                continue;
            }
            t.kind = TokenKind::Newline;
        } else if (t.kind == TokenKind::QuotedNewline || t.kind == TokenKind::BadText ||
                   t.kind == TokenKind::Invalid) {
            refuse_token(t, diagnostics_);
        }
        if (&tokens_[kept] != &t) {
            tokens_[kept] = t;
        }
        ++kept;
    }
    tokens_.resize(kept);
}

const Token& TokenParser::peek() {
    if (!newlines_matter_) {
        while (tokens_[at_].kind == TokenKind::Newline) {
            ++at_;
        }
    }
    return tokens_[at_];
}

const Token& TokenParser::peek_raw(std::size_t ahead) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

Token TokenParser::read() {
    const Token token = peek();
    if (token.kind != TokenKind::End) {
        ++at_;
    }
    previous_ = token;
    return token;
}

void TokenParser::error(std::string summary, std::string detail, const Range& range) {
    if (!recovering_) {
        diagnostics_.error(std::move(summary), std::move(detail), range);
    }
    recovering_ = true;
}

bool TokenParser::too_deep(const Range& range) {
    if (depth_ < kMaxNesting) {
        return false;
    }
    error(
        "Nesting too deep",
        fmt::format("Blocks and expressions may be nested at most {} levels deep.", kMaxNesting),
        range
    );
    at_ = tokens_.size() - 1;
    return true;
}

void TokenParser::skip_to_line_end() {
    std::size_t open = 0;
    while (true) {
        switch (tokens_[at_].kind) {
            case TokenKind::End:
                return;
            case TokenKind::Newline:
            case TokenKind::QuotedNewline:
                ++at_;
                if (open == 0) {
                    return;
                }
                continue;
            case TokenKind::OpenBrace:
            case TokenKind::OpenBracket:
            case TokenKind::OpenParen:
            case TokenKind::Interpolation:
            case TokenKind::Control:
                ++open;
                break;
            case TokenKind::CloseBrace:
            case TokenKind::CloseBracket:
            case TokenKind::CloseParen:
            case TokenKind::SequenceEnd:
                if (open == 0) {
                    if (tokens_[at_].kind == TokenKind::CloseBrace) {
                        return;
                    }
                } else {
                    --open;
                }
                break;
            default:
                break;
        }
        ++at_;
    }
}

Body TokenParser::body(TokenKind end) {
    Body body;
    const Nested nested(*this);
    const Newlines newlines(*this, true);
    body.range = peek().range;
    // Few arguments are looked through one by one; many have an index of their own.
    constexpr std::size_t kFew = 16;
    std::map<std::string, Range, std::less<>> first_at;
    const auto earlier_one = [&](std::string_view name) -> const Range* {
        if (body.attributes.size() < kFew) {
            const auto found = std::ranges::find(body.attributes, name, &Attribute::name);
            return found == body.attributes.end() ? nullptr : &found->name_range;
        }
        if (first_at.empty()) {
            for (const Attribute& a : body.attributes) {
                first_at.emplace(a.name, a.name_range);
            }
        }
        const auto found = first_at.find(name);
        return found == first_at.end() ? nullptr : &found->second;
    };
    while (true) {
        const Token next = peek();
        if (next.kind == TokenKind::Newline) {
            read();
            continue;
        }
        if (next.kind == end) {
            break;
        }
        if (next.kind == TokenKind::End) {
            break;  // The block that is open tells.
        }
        recovering_ = false;
        if (next.kind == TokenKind::Identifier) {
            const Token name = read();
            if (peek().kind == TokenKind::Equal) {
                if (auto attribute = finish_attribute(name)) {
                    if (const Range* earlier = earlier_one(name.text)) {
                        diagnostics_.error(
                            "Attribute redefined",
                            fmt::format(
                                "The argument \"{}\" was already set at {}. Each argument may be "
                                "set only once.",
                                name.text,
                                place(*earlier)
                            ),
                            attribute->name_range
                        );
                    } else {
                        if (!first_at.empty()) {
                            first_at.emplace(name.text, attribute->name_range);
                        }
                        body.attributes.push_back(std::move(*attribute));
                    }
                }
            } else if (peek().kind == TokenKind::OpenQuote || peek().kind == TokenKind::OpenBrace ||
                       peek().kind == TokenKind::Identifier) {
                if (auto block = finish_block(name)) {
                    body.blocks.push_back(std::move(*block));
                }
            } else {
                lone_name(name);
                skip_to_line_end();
            }
            continue;
        }
        refuse_item(next);
    }
    body.end_range = peek().range;
    body.range = between(body.range, body.end_range);
    return body;
}

void TokenParser::refuse_item(const Token& next) {
    switch (next.kind) {
        case TokenKind::OpenQuote:
            error("Invalid argument name", "Argument names must not be quoted.", next.range);
            break;
        case TokenKind::BadText:
        case TokenKind::Invalid:
            recovering_ = true;  // Told already.
            break;
        default:
            error(
                "Argument or block definition required",
                "An argument or block definition is required here.",
                next.range
            );
            break;
    }
    if (peek().kind == TokenKind::CloseBrace) {
        read();  // A brace that closes nothing.
    }
    skip_to_line_end();
}

void TokenParser::lone_name(const Token& name) {
    error(
        "Argument or block definition required",
        "An argument or block definition is required here. To set an argument, use the equals sign "
        "\"=\" to introduce the argument value.",
        name.range
    );
}

std::string TokenParser::place(const Range& range) const {
    return to_string(range, names_);
}

std::optional<Attribute> TokenParser::finish_attribute(const Token& name) {
    read();  // =
    Attribute attribute;
    attribute.name = name.text;
    attribute.name_range = name.range;
    attribute.value = expression();
    if (attribute.value == nullptr || recovering_) {
        const bool readable = attribute.value != nullptr;
        if (previous_.kind != TokenKind::QuotedNewline) {
            skip_to_line_end();
        }
        if (!readable) {
            return std::nullopt;
        }
    } else if (!one_line_) {
        const Token& end = peek();
        if (end.kind == TokenKind::Newline) {
            read();
        } else if (end.kind != TokenKind::End) {
            error(
                "Missing newline after argument",
                "An argument definition must end with a newline.",
                end.range
            );
            if (end.kind != TokenKind::CloseBrace) {
                skip_to_line_end();
            }
        }
    }
    attribute.range = between(name.range, attribute.value->range);
    return attribute;
}

std::optional<Block> TokenParser::finish_block(const Token& type) {
    Block block;
    block.type = type.text;
    block.type_range = type.range;
    Range last = type.range;
    while (true) {
        const Token next = peek();
        if (next.kind == TokenKind::OpenBrace) {
            block.open_brace = read().range;
            break;
        }
        if (next.kind == TokenKind::Identifier) {
            block.labels.emplace_back(read().text);
            block.label_ranges.push_back(next.range);
            last = next.range;
            continue;
        }
        if (next.kind == TokenKind::OpenQuote) {
            Range range;
            auto text = quoted_label(range);
            if (!text) {
                skip_to_line_end();
                return std::nullopt;
            }
            block.labels.push_back(std::move(*text));
            block.label_ranges.push_back(range);
            last = range;
            continue;
        }
        if (next.kind == TokenKind::Equal) {
            error(
                "Invalid block definition",
                "The equals sign \"=\" indicates an argument definition, and must not be used when "
                "defining a block.",
                next.range
            );
        } else if (next.kind == TokenKind::Newline) {
            error(
                "Invalid block definition",
                "A block definition must have block content delimited by \"{\" and \"}\", starting "
                "on the same line as the block header.",
                next.range
            );
        } else {
            error(
                "Invalid block definition",
                "Either a quoted string block label or an opening brace (\"{\") is expected here.",
                next.range
            );
        }
        skip_to_line_end();
        return std::nullopt;
    }
    block.header_range = between(type.range, last);
    if (too_deep(block.open_brace)) {
        return std::nullopt;
    }
    const bool outer_one_line = one_line_;
    one_line_ = peek().kind != TokenKind::Newline;
    block.body = std::make_unique<Body>();
    if (one_line_) {
        *block.body = one_line_body();
    } else {
        *block.body = body(TokenKind::CloseBrace);
    }
    one_line_ = outer_one_line;
    if (peek().kind != TokenKind::CloseBrace) {
        error(
            "Unclosed configuration block",
            "There is no closing brace for this block before the end of the file. This may be "
            "caused by incorrect brace nesting elsewhere in this file.",
            block.open_brace
        );
        return block;
    }
    block.body->end_range = read().range;
    block.body->range = between(block.open_brace, block.body->end_range);
    const Token& end = peek();
    if (end.kind == TokenKind::Newline) {
        read();
    } else if (end.kind != TokenKind::End && !(end.kind == TokenKind::CloseBrace && one_line_)) {
        error(
            "Missing newline after block definition",
            "A block definition must end with a newline.",
            end.range
        );
        if (end.kind != TokenKind::CloseBrace) {
            skip_to_line_end();
        }
    }
    return block;
}

/// `{ name = value }` on one line holds at most one argument and no block.
Body TokenParser::one_line_body() {
    Body body;
    body.range = peek().range;
    const Newlines newlines(*this, true);
    const Token next = peek();
    if (next.kind == TokenKind::CloseBrace || next.kind == TokenKind::End) {
        return body;
    }
    if (next.kind != TokenKind::Identifier) {
        error(
            "Argument or block definition required",
            "An argument or block definition is required here.",
            next.range
        );
        skip_to_brace();
        return body;
    }
    const Token name = read();
    const Token sign = peek();
    if (sign.kind == TokenKind::OpenBrace || sign.kind == TokenKind::OpenQuote ||
        sign.kind == TokenKind::Identifier) {
        error(
            "Argument definition required",
            fmt::format(
                "A single-line block definition can contain only a single argument. If you meant "
                "to define argument \"{}\", use an equals sign to assign it a value. To define a "
                "nested block, place it on a line of its own within its parent block.",
                name.text
            ),
            between(name.range, sign.range)
        );
        skip_to_brace();
        return body;
    }
    if (sign.kind != TokenKind::Equal) {
        lone_name(name);
        skip_to_brace();
        return body;
    }
    if (auto attribute = finish_attribute(name)) {
        body.attributes.push_back(std::move(*attribute));
    }
    const Token end = peek();
    if (end.kind != TokenKind::CloseBrace && end.kind != TokenKind::End) {
        std::string_view detail =
            "A single-line block definition must end with a closing brace immediately after its "
            "single argument definition.";
        if (end.kind == TokenKind::Comma) {
            detail =
                "Single-line block syntax can include only one argument definition. To define "
                "multiple arguments, use the multi-line block syntax with one argument definition "
                "per line.";
        } else if (end.kind == TokenKind::Newline) {
            detail =
                "An argument definition on the same line as its containing block creates a "
                "single-line block definition, which must also be closed on the same line. Place "
                "the block's closing brace immediately after the argument definition.";
        }
        error("Invalid single-argument block definition", std::string(detail), end.range);
        skip_to_brace();
    }
    return body;
}

void TokenParser::skip_to_brace() {
    std::size_t open = 0;
    while (tokens_[at_].kind != TokenKind::End) {
        if (tokens_[at_].kind == TokenKind::OpenBrace) {
            ++open;
        } else if (tokens_[at_].kind == TokenKind::CloseBrace) {
            if (open == 0) {
                return;
            }
            --open;
        }
        ++at_;
    }
}

std::optional<std::string> TokenParser::quoted_label(Range& range) {
    const Token open = read();
    std::string text;
    while (true) {
        const Token next = read();
        switch (next.kind) {
            case TokenKind::CloseQuote:
                range = between(open.range, next.range);
                return text;
            case TokenKind::Literal:
                text += unescaped(next, true);
                continue;
            case TokenKind::Interpolation:
            case TokenKind::Control:
                error(
                    "Invalid string literal",
                    fmt::format(
                        "Template sequences are not allowed in this string. To include a literal "
                        "\"{}\", double it (as \"{}{}\") to escape it.",
                        next.text.substr(0, 1),
                        next.text.substr(0, 1),
                        next.text.substr(0, 1)
                    ),
                    next.range
                );
                return std::nullopt;
            case TokenKind::QuotedNewline:
                at_ -= 1;
                tokens_[at_].kind = TokenKind::Newline;
                recovering_ = true;  // Told already.
                return std::nullopt;
            default:
                error(
                    "Unterminated string literal",
                    "Unable to find the closing quote mark before the end of the file.",
                    next.range
                );
                return std::nullopt;
        }
    }
}

}  // namespace internal

namespace {

bool too_large(std::string_view source, std::uint32_t file, Diagnostics& diagnostics) {
    if (source.size() <= kMaxDocumentBytes) {
        return false;
    }
    diagnostics.error(
        "Document too large",
        fmt::format("A document may have at most {} bytes.", kMaxDocumentBytes),
        {.file = file}
    );
    return true;
}

}  // namespace

Body parse_document(
    std::string_view source, std::uint32_t file, const SourceNames& names, Diagnostics& diagnostics
) {
    if (too_large(source, file, diagnostics)) {
        return {};
    }
    internal::TokenParser parser(lex(source, file), diagnostics);
    parser.names_ = names;
    return parser.body(TokenKind::End);
}

ExprPtr parse_expression(
    std::string_view source, std::uint32_t file, Diagnostics& diagnostics, Pos from
) {
    if (too_large(source, file, diagnostics)) {
        return nullptr;
    }
    internal::TokenParser parser(lex(source, file, LexStart::Document, from), diagnostics);
    const internal::TokenParser::Newlines newlines(parser, false);
    ExprPtr e = parser.expression();
    const Token& rest = parser.peek();
    if (e != nullptr && rest.kind != TokenKind::End) {
        parser.error(
            "Extra characters after expression",
            "An expression was successfully parsed, but extra characters were found after it.",
            rest.range
        );
    }
    return e;
}

ExprPtr parse_template(
    std::string_view source, std::uint32_t file, Diagnostics& diagnostics, Pos from
) {
    if (too_large(source, file, diagnostics)) {
        return nullptr;
    }
    internal::TokenParser parser(lex(source, file, LexStart::Template, from), diagnostics);
    return parser.whole_template();
}

}  // namespace nl::hcl
