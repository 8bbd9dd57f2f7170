// Entry points for fuzzing: any bytes may be given, none may crash, hang or exhaust memory.

#include "base/bytes.h"
#include "hcl/body.h"
#include "hcl/format.h"
#include "hcl/lexer.h"
#include "hcl/parser.h"

namespace nl::hcl {

void fuzz_hcl_lex(BytesView data) {
    lex(data, 0);
    lex(data, 0, LexStart::Template);
}

void fuzz_hcl_template(BytesView data) {
    Diagnostics diagnostics;
    const ExprPtr e = parse_template(data, 0, diagnostics);
    if (e != nullptr) {
        std::size_t steps = 0;
        const FunctionTable functions = standard_functions();
        evaluate(*e, {.functions = &functions, .steps = &steps}, diagnostics);
    }
}

void fuzz_hcl_parse(BytesView data) {
    SourceNames names;
    const std::uint32_t file = names.add("fuzz.hcl");
    Diagnostics diagnostics;
    const auto document = read_document(std::string(data), file, names, diagnostics);
    const FunctionTable functions = standard_functions();
    const std::vector<std::string_view> sources{document->source};
    std::size_t steps = 0;
    std::size_t made = 0;
    const EvalContext context{.functions = &functions, .kept_sources = &sources, .steps = &steps};
    const BodyContent content = document->view().read({}, context, diagnostics, made);
    for (const BodyAttribute& a : content.attributes) {
        a.evaluate(context, diagnostics);
    }
    format(data, file, diagnostics);
}

}  // namespace nl::hcl
