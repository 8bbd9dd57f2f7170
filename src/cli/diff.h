#pragma once
// The difference between two versions of a job as text, as `job plan` and `job history -p` show it:
// "+", "-" and "+/-" before what was added, removed or edited, nested by two spaces.

#include "cli/json.h"
#include "cli/ui.h"

#include <string>

namespace nl::cli {

enum class DiffStyle : unsigned char {
    /// Only what changed.
    Changes,
    /// Unchanged fields as well (job plan -verbose).
    Everything,
};

std::string job_diff_text(const Ui& ui, Doc diff, DiffStyle style);

}  // namespace nl::cli
