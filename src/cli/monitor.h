#pragma once
// Following what a change sets in motion: the evaluation, the allocations it makes, and the
// deployment, each change one line with its time. Polls quickly at first, then once a second.

#include "cli/context.h"

#include <string>

namespace nl::cli {

/// 0: done, or deployed with success; 1: an error, or the deployment ended in another way; 2: not
/// everything could be placed and no deployment goes on.
int monitor_evaluation(Context& context, Api& api, const std::string& evaluation_id);

/// 0 when the deployment ends as successful, else 1.
int monitor_deployment(Context& context, Api& api, const std::string& deployment_id);

}  // namespace nl::cli
