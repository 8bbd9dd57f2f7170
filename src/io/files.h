#pragma once
// Whole-file operations with the durability spelled out. Errors name the path. Not for task output
// or the log: those have their own stores.

#include "base/bytes.h"
#include "base/error.h"

#include <cstddef>
#include <string>
#include <vector>

namespace nl::io {

/// Files read at once (configurations, certificates, job files) are never larger.
inline constexpr std::size_t kFileBytesMax = 64 * 1024 * 1024;

/// Errors: NotFound, PermissionDenied, TooLarge, InvalidArgument (a directory), Unavailable.
Result<Bytes> read_file(const std::string& path, std::size_t max_bytes = kFileBytesMax);

/// Durable and all or nothing: temporary name, fsync, rename, fsync of the directory. `mode` are
/// the permission bits of the new file.
Result<void> write_file_atomic(const std::string& path, BytesView content, unsigned mode = 0600);

/// Makes the directory and those above it; one that exists already is left as it is.
Result<void> make_directories(const std::string& path, unsigned mode = 0750);

/// Names in the directory, sorted, without "." and "..".
Result<std::vector<std::string>> list_directory(const std::string& path);

Result<void> remove_file(const std::string& path);
/// Makes renames and removals inside `path` durable.
Result<void> sync_directory(const std::string& path);
bool exists(const std::string& path);

}  // namespace nl::io
