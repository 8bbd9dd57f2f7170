#pragma once
// A tar of small files made in memory (POSIX ustar), for bundles that people send around.

#include <string>
#include <string_view>

#include "base/time.h"

namespace nl::cli {

class TarWriter {
public:
    explicit TarWriter(WallTime made) : made_(made) {}

    /// False: the name does not fit ustar (100 bytes, or 255 with a folder to split at).
    bool add(std::string_view name, std::string_view content);
    /// The archive; nothing may be added afterwards.
    std::string take();

private:
    WallTime made_;
    std::string out_;
};

}  // namespace nl::cli
