// Every fuzz target there is. A new one: a function in a *_fuzz.cc beside the code, and an entry
// here; tests/fuzz/CMakeLists.txt then runs it in CI.

#include "tests/fuzz/target.h"

namespace nl::hcl {
void fuzz_lexer(std::string_view input);
void fuzz_parser(std::string_view input);
void fuzz_template(std::string_view input);
void fuzz_expression(std::string_view input);
void fuzz_json(std::string_view input);
}  // namespace nl::hcl
#if NL_FUZZ_JOBS
namespace nl::jobspec {
void fuzz_job(std::string_view input);
}  // namespace nl::jobspec
#endif

namespace nl::fuzz {
namespace {

constexpr std::string_view kExpressionWords[] = {
    "a",
    "var.x",
    "local.y",
    "each.value",
    "1",
    "0",
    "1.5",
    "-2",
    "1e9",
    "true",
    "false",
    "null",
    "\"t\"",
    "\"${a}\"",
    "\"$${\"",
    "\"%%{\"",
    "\"\\n\\u00e9\\U0001F600\"",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "&&",
    "||",
    "!",
    "?",
    ":",
    ",",
    "...",
    "=>",
    "=",
    ".",
    "[0]",
    "[*]",
    ".*",
    ".0",
    "for",
    "in",
    "if",
    "for x in ",
    "for k, v in ",
    "[for x in [1, 2] : x]",
    "{for k, v in {a = 1} : k => v}",
    "upper(",
    "format(\"%d %s %v\", ",
    "range(",
    "range(1, 1000)",
    "setproduct(",
    "flatten(",
    "merge(",
    "jsondecode(",
    "yamldecode(",
    "csvdecode(",
    "regex_replace(",
    "formatdate(\"YYYY\", ",
    "cidrsubnet(\"10.0.0.0/8\", ",
    "pow(2, 500)",
    "log(",
    "try(",
    "can(",
    "convert(",
    "list(string)",
    "map(number)",
    "replace(\"aaaa\", \"a\", \"bbbb\")",
    "substr(",
    "join(",
    "element([1], ",
    "lookup({}, ",
    "zipmap(",
    "chunklist([1, 2, 3], ",
    "base64decode(",
    "urlencode(",
    "parseint(\"zz\", ",
    "sha256(",
    "timeadd(\"2020-01-01T00:00:00Z\", ",
    "templatefile",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
};
constexpr std::string_view kExpressionSeeds[] = {
    "a ? b : c",
    "[for x in [1, 2, 3] : x * 2 if x % 2 == 1]",
    "{for k, v in {a = 1, b = 2} : v => k...}",
    "\"${upper(\"x\")} %{ if true }yes%{ else }no%{ endif } %{ for a in [1] ~} ${a} %{~ endfor }\"",
    "<<-EOT\n  ${1 + 2}\n    b\n  EOT\n",
    "x.y[0].*.z[*].w",
    "!(1 + 2 * 3 >= 4 && true || false) == null",
    "format(\"%-5s|%05.2f|%q|%#v\", \"a\", 1.5, \"b\", [1])",
    "setproduct(range(40), range(40))",
    "cidrsubnets(\"10.0.0.0/8\", 8, 8, 16)",
};

constexpr std::string_view kTemplateWords[] = {
    "text",
    "${",
    "}",
    "${a}",
    "${~ a ~}",
    "$${",
    "%%{",
    "%{ if true }",
    "%{ else }",
    "%{ endif }",
    "%{ for x in [1, 2] }",
    "%{ endfor }",
    "%{~",
    "~}",
    "\n",
    "  ",
    "${upper(\"x\")}",
    "\"",
    "\\n",
    "${\"${\"${1}\"}\"}",
    "{{ env \"X\" }}",
    "%{ for k, v in {} ~}",
    "%{",
    "$",
    "%",
};
constexpr std::string_view kTemplateSeeds[] = {
    "hello ${upper(\"world\")}",
    "%{ for x in [1, 2] ~}\n- ${x}\n%{ endfor ~}\n",
    "%{ if 1 < 2 }a%{ else }b%{ endif }",
};

constexpr std::string_view kDocumentWords[] = {
    "job \"a\" {\n",
    "group \"g\" {\n",
    "task \"t\" {\n",
    "}\n",
    "}",
    "{",
    "=",
    "name",
    "count = 1\n",
    "driver = \"raw_exec\"\n",
    "config {\n",
    "args = [\"a\", \"b\"]\n",
    "env {\n",
    "A = \"x\"\n",
    "template {\n",
    "data = <<EOT\n",
    "EOT\n",
    "<<-E\n  a\n  E\n",
    "dynamic \"task\" {\n",
    "for_each = [1, 2]\n",
    "iterator = it\n",
    "labels = [it.value]\n",
    "content {\n",
    "variable \"v\" {\n",
    "type = list(string)\n",
    "default = 1\n",
    "locals {\n",
    "a = local.b\n",
    "b = local.a\n",
    "# c\n",
    "// c\n",
    "/* c */",
    "\"\\u00e9\"",
    "constraint {\n",
    "network {\n port \"x\" { static = 80 }\n}\n",
    "service {\n",
    "check {\n",
    "interval = \"10s\"\n",
    "periodic {\n cron = \"* * * * *\"\n}\n",
    "update {\n",
    "\n",
    "\t",
    "validation {\n",
    "condition = var.v > 1\n",
    "${",
    "vault {}\n",
    "resources {\n cpu = 100\n}\n",
    "=\n",
    ",",
};
constexpr std::string_view kDocumentSeeds[] = {
    "a = 1\nb \"c\" {\n  d = [1, 2]\n}\n",
    "a {\n  b = 1 # c\n  long = 2 /* d */\n\n  e = {\n    f = 1\n    gg = 2\n  }\n}\n",
    "job \"a\" {\n  group \"g\" {\n    task \"t\" {\n      driver = \"raw_exec\"\n      config {\n"
    "        command = \"/bin/true\"\n      }\n    }\n  }\n}\n",
    "variable \"n\" {\n  type = number\n  default = 2\n}\nlocals {\n  a = var.n + 1\n}\njob \"x\" "
    "{\n"
    "  dynamic \"group\" {\n    for_each = range(local.a)\n    labels = [\"g-${group.value}\"]\n"
    "    content {\n      task \"t\" {\n        driver = \"exec\"\n      }\n    }\n  }\n}\n",
};

constexpr std::string_view kJsonWords[] = {
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"job\"",
    "\"group\"",
    "\"task\"",
    "\"a\"",
    "\"\"",
    "\"\\u0041\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"${upper(\\\"x\\\")}\"",
    "1",
    "-0.5e10",
    "1e999",
    "true",
    "false",
    "null",
    "\"//\"",
    "\"dynamic\"",
    "\"for_each\"",
    "\"content\"",
    "\n",
    " ",
    "\\",
};
constexpr std::string_view kJsonSeeds[] = {
    "{\"job\":{\"a\":{\"group\":{\"g\":{\"task\":{\"t\":{\"driver\":\"raw_exec\",\"config\":{"
    "\"command\":"
    "\"/bin/true\"}}}}}}}}",
    "{\"job\":[{\"a\":{\"group\":[{\"g\":{\"count\":\"${1+1}\"}}]}}],\"variable\":{\"x\":{"
    "\"default\":1}}}",
    "{\"a\":[1,2.5,-3e2,null,true,{\"b\":\"c\"}]}",
};

constexpr Target kTargets[] = {
    {"hcl-lexer", hcl::fuzz_lexer, kDocumentWords, kDocumentSeeds, ".hcl"},
    {"hcl-parser", hcl::fuzz_parser, kDocumentWords, kDocumentSeeds, ".hcl"},
    {"hcl-template", hcl::fuzz_template, kTemplateWords, kTemplateSeeds, ""},
    {"hcl-expression", hcl::fuzz_expression, kExpressionWords, kExpressionSeeds, ""},
    {"hcl-json", hcl::fuzz_json, kJsonWords, kJsonSeeds, ".json"},
#if NL_FUZZ_JOBS
    {"job", jobspec::fuzz_job, kDocumentWords, kDocumentSeeds, ".hcl"},
#endif
};

}  // namespace

std::span<const Target> targets() {
    return kTargets;
}

}  // namespace nl::fuzz
