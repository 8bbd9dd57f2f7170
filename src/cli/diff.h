#pragma once
// The difference between two versions of a job as text, as `job plan` and `job history -p` show it:
// "+", "-" and "+/-" before what was added, removed or edited, nested by two spaces, names and
// values in columns. Source: Nomad command line reference, `job plan`.

#include "cli/json.h"
#include "cli/ui.h"

#include <string>

namespace nl::cli {

enum class DiffStyle : unsigned char {
    /// A job, group or task that is wholly new or gone is one line.
    Heads,
    /// What is in it as well (-verbose).
    Everything,
};

/// `diff` is a JobDiff as JSON. Without a newline at the end.
std::string job_diff_text(const Ui& ui, Doc diff, DiffStyle style);

}  // namespace nl::cli
