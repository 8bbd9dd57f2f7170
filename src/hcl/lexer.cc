#include "hcl/lexer.h"

#include "base/check.h"
#include "hcl/text.h"

namespace nl::hcl {
namespace {

/// What the lexer is inside of.
struct Mode {
    enum class Kind : unsigned char { Code, Quoted, Heredoc, Template } kind{Kind::Code};
    std::size_t open_braces{0};
    std::string_view marker;
};

class Lexer {
public:
    Lexer(std::string_view source, std::uint32_t file, LexStart start, Pos from)
        : source_(source), file_(file), base_(from.byte), pos_(from) {
        modes_.push_back(
            {.kind = start == LexStart::Template ? Mode::Kind::Template : Mode::Kind::Code}
        );
        tokens_.reserve(source.size() / 3 + 8);
    }

    std::vector<Token> run() {
        // A byte order mark is no part of the text.
        if (source_.starts_with("\xEF\xBB\xBF")) {
            at_ = 3;
            pos_.byte += 3;
        }
        while (at_ < source_.size()) {
            const std::size_t before = at_;
            switch (modes_.back().kind) {
                case Mode::Kind::Code:
                    code();
                    break;
                case Mode::Kind::Quoted:
                case Mode::Kind::Template:
                    template_text();
                    break;
                case Mode::Kind::Heredoc:
                    heredoc_text();
                    break;
            }
            NL_ASSERT(at_ > before);
        }
        tokens_.push_back({TokenKind::End, source_.substr(at_), {pos_, pos_, file_}});
        return std::move(tokens_);
    }

private:
    std::string_view rest() const { return source_.substr(at_); }
    char peek(std::size_t ahead) const {
        return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
    }

    /// Moves the position over `text`.
    void advance(std::string_view text) {
        std::size_t i = 0;
        while (i < text.size()) {
            // Nearly all text is plain: a byte, a column.
            const std::size_t begin = i;
            while (i < text.size() && text[i] >= ' ') {
                ++i;
            }
            // What follows may be a mark that belongs to the last one.
            if (i > begin && i < text.size() && static_cast<unsigned char>(text[i]) >= 0x80) {
                --i;
            }
            pos_.column += static_cast<std::uint32_t>(i - begin);
            if (i == text.size()) {
                break;
            }
            if (text[i] == '\n') {
                ++pos_.line;
                pos_.column = 1;
                ++i;
                continue;
            }
            const std::size_t length = first_grapheme(text.substr(i));
            if (text.substr(i, length) == "\r\n") {
                ++pos_.line;
                pos_.column = 1;
            } else {
                ++pos_.column;
            }
            i += length;
        }
        at_ += text.size();
        pos_.byte = base_ + static_cast<std::uint32_t>(at_);
    }

    void emit(TokenKind kind, std::size_t length) {
        const std::string_view text = source_.substr(at_, length);
        const Pos start = pos_;
        advance(text);
        tokens_.push_back({kind, text, {start, pos_, file_}});
    }

    void code() {
        const char c = source_[at_];
        if (c == ' ' || c == '\t') {
            std::size_t n = 1;
            while (peek(n) == ' ' || peek(n) == '\t') {
                ++n;
            }
            advance(source_.substr(at_, n));
            return;
        }
        if (c == '\n' || (c == '\r' && peek(1) == '\n')) {
            emit(TokenKind::Newline, c == '\n' ? 1 : 2);
            return;
        }
        if (c == '#' || (c == '/' && peek(1) == '/')) {
            const std::size_t end = source_.find('\n', at_);
            emit(
                TokenKind::Comment,
                end == std::string_view::npos ? source_.size() - at_ : end + 1 - at_
            );
            return;
        }
        if (c == '/' && peek(1) == '*' && !no_more_comment_ends_) {
            const std::size_t end = source_.find("*/", at_ + 2);
            if (end != std::string_view::npos) {
                emit(TokenKind::Comment, end + 2 - at_);
                return;
            }
            // What nothing closes is no comment; it is not looked for again.
            no_more_comment_ends_ = true;
        }
        if (c >= '0' && c <= '9') {
            number();
            return;
        }
        if (c == '"') {
            emit(TokenKind::OpenQuote, 1);
            modes_.push_back({.kind = Mode::Kind::Quoted});
            return;
        }
        if (c == '<' && peek(1) == '<' && heredoc_start()) {
            return;
        }
        if (identifier()) {
            return;
        }
        symbol(c);
    }

    /// Points and exponents as they come, up to the last digit: what is no number, 1.2.3, is so
    /// refused as a whole.
    void number() {
        const auto is_digit = [this](std::size_t n) { return peek(n) >= '0' && peek(n) <= '9'; };
        std::size_t length = 1;
        for (std::size_t n = 1;;) {
            if (is_digit(n)) {
                length = ++n;
            } else if (peek(n) == '.') {
                ++n;
            } else if (peek(n) == 'e' || peek(n) == 'E') {
                n += peek(n + 1) == '+' || peek(n + 1) == '-' ? 2U : 1U;
                if (!is_digit(n)) {
                    break;
                }
            } else {
                break;
            }
        }
        emit(TokenKind::Number, length);
    }

    bool identifier() {
        // Nearly all names are plain letters.
        const auto plain = [this](std::size_t n) {
            const char c = peek(n);
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        };
        if (plain(0)) {
            std::size_t n = 1;
            while (plain(n) || peek(n) == '-' || (peek(n) >= '0' && peek(n) <= '9')) {
                ++n;
            }
            if (static_cast<unsigned char>(peek(n)) < 0x80) {
                emit(TokenKind::Identifier, n);
                return true;
            }
        }
        const CodePoint first = decode(rest());
        if (first.length == 0 || !is_identifier_start(first.value)) {
            return false;
        }
        std::size_t n = first.length;
        while (at_ + n < source_.size()) {
            const CodePoint next = decode(source_.substr(at_ + n));
            if (next.length == 0 || !is_identifier_part(next.value)) {
                break;
            }
            n += next.length;
        }
        emit(TokenKind::Identifier, n);
        return true;
    }

    bool heredoc_start() {
        std::size_t n = peek(2) == '-' ? 3 : 2;
        const std::size_t name = n;
        while (at_ + n < source_.size()) {
            const CodePoint next = decode(source_.substr(at_ + n));
            const bool fits = next.length != 0 && (n == name ? is_identifier_start(next.value)
                                                             : is_identifier_part(next.value));
            if (!fits) {
                break;
            }
            n += next.length;
        }
        const std::string_view marker = source_.substr(at_ + name, n - name);
        if (peek(n) == '\r') {
            ++n;
        }
        if (marker.empty() || peek(n) != '\n') {
            return false;
        }
        emit(TokenKind::OpenHeredoc, n + 1);
        modes_.push_back({.kind = Mode::Kind::Heredoc, .marker = marker});
        return true;
    }

    /// One that means the same wherever it stands, by its first character: there are many.
    bool plain_symbol(char c) {
        const char next = peek(1);
        const auto one = [&](TokenKind kind) {
            emit(kind, 1);
            return true;
        };
        const auto pair = [&](char second, TokenKind both, TokenKind alone) {
            emit(next == second ? both : alone, next == second ? 2 : 1);
            return true;
        };
        switch (c) {
            case '=':
                return next == '>' ? pair('>', TokenKind::FatArrow, TokenKind::Equal)
                                   : pair('=', TokenKind::EqualEqual, TokenKind::Equal);
            case '[':
                return one(TokenKind::OpenBracket);
            case ']':
                return one(TokenKind::CloseBracket);
            case '(':
                return one(TokenKind::OpenParen);
            case ')':
                return one(TokenKind::CloseParen);
            case ',':
                return one(TokenKind::Comma);
            case '.':
                if (next == '.' && peek(2) == '.') {
                    emit(TokenKind::Ellipsis, 3);
                    return true;
                }
                return one(TokenKind::Dot);
            case '!':
                return pair('=', TokenKind::NotEqual, TokenKind::Not);
            case '<':
                return pair('=', TokenKind::LessEqual, TokenKind::Less);
            case '>':
                return pair('=', TokenKind::GreaterEqual, TokenKind::Greater);
            case '&':
                return next == '&' && pair('&', TokenKind::And, TokenKind::And);
            case '|':
                return next == '|' && pair('|', TokenKind::Or, TokenKind::Or);
            case '*':
                return one(TokenKind::Star);
            case '/':
                return one(TokenKind::Slash);
            case '+':
                return one(TokenKind::Plus);
            case '-':
                return one(TokenKind::Minus);
            case '%':
                return one(TokenKind::Percent);
            case '?':
                return one(TokenKind::Question);
            case ':':
                return one(TokenKind::Colon);
            default:
                return false;
        }
    }

    void symbol(char c) {
        if (c == '{') {
            ++modes_.back().open_braces;
            emit(TokenKind::OpenBrace, 1);
            return;
        }
        const bool in_template = modes_.size() > 1;
        if (c == '~' && peek(1) == '}' && in_template && modes_.back().open_braces == 0) {
            emit(TokenKind::SequenceEnd, 2);
            modes_.pop_back();
            return;
        }
        if (c == '}') {
            if (modes_.back().open_braces > 0) {
                --modes_.back().open_braces;
                emit(TokenKind::CloseBrace, 1);
            } else if (in_template) {
                emit(TokenKind::SequenceEnd, 1);
                modes_.pop_back();
            } else {
                emit(TokenKind::CloseBrace, 1);
            }
            return;
        }
        if (plain_symbol(c)) {
            return;
        }
        const CodePoint point = decode(rest());
        if (point.length == 0) {
            emit(TokenKind::BadText, 1);
        } else {
            emit(TokenKind::Invalid, point.length);
        }
    }

    /// An interpolation or directive if one begins here.
    bool sequence_start() {
        const char c = source_[at_];
        if ((c != '$' && c != '%') || peek(1) != '{') {
            return false;
        }
        emit(c == '$' ? TokenKind::Interpolation : TokenKind::Control, peek(2) == '~' ? 3U : 2U);
        modes_.push_back({.kind = Mode::Kind::Code});
        return true;
    }

    /// Whether an escaped sequence ($${ or %%{) stands at `n` from here.
    bool escaped_sequence(std::size_t n) const {
        const char c = peek(n);
        return (c == '$' || c == '%') && peek(n + 1) == c && peek(n + 2) == '{';
    }

    void template_text() {
        const bool quoted = modes_.back().kind == Mode::Kind::Quoted;
        const char c = source_[at_];
        if (quoted && c == '"') {
            emit(TokenKind::CloseQuote, 1);
            modes_.pop_back();
            return;
        }
        if (quoted && (c == '\n' || (c == '\r' && peek(1) == '\n'))) {
            // The quotes end with the line, so that the lines after it read as they were meant.
            emit(TokenKind::QuotedNewline, c == '\n' ? 1 : 2);
            modes_.pop_back();
            return;
        }
        if (sequence_start()) {
            return;
        }
        std::size_t n = 0;
        while (at_ + n < source_.size()) {
            const char d = peek(n);
            if (escaped_sequence(n)) {
                n += 3;
                continue;
            }
            if ((d == '$' || d == '%') && peek(n + 1) == '{') {
                break;
            }
            if (quoted && (d == '"' || d == '\n' || (d == '\r' && peek(n + 1) == '\n'))) {
                break;
            }
            if (d == '\n') {
                // A line is a text: that is how far a strip marker reaches.
                ++n;
                break;
            }
            if (quoted && d == '\\' && at_ + n + 1 < source_.size() && peek(n + 1) != '\n') {
                n += 2;
                continue;
            }
            ++n;
        }
        emit(TokenKind::Literal, std::min(n, source_.size() - at_));
    }

    void heredoc_text() {
        const bool line_start = at_ == 0 || source_[at_ - 1] == '\n';
        if (line_start) {
            const std::size_t end = source_.find('\n', at_);
            // The closing marker needs a line of its own, ended as any other.
            std::string_view line = end == std::string_view::npos
                                        ? std::string_view()
                                        : source_.substr(at_, end - at_);
            const std::size_t indent = line.find_first_not_of(" \t");
            const std::size_t last = line.find_last_not_of(" \t\r");
            if (indent != std::string_view::npos &&
                line.substr(indent, last + 1 - indent) == modes_.back().marker) {
                line.remove_suffix(line.ends_with('\r') ? 1 : 0);
                emit(TokenKind::CloseHeredoc, line.size());
                modes_.pop_back();
                return;
            }
        }
        if (sequence_start()) {
            return;
        }
        std::size_t n = 0;
        while (at_ + n < source_.size()) {
            if (escaped_sequence(n)) {
                n += 3;
                continue;
            }
            if ((peek(n) == '$' || peek(n) == '%') && peek(n + 1) == '{') {
                break;
            }
            if (source_[at_ + n++] == '\n') {
                break;
            }
        }
        emit(TokenKind::Literal, n);
    }

    std::string_view source_;
    std::uint32_t file_;
    std::uint32_t base_;
    Pos pos_;
    std::size_t at_{0};
    bool no_more_comment_ends_{false};
    std::vector<Mode> modes_;
    std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view source, std::uint32_t file, LexStart start, Pos from) {
    return Lexer(source, file, start, from).run();
}

}  // namespace nl::hcl
