#include "cli/template.h"

#include "cli/json.h"
#include "expr/template.h"
#include "expr/template_functions.h"

namespace nl::cli {

Result<std::string> expand_template(std::string_view form, const Value& value) {
    static const expr::TemplateFunctions functions = [] {
        expr::TemplateFunctions out = expr::pure_template_functions();
        out["json"] = [](expr::TemplateArguments& given) -> Result<expr::Dyn> {
            if (given.size() != 1) {
                return fail(ErrorCode::InvalidArgument, "wrong number of args: want 1");
            }
            return expr::Dyn(write_json(expr::to_value(given[0]), JsonStyle::Compact));
        };
        return out;
    }();
    NL_TRY(const expr::Template parsed, expr::Template::parse(form, functions));
    return parsed.execute(expr::to_dyn(value), functions);
}

}  // namespace nl::cli
