#pragma once
// A directory of its own for one test, removed at the end.

#include "base/check.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace nl::io {

class TempDir {
public:
    TempDir() {
        path_ = (std::filesystem::temp_directory_path() / "nl-io-XXXXXX").string();
        NL_ASSERT(::mkdtemp(path_.data()) != nullptr);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace nl::io
