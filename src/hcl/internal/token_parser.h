#pragma once
// The recursive descent behind parser.h: bodies in parser.cc, expressions in parse_expression.cc,
// templates in parse_template.cc.

#include "hcl/ast.h"
#include "hcl/lexer.h"
#include "hcl/parser.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace nl::hcl::internal {

class TokenParser {
public:
    TokenParser(std::vector<Token> tokens, Diagnostics& diagnostics);

    /// While it lives, newlines are tokens or are skipped.
    class Newlines {
    public:
        Newlines(TokenParser& parser, bool matter)
            : parser_(parser), outer_(std::exchange(parser.newlines_matter_, matter)) {}
        ~Newlines() { parser_.newlines_matter_ = outer_; }
        Newlines(const Newlines&) = delete;
        Newlines& operator=(const Newlines&) = delete;

    private:
        TokenParser& parser_;
        bool outer_;
    };

    Body body(TokenKind end);
    ExprPtr expression();
    ExprPtr whole_template();

    const Token& peek();
    void error(std::string summary, std::string detail, const Range& range);

    SourceNames names_;

private:
    class Nested {
    public:
        explicit Nested(TokenParser& parser) : parser_(parser) { ++parser_.depth_; }
        ~Nested() { --parser_.depth_; }
        Nested(const Nested&) = delete;
        Nested& operator=(const Nested&) = delete;

    private:
        TokenParser& parser_;
    };

    /// A piece of a template before directives are matched with their ends.
    struct Piece {
        enum class Kind : unsigned char { Text, Value, If, Else, EndIf, For, EndFor, End };
        Kind kind{Kind::End};
        std::string text;
        ExprPtr value;
        std::unique_ptr<ForParts> loop;
        Range range;
    };

    Token read();
    const Token& peek_raw(std::size_t ahead) const;
    bool too_deep(const Range& range);
    void skip_to_line_end();
    void skip_to_brace();
    void skip_to_bracket();
    std::string place(const Range& range) const;
    void refuse_item(const Token& next);
    void lone_name(const Token& name);

    std::optional<Attribute> finish_attribute(const Token& name);
    std::optional<Block> finish_block(const Token& type);
    Body one_line_body();
    std::optional<std::string> quoted_label(Range& range);

    ExprPtr binary(int level);
    ExprPtr unary();
    ExprPtr with_traversal();
    ExprPtr traversal(ExprPtr from);
    bool attribute_step(ExprPtr& from, const Token& dot);
    bool index_step(ExprPtr& from);
    std::optional<Range> full_splat(const Token& open);
    ExprPtr splat(ExprPtr from, const Range& marker, bool full);
    ExprPtr term();
    ExprPtr parenthesised();
    ExprPtr call(const Token& name);
    bool double_colon();
    ExprPtr namespaced_call(const Token& first);
    ExprPtr tuple_or_for();
    ExprPtr object_or_for();
    ExprPtr for_expression(const Token& open, bool object);
    bool for_intro(ForParts& parts, std::string_view construct);

    ExprPtr quoted_template();
    ExprPtr heredoc_template();
    std::vector<Piece> pieces(TokenKind end, bool escapes, Range& end_range);
    Piece control();
    void refuse_sequence_end(const Token& open, Piece::Kind kind);
    static void remove_indent(std::vector<Piece>& pieces);
    ExprPtr assemble(std::vector<Piece>& pieces, const Range& range, bool may_unwrap);
    std::vector<ExprPtr> parts(std::vector<Piece>& pieces, std::size_t& at);
    ExprPtr joined_parts(std::vector<Piece>& pieces, std::size_t& at, const Range& directive);
    void unexpected(const Piece& piece, std::string detail);
    void missing_end(const Piece& end, std::string_view directive, const Range& open);
    ExprPtr if_directive(std::vector<Piece>& pieces, std::size_t& at);
    ExprPtr for_directive(std::vector<Piece>& pieces, std::size_t& at);
    std::string unescaped(const Token& literal, bool escapes);

    static ExprPtr make(ExprKind kind, const Range& range, const Range& start);

    std::vector<Token> tokens_;
    std::size_t at_{0};
    Token previous_;
    Diagnostics& diagnostics_;
    bool newlines_matter_{true};
    std::size_t depth_{0};
    bool recovering_{false};
    bool one_line_{false};
};

}  // namespace nl::hcl::internal
