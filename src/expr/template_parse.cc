#include "expr/template.h"
#include "expr/template_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace nl::expr {
namespace {

using Kind = TemplateNode::Kind;

constexpr std::string_view kSpace = " \t\r\n";

struct Token {
    enum class Kind : unsigned char {
        Text,
        Open,
        Close,
        Identifier,
        Field,
        Variable,
        Dot,
        Number,
        Character,
        String,
        Pipe,
        Declare,
        Assign,
        Comma,
        LeftParen,
        RightParen,
        Space,
        End,
    };
    Kind kind{};
    std::string text;
    Dyn value;
    int line{1};
};

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

void append_utf8(std::string& out, std::uint32_t rune) {
    if (rune < 0x80) {
        out.push_back(static_cast<char>(rune));
    } else if (rune < 0x800) {
        out.push_back(static_cast<char>(0xC0U | (rune >> 6U)));
        out.push_back(static_cast<char>(0x80U | (rune & 0x3FU)));
    } else if (rune < 0x10000) {
        out.push_back(static_cast<char>(0xE0U | (rune >> 12U)));
        out.push_back(static_cast<char>(0x80U | ((rune >> 6U) & 0x3FU)));
        out.push_back(static_cast<char>(0x80U | (rune & 0x3FU)));
    } else {
        out.push_back(static_cast<char>(0xF0U | (rune >> 18U)));
        out.push_back(static_cast<char>(0x80U | ((rune >> 12U) & 0x3FU)));
        out.push_back(static_cast<char>(0x80U | ((rune >> 6U) & 0x3FU)));
        out.push_back(static_cast<char>(0x80U | (rune & 0x3FU)));
    }
}

class Lexer {
public:
    Lexer(std::string_view text, const TemplateOptions& options)
        : text_(text),
          name_(options.name),
          left_(options.left.empty() ? "{{" : options.left),
          right_(options.right.empty() ? "}}" : options.right) {}

    Result<std::vector<Token>> run() {
        bool trim_next = false;
        while (true) {
            const std::size_t open = text_.find(left_, at_);
            std::string plain(text_.substr(at_, open == std::string_view::npos ? open : open - at_)
            );
            const int line = line_;
            count_lines(plain);
            if (trim_next) {
                plain.erase(0, std::min(plain.find_first_not_of(kSpace), plain.size()));
            }
            if (open == std::string_view::npos) {
                push(Token::Kind::Text, std::move(plain), line);
                push(Token::Kind::End, "", line_);
                return std::move(tokens_);
            }
            at_ = open + left_.size();
            if (text_.substr(at_).starts_with('-') && at_ + 1 < text_.size() &&
                kSpace.find(text_[at_ + 1]) != std::string_view::npos) {
                const std::size_t last = plain.find_last_not_of(kSpace);
                plain.erase(last == std::string::npos ? 0 : last + 1);
                at_ += 2;
                line_ += text_[at_ - 1] == '\n' ? 1 : 0;
            }
            push(Token::Kind::Text, std::move(plain), line);
            if (text_.substr(at_).starts_with("/*")) {
                const std::size_t end = text_.find("*/", at_ + 2);
                if (end == std::string_view::npos) {
                    return wrong("unclosed comment");
                }
                count_lines(text_.substr(at_, end - at_));
                at_ = end + 2;
                trim_next = take_trim();
                if (!text_.substr(at_).starts_with(right_)) {
                    return wrong("comment ends before closing delimiter");
                }
                at_ += right_.size();
                continue;
            }
            push(Token::Kind::Open, "", line_);
            NL_TRY(trim_next, action());
        }
    }

private:
    std::unexpected<Error> wrong(std::string_view what) const {
        return fail(ErrorCode::InvalidArgument, "template: {}:{}: {}", name_, line_, what);
    }
    void push(Token::Kind kind, std::string text, int line, Dyn value = {}) {
        if (kind == Token::Kind::Text && text.empty()) {
            return;
        }
        tokens_.push_back({kind, std::move(text), std::move(value), line});
    }
    void count_lines(std::string_view text) {
        line_ += static_cast<int>(std::ranges::count(text, '\n'));
    }
    /// " -" before the closing delimiter; moves to the delimiter.
    bool take_trim() {
        std::size_t i = at_;
        while (i < text_.size() && kSpace.find(text_[i]) != std::string_view::npos) {
            ++i;
        }
        if (i > at_ && i < text_.size() && text_[i] == '-' &&
            text_.substr(i + 1).starts_with(right_)) {
            count_lines(text_.substr(at_, i - at_));
            at_ = i + 1;
            return true;
        }
        return false;
    }

    /// To the end of the action; whether white space after it is trimmed.
    Result<bool> action() {
        int depth = 0;
        while (true) {
            if (take_trim()) {
                at_ += right_.size();
                push(Token::Kind::Close, "", line_);
                return depth == 0 ? Result<bool>(true) : wrong("unclosed left paren");
            }
            const std::string_view rest = text_.substr(at_);
            if (rest.empty()) {
                return wrong("unclosed action");
            }
            if (rest.starts_with(right_)) {
                at_ += right_.size();
                push(Token::Kind::Close, "", line_);
                return depth == 0 ? Result<bool>(false) : wrong("unclosed left paren");
            }
            const char c = rest.front();
            if (kSpace.find(c) != std::string_view::npos) {
                const std::size_t end = std::min(rest.find_first_not_of(kSpace), rest.size());
                // The blank before a trim marker is part of it.
                std::size_t space = end;
                if (end < rest.size() && rest[end] == '-' &&
                    rest.substr(end + 1).starts_with(right_)) {
                    continue;
                }
                push(Token::Kind::Space, " ", line_);
                count_lines(rest.substr(0, space));
                at_ += space;
                continue;
            }
            if (c == '"' || c == '\'' || c == '`') {
                NL_TRY_VOID(quoted(c));
            } else if (rest.starts_with(":=")) {
                push(Token::Kind::Declare, ":=", line_);
                at_ += 2;
            } else if (c == '=' || c == '|' || c == ',') {
                push(
                    c == '='   ? Token::Kind::Assign
                    : c == '|' ? Token::Kind::Pipe
                               : Token::Kind::Comma,
                    std::string(1, c),
                    line_
                );
                ++at_;
            } else if (c == '(' || c == ')') {
                depth += c == '(' ? 1 : -1;
                if (depth < 0) {
                    return wrong("unexpected right paren");
                }
                push(c == '(' ? Token::Kind::LeftParen : Token::Kind::RightParen, {c}, line_);
                ++at_;
            } else if (is_digit(c) ||
                       ((c == '+' || c == '-') && rest.size() > 1 &&
                        (is_digit(rest[1]) || rest[1] == '.')) ||
                       (c == '.' && rest.size() > 1 && is_digit(rest[1]))) {
                NL_TRY_VOID(number());
            } else if (c == '.') {
                word(
                    1, rest.size() > 1 && is_letter(rest[1]) ? Token::Kind::Field : Token::Kind::Dot
                );
            } else if (c == '$') {
                word(1, Token::Kind::Variable);
            } else if (is_letter(c)) {
                word(0, Token::Kind::Identifier);
            } else {
                return wrong(fmt::format("unexpected {} in action", go_quote(rest.substr(0, 1))));
            }
        }
    }

    void word(std::size_t from, Token::Kind kind) {
        std::size_t end = at_ + from;
        while (end < text_.size() && kind != Token::Kind::Dot &&
               (is_letter(text_[end]) || is_digit(text_[end]))) {
            ++end;
        }
        push(kind, std::string(text_.substr(at_, end - at_)), line_);
        at_ = end;
    }

    Result<void> number() {
        std::size_t end = at_ + 1;
        const auto part = [](char c) {
            return is_letter(c) || is_digit(c) || c == '.' || c == '_';
        };
        while (end < text_.size() &&
               (part(text_[end]) || ((text_[end] == '+' || text_[end] == '-') &&
                                     (text_[end - 1] == 'e' || text_[end - 1] == 'E') &&
                                     !text_.substr(at_).starts_with("0x")))) {
            ++end;
        }
        const std::string shown(text_.substr(at_, end - at_));
        std::string digits = shown;
        std::erase(digits, '_');
        bool negative = false;
        if (digits.starts_with('+') || digits.starts_with('-')) {
            negative = digits[0] == '-';
            digits.erase(0, 1);
        }
        int base = 10;
        if (digits.size() > 1 && digits[0] == '0' && digits.find('.') == std::string::npos) {
            const char kind = digits[1];
            base = kind == 'x' || kind == 'X'   ? 16
                   : kind == 'b' || kind == 'B' ? 2
                   : kind == 'o' || kind == 'O' ? 8
                   : is_digit(kind)             ? 8
                                                : 10;
            digits.erase(0, base == 10 ? 0 : is_digit(kind) ? 1 : 2);
        }
        std::uint64_t whole = 0;
        const char* last = digits.data() + digits.size();
        const auto [stop, error] = std::from_chars(digits.data(), last, whole, base);
        if (error == std::errc{} && stop == last && !digits.empty()) {
            const auto value = static_cast<std::int64_t>(whole);
            push(Token::Kind::Number, shown, line_, negative ? -value : value);
            at_ = end;
            return {};
        }
        double real = 0;
        const auto [fstop, ferror] = std::from_chars(digits.data(), last, real);
        if (base == 10 && ferror == std::errc{} && fstop == last && !digits.empty()) {
            push(Token::Kind::Number, shown, line_, negative ? -real : real);
            at_ = end;
            return {};
        }
        return wrong(fmt::format("bad number syntax: {}", go_quote(shown)));
    }

    Result<void> quoted(char quote) {
        const int line = line_;
        std::string out;
        std::size_t i = at_ + 1;
        while (true) {
            if (i >= text_.size() || (text_[i] == '\n' && quote != '`')) {
                return wrong(
                    quote == '`'   ? "unterminated raw quoted string"
                    : quote == '"' ? "unterminated quoted string"
                                   : "unterminated character constant"
                );
            }
            if (text_[i] == quote) {
                break;
            }
            line_ += text_[i] == '\n' ? 1 : 0;
            if (text_[i] != '\\' || quote == '`') {
                out.push_back(text_[i++]);
                continue;
            }
            NL_TRY_VOID(escape(out, i));
        }
        at_ = i + 1;
        if (quote != '\'') {
            push(Token::Kind::String, go_quote(out), line, Dyn(out));
            return {};
        }
        std::uint32_t rune = out.empty() ? 0 : static_cast<unsigned char>(out[0]);
        if (rune >= 0xC0) {
            const int more = rune >= 0xF0 ? 3 : rune >= 0xE0 ? 2 : 1;
            rune &= more == 3 ? 0x07U : more == 2 ? 0x0FU : 0x1FU;
            for (int k = 1; k <= more && static_cast<std::size_t>(k) < out.size(); ++k) {
                rune = (rune << 6U) |
                       (static_cast<unsigned char>(out[static_cast<std::size_t>(k)]) & 0x3FU);
            }
        }
        push(Token::Kind::Character, out, line, Dyn(static_cast<std::int64_t>(rune)));
        return {};
    }

    Result<void> escape(std::string& out, std::size_t& i) {
        if (i + 1 >= text_.size()) {
            return wrong("unterminated quoted string");
        }
        const char kind = text_[i + 1];
        i += 2;
        constexpr std::string_view kFrom = "abfnrtv\\'\"";
        constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"";
        if (const std::size_t known = kFrom.find(kind); known != std::string_view::npos) {
            out.push_back(kTo[known]);
            return {};
        }
        const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 3;
        const std::size_t from = is_digit(kind) ? i - 1 : i;
        if (kind != 'x' && kind != 'u' && kind != 'U' && !is_digit(kind)) {
            return wrong("unknown escape in quoted string");
        }
        std::uint32_t value = 0;
        const std::string_view text = text_.substr(from, digits);
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), value, is_digit(kind) ? 8 : 16);
        if (error != std::errc{} || end != text.data() + digits || text.size() != digits) {
            return wrong("bad escape in quoted string");
        }
        i = from + digits;
        if (kind == 'u' || kind == 'U') {
            append_utf8(out, value);
        } else {
            out.push_back(static_cast<char>(value));
        }
        return {};
    }

    std::string_view text_;
    std::string name_;
    std::string left_;
    std::string right_;
    std::size_t at_ = 0;
    int line_ = 1;
    std::vector<Token> tokens_;
};

class Parser {
public:
    Parser(std::vector<Token> tokens, const TemplateFunctions& functions, std::string name)
        : tokens_(std::move(tokens)), functions_(functions), name_(std::move(name)) {}

    Result<void> run(std::map<std::string, std::shared_ptr<const TemplateNode>, std::less<>>& out) {
        out_ = &out;
        NL_TRY(TemplateNode top, list(0, {}));
        out.insert_or_assign(name_, std::make_shared<const TemplateNode>(std::move(top)));
        return {};
    }

private:
    using T = Token::Kind;

    const Token& peek() const { return tokens_[at_]; }
    const Token& next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
    void skip_space() {
        while (peek().kind == T::Space) {
            next();
        }
    }
    const Token& peek_word() {
        skip_space();
        return peek();
    }
    std::unexpected<Error> wrong(std::string_view what) const {
        return fail(ErrorCode::InvalidArgument, "template: {}:{}: {}", name_, peek().line, what);
    }
    Result<void> close(std::string_view where) {
        if (peek_word().kind != T::Close) {
            return wrong(fmt::format("unexpected \"{}\" in {}", peek().text, where));
        }
        next();
        return {};
    }

    /// Statements up to {{end}} or {{else}}, which `ended_` then names; at the top up to the end.
    Result<TemplateNode> list(int depth, std::string_view inside) {  // NOLINT(misc-no-recursion)
        if (depth > kMaxTemplateDepth) {
            return wrong(fmt::format("nested deeper than {}", kMaxTemplateDepth));
        }
        TemplateNode out;
        out.kind = Kind::List;
        out.line = peek().line;
        while (true) {
            const Token& token = next();
            if (token.kind == T::End) {
                if (inside.empty()) {
                    return out;
                }
                return wrong("unexpected EOF");
            }
            if (token.kind == T::Text) {
                TemplateNode text;
                text.kind = Kind::Text;
                text.text = token.text;
                text.line = token.line;
                out.children.push_back(std::move(text));
                continue;
            }
            const Token& word = peek_word();
            if (word.kind == T::Identifier && (word.text == "end" || word.text == "else")) {
                if (inside.empty()) {
                    return wrong(fmt::format("unexpected {{{{{}}}}}", word.text));
                }
                ended_ = word.text;
                next();
                return out;
            }
            NL_TRY_VOID(statement(out, depth));
        }
    }

    Result<void> statement(TemplateNode& out, int depth) {  // NOLINT(misc-no-recursion)
        const Token word = peek_word();
        TemplateNode node;
        node.line = word.line;
        const std::string& name = word.text;
        if (word.kind == T::Identifier && (name == "if" || name == "range" || name == "with")) {
            next();
            node.kind = name == "if" ? Kind::If : name == "range" ? Kind::Range : Kind::With;
            NL_TRY_VOID(control(node, name, depth));
        } else if (word.kind == T::Identifier && (name == "break" || name == "continue")) {
            if (loops_ == 0) {
                return wrong(fmt::format("{{{{{}}}}} outside {{{{range}}}}", name));
            }
            next();
            node.kind = name == "break" ? Kind::Break : Kind::Continue;
            NL_TRY_VOID(close(name));
        } else if (word.kind == T::Identifier && name == "define") {
            next();
            NL_TRY(const std::string defined, template_name("define clause"));
            NL_TRY_VOID(close("define clause"));
            const std::vector<std::string> scope = std::exchange(scope_, {"$"});
            const int loops = std::exchange(loops_, 0);
            NL_TRY(TemplateNode body, list(depth + 1, "define"));
            scope_ = scope;
            loops_ = loops;
            NL_TRY_VOID(ended("define clause"));
            out_->insert_or_assign(defined, std::make_shared<const TemplateNode>(std::move(body)));
            return {};
        } else if (word.kind == T::Identifier && (name == "template" || name == "block")) {
            next();
            node.kind = Kind::Call;
            NL_TRY(node.text, template_name(name + " clause"));
            if (peek_word().kind != T::Close) {
                NL_TRY(TemplateNode data, pipe(name + " clause", depth + 1, T::Close));
                node.children.push_back(std::move(data));
            } else if (name == "block") {
                return wrong("missing value for block clause");
            } else {
                next();
            }
            if (name == "block") {
                const std::vector<std::string> scope = std::exchange(scope_, {"$"});
                NL_TRY(TemplateNode body, list(depth + 1, "block"));
                scope_ = scope;
                NL_TRY_VOID(ended("block clause"));
                out_->try_emplace(node.text, std::make_shared<const TemplateNode>(std::move(body)));
            }
        } else {
            node.kind = Kind::Action;
            NL_TRY(TemplateNode value, pipe("command", depth + 1, T::Close));
            node.children.push_back(std::move(value));
        }
        out.children.push_back(std::move(node));
        return {};
    }

    Result<void> ended(std::string_view where) {
        if (ended_ != "end") {
            return wrong(fmt::format("unexpected {{{{else}}}} in {}", where));
        }
        return close(where);
    }

    Result<std::string> template_name(std::string_view where) {
        const Token& token = peek_word();
        if (token.kind != T::String) {
            return wrong(fmt::format("unexpected \"{}\" in {}", token.text, where));
        }
        return *next().value.as_string();
    }

    Result<void> control(  // NOLINT(misc-no-recursion)
        TemplateNode& node,
        const std::string& name,
        int depth
    ) {
        const std::size_t mark = scope_.size();
        NL_TRY(TemplateNode condition, pipe(name, depth + 1, T::Close));
        node.children.push_back(std::move(condition));
        loops_ += name == "range" ? 1 : 0;
        NL_TRY(TemplateNode body, list(depth + 1, name));
        loops_ -= name == "range" ? 1 : 0;
        node.children.push_back(std::move(body));
        if (ended_ == "else") {
            const Token& word = peek_word();
            if (word.kind == T::Identifier && (word.text == "if" || word.text == "with") &&
                name != "range") {
                // One block of its own, which shares our {{end}}.
                TemplateNode inner;
                inner.line = word.line;
                inner.kind = word.text == "if" ? Kind::If : Kind::With;
                const std::string inner_name = word.text;
                next();
                NL_TRY_VOID(control(inner, inner_name, depth + 1));
                TemplateNode wrapped;
                wrapped.kind = Kind::List;
                wrapped.line = inner.line;
                wrapped.children.push_back(std::move(inner));
                node.children.push_back(std::move(wrapped));
                scope_.resize(mark);
                return {};
            }
            NL_TRY_VOID(close("else"));
            NL_TRY(TemplateNode otherwise, list(depth + 1, name));
            node.children.push_back(std::move(otherwise));
        }
        scope_.resize(mark);
        return ended(name);
    }

    /// A pipeline up to `end`, which is taken.
    Result<TemplateNode> pipe(  // NOLINT(misc-no-recursion)
        const std::string& where,
        int depth,
        T end
    ) {
        if (depth > kMaxTemplateDepth) {
            return wrong(fmt::format("nested deeper than {}", kMaxTemplateDepth));
        }
        TemplateNode out;
        out.kind = Kind::Pipe;
        out.line = peek_word().line;
        NL_TRY_VOID(declarations(out, where));
        while (true) {
            NL_TRY(TemplateNode command, this->command(where, depth));
            if (!out.children.empty() && is_constant(command)) {
                return wrong(fmt::format(
                    "non executable command in pipeline stage {}", out.children.size() + 1
                ));
            }
            out.children.push_back(std::move(command));
            const Token& after = peek_word();
            if (after.kind == T::Pipe) {
                next();
                continue;
            }
            if (after.kind == end) {
                next();
                break;
            }
            return wrong(fmt::format("unexpected \"{}\" in {}", after.text, where));
        }
        return out;
    }

    static bool is_constant(const TemplateNode& command) {
        const Kind kind = command.children.front().kind;
        return kind == Kind::Literal || kind == Kind::Nil || kind == Kind::Dot;
    }

    Result<void> declarations(TemplateNode& out, const std::string& where) {
        const std::size_t start = at_;
        std::vector<std::string> names;
        while (peek_word().kind == T::Variable) {
            names.push_back(next().text);
            const Token& after = peek_word();
            if (after.kind == T::Comma && names.size() == 1 && where == "range") {
                next();
                continue;
            }
            if (after.kind == T::Declare || after.kind == T::Assign) {
                out.assigns = after.kind == T::Assign;
                next();
                for (const std::string& name : names) {
                    if (!out.assigns) {
                        scope_.push_back(name);
                    } else if (std::ranges::find(scope_, name) == scope_.end()) {
                        return wrong(fmt::format("undefined variable \"{}\"", name));
                    }
                }
                out.variables = std::move(names);
                return {};
            }
            break;
        }
        at_ = start;
        return {};
    }

    Result<TemplateNode> command(
        const std::string& where, int depth
    ) {  // NOLINT(misc-no-recursion)
        TemplateNode out;
        out.kind = Kind::Command;
        out.line = peek_word().line;
        while (true) {
            const Token& token = peek_word();
            if (token.kind == T::Pipe || token.kind == T::Close || token.kind == T::RightParen) {
                break;
            }
            NL_TRY(TemplateNode word, operand(where, depth));
            out.children.push_back(std::move(word));
            const T after = peek().kind;
            if (after != T::Space && after != T::Pipe && after != T::Close &&
                after != T::RightParen) {
                return wrong(fmt::format("unexpected \"{}\" in operand", peek().text));
            }
        }
        if (out.children.empty()) {
            return wrong(
                where == "command" ? "missing value for command"
                                   : fmt::format("missing value for {}", where)
            );
        }
        return out;
    }

    Result<TemplateNode> operand(
        const std::string& where, int depth
    ) {  // NOLINT(misc-no-recursion)
        NL_TRY(TemplateNode out, term(where, depth));
        if (peek().kind != T::Field) {
            return out;
        }
        std::vector<std::string> names;
        std::string shown = out.text;
        while (peek().kind == T::Field) {
            shown += peek().text;
            names.push_back(next().text.substr(1));
        }
        if (out.kind == Kind::Field || out.kind == Kind::Variable) {
            out.names.insert(out.names.end(), names.begin(), names.end());
            out.text = shown;
            return out;
        }
        if (out.kind == Kind::Literal || out.kind == Kind::Nil || out.kind == Kind::Dot) {
            return wrong(fmt::format("unexpected . after term \"{}\"", out.text));
        }
        TemplateNode chain;
        chain.kind = Kind::Chain;
        chain.line = out.line;
        chain.text = shown;
        chain.names = std::move(names);
        chain.children.push_back(std::move(out));
        return chain;
    }

    Result<TemplateNode> term(const std::string& where, int depth) {  // NOLINT(misc-no-recursion)
        const Token token = next();
        TemplateNode out;
        out.line = token.line;
        out.text = token.text;
        switch (token.kind) {
            case T::Identifier:
                if (token.text == "true" || token.text == "false") {
                    out.kind = Kind::Literal;
                    out.value = token.text == "true";
                } else if (token.text == "nil") {
                    out.kind = Kind::Nil;
                } else {
                    out.kind = Kind::Function;
                    const bool known = token.text == "and" || token.text == "or" ||
                                       token.text == "call" || functions_.contains(token.text) ||
                                       builtin_functions().contains(token.text);
                    if (!known) {
                        return wrong(fmt::format("function \"{}\" not defined", token.text));
                    }
                }
                return out;
            case T::Dot:
                out.kind = Kind::Dot;
                return out;
            case T::Field:
                out.kind = Kind::Field;
                out.names.push_back(token.text.substr(1));
                return out;
            case T::Variable:
                if (std::ranges::find(scope_, token.text) == scope_.end()) {
                    return wrong(fmt::format("undefined variable \"{}\"", token.text));
                }
                out.kind = Kind::Variable;
                out.names.push_back(token.text);
                return out;
            case T::Number:
            case T::Character:
            case T::String:
                out.kind = Kind::Literal;
                out.value = token.value;
                return out;
            case T::LeftParen: {
                NL_TRY(
                    TemplateNode inner, pipe("parenthesized pipeline", depth + 1, T::RightParen)
                );
                inner.text = "(...)";
                return inner;
            }
            case T::Text:
            case T::Open:
            case T::Close:
            case T::Pipe:
            case T::Declare:
            case T::Assign:
            case T::Comma:
            case T::RightParen:
            case T::Space:
            case T::End:
                break;
        }
        return wrong(fmt::format("unexpected \"{}\" in {}", token.text, where));
    }

    std::vector<Token> tokens_;
    const TemplateFunctions& functions_;
    std::string name_;
    std::size_t at_ = 0;
    int loops_ = 0;
    std::string ended_;
    std::vector<std::string> scope_{"$"};
    std::map<std::string, std::shared_ptr<const TemplateNode>, std::less<>>* out_ = nullptr;
};

}  // namespace

Result<Template> Template::parse(
    std::string_view text, const TemplateFunctions& functions, TemplateOptions options
) {
    if (text.size() > kMaxTemplateBytes) {
        return fail(
            ErrorCode::TooLarge,
            "template {} has {} bytes, the limit is {}",
            options.name,
            text.size(),
            kMaxTemplateBytes
        );
    }
    NL_TRY(std::vector<Token> tokens, Lexer(text, options).run());
    auto definitions = std::make_shared<Definitions>();
    NL_TRY_VOID(Parser(std::move(tokens), functions, options.name).run(*definitions));
    Template out;
    out.options_ = std::move(options);
    out.definitions_ = std::move(definitions);
    return out;
}

}  // namespace nl::expr
