#include "base/check.h"
#include "hcl/internal/token_parser.h"
#include "hcl/text.h"

#include <limits>

namespace nl::hcl::internal {
namespace {

void trim_left(std::string& text) {
    std::size_t n = 0;
    while (n < text.size()) {
        const CodePoint c = decode(std::string_view(text).substr(n));
        if (c.length == 0 || !is_space(c.value)) {
            break;
        }
        n += c.length;
    }
    text.erase(0, n);
}

void trim_right(std::string& text) {
    while (!text.empty()) {
        std::size_t start = text.size() - 1;
        while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) {
            --start;
        }
        const CodePoint c = decode(std::string_view(text).substr(start));
        if (c.length == 0 || !is_space(c.value)) {
            return;
        }
        text.erase(start);
    }
}

Range at_end_of(const Range& range) {
    return {.start = range.end, .end = range.end, .file = range.file};
}

}  // namespace

std::string TokenParser::unescaped(const Token& literal, bool escapes) {
    const std::string_view text = literal.text;
    std::string out;
    out.reserve(text.size());
    const auto refuse = [&](std::size_t at, std::size_t length, std::string detail) {
        Range range = literal.range;
        range.start.column += static_cast<std::uint32_t>(grapheme_count(text.substr(0, at)));
        range.start.byte += static_cast<std::uint32_t>(at);
        range.end = range.start;
        range.end.column += static_cast<std::uint32_t>(grapheme_count(text.substr(at, length)));
        range.end.byte += static_cast<std::uint32_t>(length);
        if (!recovering_) {
            diagnostics_.error("Invalid escape sequence", std::move(detail), range);
        }
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if ((c == '$' || c == '%') && text.substr(i + 1, 2) == (c == '$' ? "${" : "%{")) {
            out += c;
            out += '{';
            i += 2;
            continue;
        }
        if (c != '\\' || !escapes) {
            out += c;
            continue;
        }
        if (i + 1 >= text.size()) {
            refuse(i, 1, "Backslash must be followed by an escape sequence selector character.");
            break;
        }
        const char selector = text[++i];
        switch (selector) {
            case 'n':
                out += '\n';
                break;
            case 'r':
                out += '\r';
                break;
            case 't':
                out += '\t';
                break;
            case '"':
            case '\\':
                out += selector;
                break;
            case 'u':
            case 'U': {
                const std::size_t length = selector == 'u' ? 4 : 8;
                char32_t value = 0;
                std::size_t digits = 0;
                while (digits < length && i + 1 + digits < text.size()) {
                    const char d = text[i + 1 + digits];
                    const int digit = d >= '0' && d <= '9'   ? d - '0'
                                      : d >= 'a' && d <= 'f' ? d - 'a' + 10
                                      : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                                             : -1;
                    if (digit < 0) {
                        break;
                    }
                    value = value * 16 + static_cast<char32_t>(digit);
                    ++digits;
                }
                if (digits != length) {
                    refuse(
                        i - 1,
                        2 + digits,
                        fmt::format(
                            "The \\{} escape sequence must be followed by {} hexadecimal digits.",
                            selector,
                            length == 4 ? "four" : "eight"
                        )
                    );
                } else {
                    append_utf8(out, value);
                }
                i += digits;
                break;
            }
            default: {
                const std::size_t length = std::max<std::size_t>(first_grapheme(text.substr(i)), 1);
                refuse(
                    i - 1,
                    1 + length,
                    fmt::format(
                        "The symbol \"{}\" is not a valid escape sequence selector.",
                        text.substr(i, length)
                    )
                );
                i += length - 1;
                break;
            }
        }
    }
    return out;
}

ExprPtr TokenParser::quoted_template() {
    const Token open = read();
    const Nested nested(*this);
    if (too_deep(open.range)) {
        return nullptr;
    }
    // Most texts have nothing in them to work out.
    const Token& text = tokens_[at_];
    if (text.kind == TokenKind::Literal && peek_raw(1).kind == TokenKind::CloseQuote &&
        text.text.find_first_of("\\{") == std::string_view::npos) {
        ExprPtr e = make(ExprKind::Template, between(open.range, peek_raw(1).range), text.range);
        e->value = Value::string(text.text);
        at_ += 2;
        previous_ = tokens_[at_ - 1];
        return e;
    }
    Range end;
    std::vector<Piece> all = pieces(TokenKind::CloseQuote, true, end);
    if (all.empty()) {
        return nullptr;
    }
    return assemble(all, between(open.range, end), true);
}

ExprPtr TokenParser::heredoc_template() {
    const Token open = read();
    const Nested nested(*this);
    if (too_deep(open.range)) {
        return nullptr;
    }
    Range end;
    std::vector<Piece> all = pieces(TokenKind::CloseHeredoc, false, end);
    if (all.empty()) {
        return nullptr;
    }
    if (open.text.starts_with("<<-")) {
        remove_indent(all);
    }
    return assemble(all, between(open.range, end), true);
}

ExprPtr TokenParser::whole_template() {
    const Range start = peek_raw(0).range;
    Range end;
    std::vector<Piece> all = pieces(TokenKind::End, false, end);
    if (all.empty()) {
        return nullptr;
    }
    return assemble(all, between(start, end), true);
}

/// Ends with an End piece; empty after an error.
std::vector<TokenParser::Piece> TokenParser::pieces(TokenKind end, bool escapes, Range& end_range) {
    std::vector<Piece> all;
    bool trim_next = false;
    const Newlines newlines(*this, true);
    while (true) {
        const bool trim = std::exchange(trim_next, false);
        const Token next = read();
        if (next.kind == end) {
            end_range = next.range;
            all.push_back({.kind = Piece::Kind::End, .range = next.range});
            return all;
        }
        switch (next.kind) {
            case TokenKind::Literal: {
                Piece piece{.kind = Piece::Kind::Text, .range = next.range};
                piece.text = unescaped(next, escapes);
                if (trim) {
                    trim_left(piece.text);
                }
                all.push_back(std::move(piece));
                continue;
            }
            case TokenKind::Interpolation:
            case TokenKind::Control: {
                if (next.text.size() == 3 && !all.empty() && all.back().kind == Piece::Kind::Text) {
                    trim_right(all.back().text);
                }
                Piece piece;
                if (next.kind == TokenKind::Interpolation) {
                    const Newlines ignore(*this, false);
                    piece.kind = Piece::Kind::Value;
                    piece.value = expression();
                    if (piece.value == nullptr) {
                        return {};
                    }
                    peek();
                } else {
                    const Newlines ignore(*this, false);
                    piece = control();
                    if (piece.kind == Piece::Kind::End) {
                        return {};
                    }
                    peek();
                }
                if (peek_raw(0).kind != TokenKind::SequenceEnd) {
                    refuse_sequence_end(next, piece.kind);
                    return {};
                }
                const Token close = read();
                trim_next = close.text.size() == 2;
                piece.range = between(next.range, close.range);
                all.push_back(std::move(piece));
                continue;
            }
            case TokenKind::QuotedNewline:
            case TokenKind::BadText:
                recovering_ = true;  // Told already.
                return {};
            default:
                error(
                    "Unterminated template string",
                    "No closing marker was found for the string.",
                    next.range
                );
                return {};
        }
    }
}

/// `open` began what now goes on with something else than its end.
void TokenParser::refuse_sequence_end(const Token& open, Piece::Kind kind) {
    const Token& next = peek_raw(0);
    if (open.kind == TokenKind::Control) {
        const std::string_view name = kind == Piece::Kind::If      ? "if"
                                      : kind == Piece::Kind::Else  ? "else"
                                      : kind == Piece::Kind::EndIf ? "endif"
                                      : kind == Piece::Kind::For   ? "for"
                                                                   : "endfor";
        error(
            fmt::format("Extra characters in {} marker", name),
            "Expected a closing brace to end the sequence, but found extra characters.",
            next.range
        );
        return;
    }
    if (next.kind == TokenKind::End || next.kind == TokenKind::OpenQuote) {
        error(
            "Unclosed template interpolation sequence",
            fmt::format(
                "There is no closing brace for this interpolation sequence before the end of the "
                "{}. This might be caused by incorrect nesting inside the given expression.",
                next.kind == TokenKind::End ? "file" : "quoted template"
            ),
            open.range
        );
        return;
    }
    error(
        "Extra characters after interpolation expression",
        "Expected a closing brace to end the interpolation expression, but found extra "
        "characters.\n\nThis can happen when you include interpolation syntax for another language, "
        "such as shell scripting, but forget to escape the interpolation start token. If this is "
        "an embedded sequence for another language, escape it by starting with \"$${\" instead of "
        "just \"${\".",
        next.range
    );
}

/// What stands behind `%{`; an End piece after an error.
TokenParser::Piece TokenParser::control() {
    const Token keyword = peek();
    Piece piece;
    if (keyword.kind != TokenKind::Identifier) {
        error(
            "Invalid template directive",
            "A template directive keyword (\"if\", \"for\", etc) is expected at the beginning of a "
            "%{ sequence.",
            keyword.range
        );
        return piece;
    }
    read();
    if (keyword.text == "if") {
        piece.value = expression();
        piece.kind = piece.value != nullptr ? Piece::Kind::If : Piece::Kind::End;
    } else if (keyword.text == "else") {
        piece.kind = Piece::Kind::Else;
    } else if (keyword.text == "endif") {
        piece.kind = Piece::Kind::EndIf;
    } else if (keyword.text == "endfor") {
        piece.kind = Piece::Kind::EndFor;
    } else if (keyword.text == "for") {
        piece.loop = std::make_unique<ForParts>();
        piece.kind = for_intro(*piece.loop, "directive") ? Piece::Kind::For : Piece::Kind::End;
    } else {
        const std::string_view near =
            nearest_name(keyword.text, {"if", "for", "else", "endif", "endfor"});
        error(
            "Invalid template control keyword",
            fmt::format("\"{}\" is not a valid template control keyword.", keyword.text) +
                (near.empty() ? "" : fmt::format(" Did you mean \"{}\"?", near)),
            keyword.range
        );
    }
    return piece;
}

/// Takes from every line the indentation that all lines share; blank lines don't count.
void TokenParser::remove_indent(std::vector<Piece>& pieces) {
    std::size_t least = std::numeric_limits<std::size_t>::max();
    std::vector<Piece*> lines;
    bool line_start = true;
    for (Piece& piece : pieces) {
        if (line_start && piece.kind != Piece::Kind::End) {
            line_start = false;
            std::size_t indent = 0;
            if (piece.kind == Piece::Kind::Text) {
                std::string trimmed = piece.text;
                trim_left(trimmed);
                if (trimmed.empty() && piece.text.ends_with('\n')) {
                    indent = std::numeric_limits<std::size_t>::max();
                } else {
                    indent = grapheme_count(
                        std::string_view(piece.text).substr(0, piece.text.size() - trimmed.size())
                    );
                    lines.push_back(&piece);
                }
            }
            least = std::min(least, indent);
        }
        line_start = line_start || (piece.kind == Piece::Kind::Text && piece.text.ends_with('\n'));
    }
    for (Piece* line : lines) {
        std::size_t bytes = 0;
        for (std::size_t i = 0; i < least; ++i) {
            bytes += first_grapheme(std::string_view(line->text).substr(bytes));
        }
        line->text.erase(0, bytes);
    }
}

ExprPtr TokenParser::assemble(std::vector<Piece>& all, const Range& range, bool may_unwrap) {
    if (may_unwrap && all.size() == 2 && all[0].kind == Piece::Kind::Value) {
        ExprPtr e = make(ExprKind::Wrap, range, range);
        e->operands.push_back(std::move(all[0].value));
        return e;
    }
    std::size_t at = 0;
    ExprPtr e = make(ExprKind::Template, range, range);
    e->operands = parts(all, at);
    if (recovering_) {
        return nullptr;
    }
    if (all[at].kind != Piece::Kind::End) {
        unexpected(all[at], "The control directives within this template are unbalanced.");
        return nullptr;
    }
    if (e->operands.empty()) {
        const Range empty = at_end_of(range);
        e->operands.push_back(make(ExprKind::Literal, empty, empty));
        e->operands.back()->value = Value::string("");
    }
    e->start_range = e->operands.front()->start_range;
    if (e->operands.size() == 1 && e->operands[0]->kind == ExprKind::Literal) {
        e->value = std::move(e->operands[0]->value);
        e->operands.clear();
    }
    return e;
}

/// Parts up to a directive that belongs to who asks.
std::vector<ExprPtr> TokenParser::parts(std::vector<Piece>& all, std::size_t& at) {
    std::vector<ExprPtr> result;
    const Nested nested(*this);
    if (too_deep(all[at].range)) {
        return result;
    }
    while (!recovering_) {
        Piece& piece = all[at];
        switch (piece.kind) {
            case Piece::Kind::Text: {
                // The lines of a heredoc are one text.
                ExprPtr e = make(ExprKind::Literal, piece.range, piece.range);
                for (++at; all[at].kind == Piece::Kind::Text; ++at) {
                    piece.text += all[at].text;
                    e->range.end = all[at].range.end;
                }
                e->value = Value::string(piece.text);
                result.push_back(std::move(e));
                continue;
            }
            case Piece::Kind::Value:
                result.push_back(std::move(piece.value));
                ++at;
                continue;
            case Piece::Kind::If:
                result.push_back(if_directive(all, at));
                continue;
            case Piece::Kind::For:
                result.push_back(for_directive(all, at));
                continue;
            case Piece::Kind::Else:
            case Piece::Kind::EndIf:
            case Piece::Kind::EndFor:
            case Piece::Kind::End:
                return result;
        }
    }
    return result;
}

/// The parts up to the directive that ends or divides them, as one text.
ExprPtr TokenParser::joined_parts(
    std::vector<Piece>& all, std::size_t& at, const Range& directive
) {
    ExprPtr e = make(ExprKind::Template, directive, directive);
    e->operands = parts(all, at);
    return e;
}

void TokenParser::unexpected(const Piece& piece, std::string detail) {
    const char* name = piece.kind == Piece::Kind::EndIf    ? "endif"
                       : piece.kind == Piece::Kind::EndFor ? "endfor"
                                                           : "else";
    error(fmt::format("Unexpected {} directive", name), std::move(detail), piece.range);
}

void TokenParser::missing_end(const Piece& end, std::string_view directive, const Range& open) {
    error(
        "Unexpected end of template",
        fmt::format(
            "The {} directive at {} is missing its corresponding end{} directive.",
            directive,
            place(open),
            directive
        ),
        end.range
    );
}

ExprPtr TokenParser::if_directive(std::vector<Piece>& all, std::size_t& at) {
    const Range open = all[at].range;
    ExprPtr e = make(ExprKind::TemplateIf, open, all[at].value->start_range);
    e->operands.push_back(std::move(all[at].value));
    ++at;
    e->operands.push_back(joined_parts(all, at, open));
    const bool divided = all[at].kind == Piece::Kind::Else;
    if (divided) {
        ++at;
        e->operands.push_back(joined_parts(all, at, open));
    } else {
        e->operands.push_back(make(ExprKind::Template, open, open));
    }
    const Piece& end = all[at];
    if (end.kind == Piece::Kind::EndIf) {
        e->range = between(open, end.range);
        ++at;
    } else if (end.kind == Piece::Kind::End) {
        missing_end(end, "if", open);
    } else if (end.kind == Piece::Kind::Else) {
        unexpected(
            end, fmt::format("Already in the else clause for the if started at {}.", place(open))
        );
    } else {
        unexpected(
            end, fmt::format("Expecting an endif directive for the if started at {}.", place(open))
        );
    }
    return e;
}

ExprPtr TokenParser::for_directive(std::vector<Piece>& all, std::size_t& at) {
    const Range open = all[at].range;
    ExprPtr e = make(ExprKind::TemplateFor, open, all[at].loop->collection->start_range);
    e->loop = std::move(all[at].loop);
    ++at;
    e->loop->value = joined_parts(all, at, open);
    const Piece& end = all[at];
    if (end.kind == Piece::Kind::EndFor) {
        e->range = between(open, end.range);
        ++at;
    } else if (end.kind == Piece::Kind::End) {
        missing_end(end, "for", open);
    } else if (end.kind == Piece::Kind::Else) {
        unexpected(end, "An else clause is not expected for a for directive.");
    } else {
        unexpected(
            end,
            fmt::format(
                "Expecting an endfor directive corresponding to the for directive at {}.",
                place(open)
            )
        );
    }
    return e;
}

}  // namespace nl::hcl::internal
