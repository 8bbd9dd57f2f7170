#pragma once
// A job file's variables and locals: declarations, where values come from (default, environment,
// files, flags, each over the one before), types, validation rules, and locals that may refer to
// each other. Not part of the module's interface. Source: jobspec.md section 1.1.

#include "hcl/body.h"
#include "jobspec/jobspec.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nl::jobspec {

class Variables {
public:
    Variables(
        const hcl::EvalContext& context,
        hcl::SourceNames& names,
        hcl::Diagnostics& diagnostics,
        std::size_t& made
    )
        : context_(context), names_(names), diagnostics_(diagnostics), made_(made) {}

    /// A top-level block: variable, variables or locals; others are passed over.
    void declare(const hcl::BodyBlock& block);

    /// Reads every value that is given. Errors: text that cannot be read at all.
    Result<void> take_values(const ParseInput& input, std::vector<std::string>& warnings);

    /// What `var` is; a variable without a value, or with one its rules refuse, is a mistake.
    hcl::Value values();

    /// What `local` is.
    hcl::Value locals(const hcl::EvalContext& context);

private:
    struct Rule {
        hcl::BodyAttribute condition;
        std::string message;
        hcl::Range range;
    };
    struct Variable {
        std::string name;
        hcl::Range range;
        std::optional<hcl::Type> type;
        std::optional<hcl::Value> value;
        /// Where the value came from, in words and, if it is in the job file, in place.
        std::string origin{"default"};
        hcl::Range value_range;
        std::vector<Rule> rules;
    };

    void declare_variable(const hcl::BodyBlock& block);
    void add_rule(Variable& variable, const hcl::BodyBlock& block);
    Variable* find(std::string_view name);
    void set(Variable& variable, hcl::Value value, std::string origin, const hcl::Range& range);
    Result<void> take_text(
        const std::string& name, const std::string& text, std::string origin, Variable& variable
    );
    Result<void> take_file(
        const NamedText& file,
        std::optional<Undeclared> undeclared,
        std::vector<std::string>& warnings
    );

    struct Local {
        hcl::BodyAttribute attribute;
        enum class State : unsigned char { Waiting, Working, Done } state{State::Waiting};
        hcl::Value value;
    };
    void work_out(const std::string& name, Local& local, const hcl::EvalContext& context);

    const hcl::EvalContext& context_;
    hcl::SourceNames& names_;
    hcl::Diagnostics& diagnostics_;
    std::size_t& made_;
    std::vector<Variable> variables_;
    std::map<std::string, Local, std::less<>> locals_;
    std::vector<std::unique_ptr<hcl::Document>> documents_;
};

}  // namespace nl::jobspec
