#include "hcl/body.h"
#include "hcl/parser.h"
#include "jobspec/decoder.h"
#include "jobspec/jobspec.h"
#include "jobspec/sugar.h"
#include "jobspec/variables.h"

#include <algorithm>

namespace nl::jobspec {
namespace {

std::unexpected<Error> refuse(std::string message) {
    return std::unexpected(Error{ErrorCode::InvalidArgument, std::move(message)});
}

const std::vector<hcl::BlockShape> kTopLevel{
    {"variable", 1}, {"variables", 0}, {"locals", 0}, {"job", 1}
};

}  // namespace

Result<ParseOutput> parse(const ParseInput& input) {
    hcl::SourceNames names;
    hcl::Diagnostics diagnostics;
    const std::uint32_t file = names.add(input.filename);
    const auto document = hcl::read_document(input.source, file, names, diagnostics);
    if (diagnostics.has_errors()) {
        return refuse(first_error(diagnostics, names));
    }

    hcl::FunctionEnvironment environment{
        .now = input.now, .entropy = input.entropy, .files = input.files
    };
    const hcl::FunctionTable functions = hcl::standard_functions();
    std::size_t steps = 0;
    std::size_t made = 0;
    hcl::Scope root;
    hcl::EvalContext context{
        .scope = &root, .functions = &functions, .environment = &environment, .steps = &steps
    };
    const std::vector<std::string_view> sources{document->source};

    const hcl::BodyContent top = document->view().read(kTopLevel, context, diagnostics, made);
    const hcl::BodyBlock* job_block = nullptr;
    for (const hcl::BodyAttribute& a : top.attributes) {
        diagnostics.error(
            "Unsupported argument",
            fmt::format("An argument named \"{}\" is not expected here.", a.name),
            a.name_range
        );
    }
    for (const hcl::BodyBlock& b : top.blocks) {
        const auto shape = std::ranges::find(kTopLevel, b.type, &hcl::BlockShape::type);
        if (shape == kTopLevel.end()) {
            const std::vector<std::string_view> known{"variable", "variables", "locals", "job"};
            const auto near = hcl::nearest_name(b.type, known);
            diagnostics.error(
                "Unsupported block type",
                fmt::format("Blocks of type \"{}\" are not expected here.", b.type) +
                    (near.empty() ? "" : fmt::format(" Did you mean \"{}\"?", near)),
                b.type_range
            );
        } else if (b.labels.size() < shape->labels) {
            diagnostics.error(
                fmt::format("Missing name for {}", b.type),
                fmt::format("All {} blocks must have 1 labels (name).", b.type),
                b.open_range
            );
        } else if (b.labels.size() > shape->labels) {
            diagnostics.error(
                fmt::format("Extraneous label for {}", b.type),
                shape->labels == 0
                    ? fmt::format("No labels are expected for {} blocks.", b.type)
                    : fmt::format("Only 1 labels (name) are expected for {} blocks.", b.type),
                b.label_ranges[shape->labels]
            );
        } else if (b.type == "job" && job_block != nullptr) {
            diagnostics.error(
                "Duplicate job block",
                fmt::format(
                    "Only one job block is allowed. Another was defined at {}.",
                    to_string(job_block->header_range, names)
                ),
                b.header_range
            );
        } else if (b.type == "job") {
            job_block = &b;
        }
    }
    if (diagnostics.has_errors()) {
        return refuse(all_errors(diagnostics, names));
    }

    ParseOutput out;
    Variables variables(context, names, diagnostics, made);
    for (const hcl::BodyBlock& b : top.blocks) {
        variables.declare(b);
    }
    if (auto read = variables.take_values(input, out.warnings); !read) {
        return std::unexpected(read.error());
    }
    root.variables.emplace("var", variables.values());
    if (diagnostics.has_errors()) {
        return refuse(all_errors(diagnostics, names));
    }
    // From here on what is not declared is for the node to fill in.
    context.kept_sources = &sources;
    root.variables.emplace("local", variables.locals(context));
    if (diagnostics.has_errors()) {
        return refuse(all_errors(diagnostics, names));
    }
    if (job_block == nullptr) {
        return refuse(fmt::format("{}: 'job' block not found", input.filename));
    }

    JobTarget target;
    target.noun.id = job_block->labels.at(0);
    target.noun.name = job_block->labels.at(0);
    Decoder decoder(context, names, diagnostics);
    decoder.read(job_rules(), &target, job_block->body);
    if (diagnostics.has_errors()) {
        return refuse(all_errors(diagnostics, names));
    }
    std::vector<model::TaskGroupSpec> own;
    for (model::TaskSpec& task : target.tasks) {
        model::TaskGroupSpec group;
        group.name = task.name;
        group.tasks.push_back(std::move(task));
        own.push_back(std::move(group));
    }
    auto& groups = target.noun.task_groups;
    groups.insert(
        groups.begin(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end())
    );
    for (model::TaskGroupSpec& group : groups) {
        push_down(target.sugar, group);
    }
    out.job = std::move(target.noun);
    return out;
}

}  // namespace nl::jobspec
