// Fuzz targets of the language: any bytes may be given, none may crash, hang or exhaust memory.
// Listed in tests/fuzz/targets.cc.

#include "base/check.h"
#include "hcl/body.h"
#include "hcl/format.h"
#include "hcl/lexer.h"
#include "hcl/parser.h"

namespace nl::hcl {
namespace {

/// A scope in which the names the inputs use are known.
Scope scope_of_names() {
    Scope out;
    out.variables.emplace("a", Value::string("text"));
    out.variables.emplace(
        "var",
        Value::object(
            {{"x", Value::list(Kind::Number, {Value::number(1), Value::number(2)})},
             {"m", Value::map(Kind::String, {{"k", Value::string("v")}})},
             {"u", Value::unknown(Kind::String)},
             {"n", Value::null(Kind::Number)}}
        )
    );
    out.variables.emplace("local", Value::object({{"y", Value::boolean(true)}}));
    return out;
}

void try_expression(const ExprPtr& e, Diagnostics& diagnostics) {
    if (e == nullptr) {
        return;
    }
    std::vector<const Expr*> references;
    collect_references(*e, references);
    static const FunctionTable kFunctions = standard_functions();
    std::size_t steps = 0;
    const Scope scope = scope_of_names();
    FunctionEnvironment environment{
        .now = WallTime{1'600'000'000'000'000'000},
        .entropy =
            [](std::span<std::uint8_t> out) {
                for (std::uint8_t& byte : out) {
                    byte = 7;
                }
            }
    };
    const Value value = evaluate(
        *e,
        {.scope = &scope, .functions = &kFunctions, .environment = &environment, .steps = &steps},
        diagnostics
    );
    // Whatever a value is, it can be shown and compared.
    static_cast<void>(to_plain(value));
    NL_ASSERT(value == value);
    NL_ASSERT(order(value, value) == 0);
    std::string json;
    if (value.is_wholly_known()) {
        append_json(json, value);
    }
}

}  // namespace

void fuzz_lexer(std::string_view input) {
    for (const LexStart start : {LexStart::Document, LexStart::Template}) {
        const std::vector<Token> tokens = lex(input, 0, start);
        NL_ASSERT(!tokens.empty() && tokens.back().kind == TokenKind::End);
        // Tokens follow each other and stay inside the source.
        std::size_t at = 0;
        for (const Token& token : tokens) {
            NL_ASSERT(token.range.start.byte >= at);
            NL_ASSERT(token.range.end.byte >= token.range.start.byte);
            NL_ASSERT(token.range.end.byte <= input.size());
            NL_ASSERT(
                input.substr(
                    token.range.start.byte, token.range.end.byte - token.range.start.byte
                ) == token.text
            );
            at = token.range.end.byte;
        }
    }
}

void fuzz_parser(std::string_view input) {
    SourceNames names;
    const std::uint32_t file = names.add("fuzz.hcl");
    Diagnostics diagnostics;
    const auto document = read_document(std::string(input), file, names, diagnostics);
    const FunctionTable functions = standard_functions();
    const std::vector<std::string_view> sources{document->source};
    std::size_t steps = 0;
    std::size_t made = 0;
    const EvalContext context{.functions = &functions, .kept_sources = &sources, .steps = &steps};
    const BodyContent content = document->view().read({}, context, diagnostics, made);
    for (const BodyAttribute& a : content.attributes) {
        a.evaluate(context, diagnostics);
    }
    for (const Diagnostic& d : diagnostics.items()) {
        NL_ASSERT(!to_string(d, names).empty());
    }
    Diagnostics layout;
    const std::string once = format(input, file, layout);
    if (layout.has_errors()) {
        NL_ASSERT(once == input);
        return;
    }
    Diagnostics again;
    const std::string twice = format(once, file, again);
    NL_ASSERT(!again.has_errors());
    NL_ASSERT(once == twice);
}

void fuzz_template(std::string_view input) {
    Diagnostics diagnostics;
    try_expression(parse_template(input, 0, diagnostics), diagnostics);
}

void fuzz_expression(std::string_view input) {
    Diagnostics diagnostics;
    const ExprPtr e = parse_expression(input, 0, diagnostics);
    try_expression(e, diagnostics);
    if (e != nullptr) {
        Diagnostics types;
        static_cast<void>(type_of_expression(*e, types));
    }
}

void fuzz_json(std::string_view input) {
    Diagnostics diagnostics;
    const auto node = parse_json(input, 0, diagnostics);
    NL_ASSERT(node.has_value() || diagnostics.has_errors());
    if (!node) {
        return;
    }
    // What is read can be written, and is then read the same.
    std::string text;
    append_json(text, to_value(*node));
    Diagnostics again;
    const auto back = parse_json(text, 0, again);
    NL_ASSERT(back.has_value());
    std::string twice;
    append_json(twice, to_value(*back));
    NL_ASSERT(text == twice);
}

}  // namespace nl::hcl
