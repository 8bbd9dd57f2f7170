#pragma once
// HCL text to tokens, templates included: inside quotes and heredocs the text between
// interpolations is one token, and a heredoc's text one token a line. Nothing is refused here but
// counted as a token that the parser refuses, so that it can say where. Tokens view the source,
// which must outlive them. Source: HCL2 native syntax specification, "Lexical Elements".

#include "hcl/source.h"

#include <string_view>
#include <vector>

namespace nl::hcl {

enum class TokenKind : unsigned char {
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    OpenParen,
    CloseParen,
    OpenQuote,
    CloseQuote,
    OpenHeredoc,
    CloseHeredoc,
    Star,
    Slash,
    Plus,
    Minus,
    Percent,
    Equal,
    EqualEqual,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    Not,
    Dot,
    Comma,
    Ellipsis,
    FatArrow,
    Question,
    Colon,
    Interpolation,  // ${ or ${~
    Control,        // %{ or %{~
    SequenceEnd,    // } or ~} of either
    Literal,        // text of a template
    QuotedNewline,  // a line that ends inside quotes
    Number,
    Identifier,
    Comment,  // with its newline if it ends the line
    Newline,
    Invalid,
    BadText,  // not UTF-8
    End,
};

struct Token {
    TokenKind kind{TokenKind::End};
    std::string_view text;
    Range range;
};

/// Documents beyond this are refused before lexing.
inline constexpr std::size_t kMaxDocumentBytes = 16 * 1024 * 1024;

enum class LexStart : unsigned char { Document, Template };

/// Always ends with one End token. Comments are included.
std::vector<Token> lex(
    std::string_view source, std::uint32_t file, LexStart start = LexStart::Document, Pos from = {}
);

}  // namespace nl::hcl
