#include "expr/template.h"

#include "expr/template_functions.h"

#include <gtest/gtest.h>

namespace nl::expr {
namespace {

struct Fixture {
    StringMap env{{"NAME", "web"}, {"EMPTY", ""}};
    TemplateWorld world;
    TemplateFunctions functions;
    Fixture() {
        world.env = &env;
        world.now = {1'700'000'000'000'000'000};
        world.entropy = [n = 0ULL]() mutable { return ++n * 0x9E3779B97F4A7C15ULL; };
        functions = template_functions(world);
    }
    std::string render(std::string_view text, const Dyn& data = {}, TemplateOptions options = {}) {
        const auto parsed = Template::parse(text, functions, options);
        if (!parsed) {
            return "PARSE " + parsed.error().message;
        }
        auto out = parsed->execute(data, functions);
        return out ? *out : "EXEC " + out.error().message;
    }
};

struct Case {
    const char* text;
    const char* wanted;
};

Dyn sample() {
    return make_map({
        {"name", Dyn("web")},
        {"count", Dyn(3)},
        {"ratio", Dyn(0.5)},
        {"on", Dyn(true)},
        {"list", Dyn(DynList{"a", "b", "c"})},
        {"map", make_map({{"x", Dyn(1)}, {"y", make_map({{"z", Dyn("deep")}})}})},
        {"none", Dyn()},
    });
}

TEST(Template, GoLanguage) {
    Fixture f;
    const Case cases[] = {
        {"plain", "plain"},
        {"{{.name}}-{{ .count }}", "web-3"},
        {"{{.missing}}", "<no value>"},
        {"{{.map.y.z}} {{.map.nope}}", "deep <no value>"},
        {"{{if .on}}yes{{else}}no{{end}}", "yes"},
        {"{{if not .on}}yes{{else if eq .count 3}}three{{else}}no{{end}}", "three"},
        {"{{range .list}}[{{.}}]{{end}}", "[a][b][c]"},
        {"{{range $i, $e := .list}}{{$i}}{{$e}}{{end}}", "0a1b2c"},
        {"{{range $k, $v := .map}}{{$k}}={{$v}};{{end}}", "x=1;y=map[z:deep];"},
        {"{{range .nothing}}x{{else}}empty{{end}}", "empty"},
        {"{{range 3}}{{.}}{{end}}", "012"},
        {"{{range .list}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"},
        {"{{range .list}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"},
        {"{{with .map.y}}{{.z}}{{end}}{{with .none}}x{{else}}none{{end}}", "deepnone"},
        {"{{with $x := .count}}{{$x}}{{$.name}}{{end}}", "3web"},
        {"{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"},
        {"{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"},
        {"a  {{- 1 -}}  b", "a1b"},
        {"a {{/* no */}} b{{- /* no */ -}} c", "a  bc"},
        {"{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .name}}", "<web>"},
        {"{{block \"b\" .count}}({{.}}){{end}}", "(3)"},
        {"{{\"a\\tb\" | printf \"%q\"}}", "\"a\\tb\""},
        {"{{`raw \\n`}}", "raw \\n"},
        {"{{'a'}}", "97"},
        {"{{0x10}} {{1e3}} {{1_000}} {{-5}}", "16 1000 1000 -5"},
        {"{{printf \"%d %05.1f %s %v %t|%-5s|%5d|%x\" 1 2.25 \"s\" .list true \"ab\" 42 255}}",
         "1 002.2 s [a b c] true|ab   |   42|ff"},
        {"{{printf \"%d\" \"x\"}} {{printf \"%s\"}} {{printf \"a\" 1}}",
         "%!d(string=x) %!s(MISSING) a%!(EXTRA int=1)"},
        {"{{print 1 2 \"x\" 3}} {{println \"a\" 1}}", "1 2x3 a 1\n"},
        {"{{len .list}} {{len \"abc\"}} {{len .map}}", "3 3 2"},
        {"{{index .list 1}} {{index .map \"y\" \"z\"}}", "b deep"},
        {"{{slice \"abcdef\" 1 3}} {{slice .list 1}}", "bc [b c]"},
        {"{{html \"<a&'>\"}} {{js \"it's\"}} {{urlquery \"a b&c\"}}",
         "&lt;a&amp;&#39;&gt; it\\'s a+b%26c"},
        {"{{eq 1 2 3 1}} {{ne \"a\" \"b\"}} {{lt 1 2}} {{le 2 2}} {{gt 1.5 1.0}} {{ge \"b\" "
         "\"a\"}}",
         "true true true true true true"},
        {"{{and 1 0 .boom}} {{or 0 \"x\"}} {{and true \"last\"}}", "0 x last"},
        {"{{(index .list 0) | printf \"%s!\"}}", "a!"},
        {"{{(.map).y.z}} {{true}} {{1.0}} {{100000000000000000000000.0}}", "deep true 1 1e+23"},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(f.render(c.text, sample()), c.wanted) << c.text;
    }
    TemplateOptions other;
    other.left = "[[";
    other.right = "]]";
    EXPECT_EQ(f.render("{{x}} [[.name]] [[- 1 -]] y", sample(), other), "{{x}} web1y");
}

TEST(Template, ErrorsNameTheLineAndThePart) {
    Fixture f;
    const Case cases[] = {
        {"a\n{{.x", "PARSE template: template:2: unclosed action"},
        {"{{if}}x{{end}}", "PARSE template: template:1: missing value for if"},
        {"{{range .}}", "PARSE template: template:1: unexpected EOF"},
        {"{{end}}", "PARSE template: template:1: unexpected {{end}}"},
        {"{{nope 1}}", "PARSE template: template:1: function \"nope\" not defined"},
        {"{{$x}}", "PARSE template: template:1: undefined variable \"$x\""},
        {"{{break}}", "PARSE template: template:1: {{break}} outside {{range}}"},
        {"{{\"a}}", "PARSE template: template:1: unterminated quoted string"},
        {"{{template \"no\"}}",
         "EXEC template: template:1: executing \"template\" at <no>: template \"no\" not defined"},
        {"{{index .list 9}}",
         "EXEC template: template:1: executing \"template\" at <index>: error calling index: index "
         "out of range: 9"},
        {"{{eq 1 \"a\"}}",
         "EXEC template: template:1: executing \"template\" at <eq>: error calling eq: "
         "incompatible "
         "types for comparison"},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(f.render(c.text, sample()), c.wanted) << c.text;
    }
    TemplateOptions strict;
    strict.error_on_missing_key = true;
    EXPECT_EQ(
        f.render("{{.gone}}", sample(), strict),
        "EXEC template: template:1: executing \"template\" at <.gone>: map has no entry for key "
        "\"gone\""
    );
}

TEST(Template, NothingRunsForEver) {
    Fixture f;
    EXPECT_TRUE(f.render("{{define \"t\"}}{{template \"t\" .}}{{end}}{{template \"t\" .}}")
                    .starts_with("EXEC"));
    EXPECT_TRUE(
        f.render("{{range loop 1000000}}{{range loop 1000000}}{{end}}{{end}}").starts_with("EXEC")
    );
    std::string deep;
    for (int i = 0; i < 1000; ++i) {
        deep += "{{if true}}";
    }
    EXPECT_TRUE(f.render(deep).starts_with("PARSE"));
    EXPECT_TRUE(f.render("{{" + std::string(5000, '(')).starts_with("PARSE"));
    EXPECT_TRUE(f.render("{{sprig_repeat 1000000000 \"abc\"}}").starts_with("EXEC"));
}

TEST(Template, ConsulTemplateFunctions) {
    Fixture f;
    const Case cases[] = {
        {"{{env \"NAME\"}}|{{env \"NOPE\"}}|{{envOrDefault \"NOPE\" \"d\"}}", "web||d"},
        {"{{\"a,b\" | split \",\" | join \"-\"}}", "a-b"},
        {"{{toLower \"AB\"}}{{toUpper \"ab\"}}{{\"ab cd\" | toTitle}}", "abABAb Cd"},
        {"{{\"  x \" | trimSpace}}{{\"xay\" | trimPrefix \"x\" | trimSuffix \"y\"}}", "xa"},
        {"{{\"aXa\" | replaceAll \"X\" \"-\"}} {{\"a1b22\" | regexReplaceAll \"[0-9]+\" \"<$0>\"}}",
         "a-a a<1>b<22>"},
        {"{{\"foo1\" | regexMatch \"^foo[0-9]$\"}}", "true"},
        {"{{add 1 2}} {{subtract 2 5}} {{multiply 2 3}} {{divide 2 7}} {{modulo 2 7}} {{6 | divide "
         "2}}",
         "3 3 6 3 1 3"},
        {"{{minimum 2 1}} {{maximum 2 1}} {{add 1 1.5}}", "1 2 2.5"},
        {"{{range loop 2}}{{.}}{{end}}{{range loop 5 8}}{{.}}{{end}}", "01567"},
        {"{{parseInt \"42\"}} {{parseBool \"t\"}} {{parseFloat \"1.50\"}}", "42 true 1.5"},
        {"{{with parseJSON \"{\\\"a\\\":[1,2,{\\\"b\\\":\\\"c\\\"}]}\"}}{{index .a 0}} {{(index .a "
         "2).b}}{{end}}",
         "1 c"},
        {"{{\"{\\\"b\\\":1,\\\"a\\\":[true,null]}\" | parseJSON | toJSON}}",
         "{\"a\":[true,null],\"b\":1}"},
        {"{{\"{\\\"a\\\":{\\\"b\\\":1}}\" | parseJSON | toYAML}}", "a:\n  b: 1"},
        {"{{\"a: 1\\nb: [x, z]\\n\" | parseYAML | toJSON}}", "{\"a\":1,\"b\":[\"x\",\"z\"]}"},
        {"{{\"{\\\"a\\\":1,\\\"t\\\":{\\\"k\\\":\\\"v\\\"}}\" | parseJSON | toTOML}}",
         "a = 1.0\n\n[t]\nk = \"v\""},
        {"{{base64Encode \"hi\"}} {{base64Decode \"aGk=\"}}", "aGk= hi"},
        {"{{sha256Hex \"a\"}}", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},
        {"{{md5sum \"a\"}}", "0cc175b9c0f1b6a831c399e269772661"},
        {"{{timestamp}} {{timestamp \"unix\"}} {{timestamp \"2006-01-02\"}}",
         "2023-11-14T22:13:20Z 1700000000 2023-11-14"},
        {"{{\"a\\nb\" | indent 2}}", "  a\n  b"},
        {"{{scratch.Set \"k\" \"v\"}}", ""},
        {"{{$s := scratch}}{{$s.Set \"k\" 1}}{{$s.SetX \"k\" 2}}{{$s.Get \"k\"}} {{$s.Key \"z\"}}",
         "1 false"},
        {"{{$s := scratch}}{{$s.MapSet \"m\" \"b\" 2}}{{$s.MapSet \"m\" \"a\" 1}}{{$s.MapValues "
         "\"m\"}}",
         "[1 2]"},
        {"{{if \"a,b\" | split \",\" | contains \"b\"}}in{{end}}", "in"},
        {"{{\"k:v,x:y\" | splitToMap \",\" \":\" | toJSON}}", "{\"k\":\"v\",\"x\":\"y\"}"},
        {"{{sprig_dict \"a/b\" 1 \"a/c\" 2 | explodeMap | toJSON}}", "{\"a\":{\"b\":1,\"c\":2}}"},
        {"{{mustEnv \"NOPE\"}}",
         "EXEC template: template:1: executing \"template\" at <mustEnv>: error calling mustEnv: "
         "environment variable NOPE is missing"},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(f.render(c.text), c.wanted) << c.text;
    }
}

TEST(Template, Sprig) {
    Fixture f;
    const Case cases[] = {
        {"{{sprig_upper \"a\"}}{{sprig_title \"ab cd\"}}{{sprig_trunc 3 \"hello\"}}", "AAb Cdhel"},
        {"{{sprig_default \"d\" \"\"}} {{\"v\" | sprig_default \"d\"}}", "d v"},
        {"{{sprig_list 1 2 3 | sprig_join \"-\"}} {{sprig_list 3 1 2 | sprig_sortAlpha}}",
         "1-2-3 [1 2 3]"},
        {"{{sprig_dict \"a\" 1 | sprig_toJson}} {{sprig_get (sprig_dict \"a\" 1) \"a\"}}",
         "{\"a\":1} 1"},
        {"{{sprig_add 1 2 3}} {{sprig_sub 5 3}} {{sprig_mul 2 3 4}} {{sprig_div 7 2}} {{sprig_mod "
         "7 2}}",
         "6 2 24 3 1"},
        {"{{sprig_max 1 5 3}} {{sprig_round 3.14159 2}} {{sprig_ceil 1.2}} {{sprig_until 3}}",
         "5 3.14 2 [0 1 2]"},
        {"{{sprig_snakecase \"FirstName\"}} {{sprig_kebabcase \"FirstName\"}} {{sprig_camelcase "
         "\"http_server\"}}",
         "first_name first-name HttpServer"},
        {"{{sprig_ternary \"y\" \"n\" true}} {{sprig_coalesce \"\" 0 \"z\"}} {{sprig_empty \"\"}}",
         "y z true"},
        {"{{sprig_quote \"a\" \"b\"}} {{sprig_nindent 2 \"x\"}}", "\"a\" \"b\" \n  x"},
        {"{{sprig_regexFindAll \"[0-9]\" \"a1b2\" -1}} {{sprig_regexSplit \",\" \"a,b\" -1}}",
         "[1 2] [a b]"},
        {"{{sprig_b64enc \"x\"}} {{sprig_b32enc \"x\"}} {{sprig_sha1sum \"a\"}}",
         "eA== PA====== 86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"},
        {"{{sprig_base \"/a/b.txt\"}} {{sprig_dir \"/a/b.txt\"}} {{sprig_ext \"b.txt\"}} "
         "{{sprig_clean \"/a/../b//c\"}}",
         "b.txt /a .txt /b/c"},
        {"{{sprig_dig \"a\" \"b\" \"d\" (sprig_dict \"a\" (sprig_dict \"b\" 1))}}", "1"},
        {"{{sprig_pluck \"k\" (sprig_dict \"k\" 1) (sprig_dict \"k\" 2)}} {{sprig_uniq (sprig_list "
         "1 1 2)}}",
         "[1 2] [1 2]"},
        {"{{sprig_kindOf (sprig_list)}} {{(sprig_semver \"1.2.3-rc1\").Minor}}", "slice 2"},
        {"{{len (sprig_randAlphaNum 12)}} {{len sprig_uuidv4}}", "12 36"},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(f.render(c.text), c.wanted) << c.text;
    }
}

TEST(Template, WhatReachesOutIsDisabled) {
    Fixture f;
    for (const char* text :
         {"{{executeTemplate \"x\"}}",
          "{{plugin \"ls\"}}",
          "{{\"x\" | writeToFile \"/etc/x\" \"r\" \"r\" \"0644\"}}",
          "{{sprig_env \"HOME\"}}",
          "{{sprig_expandenv \"$HOME\"}}",
          "{{sprig_getHostByName \"a\"}}"}) {
        const std::string out = f.render(text);
        EXPECT_TRUE(out.find("function is disabled") != std::string::npos) << text << ": " << out;
    }
    // Only the task's environment is there to be seen.
    EXPECT_EQ(f.render("{{env \"PATH\"}}"), "");
}

TEST(Template, WhatIsNotKnownYetIsAskedFor) {
    Fixture f;
    int asked = 0;
    f.world.variable = [&](const std::string& path) -> TemplateWorld::Maybe<Dyn> {
        EXPECT_EQ(path, "nomad/jobs/x");
        return ++asked > 1 ? TemplateWorld::Maybe<Dyn>(make_map({{"user", Dyn("bob")}}))
                           : std::nullopt;
    };
    constexpr const char* kText = "{{with nomadVar \"nomad/jobs/x\"}}{{.user}}{{else}}waits{{end}}";
    EXPECT_EQ(f.render(kText), "waits");
    EXPECT_EQ(f.render(kText), "bob");
}

}  // namespace
}  // namespace nl::expr
