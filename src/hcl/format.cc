#include "hcl/format.h"

#include "hcl/lexer.h"
#include "hcl/parser.h"
#include "hcl/text.h"

#include <algorithm>

namespace nl::hcl {
namespace {

/// A token, or a whole text with its quotes.
struct Unit {
    TokenKind kind;
    std::string text;
    bool multi_line{false};
};

struct Line {
    std::vector<Unit> units;
    std::string comment;
    std::size_t indent{0};
    /// Whether it is `name = value` on one line.
    bool assigns{false};
    std::string lead;  // Before the equals sign, or everything.
    std::string rest;  // From the equals sign on.

    bool blank() const { return units.empty() && comment.empty(); }
};

bool opens(TokenKind kind) {
    return kind == TokenKind::OpenBrace || kind == TokenKind::OpenBracket ||
           kind == TokenKind::OpenParen;
}
bool closes(TokenKind kind) {
    return kind == TokenKind::CloseBrace || kind == TokenKind::CloseBracket ||
           kind == TokenKind::CloseParen;
}

std::vector<Line> lines_of(std::string_view source, std::uint32_t file) {
    const std::vector<Token> tokens = lex(source, file);
    std::vector<Line> lines(1);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const Token& t = tokens[i];
        if (t.kind == TokenKind::End) {
            break;
        }
        if (t.kind == TokenKind::Newline) {
            lines.emplace_back();
            continue;
        }
        if (t.kind == TokenKind::Comment) {
            std::string text(t.text);
            const bool ends_line = text.ends_with('\n');
            while (!text.empty() && (text.back() == '\n' || text.back() == '\r' ||
                                     text.back() == ' ' || text.back() == '\t')) {
                text.pop_back();
            }
            if (ends_line || text.starts_with('#') || text.starts_with("//")) {
                lines.back().comment = std::move(text);
                if (ends_line) {
                    lines.emplace_back();
                }
            } else {
                const bool multi = text.find('\n') != std::string::npos;
                lines.back().units.push_back({t.kind, std::move(text), multi});
            }
            continue;
        }
        if (t.kind == TokenKind::OpenQuote || t.kind == TokenKind::OpenHeredoc) {
            // Up to the matching end, whatever is nested in it.
            std::size_t depth = 0;
            for (; i < tokens.size(); ++i) {
                const TokenKind kind = tokens[i].kind;
                if (kind == TokenKind::OpenQuote || kind == TokenKind::OpenHeredoc) {
                    ++depth;
                } else if (kind == TokenKind::CloseQuote || kind == TokenKind::CloseHeredoc) {
                    if (--depth == 0) {
                        break;
                    }
                }
            }
            const Token& end = tokens[std::min(i, tokens.size() - 1)];
            const std::string_view text =
                source.substr(t.range.start.byte, end.range.end.byte - t.range.start.byte);
            lines.back().units.push_back(
                {TokenKind::Literal, std::string(text), text.find('\n') != std::string_view::npos}
            );
            continue;
        }
        lines.back().units.push_back({t.kind, std::string(t.text), false});
    }
    return lines;
}

bool is_word(const Unit& u, std::string_view a, std::string_view b, std::string_view c) {
    return u.kind == TokenKind::Identifier && (u.text == a || u.text == b || u.text == c);
}

/// Whether a value ends with this token, so that what follows is a step or a binary operator.
bool ends_value(const Unit& u) {
    return (u.kind == TokenKind::Identifier && !is_word(u, "in", "if", "for")) ||
           u.kind == TokenKind::Number || u.kind == TokenKind::Literal || closes(u.kind);
}

/// Whether a space stands between two neighbours; `before` is what stands in front of `left`.
bool space_between(const Unit* before, const Unit& left, const Unit& right) {
    using K = TokenKind;
    if (right.kind == K::Comma || right.kind == K::Ellipsis) {
        return false;
    }
    if (left.kind == K::Dot || right.kind == K::Dot) {
        return false;
    }
    if (left.kind == K::OpenParen || right.kind == K::CloseParen || left.kind == K::OpenBracket ||
        right.kind == K::CloseBracket) {
        return false;
    }
    if (left.kind == K::OpenBrace && right.kind == K::CloseBrace) {
        return false;
    }
    if (right.kind == K::OpenParen && left.kind == K::Identifier) {
        return is_word(left, "in", "if", "for");
    }
    if (right.kind == K::OpenBracket && ends_value(left)) {
        return false;
    }
    if (left.kind == K::Not) {
        return false;
    }
    if (left.kind == K::Minus && (before == nullptr || !ends_value(*before))) {
        return false;
    }
    return true;
}

std::string joined(const std::vector<Unit>& units, std::size_t from, std::size_t to) {
    std::string out;
    for (std::size_t i = from; i < to; ++i) {
        if (i > from && space_between(i >= 2 ? &units[i - 2] : nullptr, units[i - 1], units[i])) {
            out += ' ';
        }
        out += units[i].text;
    }
    return out;
}

void set_indents(std::vector<Line>& lines) {
    // How many brackets each line that opened some has open; each such line is one level.
    std::vector<std::size_t> open;
    for (Line& line : lines) {
        std::size_t leading = 0;
        while (leading < line.units.size() && closes(line.units[leading].kind)) {
            ++leading;
        }
        const auto close = [&](std::size_t n) {
            while (n > 0 && !open.empty()) {
                const std::size_t taken = std::min(n, open.back());
                open.back() -= taken;
                n -= taken;
                if (open.back() == 0) {
                    open.pop_back();
                }
            }
        };
        close(leading);
        line.indent = open.size();
        std::size_t fresh = 0;
        for (std::size_t i = leading; i < line.units.size(); ++i) {
            if (opens(line.units[i].kind)) {
                ++fresh;
            } else if (closes(line.units[i].kind)) {
                if (fresh > 0) {
                    --fresh;
                } else {
                    close(1);
                }
            }
        }
        if (fresh > 0) {
            open.push_back(fresh);
        }
    }
}

void split(Line& line) {
    const auto& units = line.units;
    std::size_t depth = 0;
    bool multi = false;
    bool below = false;
    for (const Unit& u : units) {
        multi = multi || u.multi_line;
        if (opens(u.kind)) {
            ++depth;
        } else if (closes(u.kind)) {
            below = below || depth == 0;
            depth -= depth > 0 ? 1 : 0;
        }
    }
    const bool named =
        units.size() >= 3 && units[1].kind == TokenKind::Equal &&
        (units[0].kind == TokenKind::Identifier || units[0].kind == TokenKind::Literal);
    line.assigns = named && depth == 0 && !below && !multi;
    if (line.assigns) {
        line.lead = units[0].text;
        line.rest = joined(units, 1, units.size());
    } else {
        line.lead = joined(units, 0, units.size());
    }
}

/// Calls with each longest run of lines for which `belongs` holds.
template <class Belongs, class Use>
void runs(std::vector<Line>& lines, Belongs belongs, Use use) {
    std::size_t begin = 0;
    while (begin < lines.size()) {
        std::size_t end = begin;
        while (end < lines.size() && belongs(lines[end]) && lines[end].indent == lines[begin].indent
        ) {
            ++end;
        }
        if (end > begin) {
            use(begin, end);
        }
        begin = std::max(end, begin + 1);
    }
}

}  // namespace

std::string format(std::string_view source, std::uint32_t file, Diagnostics& diagnostics) {
    const std::size_t before = diagnostics.error_count();
    parse_document(source, file, {}, diagnostics);
    if (diagnostics.error_count() != before) {
        return std::string(source);
    }
    std::vector<Line> lines = lines_of(source, file);
    set_indents(lines);
    for (Line& line : lines) {
        split(line);
    }
    runs(
        lines,
        [](const Line& l) { return l.assigns; },
        [&](std::size_t begin, std::size_t end) {
            std::size_t widest = 0;
            for (std::size_t i = begin; i < end; ++i) {
                widest = std::max(widest, grapheme_count(lines[i].lead));
            }
            for (std::size_t i = begin; i < end; ++i) {
                lines[i].lead.append(widest - grapheme_count(lines[i].lead) + 1, ' ');
            }
        }
    );
    runs(
        lines,
        [](const Line& l) { return !l.comment.empty() && !l.units.empty(); },
        [&](std::size_t begin, std::size_t end) {
            std::size_t widest = 0;
            const auto width = [](const Line& l) {
                const std::string text = l.lead + l.rest;
                return grapheme_count(std::string_view(text).substr(text.find_last_of('\n') + 1));
            };
            for (std::size_t i = begin; i < end; ++i) {
                widest = std::max(widest, width(lines[i]));
            }
            for (std::size_t i = begin; i < end; ++i) {
                lines[i].rest.append(widest - width(lines[i]) + 1, ' ');
            }
        }
    );
    std::string out;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const Line& line = lines[i];
        if (!line.blank()) {
            out.append(line.indent * 2, ' ');
            out += line.lead + line.rest + line.comment;
        }
        if (i + 1 < lines.size()) {
            out += '\n';
        }
    }
    while (out.ends_with("\n\n")) {
        out.pop_back();
    }
    if (!out.empty() && !out.ends_with('\n')) {
        out += '\n';
    }
    return out == "\n" ? "" : out;
}

}  // namespace nl::hcl
