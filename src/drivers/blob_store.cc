#include "drivers/blob_store.h"

#include "base/check.h"
#include "io/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nl::drivers {
namespace {

// A file: 4 bytes magic and version, 4 bytes crc32c of the content, content.
constexpr std::string_view kMagic = "NLB1";
constexpr std::size_t kHeadBytes = 8;
constexpr std::string_view kSuffix = ".blob";

/// Slashes of keys become '+', which keys do not contain.
std::string file_name(const std::string& key) {
    std::string out = key;
    std::replace(out.begin(), out.end(), '/', '+');
    return out + std::string(kSuffix);
}

std::string key_of(std::string name) {
    name.resize(name.size() - kSuffix.size());
    std::replace(name.begin(), name.end(), '+', '/');
    return name;
}

std::string framed(BytesView data) {
    std::string out(kMagic);
    const std::uint32_t sum = crc32c(data);
    for (int i = 0; i < 4; ++i) {
        out.push_back(static_cast<char>(sum >> (8 * i) & 0xff));
    }
    out.append(data);
    return out;
}

bool unframe(Bytes& content) {
    if (content.size() < kHeadBytes || !content.starts_with(kMagic)) {
        return false;
    }
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        sum |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(content[4 + i])) << (8 * i);
    }
    content.erase(0, kHeadBytes);
    return crc32c(content) == sum;
}

Result<void> write_without_sync(const std::string& path, const std::string& content) {
    const std::string temporary = path + ".tmp";
    const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(
            ErrorCode::Unavailable, "{} cannot be written: {}", temporary, std::strerror(errno)
        );  // NOLINT
    }
    std::size_t written = 0;
    while (written < content.size()) {
        const ssize_t n = write(fd, content.data() + written, content.size() - written);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            const int error = errno;
            close(fd);
            return fail(
                ErrorCode::Unavailable, "{} cannot be written: {}", temporary, std::strerror(error)
            );  // NOLINT
        }
        written += static_cast<std::size_t>(n);
    }
    close(fd);
    if (rename(temporary.c_str(), path.c_str()) != 0) {
        return fail(
            ErrorCode::Unavailable, "{} cannot be replaced: {}", path, std::strerror(errno)
        );  // NOLINT
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<FileBlobStore>> FileBlobStore::open(std::string directory) {
    NL_TRY_VOID(io::make_directories(directory, 0700));
    return std::unique_ptr<FileBlobStore>(new FileBlobStore(std::move(directory)));
}

std::string FileBlobStore::path_of(const std::string& key) const {
    return directory_ + "/" + file_name(key);
}

Result<void> FileBlobStore::put(
    const std::string& key, BytesView data, env::Durability durability
) {
    switch (durability) {
        case env::Durability::Process:
            return write_without_sync(path_of(key), framed(data));
        case env::Durability::Power:
            return io::write_file_atomic(path_of(key), framed(data), 0600);
    }
    NL_UNREACHABLE();
}

Result<void> FileBlobStore::erase(const std::string& key) {
    if (unlink(path_of(key).c_str()) != 0 && errno != ENOENT) {
        return fail(
            ErrorCode::Unavailable, "{} cannot be removed: {}", path_of(key), std::strerror(errno)
        );  // NOLINT
    }
    return {};
}

Result<env::BlobsLoaded> FileBlobStore::load() {
    NL_TRY(const std::vector<std::string> names, io::list_directory(directory_));
    env::BlobsLoaded out;
    for (const std::string& name : names) {
        if (!name.ends_with(kSuffix)) {
            continue;
        }
        auto content = io::read_file(directory_ + "/" + name);
        if (!content || !unframe(*content)) {
            out.damaged.push_back(key_of(name));
            const std::string path = directory_ + "/" + name;
            static_cast<void>(rename(path.c_str(), (path + ".damaged").c_str()));
            continue;
        }
        out.records.push_back({.key = key_of(name), .data = std::move(*content)});
    }
    std::sort(out.records.begin(), out.records.end(), [](const auto& a, const auto& b) {
        return a.key < b.key;
    });
    return out;
}

}  // namespace nl::drivers
