#include "io/grpc/seed_types.h"

#include <algorithm>
#include <array>

namespace nl::io::seed {

namespace {

constexpr std::array<std::string_view, 6> kNames = {
    "UNSPECIFIED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"
};
constexpr std::string_view kPrefix = "JOB_STATUS_";

}  // namespace

std::string_view to_string(JobStatus status) {
    const auto i = static_cast<std::size_t>(status);
    // A number of a newer version is shown as unknown, not refused.
    return i < kNames.size() ? kNames[i] : kNames[0];
}

std::optional<JobStatus> parse_job_status(std::string_view text) {
    std::string upper(text);
    std::ranges::transform(upper, upper.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    std::string_view name(upper);
    if (name.starts_with(kPrefix)) {
        name.remove_prefix(kPrefix.size());
    }
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (name == kNames[i]) {
            return static_cast<JobStatus>(i);
        }
    }
    return std::nullopt;
}

}  // namespace nl::io::seed
