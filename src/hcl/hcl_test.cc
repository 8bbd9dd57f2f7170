#include "base/rng.h"
#include "hcl/body.h"
#include "hcl/eval.h"
#include "hcl/format.h"
#include "hcl/json.h"
#include "hcl/parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace nl::hcl {
namespace {

/// The value of an expression as JSON, or its first mistake.
std::string run(const std::string& text, const Value::Attributes& variables = {}) {
    SourceNames names;
    const std::uint32_t file = names.add("x");
    Diagnostics diagnostics;
    const ExprPtr e = parse_expression(text, file, diagnostics);
    if (e == nullptr || diagnostics.has_errors()) {
        return first_error(diagnostics, names);
    }
    Scope scope;
    scope.variables = variables;
    const FunctionTable functions = standard_functions();
    FunctionEnvironment environment;
    environment.entropy = [](std::span<std::uint8_t> out) {
        std::ranges::fill(out, std::uint8_t{7});
    };
    std::size_t steps = 0;
    const EvalContext context{
        .scope = &scope, .functions = &functions, .environment = &environment, .steps = &steps
    };
    const Value v = evaluate(*e, context, diagnostics);
    if (diagnostics.has_errors()) {
        return all_errors(diagnostics, names);
    }
    std::string out;
    append_json(out, v);
    return out;
}

// testdata/expressions.txt: an expression a line, `=>` and what it gives.
TEST(Hcl, ExpressionsOfTheTable) {
    std::ifstream in(std::string(NL_SOURCE_DIR) + "/src/hcl/testdata/expressions.txt");
    std::string line;
    std::size_t seen = 0;
    while (std::getline(in, line)) {
        const std::size_t arrow = line.find(" ==> ");
        if (line.empty() || line.starts_with('#') || arrow == std::string::npos) {
            continue;
        }
        ++seen;
        EXPECT_EQ(run(line.substr(0, arrow)), line.substr(arrow + 5)) << line;
    }
    EXPECT_GT(seen, 100U);
}

TEST(Hcl, SeveralMistakesInOneRun) {
    SourceNames names;
    names.add("input.hcl");
    Diagnostics diagnostics;
    parse_document("a = [1\nb = 2 3\nc = \"x\nd = 4\ne {\n", 0, names, diagnostics);
    EXPECT_GE(diagnostics.error_count(), 3U) << all_errors(diagnostics, names);
}

TEST(Hcl, PlacesCountGraphemes) {
    SourceNames names;
    names.add("input.hcl");
    Diagnostics diagnostics;
    // A family of four and an e with a separate accent are one column each.
    parse_document(
        "a = \"\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7 "
        "e\xCC\x81\" ?\n",
        0,
        names,
        diagnostics
    );
    EXPECT_TRUE(first_error(diagnostics, names).starts_with("input.hcl:1,12-"))
        << first_error(diagnostics, names);
}

TEST(Hcl, UndeclaredReferencesStayAsWritten) {
    const std::string source = "a = \"${ node.x }-${b}\"\nc = d.e[\"f\"].0\ng = \"${h}}\"\n";
    SourceNames names;
    names.add("input.hcl");
    Diagnostics diagnostics;
    const Body body = parse_document(source, 0, names, diagnostics);
    const std::vector<std::string_view> sources{source};
    const EvalContext context{.kept_sources = &sources};
    const auto at = [&](std::size_t i) {
        return evaluate(*body.attributes.at(i).value, context, diagnostics).as_string();
    };
    EXPECT_EQ(at(0), "${ node.x }-${b}");
    EXPECT_EQ(at(1), "${d.e[\"f\"].0}");
    EXPECT_EQ(at(2), "${h}}}");
}

TEST(Hcl, DepthAndWorkAreBounded) {
    const std::string deep(10'000, '[');
    EXPECT_NE(run(deep).find("Nesting too deep"), std::string::npos);
    EXPECT_NE(run(std::string(10'000, '-') + "1").find("Nesting too deep"), std::string::npos);
    const std::string loop =
        "[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]]";
    EXPECT_NE(run(loop).find("Expression too large"), std::string::npos);
}

TEST(Hcl, JsonFormReadsBlocksAndTemplates) {
    SourceNames names;
    names.add("input.json");
    Diagnostics diagnostics;
    const auto document = read_document(
        R"({"a": "x-${1 + 1}", "b": {"one": {"c": 1}, "two": [{"c": 2}, {"c": 3}]}})",
        0,
        names,
        diagnostics
    );
    std::size_t made = 0;
    const BodyContent content = document->view().read({{"b", 1}}, {}, diagnostics, made);
    ASSERT_FALSE(diagnostics.has_errors()) << all_errors(diagnostics, names);
    ASSERT_EQ(content.attributes.size(), 1U);
    EXPECT_EQ(content.attributes[0].evaluate({}, diagnostics).as_string(), "x-2");
    ASSERT_EQ(content.blocks.size(), 3U);
    EXPECT_EQ(content.blocks[0].labels[0], "one");
    EXPECT_EQ(content.blocks[2].labels[0], "two");
}

std::string laid_out(std::string_view text) {
    Diagnostics diagnostics;
    return format(text, 0, diagnostics);
}

TEST(Format, LaysOutAndKeepsText) {
    EXPECT_EQ(
        laid_out("job   \"a\"{\n# about\n x=1 # one\n  longer   = [1,2 , -3]#two\n\n\n"
                 "obj={\n a=\"${ b }\"\n }\n doc = <<EOT\n  kept\nEOT\n y = !f( a.b[ 0 ] ...)\n}"),
        "job \"a\" {\n  # about\n  x      = 1          # one\n  longer = [1, 2, -3] #two\n\n\n"
        "  obj = {\n    a = \"${ b }\"\n  }\n  doc = <<EOT\n  kept\nEOT\n"
        "  y = !f(a.b[0]...)\n}\n"
    );
    EXPECT_EQ(laid_out("a = [\n"), "a = [\n");
}

/// Documents made of pieces at random, many of them broken.
std::string random_document(Rng& rng) {
    static constexpr std::string_view kPieces[] = {
        "a",     " = ", "1",  "\"x\"", "\n", "{",       "}",     "[",    "]",        "(",
        ")",     ",",   "${", "%{",    "~}", "<<EOT\n", "EOT\n", "if ",  "for ",     " in ",
        "...",   "=>",  "?",  ":",     ".",  "*",       "-",     "!",    "\"",       "\\",
        "# c\n", "/*",  "*/", "&&",    "==", "endif",   "else",  "null", "\xC3\xA9", "\xFF"
    };
    std::string out;
    const std::uint64_t length = rng.below(60);
    for (std::uint64_t i = 0; i < length; ++i) {
        out += kPieces[rng.below(std::size(kPieces))];
    }
    return out;
}

TEST(Hcl, AnyTextIsReadOrRefused) {
    Rng rng(20261124);
    std::size_t fine = 0;
    for (int round = 0; round < 20'000; ++round) {
        const std::string text = random_document(rng);
        SourceNames names;
        names.add("x");
        Diagnostics diagnostics;
        const Body body = parse_document(text, 0, names, diagnostics);
        const bool readable = !diagnostics.has_errors();
        std::size_t steps = 0;
        const FunctionTable functions;
        const std::vector<std::string_view> sources{text};
        const EvalContext context{
            .functions = &functions, .kept_sources = &sources, .steps = &steps
        };
        for (const Attribute& a : body.attributes) {
            evaluate(*a.value, context, diagnostics);
        }
        if (readable) {
            ++fine;
            const std::string once = laid_out(text);
            EXPECT_EQ(laid_out(once), once) << text;
        }
    }
    EXPECT_GT(fine, 100U);
}

/// The first mistake of a document, "" if there is none.
std::string first_mistake(const std::string& text) {
    SourceNames names;
    const std::uint32_t file = names.add("x");
    Diagnostics diagnostics;
    parse_document(text, file, names, diagnostics);
    return diagnostics.has_errors() ? to_string(diagnostics.items().front(), names) : "";
}

TEST(Hcl, DocumentsAreReadUpToTheEndOfTheirLines) {
    for (const char* text : {
             "b {\n  a = x[*]\n}\n",
             "b {\n  a = x[*][\"k\"]\n  c = x[*].k[0]\n}\n",
             "a = <<EOT\nx\n EOT \n",
             "a = <<-EOT\r\n  x\r\n  EOT\r\nb = 1\r\n",
             "a = [<<EOT\nx\nEOT\n, 1]\n",
             "a = 1 /* c */\nb = /* c\nd */ 2 # e\n",
         }) {
        EXPECT_EQ(first_mistake(text), "") << text;
    }
}

TEST(Hcl, MistakesStandWhereHclPutsThem) {
    const std::pair<const char*, const char*> cases[] = {
        {"a\n", "x:1,1-2: Argument or block definition required; "},
        {"a { b {} }\n", "x:1,5-8: Argument definition required; "},
        {"a { b = 1, c = 2 }\n", "x:1,10-11: Invalid single-argument block definition; "},
        {"a = nope[1,2]\n", "x:1,13-14: Missing close bracket on index; "},
        {"a = <<EOT\nx\nEOT", "x:3,4-4: Unterminated template string; "},
        {"a = b b\nc = 'd'\n", "x:2,5-6: Invalid character; Single quotes are not valid."},
        {"a = \"x\r\nb = 1\r\n", "x:1,7-2,1: Invalid multi-line string; "},
        {"a = 1 | 2\n", "x:1,7-8: Unsupported operator; Bitwise operators are not supported."},
        {"a = \"%{ if true }\"\n", "x:1,18-19: Unexpected end of template; The if directive at x:1,6-18 "},
        {"a = \"${b\"\n", "x:1,10-2,1: Invalid multi-line string; "},
        {"a = b.*.c.*.d\n", "x:1,11-12: Nested splat expression not allowed; "},
        {"a = { for = 1 }\n", "x:1,11-12: Invalid 'for' expression; "},
        {"a = /* b\n", "x:1,5-6: Invalid expression; "},
    };
    for (const auto& [text, wanted] : cases) {
        EXPECT_EQ(first_mistake(text).substr(0, std::string(wanted).size()), wanted) << text;
    }
}

}  // namespace
}  // namespace nl::hcl
