#include "io/grpc/seed_types.h"

#include "io/grpc/seed_wire.h"

#include <algorithm>
#include <array>

namespace nl::io::seed {

namespace {

constexpr std::array<std::string_view, 6> kNames = {
    "UNSPECIFIED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"
};
constexpr std::string_view kPrefix = "JOB_STATUS_";

/// The length of the well-formed UTF-8 sequence at the beginning (RFC 3629); 0 if there is none.
std::size_t sequence_size(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) {
        return 1;
    }
    const std::size_t size = first >= 0xc2 && first <= 0xdf   ? 2
                             : first >= 0xe0 && first <= 0xef ? 3
                             : first >= 0xf0 && first <= 0xf4 ? 4
                                                              : 0;
    if (size == 0 || size > text.size()) {
        return 0;
    }
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) {
            return 0;
        }
    }
    // Overlong forms, surrogates, and what lies beyond U+10FFFF.
    const bool is_wrong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                          (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
    return is_wrong ? 0 : size;
}

}  // namespace

std::string to_utf8(std::string_view text) {
    constexpr std::string_view kReplacement = "\xef\xbf\xbd";
    std::string out;
    out.reserve(text.size());
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t size = sequence_size(text.substr(at));
        if (size == 0) {
            out += kReplacement;
            ++at;
        } else {
            out += text.substr(at, size);
            at += size;
        }
    }
    return out;
}

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
