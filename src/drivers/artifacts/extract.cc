#include "drivers/artifacts/extract.h"

#include "drivers/task_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

namespace nl::drivers {
namespace {

constexpr std::size_t kBlock = 256U << 10;

struct ReaderDeleter {
    void operator()(archive* a) const { archive_read_free(a); }
};
using Reader = std::unique_ptr<archive, ReaderDeleter>;

/// Parts joined again without "." and doubled slashes; an error if it leads out.
Result<std::string> clean_name(std::string_view name) {
    if (name.starts_with('/')) {
        return fail(ErrorCode::InvalidArgument, "the archive holds the absolute name \"{}\"", name);
    }
    if (name.find('\0') != std::string_view::npos) {
        return fail(ErrorCode::InvalidArgument, "the archive holds a name with a NUL byte");
    }
    std::string out;
    while (!name.empty()) {
        const std::size_t slash = std::min(name.find('/'), name.size());
        const std::string_view part = name.substr(0, slash);
        name.remove_prefix(std::min(slash + 1, name.size()));
        if (part.empty() || part == ".") {
            continue;
        }
        if (part == "..") {
            return fail(
                ErrorCode::InvalidArgument, "the archive holds a name that leads outside of it"
            );
        }
        out += (out.empty() ? "" : "/") + std::string(part);
    }
    return out;
}

/// Whether a link at `name` with this target stays inside.
bool stays_inside(const std::string& name, std::string_view target) {
    if (target.empty() || target.starts_with('/')) {
        return false;
    }
    int depth = 0;
    for (const char c : name) {
        depth += c == '/' ? 1 : 0;
    }
    while (!target.empty()) {
        const std::size_t slash = std::min(target.find('/'), target.size());
        const std::string_view part = target.substr(0, slash);
        target.remove_prefix(std::min(slash + 1, target.size()));
        if (part == "..") {
            if (--depth < 0) {
                return false;
            }
        } else if (!part.empty() && part != ".") {
            ++depth;
        }
    }
    return true;
}

class Extractor {
public:
    Extractor(
        std::string base,
        std::string directory,
        const ExtractOptions& options,
        std::uint64_t in_bytes
    )
        : base_(std::move(base)),
          directory_(std::move(directory)),
          options_(options),
          in_bytes_(std::max<std::uint64_t>(in_bytes, 1)) {}

    Result<void> run(archive* a) {
        NL_TRY_VOID(make_parents(base_, below("."), options_.uid, options_.gid));
        archive_entry* entry = nullptr;
        while (true) {
            const int code = archive_read_next_header(a, &entry);
            if (code == ARCHIVE_EOF) {
                return {};
            }
            if (code != ARCHIVE_OK && code != ARCHIVE_WARN) {
                return broken(a);
            }
            if (const auto error = options_.stop ? options_.stop() : std::nullopt) {
                return std::unexpected(*error);
            }
            if (options_.limits.max_files > 0 && ++files_ > options_.limits.max_files) {
                return fail(
                    ErrorCode::TooLarge,
                    "the archive holds more than {} files, which is the limit",
                    options_.limits.max_files
                );
            }
            NL_TRY_VOID(one(a, entry));
        }
    }

    Result<void> single(archive* a, const std::string& name) {
        archive_entry* entry = nullptr;
        if (archive_read_next_header(a, &entry) != ARCHIVE_OK) {
            return broken(a);
        }
        NL_TRY_VOID(make_parents(base_, below(name), options_.uid, options_.gid));
        return file(a, name, 0644);
    }

private:
    std::string below(const std::string& name) const {
        return directory_.empty() ? name : directory_ + "/" + name;
    }
    static std::unexpected<Error> broken(archive* a) {
        const char* text = archive_error_string(a);
        return fail(
            ErrorCode::InvalidArgument,
            "the archive cannot be read: {}",
            text != nullptr ? text : "?"
        );
    }

    Result<void> one(archive* a, archive_entry* entry) {
        const char* raw = archive_entry_pathname_utf8(entry);
        raw = raw != nullptr ? raw : archive_entry_pathname(entry);
        if (raw == nullptr) {
            return fail(ErrorCode::InvalidArgument, "the archive holds a name that cannot be read");
        }
        NL_TRY(std::string name, clean_name(raw));
        const std::string& wanted = options_.subdirectory;
        if (!wanted.empty()) {
            if (name == wanted) {
                name.clear();
            } else if (name.starts_with(wanted + "/")) {
                name.erase(0, wanted.size() + 1);
            } else {
                return {};
            }
        }
        if (name.empty()) {
            return {};
        }
        NL_TRY_VOID(make_parents(base_, below(name), options_.uid, options_.gid));
        const auto mode = static_cast<mode_t>(archive_entry_mode(entry) & 0777);
        if (const char* link = archive_entry_hardlink(entry)) {
            return hard_link(name, link);
        }
        switch (archive_entry_filetype(entry)) {
            case AE_IFREG:
                return file(a, name, mode);
            case AE_IFDIR:
                return directory(name, mode);
            case AE_IFLNK:
                return soft_link(name, archive_entry_symlink(entry));
            default:
                return fail(
                    ErrorCode::InvalidArgument,
                    "the archive holds \"{}\", which is neither a file, a directory nor a link",
                    name
                );
        }
    }

    Result<int> parent_of(const std::string& name) const {
        const std::string full = below(name);
        const std::size_t slash = full.rfind('/');
        return open_beneath(
            base_,
            slash == std::string::npos ? "." : full.substr(0, slash),
            O_RDONLY | O_DIRECTORY,
            0
        );
    }
    static std::string last_part(const std::string& name) {
        return name.substr(name.rfind('/') == std::string::npos ? 0 : name.rfind('/') + 1);
    }

    Result<void> directory(const std::string& name, mode_t mode) {
        NL_TRY(const int folder, parent_of(name));
        const std::string last = last_part(name);
        const int made = mkdirat(folder, last.c_str(), 0755);
        const int error = errno;
        const int fd =
            openat(folder, last.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(folder);
        if ((made != 0 && error != EEXIST) || fd < 0) {
            return fail(
                ErrorCode::Unavailable, "{}: {}", name, std::strerror(fd < 0 ? errno : error)
            );  // NOLINT
        }
        fchmod(fd, mode | 0700U);
        give(fd);
        close(fd);
        return {};
    }

    void give(int fd) const {
        if (options_.uid >= 0 && geteuid() == 0 &&
            fchown(fd, static_cast<uid_t>(options_.uid), static_cast<gid_t>(options_.gid)) != 0) {
            return;
        }
    }

    Result<void> file(archive* a, const std::string& name, mode_t mode) {
        NL_TRY(const int folder, parent_of(name));
        const std::string last = last_part(name);
        unlinkat(folder, last.c_str(), 0);
        const int fd = openat(
            folder, last.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600
        );
        const int error = errno;
        close(folder);
        if (fd < 0) {
            return fail(ErrorCode::Unavailable, "{}: {}", name, std::strerror(error));  // NOLINT
        }
        auto done = copy(a, fd, name);
        if (done) {
            fchmod(fd, mode != 0 ? mode : 0644U);
            give(fd);
        }
        close(fd);
        return done;
    }

    Result<void> copy(archive* a, int fd, const std::string& name) {
        std::vector<char> buffer(kBlock);
        while (true) {
            const la_ssize_t n = archive_read_data(a, buffer.data(), buffer.size());
            if (n < 0) {
                return broken(a);
            }
            if (n == 0) {
                return {};
            }
            out_bytes_ += static_cast<std::uint64_t>(n);
            if (options_.limits.max_bytes > 0 && out_bytes_ > options_.limits.max_bytes) {
                return fail(
                    ErrorCode::TooLarge,
                    "the archive unpacks to more than {} bytes, which is the limit",
                    options_.limits.max_bytes
                );
            }
            if (out_bytes_ > kRatioFreeBytes && options_.limits.max_ratio > 0 &&
                out_bytes_ / in_bytes_ > options_.limits.max_ratio) {
                return fail(
                    ErrorCode::TooLarge,
                    "the archive unpacks to more than {} times its size, which is the limit",
                    options_.limits.max_ratio
                );
            }
            if (const auto error = options_.stop ? options_.stop() : std::nullopt) {
                return std::unexpected(*error);
            }
            for (la_ssize_t done = 0; done < n;) {
                const ssize_t wrote =
                    write(fd, buffer.data() + done, static_cast<std::size_t>(n - done));
                if (wrote < 0 && errno != EINTR) {
                    return fail(
                        ErrorCode::Unavailable, "{}: {}", name, std::strerror(errno)
                    );  // NOLINT
                }
                done += std::max<ssize_t>(wrote, 0);
            }
        }
    }

    Result<void> soft_link(const std::string& name, const char* target) {
        if (target == nullptr || !stays_inside(name, target)) {
            return fail(
                ErrorCode::InvalidArgument, "the archive's link \"{}\" leads outside of it", name
            );
        }
        NL_TRY(const int folder, parent_of(name));
        const std::string last = last_part(name);
        unlinkat(folder, last.c_str(), 0);
        const int made = symlinkat(target, folder, last.c_str());
        const int error = errno;
        close(folder);
        if (made != 0) {
            return fail(ErrorCode::Unavailable, "{}: {}", name, std::strerror(error));  // NOLINT
        }
        return {};
    }

    Result<void> hard_link(const std::string& name, const char* target) {
        NL_TRY(std::string from, clean_name(target));
        const std::string& wanted = options_.subdirectory;
        if (!wanted.empty() && from.starts_with(wanted + "/")) {
            from.erase(0, wanted.size() + 1);
        }
        // The target itself must be a file that this archive made below the directory.
        NL_TRY(const int source, open_beneath(base_, below(from), O_RDONLY | O_NOFOLLOW, 0));
        struct stat what{};
        const bool good = fstat(source, &what) == 0 && S_ISREG(what.st_mode);
        const auto folder = parent_of(name);
        if (!good || !folder) {
            close(source);
            return fail(
                ErrorCode::InvalidArgument, "the archive's hard link \"{}\" has no file", name
            );
        }
        const std::string last = last_part(name);
        unlinkat(*folder, last.c_str(), 0);
        const std::string through = fmt::format("/proc/self/fd/{}", source);
        const int made =
            linkat(AT_FDCWD, through.c_str(), *folder, last.c_str(), AT_SYMLINK_FOLLOW);
        const int error = errno;
        close(*folder);
        close(source);
        if (made != 0) {
            return fail(ErrorCode::Unavailable, "{}: {}", name, std::strerror(error));  // NOLINT
        }
        return {};
    }

    std::string base_;
    std::string directory_;
    const ExtractOptions& options_;
    std::uint64_t in_bytes_;
    std::uint64_t out_bytes_ = 0;
    std::uint64_t files_ = 0;
};

bool is_single(std::string_view kind) {
    return kind == "gz" || kind == "bz2" || kind == "xz" || kind == "zst";
}

}  // namespace

std::string archive_kind(std::string_view name) {
    constexpr std::array<std::string_view, 16> kKinds{
        "tar.gz",
        "tar.bz2",
        "tar.xz",
        "tar.zst",
        "tar.zstd",
        "tgz",
        "tbz2",
        "txz",
        "tzst",
        "tar",
        "zip",
        "gz",
        "bz2",
        "xz",
        "zst",
        "zstd"
    };
    for (const std::string_view kind : kKinds) {
        if (name.size() > kind.size() + 1 && name.ends_with(kind) &&
            name[name.size() - kind.size() - 1] == '.') {
            return std::string(kind == "zstd" ? "zst" : kind);
        }
    }
    return "";
}

Result<void> extract_archive(
    const std::string& file,
    const std::string& kind,
    const std::string& base,
    const std::string& directory,
    const std::string& single_name,
    const ExtractOptions& options
) {
    const Reader reader(archive_read_new());
    archive* a = reader.get();
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
    if (is_single(kind)) {
        archive_read_support_format_raw(a);
    } else if (kind == "zip") {
        archive_read_support_format_zip(a);
    } else {
        archive_read_support_format_tar(a);
        archive_read_support_format_gnutar(a);
    }
    struct stat what{};
    if (stat(file.c_str(), &what) != 0 ||
        archive_read_open_filename(a, file.c_str(), kBlock) != ARCHIVE_OK) {
        const char* text = archive_error_string(a);
        return fail(
            ErrorCode::InvalidArgument,
            "the archive cannot be opened: {}",
            text != nullptr ? text : "?"
        );
    }
    Extractor extractor(base, directory, options, static_cast<std::uint64_t>(what.st_size));
    return is_single(kind) ? extractor.single(a, single_name) : extractor.run(a);
}

}  // namespace nl::drivers
