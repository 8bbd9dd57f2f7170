#include "cli/template.h"

#include "cli/flags.h"
#include "cli/json.h"

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace nl::cli {

namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxOutput = 64 * 1024 * 1024;

struct Token {
    enum class Kind : unsigned char { Field, Dot, Variable, Name, Text, Number, Symbol };
    Kind kind{Kind::Symbol};
    std::string text;
    bool space_before{false};
};

struct Node {
    enum class Kind : unsigned char { Text, Output, If, Range, With };
    Kind kind{Kind::Text};
    std::string text;
    std::vector<Token> action;
    std::vector<Node> body;
    std::vector<Node> otherwise;
};

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
}

Result<std::string> read_quoted(std::string_view text, std::size_t& i) {
    const char quote = text[i++];
    std::string out;
    while (i < text.size() && text[i] != quote) {
        if (quote == '"' && text[i] == '\\' && i + 1 < text.size()) {
            ++i;
            switch (text[i]) {
                case 'n':
                    out += '\n';
                    break;
                case 't':
                    out += '\t';
                    break;
                default:
                    out += text[i];
            }
            ++i;
            continue;
        }
        out += text[i++];
    }
    if (i >= text.size()) {
        return fail(ErrorCode::InvalidArgument, "unterminated quoted string in template");
    }
    ++i;
    return out;
}

Result<std::vector<Token>> read_tokens(std::string_view text) {
    using Kind = Token::Kind;
    std::vector<Token> tokens;
    std::size_t i = 0;
    bool space = true;
    const auto word = [&](std::size_t from) {
        while (i < text.size() && is_letter(text[i])) {
            ++i;
        }
        return std::string(text.substr(from, i - from));
    };
    while (i < text.size()) {
        const char c = text[i];
        Token token{.kind = Kind::Symbol, .text = {}, .space_before = space};
        space = false;
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            ++i;
            space = true;
            continue;
        }
        if (c == '"' || c == '`') {
            token.kind = Kind::Text;
            NL_TRY(token.text, read_quoted(text, i));
        } else if (c == '.' && i + 1 < text.size() && is_letter(text[i + 1])) {
            ++i;
            token.kind = Kind::Field;
            token.text = word(i);
        } else if (c == '.') {
            ++i;
            token.kind = Kind::Dot;
        } else if (c == '$') {
            ++i;
            token.kind = Kind::Variable;
            token.text = "$" + word(i);
        } else if ((c >= '0' && c <= '9') ||
                   (c == '-' && i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9')) {
            const std::size_t from = i++;
            while (i < text.size() && ((text[i] >= '0' && text[i] <= '9') || text[i] == '.')) {
                ++i;
            }
            token.kind = Kind::Number;
            token.text = std::string(text.substr(from, i - from));
        } else if (is_letter(c)) {
            token.kind = Kind::Name;
            token.text = word(i);
        } else if (text.substr(i).starts_with(":=")) {
            token.text = ":=";
            i += 2;
        } else if (c == '(' || c == ')' || c == '|' || c == ',' || c == '=') {
            token.text = std::string(1, c);
            ++i;
        } else {
            return fail(ErrorCode::InvalidArgument, "unexpected \"{}\" in template action", c);
        }
        tokens.push_back(std::move(token));
    }
    return tokens;
}

// --- From text to nodes ---------------------------------------------------------------------

struct Piece {
    bool is_action{false};
    std::string text;
};

Result<std::vector<Piece>> split_pieces(std::string_view form) {
    constexpr std::string_view kSpace = " \t\r\n";
    std::vector<Piece> pieces;
    bool trim_next = false;
    while (!form.empty()) {
        const std::size_t open = form.find("{{");
        std::string_view plain = form.substr(0, open);
        if (trim_next) {
            const std::size_t first = plain.find_first_not_of(kSpace);
            plain.remove_prefix(first == std::string_view::npos ? plain.size() : first);
        }
        if (open == std::string_view::npos) {
            pieces.push_back({.is_action = false, .text = std::string(plain)});
            break;
        }
        std::string_view rest = form.substr(open + 2);
        if (rest.starts_with("- ")) {
            const std::size_t last = plain.find_last_not_of(kSpace);
            plain = plain.substr(0, last == std::string_view::npos ? 0 : last + 1);
            rest.remove_prefix(1);
        }
        const std::size_t close = rest.find("}}");
        if (close == std::string_view::npos) {
            return fail(ErrorCode::InvalidArgument, "unclosed action in template");
        }
        std::string_view action = rest.substr(0, close);
        trim_next = action.ends_with(" -");
        if (trim_next) {
            action.remove_suffix(2);
        }
        pieces.push_back({.is_action = false, .text = std::string(plain)});
        if (!action.starts_with("/*")) {
            pieces.push_back({.is_action = true, .text = std::string(action)});
        }
        form = rest.substr(close + 2);
    }
    return pieces;
}

class Builder {
public:
    explicit Builder(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}

    Result<std::vector<Node>> build() {
        NL_TRY(std::vector<Node> nodes, list(0));
        if (!ended_by_.empty()) {
            return fail(ErrorCode::InvalidArgument, "unexpected {{{{{}}}}} in template", ended_by_);
        }
        return nodes;
    }

private:
    Result<std::vector<Node>> list(int depth) {
        if (depth > kMaxDepth) {
            return fail(ErrorCode::InvalidArgument, "template nested deeper than {}", kMaxDepth);
        }
        std::vector<Node> nodes;
        while (next_ < pieces_.size()) {
            const Piece& piece = pieces_[next_++];
            if (!piece.is_action) {
                nodes.push_back({.kind = Node::Kind::Text, .text = piece.text});
                continue;
            }
            NL_TRY(std::vector<Token> tokens, read_tokens(piece.text));
            if (tokens.empty()) {
                return fail(ErrorCode::InvalidArgument, "missing value for command in template");
            }
            const std::string first =
                tokens[0].kind == Token::Kind::Name ? tokens[0].text : std::string();
            if (first == "end" || first == "else") {
                ended_by_ = first;
                tokens.erase(tokens.begin());
                else_tokens_ = std::move(tokens);
                return nodes;
            }
            Node node{.kind = Node::Kind::Output, .text = {}, .action = std::move(tokens)};
            if (first == "if" || first == "range" || first == "with") {
                node.kind = first == "if"      ? Node::Kind::If
                            : first == "range" ? Node::Kind::Range
                                               : Node::Kind::With;
                node.action.erase(node.action.begin());
                NL_TRY_VOID(block(node, depth));
            }
            nodes.push_back(std::move(node));
        }
        ended_by_.clear();
        return nodes;
    }

    Result<void> block(Node& node, int depth) {
        NL_TRY(node.body, list(depth + 1));
        if (ended_by_ == "else" && !else_tokens_.empty()) {
            // {{else if x}}: a block of its own that shares our end.
            Node chained{.kind = Node::Kind::If, .text = {}, .action = std::move(else_tokens_)};
            if (chained.action[0].text != "if") {
                return fail(ErrorCode::InvalidArgument, "unexpected word after else in template");
            }
            chained.action.erase(chained.action.begin());
            NL_TRY_VOID(block(chained, depth + 1));
            node.otherwise.push_back(std::move(chained));
            return {};
        }
        if (ended_by_ == "else") {
            NL_TRY(node.otherwise, list(depth + 1));
        }
        if (ended_by_ != "end") {
            return fail(ErrorCode::InvalidArgument, "template block without {{{{end}}}}");
        }
        ended_by_.clear();
        return {};
    }

    std::vector<Piece> pieces_;
    std::size_t next_{0};
    std::string ended_by_;
    std::vector<Token> else_tokens_;
};

// --- Evaluation -----------------------------------------------------------------------------

bool truth(const Value& value) {
    if (value.is_null()) {
        return false;
    }
    if (const bool* flag = value.as_bool()) {
        return *flag;
    }
    if (const std::string* text = value.as_string()) {
        return !text->empty();
    }
    if (const Value::List* list = value.as_list()) {
        return !list->empty();
    }
    if (const Value::Map* map = value.as_map()) {
        return !map->empty();
    }
    return Doc(value).number() != 0;
}

std::string shown(const Value& value) {
    if (value.is_null()) {
        return "<no value>";
    }
    if (const Value::List* list = value.as_list()) {
        std::string out = "[";
        for (std::size_t i = 0; i < list->size(); ++i) {
            out += (i == 0 ? "" : " ") + shown((*list)[i]);
        }
        return out + "]";
    }
    if (const Value::Map* map = value.as_map()) {
        std::string out = "map[";
        bool first = true;
        for (const auto& [key, item] : *map) {
            out += fmt::format("{}{}:{}", first ? "" : " ", key, shown(item));
            first = false;
        }
        return out + "]";
    }
    return Doc(value).text();
}

Result<int> compare(const Value& a, const Value& b) {
    if (a.as_string() != nullptr && b.as_string() != nullptr) {
        return a.as_string()->compare(*b.as_string());
    }
    const auto is_number = [](const Value& v) {
        return v.as_int() != nullptr || v.as_double() != nullptr;
    };
    if (is_number(a) && is_number(b)) {
        const double x = Doc(a).number();
        const double y = Doc(b).number();
        return x < y ? -1 : x > y ? 1 : 0;
    }
    return fail(ErrorCode::InvalidArgument, "incompatible types for comparison in template");
}

Result<std::string> go_printf(const std::vector<Value>& arguments) {
    const std::string* form = arguments.empty() ? nullptr : arguments[0].as_string();
    if (form == nullptr) {
        return fail(ErrorCode::InvalidArgument, "printf needs a format string");
    }
    std::string out;
    std::size_t next = 1;
    for (std::size_t i = 0; i < form->size(); ++i) {
        if ((*form)[i] != '%' || i + 1 == form->size()) {
            out += (*form)[i];
            continue;
        }
        std::string options;
        ++i;
        while (i < form->size() && ((*form)[i] == '-' || (*form)[i] == '.' || (*form)[i] == '0' ||
                                    ((*form)[i] >= '1' && (*form)[i] <= '9'))) {
            options += (*form)[i++];
        }
        if (i >= form->size()) {
            break;
        }
        const char verb = (*form)[i];
        if (verb == '%') {
            out += '%';
            continue;
        }
        if (next >= arguments.size()) {
            out += fmt::format("%!{}(MISSING)", verb);
            continue;
        }
        const Doc value(arguments[next++]);
        std::string text = verb == 'q' ? write_json(Value(value.text()), JsonStyle::Compact)
                                       : shown(value.value());
        const bool left = options.starts_with('-');
        const auto point = options.find('.');
        if (verb == 'f') {
            const auto digits = point == std::string::npos
                                    ? 6
                                    : parse_integer(options.substr(point + 1)).value_or(6);
            text = fmt::format(
                "{:.{}f}", value.number(), static_cast<int>(std::min<std::int64_t>(digits, 30))
            );
        }
        const auto from = left ? std::size_t{1} : std::size_t{0};
        const auto width = static_cast<std::size_t>(std::min<std::int64_t>(
            parse_integer(options.substr(from, point == std::string::npos ? point : point - from))
                .value_or(0),
            1000
        ));
        const bool zeros = options.starts_with('0') && verb != 's';
        if (text.size() < width && zeros) {
            text.insert(text.starts_with('-') ? 1 : 0, width - text.size(), '0');
        } else if (text.size() < width) {
            left ? text.append(width - text.size(), ' ') : text.insert(0, width - text.size(), ' ');
        }
        out += text;
    }
    return out;
}

class Evaluator {
public:
    Evaluator(const Value& root, std::string& out) : out_(out) { variables_["$"] = root; }

    Result<void> run(const std::vector<Node>& nodes, const Value& dot, int depth) {
        if (depth > kMaxDepth || out_.size() > kMaxOutput) {
            return fail(ErrorCode::ResourceExhausted, "the template's output is too large");
        }
        for (const Node& node : nodes) {
            NL_TRY_VOID(run_node(node, dot, depth));
        }
        return {};
    }

private:
    Result<void> run_node(const Node& node, const Value& dot, int depth) {
        if (node.kind == Node::Kind::Text) {
            out_ += node.text;
            return {};
        }
        const std::vector<Token>& all = node.action;
        // $i, $x := pipeline
        std::vector<std::string> targets;
        std::size_t at = 0;
        for (std::size_t i = 0; i < all.size() && i < 4; ++i) {
            if (all[i].text == ":=" || (all[i].text == "=" && all[i].kind == Token::Kind::Symbol)) {
                for (std::size_t k = 0; k < i; ++k) {
                    if (all[k].kind == Token::Kind::Variable) {
                        targets.push_back(all[k].text);
                    }
                }
                at = i + 1;
                break;
            }
        }
        NL_TRY(const Value value, pipeline(all, at, dot, 0));
        if (at != all.size()) {
            return fail(ErrorCode::InvalidArgument, "unexpected \"{}\" in template", all[at].text);
        }
        if (node.kind != Node::Kind::Range && !targets.empty()) {
            variables_[targets[0]] = value;
        }
        switch (node.kind) {
            case Node::Kind::Text:
                return {};
            case Node::Kind::Output:
                if (targets.empty()) {
                    out_ += shown(value);
                }
                return {};
            case Node::Kind::If:
                return run(truth(value) ? node.body : node.otherwise, dot, depth + 1);
            case Node::Kind::With:
                return truth(value) ? run(node.body, value, depth + 1)
                                    : run(node.otherwise, dot, depth + 1);
            case Node::Kind::Range:
                return range(node, value, dot, targets, depth);
        }
        return {};
    }

    Result<void> range(
        const Node& node,
        const Value& value,
        const Value& dot,
        const std::vector<std::string>& targets,
        int depth
    ) {
        if (!truth(value)) {
            return run(node.otherwise, dot, depth + 1);
        }
        const auto step = [&](const Value& key, const Value& item) -> Result<void> {
            if (targets.size() == 1) {
                variables_[targets[0]] = item;
            } else if (targets.size() == 2) {
                variables_[targets[0]] = key;
                variables_[targets[1]] = item;
            }
            return run(node.body, item, depth + 1);
        };
        if (const Value::List* list = value.as_list()) {
            for (std::size_t i = 0; i < list->size(); ++i) {
                NL_TRY_VOID(step(Value(static_cast<std::int64_t>(i)), (*list)[i]));
            }
            return {};
        }
        if (const Value::Map* map = value.as_map()) {
            for (const auto& [key, item] : *map) {
                NL_TRY_VOID(step(Value(key), item));
            }
            return {};
        }
        return fail(ErrorCode::InvalidArgument, "range can't iterate over {}", shown(value));
    }

    static bool ends_command(const std::vector<Token>& tokens, std::size_t at) {
        return at >= tokens.size() || (tokens[at].kind == Token::Kind::Symbol &&
                                       (tokens[at].text == "|" || tokens[at].text == ")"));
    }

    Result<Value> pipeline(
        const std::vector<Token>& tokens, std::size_t& at, const Value& dot, int depth
    ) {
        if (depth > kMaxDepth) {
            return fail(ErrorCode::InvalidArgument, "template nested deeper than {}", kMaxDepth);
        }
        std::optional<Value> piped;
        while (true) {
            NL_TRY(Value value, command(tokens, at, dot, piped, depth));
            piped = std::move(value);
            if (at < tokens.size() && tokens[at].text == "|" &&
                tokens[at].kind == Token::Kind::Symbol) {
                ++at;
                continue;
            }
            return *piped;
        }
    }

    Result<Value> command(
        const std::vector<Token>& tokens,
        std::size_t& at,
        const Value& dot,
        const std::optional<Value>& piped,
        int depth
    ) {
        if (ends_command(tokens, at)) {
            return fail(ErrorCode::InvalidArgument, "missing value for command in template");
        }
        if (tokens[at].kind == Token::Kind::Name && tokens[at].text != "true" &&
            tokens[at].text != "false" && tokens[at].text != "nil") {
            const std::string name = tokens[at++].text;
            std::vector<Value> arguments;
            while (!ends_command(tokens, at)) {
                NL_TRY(Value value, operand(tokens, at, dot, depth));
                arguments.push_back(std::move(value));
            }
            if (piped) {
                arguments.push_back(*piped);
            }
            return call(name, arguments);
        }
        if (piped) {
            return fail(ErrorCode::InvalidArgument, "a pipe in a template leads to a function");
        }
        return operand(tokens, at, dot, depth);
    }

    Result<Value> operand(
        const std::vector<Token>& tokens, std::size_t& at, const Value& dot, int depth
    ) {
        const Token& token = tokens[at++];
        Value value;
        switch (token.kind) {
            case Token::Kind::Dot:
                value = dot;
                break;
            case Token::Kind::Field:
                value = Doc(dot)[token.text].value();
                break;
            case Token::Kind::Variable: {
                const auto found = variables_.find(token.text);
                if (found == variables_.end()) {
                    return fail(
                        ErrorCode::InvalidArgument, "undefined variable \"{}\"", token.text
                    );
                }
                value = found->second;
                break;
            }
            case Token::Kind::Text:
                return Value(token.text);
            case Token::Kind::Number:
                return parse_json(token.text);
            case Token::Kind::Name:
                if (token.text == "true" || token.text == "false") {
                    return Value(token.text == "true");
                }
                if (token.text == "nil") {
                    return Value();
                }
                return call(token.text, {});
            case Token::Kind::Symbol:
                if (token.text != "(") {
                    return fail(
                        ErrorCode::InvalidArgument, "unexpected \"{}\" in template", token.text
                    );
                }
                NL_TRY(value, pipeline(tokens, at, dot, depth + 1));
                if (at >= tokens.size() || tokens[at].text != ")") {
                    return fail(ErrorCode::InvalidArgument, "unclosed ( in template");
                }
                ++at;
                break;
        }
        while (at < tokens.size() && tokens[at].kind == Token::Kind::Field &&
               !tokens[at].space_before) {
            Value inner = Doc(value)[tokens[at].text].value();
            value = std::move(inner);
            ++at;
        }
        return value;
    }

    static Result<Value> call(const std::string& name, const std::vector<Value>& arguments) {
        const auto needs = [&](std::size_t count) { return arguments.size() < count; };
        const auto few = [&] {
            return fail(ErrorCode::InvalidArgument, "too few arguments for {} in template", name);
        };
        if (name == "printf") {
            NL_TRY(std::string text, go_printf(arguments));
            return Value(std::move(text));
        }
        if (name == "print" || name == "println") {
            std::string out;
            for (std::size_t i = 0; i < arguments.size(); ++i) {
                out += (i > 0 && name == "println" ? " " : "") + shown(arguments[i]);
            }
            return Value(out + (name == "println" ? "\n" : ""));
        }
        if (name == "json") {
            return needs(1) ? Result<Value>(few())
                            : Value(write_json(arguments[0], JsonStyle::Compact));
        }
        if (name == "len") {
            if (needs(1)) {
                return few();
            }
            const Doc value(arguments[0]);
            const std::string* text = arguments[0].as_string();
            const std::size_t size = text != nullptr                    ? text->size()
                                     : arguments[0].as_map() != nullptr ? value.map().size()
                                                                        : value.list().size();
            return Value(static_cast<std::int64_t>(size));
        }
        if (name == "index") {
            if (needs(2)) {
                return few();
            }
            Value value = arguments[0];
            for (std::size_t i = 1; i < arguments.size(); ++i) {
                const Doc key(arguments[i]);
                Value inner = arguments[i].as_string() != nullptr ? Doc(value)[key.text()].value()
                              : key.integer() < 0
                                  ? Value()
                                  : Doc(value).at(static_cast<std::size_t>(key.integer())).value();
                value = std::move(inner);
            }
            return value;
        }
        if (name == "not") {
            return needs(1) ? Result<Value>(few()) : Value(!truth(arguments[0]));
        }
        if (name == "and" || name == "or") {
            for (const Value& value : arguments) {
                if (truth(value) == (name == "or")) {
                    return value;
                }
            }
            return arguments.empty() ? Result<Value>(few()) : arguments.back();
        }
        if (name == "eq" || name == "ne") {
            if (needs(2)) {
                return few();
            }
            bool equal = false;
            for (std::size_t i = 1; i < arguments.size(); ++i) {
                const auto order = compare(arguments[0], arguments[i]);
                equal = equal || arguments[0] == arguments[i] || (order && *order == 0);
            }
            return Value(equal == (name == "eq"));
        }
        if (name == "lt" || name == "le" || name == "gt" || name == "ge") {
            if (needs(2)) {
                return few();
            }
            NL_TRY(const int order, compare(arguments[0], arguments[1]));
            return Value(
                name == "lt"   ? order < 0
                : name == "le" ? order <= 0
                : name == "gt" ? order > 0
                               : order >= 0
            );
        }
        return fail(ErrorCode::InvalidArgument, "function \"{}\" not defined", name);
    }

    std::string& out_;
    std::map<std::string, Value> variables_;
};

}  // namespace

Result<std::string> expand_template(std::string_view form, const Value& value) {
    NL_TRY(std::vector<Piece> pieces, split_pieces(form));
    NL_TRY(const std::vector<Node> nodes, Builder(std::move(pieces)).build());
    std::string out;
    NL_TRY_VOID(Evaluator(value, out).run(nodes, value, 0));
    return out;
}

}  // namespace nl::cli
