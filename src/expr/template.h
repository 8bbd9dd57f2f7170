#pragma once
// Go's text/template: parsed once, executed over a value with a set of functions. Actions,
// pipelines, variables, if, range (lists, maps, numbers), with, break and continue, define,
// template and block, comments, trimming of white space, other delimiters. Pure; output, depth and
// steps are bounded. Source: the documentation of Go's package text/template.

#include "base/error.h"
#include "expr/dyn.h"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nl::expr {

inline constexpr std::size_t kMaxTemplateBytes = 8U << 20;
inline constexpr std::size_t kMaxTemplateOutput = 64U << 20;
/// Nodes executed at most: more than any file needs, far less than for ever.
inline constexpr std::size_t kMaxTemplateSteps = 20'000'000;
inline constexpr int kMaxTemplateDepth = 200;

using TemplateArguments = std::vector<Dyn>;
using TemplateFunction = std::function<Result<Dyn>(TemplateArguments&)>;
using TemplateFunctions = std::map<std::string, TemplateFunction, std::less<>>;

struct TemplateOptions {
    /// Stands in messages.
    std::string name{"template"};
    /// Empty: Go's own.
    std::string left;
    std::string right;
    /// A key that a map does not have ends the execution (missingkey=error).
    bool error_on_missing_key{};
};

struct TemplateNode;

class Template {
public:
    /// Errors: InvalidArgument, "template: name:line: what is wrong". Functions are looked up here,
    /// so that an unknown one is told before anything is rendered.
    static Result<Template> parse(
        std::string_view text, const TemplateFunctions& functions, TemplateOptions options = {}
    );
    /// Errors: InvalidArgument, with line and the part that failed.
    Result<std::string> execute(const Dyn& data, const TemplateFunctions& functions) const;

private:
    using Definitions = std::map<std::string, std::shared_ptr<const TemplateNode>, std::less<>>;

    TemplateOptions options_;
    std::shared_ptr<const Definitions> definitions_;
};

/// Functions Go's templates have by themselves, without `and`, `or` and `call`, which the executor
/// knows.
const TemplateFunctions& builtin_functions();

/// As Go's fmt.Sprintf.
std::string go_sprintf(std::string_view format, const std::vector<Dyn>& arguments);
/// As Go's strconv.Quote.
std::string go_quote(std::string_view text);
/// Equality and order as Go's templates have them. Errors: InvalidArgument for kinds that do not
/// compare.
Result<bool> go_equal(const Dyn& a, const Dyn& b);
Result<bool> go_less(const Dyn& a, const Dyn& b);

}  // namespace nl::expr
