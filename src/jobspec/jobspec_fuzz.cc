// Fuzz target of job files: whatever is read as a job can be filled in, checked, compared and
// written. Listed in tests/fuzz/targets.cc.

#include "jobspec/jobspec.h"

#include "base/check.h"
#include "jobspec/canonicalize.h"
#include "jobspec/diff.h"
#include "jobspec/validate.h"
#include "wire/json.h"

namespace nl::jobspec {

void fuzz_job(std::string_view input) {
    const auto parsed = parse({.source = std::string(input), .variables_content = "v = 1\n"});
    if (!parsed) {
        NL_ASSERT(!parsed.error().message.empty());
        return;
    }
    model::JobSpec filled = parsed->job;
    canonicalize(filled);
    model::JobSpec again = filled;
    canonicalize(again);
    NL_ASSERT(filled == again);
    const model::Job job = to_job(parsed->job);
    static_cast<void>(validate(job));
    NL_ASSERT(diff(&job, &job, DiffContext::OnlyChanges).type == "None");
    static_cast<void>(diff(nullptr, &job, DiffContext::WholeObjects));
    NL_ASSERT(!wire::to_json(parsed->job).empty());
}

}  // namespace nl::jobspec
