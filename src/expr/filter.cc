#include "expr/filter.h"

#include "expr/filter_fields.h"
#include "expr/filter_regex_adapter.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nl::expr {

using Selector = std::vector<std::string>;

enum class Operator : unsigned char {
    And,
    Or,
    Not,
    Equal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,  // the literal is in what the selector names
    Empty,
    Nil,
    Matches,
    Any,
    All,
};

struct FilterNode {
    Operator op{};
    std::unique_ptr<FilterNode> left;
    std::unique_ptr<FilterNode> right;
    Selector selector;
    std::string literal;
    std::optional<FilterRegex> regex;
    /// Names bound by any and all: the item, or key and value.
    std::string first_name;
    std::string second_name;
};

namespace {

using Node = std::unique_ptr<FilterNode>;

bool is_word_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_word(char c) {
    return is_word_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '/' || c == ':';
}

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<Node> parse() {
        NL_TRY(Node root, parse_or(0));
        skip_space();
        if (at_ != text_.size()) {
            return std::unexpected(expected("\"and\", \"or\" or the end of the expression"));
        }
        return root;
    }

private:
    Error expected(std::string_view what) const {
        std::size_t line = 1;
        std::size_t column = 1;
        for (const char c : text_.substr(0, at_)) {
            line += c == '\n' ? 1 : 0;
            column = c == '\n' ? 1 : column + 1;
        }
        return {
            ErrorCode::InvalidArgument,
            fmt::format("{}:{} ({}): no match found, expected: {}", line, column, at_, what)
        };
    }
    void skip_space() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' ||
                                      text_[at_] == '\n' || text_[at_] == '\r')) {
            ++at_;
        }
    }
    bool take(std::string_view symbol) {
        skip_space();
        if (!text_.substr(at_).starts_with(symbol)) {
            return false;
        }
        at_ += symbol.size();
        return true;
    }
    /// A keyword, which no further letter may follow.
    bool take_word(std::string_view word) {
        skip_space();
        const std::string_view rest = text_.substr(at_);
        if (!rest.starts_with(word) || (rest.size() > word.size() && is_word(rest[word.size()]))) {
            return false;
        }
        at_ += word.size();
        return true;
    }

    static Node join(Operator op, Node left, Node right) {
        auto node = std::make_unique<FilterNode>();
        node->op = op;
        node->left = std::move(left);
        node->right = std::move(right);
        return node;
    }
    static Node negate(Node inner) { return join(Operator::Not, std::move(inner), nullptr); }

    Result<Node> parse_or(int depth) {
        NL_TRY(Node left, parse_and(depth));
        while (take_word("or")) {
            NL_TRY(Node right, parse_and(depth));
            left = join(Operator::Or, std::move(left), std::move(right));
        }
        return left;
    }
    Result<Node> parse_and(int depth) {
        NL_TRY(Node left, parse_not(depth));
        while (take_word("and")) {
            NL_TRY(Node right, parse_not(depth));
            left = join(Operator::And, std::move(left), std::move(right));
        }
        return left;
    }
    Result<Node> parse_not(int depth) {
        if (depth > kMaxFilterDepth) {
            return fail(
                ErrorCode::InvalidArgument,
                "the expression is nested more than {} deep",
                kMaxFilterDepth
            );
        }
        if (take_word("not")) {
            NL_TRY(Node inner, parse_not(depth + 1));
            return negate(std::move(inner));
        }
        if (take("(")) {
            NL_TRY(Node inner, parse_or(depth + 1));
            if (!take(")")) {
                return std::unexpected(expected("\")\""));
            }
            return inner;
        }
        const std::size_t before = at_;
        for (const auto& [word, op] : {std::pair{"any", Operator::Any}, {"all", Operator::All}}) {
            if (take_word(word)) {
                auto collection = parse_collection(op, depth);
                if (collection) {
                    return collection;
                }
                at_ = before;
            }
        }
        return parse_match();
    }

    Result<Node> parse_collection(Operator op, int depth) {
        auto node = std::make_unique<FilterNode>();
        node->op = op;
        NL_TRY(node->selector, parse_selector());
        if (!take_word("as")) {
            return std::unexpected(expected("\"as\""));
        }
        NL_TRY(node->first_name, parse_name());
        if (take(",")) {
            NL_TRY(node->second_name, parse_name());
        }
        if (!take("{")) {
            return std::unexpected(expected("\"{\""));
        }
        NL_TRY(node->left, parse_or(depth + 1));
        if (!take("}")) {
            return std::unexpected(expected("\"}\""));
        }
        return node;
    }

    Result<std::string> parse_name() {
        skip_space();
        const std::size_t start = at_;
        while (at_ < text_.size() && (is_word_start(text_[at_]) ||
                                      (at_ > start && text_[at_] >= '0' && text_[at_] <= '9'))) {
            ++at_;
        }
        if (at_ == start) {
            return std::unexpected(expected("a name"));
        }
        return std::string(text_.substr(start, at_ - start));
    }

    Result<std::string> parse_quoted() {
        const char quote = text_[at_++];
        std::string out;
        while (at_ < text_.size() && text_[at_] != quote) {
            if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size()) {
                ++at_;
                const char c = text_[at_];
                out.push_back(c == 'n' ? '\n' : (c == 't' ? '\t' : c));
            } else {
                out.push_back(text_[at_]);
            }
            ++at_;
        }
        if (at_ == text_.size()) {
            return std::unexpected(expected("the end of the quoted text"));
        }
        ++at_;
        return out;
    }

    Result<Selector> parse_selector() {
        skip_space();
        Selector out;
        if (text_.substr(at_).starts_with("\"/")) {
            NL_TRY(const std::string pointer, parse_quoted());
            std::string_view rest = std::string_view(pointer).substr(1);
            while (true) {
                const std::size_t slash = rest.find('/');
                out.emplace_back(rest.substr(0, slash));
                if (slash == std::string_view::npos) {
                    return out;
                }
                rest.remove_prefix(slash + 1);
            }
        }
        if (at_ == text_.size() || !is_word_start(text_[at_])) {
            return std::unexpected(expected("a selector, \"(\" or \"not\""));
        }
        while (true) {
            const std::size_t start = at_;
            while (at_ < text_.size() && is_word(text_[at_])) {
                ++at_;
            }
            if (at_ == start) {
                return std::unexpected(expected("a name after \".\""));
            }
            out.emplace_back(text_.substr(start, at_ - start));
            while (text_.substr(at_).starts_with("[\"") || text_.substr(at_).starts_with("[`")) {
                ++at_;
                NL_TRY(std::string key, parse_quoted());
                if (!text_.substr(at_).starts_with("]")) {
                    return std::unexpected(expected("\"]\""));
                }
                ++at_;
                out.push_back(std::move(key));
            }
            if (!text_.substr(at_).starts_with(".")) {
                return out;
            }
            ++at_;
        }
    }

    Result<std::string> parse_value() {
        skip_space();
        if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '`')) {
            return parse_quoted();
        }
        const std::size_t start = at_;
        while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.')) {
            ++at_;
        }
        if (at_ == start) {
            return std::unexpected(expected("a value"));
        }
        return std::string(text_.substr(start, at_ - start));
    }

    Result<Node> match_node(Operator op, Selector selector) {
        auto node = std::make_unique<FilterNode>();
        node->op = op;
        node->selector = std::move(selector);
        if (op == Operator::Empty || op == Operator::Nil) {
            return node;
        }
        NL_TRY(node->literal, parse_value());
        if (op == Operator::Matches) {
            NL_TRY(node->regex, FilterRegex::compile(node->literal));
        }
        return node;
    }

    Result<Node> parse_match() {
        skip_space();
        // `value in Selector` begins with a value, every other match with a selector.
        const std::size_t before = at_;
        if (auto value = parse_value()) {
            const bool negative = take_word("not");
            if (take_word("in")) {
                auto node = std::make_unique<FilterNode>();
                node->op = Operator::In;
                node->literal = std::move(*value);
                NL_TRY(node->selector, parse_selector());
                return negative ? negate(std::move(node)) : std::move(node);
            }
        }
        at_ = before;
        NL_TRY(Selector selector, parse_selector());
        struct Symbol {
            std::string_view text;
            Operator op;
            bool negative;
        };
        constexpr Symbol kSymbols[] = {
            {"==", Operator::Equal, false},
            {"!=", Operator::Equal, true},
            {"<=", Operator::LessEqual, false},
            {">=", Operator::GreaterEqual, false},
            {"<", Operator::Less, false},
            {">", Operator::Greater, false},
        };
        for (const Symbol& symbol : kSymbols) {
            if (take(symbol.text)) {
                NL_TRY(Node node, match_node(symbol.op, std::move(selector)));
                return symbol.negative ? negate(std::move(node)) : std::move(node);
            }
        }
        if (take_word("is")) {
            const bool negative = take_word("not");
            std::optional<Operator> op;
            if (take_word("empty")) {
                op = Operator::Empty;
            } else if (take_word("nil")) {
                op = Operator::Nil;
            }
            if (!op) {
                return std::unexpected(expected("\"empty\" or \"nil\""));
            }
            NL_TRY(Node node, match_node(*op, std::move(selector)));
            return negative ? negate(std::move(node)) : std::move(node);
        }
        const bool negative = take_word("not");
        for (const auto& [word, op] :
             {std::pair{"contains", Operator::In}, {"matches", Operator::Matches}}) {
            if (take_word(word)) {
                NL_TRY(Node node, match_node(op, std::move(selector)));
                return negative ? negate(std::move(node)) : std::move(node);
            }
        }
        return std::unexpected(expected(
            "\"!=\", \"==\", \"contains\", \"in\", \"is\", \"matches\", \"not\" or a comparison"
        ));
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

struct Binding {
    std::string_view name;
    const Value* value;
};
using Bindings = std::vector<Binding>;

const Value* step(const Value& from, const std::string& name) {
    if (const auto* map = from.as_map()) {
        const auto found = map->find(name);
        return found == map->end() ? nullptr : &found->second;
    }
    if (const auto* list = from.as_list()) {
        std::size_t index = 0;
        const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), index);
        const bool whole = failed == std::errc() && end == name.data() + name.size();
        return whole && index < list->size() ? &(*list)[index] : nullptr;
    }
    return nullptr;
}

const Value* resolve(const Selector& selector, const Value& object, const Bindings& bindings) {
    const Value* at = &object;
    std::size_t first = 0;
    const auto bound = std::find_if(bindings.rbegin(), bindings.rend(), [&](const Binding& b) {
        return b.name == selector.front();
    });
    if (bound != bindings.rend()) {
        at = bound->value;
        first = 1;
    }
    for (std::size_t i = first; i < selector.size() && at != nullptr; ++i) {
        at = step(*at, selector[i]);
    }
    return at != nullptr && at->is_null() ? nullptr : at;
}

template <class Number>
std::optional<Number> number_of(const std::string& text) {
    Number out{};
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (failed != std::errc() || end != text.data() + text.size()) {
        return {};
    }
    return out;
}

/// The order of a value and a literal read as the value's type; nothing if they cannot be compared.
std::optional<int> compare(const Value* value, const std::string& literal) {
    const auto order = [](const auto& a, const auto& b) { return a < b ? -1 : (b < a ? 1 : 0); };
    if (value == nullptr) {
        // A field left out has its zero value.
        const bool zero = literal.empty() || literal == "0" || literal == "false";
        return zero ? std::optional(0) : std::nullopt;
    }
    if (const auto* text = value->as_string()) {
        return order(*text, literal);
    }
    if (const auto* flag = value->as_bool()) {
        const bool yes = literal == "true";
        return yes || literal == "false" ? std::optional(order(*flag, yes)) : std::nullopt;
    }
    if (const auto* number = value->as_int()) {
        if (const auto other = number_of<std::int64_t>(literal)) {
            return order(*number, *other);
        }
        return {};
    }
    if (const auto* number = value->as_double()) {
        if (const auto other = number_of<double>(literal)) {
            return order(*number, *other);
        }
    }
    return {};
}

bool contains(const Value* value, const std::string& literal) {
    if (value == nullptr) {
        return false;
    }
    if (const auto* text = value->as_string()) {
        return text->find(literal) != std::string::npos;
    }
    if (const auto* map = value->as_map()) {
        return map->find(literal) != map->end();
    }
    if (const auto* list = value->as_list()) {
        return std::ranges::any_of(*list, [&](const Value& item) {
            return compare(&item, literal) == 0;
        });
    }
    return false;
}

bool is_empty(const Value* value) {
    if (value == nullptr) {
        return true;
    }
    if (const auto* text = value->as_string()) {
        return text->empty();
    }
    if (const auto* map = value->as_map()) {
        return map->empty();
    }
    if (const auto* list = value->as_list()) {
        return list->empty();
    }
    return false;
}

bool evaluate(const FilterNode& node, const Value& object, Bindings& bindings);

/// Whether the inner condition holds for one item with its names bound.
bool holds_for(
    const FilterNode& node, const Value& object, Bindings& bindings, Binding a, Binding b
) {
    const std::size_t depth = bindings.size();
    bindings.push_back(a);
    if (!node.second_name.empty()) {
        bindings.push_back(b);
    }
    const bool result = evaluate(*node.left, object, bindings);
    bindings.resize(depth);
    return result;
}

bool evaluate_collection(const FilterNode& node, const Value& object, Bindings& bindings) {
    const bool any = node.op == Operator::Any;
    const Value* value = resolve(node.selector, object, bindings);
    if (value == nullptr) {
        return !any;
    }
    if (const auto* list = value->as_list()) {
        for (std::size_t i = 0; i < list->size(); ++i) {
            const Value index(static_cast<std::int64_t>(i));
            const Value* item = &(*list)[i];
            const Binding first{node.first_name, node.second_name.empty() ? item : &index};
            if (holds_for(node, object, bindings, first, {node.second_name, item}) == any) {
                return any;
            }
        }
    } else if (const auto* map = value->as_map()) {
        for (const auto& [key, item] : *map) {
            const Value name(key);
            if (holds_for(
                    node, object, bindings, {node.first_name, &name}, {node.second_name, &item}
                ) == any) {
                return any;
            }
        }
    }
    return !any;
}

bool evaluate(const FilterNode& node, const Value& object, Bindings& bindings) {
    switch (node.op) {
        case Operator::And:
            return evaluate(*node.left, object, bindings) &&
                   evaluate(*node.right, object, bindings);
        case Operator::Or:
            return evaluate(*node.left, object, bindings) ||
                   evaluate(*node.right, object, bindings);
        case Operator::Not:
            return !evaluate(*node.left, object, bindings);
        case Operator::Any:
        case Operator::All:
            return evaluate_collection(node, object, bindings);
        case Operator::Equal:
            return compare(resolve(node.selector, object, bindings), node.literal) == 0;
        case Operator::Less:
            return compare(resolve(node.selector, object, bindings), node.literal) == -1;
        case Operator::Greater:
            return compare(resolve(node.selector, object, bindings), node.literal) == 1;
        case Operator::LessEqual:
            return compare(resolve(node.selector, object, bindings), node.literal).value_or(1) <= 0;
        case Operator::GreaterEqual:
            return compare(resolve(node.selector, object, bindings), node.literal).value_or(-1) >=
                   0;
        case Operator::In:
            return contains(resolve(node.selector, object, bindings), node.literal);
        case Operator::Empty:
            return is_empty(resolve(node.selector, object, bindings));
        case Operator::Nil:
            return resolve(node.selector, object, bindings) == nullptr;
        case Operator::Matches: {
            const Value* value = resolve(node.selector, object, bindings);
            const std::string* text = value != nullptr ? value->as_string() : nullptr;
            return text != nullptr && node.regex->found_in(*text);
        }
    }
    return false;
}

}  // namespace

namespace {

void collect_fields(const FilterNode& node, std::vector<std::string>& out) {
    if (!node.selector.empty() &&
        std::find(out.begin(), out.end(), node.selector.front()) == out.end()) {
        out.push_back(node.selector.front());
    }
    for (const auto* side : {&node.left, &node.right}) {
        if (*side) {
            collect_fields(**side, out);
        }
    }
}

}  // namespace

Result<Filter> Filter::parse(std::string_view text) {
    Filter out;
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        return out;
    }
    if (text.size() > kMaxFilterBytes) {
        return fail(
            ErrorCode::InvalidArgument, "the expression is longer than {} bytes", kMaxFilterBytes
        );
    }
    NL_TRY(Node root, Parser(text).parse());
    out.root_ = std::shared_ptr<const FilterNode>(std::move(root));
    return out;
}

std::vector<std::string> filter_fields(std::string_view expression) {
    std::vector<std::string> out;
    if (expression.size() <= kMaxFilterBytes) {
        if (const auto root = Parser(expression).parse()) {
            collect_fields(**root, out);
        }
    }
    return out;
}

bool Filter::matches(const Value& object) const {
    if (root_ == nullptr) {
        return true;
    }
    Bindings bindings;
    return evaluate(*root_, object, bindings);
}

}  // namespace nl::expr
