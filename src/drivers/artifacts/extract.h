#pragma once
// Unpacks an archive below a directory and nowhere else. Names are cleaned and refused if they lead
// out, each file is opened beneath the directory (no link on the way is followed out of it), links
// may point inside only, devices and pipes are refused, set-user-id bits are dropped, and size,
// count, ratio and time have limits. Formats: what libarchive reads of tar and zip, and single
// files in gzip, bzip2, xz and zstd.

#include "base/error.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace nl::drivers {

struct ExtractLimits {
    /// 0: none.
    std::uint64_t max_bytes{100ULL << 30};
    std::uint64_t max_files{4096};
    /// Bytes out for a byte in; looked at above kRatioFreeBytes.
    std::uint64_t max_ratio{1000};
};
inline constexpr std::uint64_t kRatioFreeBytes = 64U << 20;

struct ExtractOptions {
    ExtractLimits limits;
    /// Looked at between pieces; true ends it with Cancelled or Timeout.
    std::function<std::optional<Error>()> stop;
    /// Owner of what is made; -1 leaves the agent's.
    std::int64_t uid{-1};
    std::int64_t gid{-1};
    /// Only what lies below this directory of the archive, without it; "" is all.
    std::string subdirectory;
};

/// Whether a name's ending says that it is an archive; the ending ("tar.gz") or "".
std::string archive_kind(std::string_view name);

/// `kind`: of archive_kind. A single compressed file becomes <directory>/<name> (directory is made
/// below `base`).
Result<void> extract_archive(
    const std::string& file,
    const std::string& kind,
    const std::string& base,
    const std::string& directory,
    const std::string& single_name,
    const ExtractOptions& options
);

}  // namespace nl::drivers
