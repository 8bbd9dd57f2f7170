#include "io/file_snapshot_store.h"

#include "base/codec.h"
#include "io/entropy.h"
#include "io/files.h"
#include "io/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

namespace nl::io {

namespace {

// A file is: magic, block with the header, blocks with content, an empty block, block with the
// footer. A block is its length (4 bytes, little endian), the crc32c of its content, its content.
// docs/formats/snapshot.md.
constexpr std::string_view kMagic = "NLSNAP\x01\n";
constexpr std::string_view kSuffix = ".snapshot";
constexpr std::string_view kTemporarySuffix = ".partial";
constexpr std::size_t kBlockHead = 8;
constexpr std::size_t kFooterBytes = 12;

struct Header {
    Index index;
    Term term;
    Blob membership;
    NL_FIELDS(Header, (1, index), (2, term), (3, membership))
};

void put_u32(Bytes& out, std::uint32_t n) {
    for (int i = 0; i < 4; ++i) {
        out.push_back(static_cast<char>(n >> (8 * i) & 0xff));
    }
}
std::uint32_t get_u32(BytesView in) {
    std::uint32_t n = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        n |= static_cast<std::uint32_t>(static_cast<unsigned char>(in[i])) << (8 * i);
    }
    return n;
}
Bytes block(BytesView content) {
    Bytes out;
    out.reserve(content.size() + kBlockHead);
    put_u32(out, static_cast<std::uint32_t>(content.size()));
    put_u32(out, crc32c(content));
    out += content;
    return out;
}

std::unexpected<Error> disk_error(const char* what, const std::string& path) {
    const int number = errno;
    return fail(
        number == ENOSPC ? ErrorCode::ResourceExhausted : ErrorCode::Unavailable,
        "cannot {} snapshot \"{}\": {}",
        what,
        path,
        std::generic_category().message(number)
    );
}
std::unexpected<Error> damaged(const std::string& path, const char* why) {
    return fail(ErrorCode::Corruption, "snapshot \"{}\" is damaged: {}", path, why);
}

std::string name_of(Index index, Term term) {
    // Twenty digits hold every index, so that names sort like numbers.
    return fmt::format("{:020}-{:020}{}", index.value, term.value, kSuffix);
}
std::optional<Index> index_of(std::string_view name) {
    if (!name.ends_with(kSuffix)) {
        return std::nullopt;
    }
    std::uint64_t n = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), n);
    if (parsed.ec != std::errc() || parsed.ptr == name.data() + name.size() || *parsed.ptr != '-') {
        return std::nullopt;
    }
    return Index(n);
}

class FileWriter final : public env::SnapshotWriter {
public:
    FileWriter(std::string directory, std::string name)
        : directory_(std::move(directory)),
          path_(directory_ + "/" + name),
          // Two writers at one index (taken here, sent by the leader) must not meet in one file.
          temporary_(fmt::format("{}-{:016x}{}", path_, random_seed(), kTemporarySuffix)) {}
    ~FileWriter() override {
        if (fd_ >= 0) {
            ::close(fd_);
            ::unlink(temporary_.c_str());
        }
    }

    Result<void> begin(const env::SnapshotMeta& meta) {
        fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd_ < 0) {
            return disk_error("create", temporary_);
        }
        const Header header{meta.index, meta.term, {meta.membership}};
        return write_raw(Bytes(kMagic) + block(encode(header)));
    }

    Result<void> write(BytesView chunk) override {
        if (failure_) {
            return std::unexpected(*failure_);
        }
        size_ += chunk.size();
        while (!chunk.empty()) {
            const std::size_t room = FileSnapshotStore::kBlockBytes - waiting_.size();
            waiting_ += chunk.substr(0, room);
            chunk.remove_prefix(std::min(room, chunk.size()));
            if (waiting_.size() == FileSnapshotStore::kBlockBytes) {
                NL_TRY_VOID(flush());
            }
        }
        return {};
    }

    Result<void> commit() override {
        if (failure_) {
            return std::unexpected(*failure_);
        }
        if (!waiting_.empty()) {
            NL_TRY_VOID(flush());
        }
        Bytes footer;
        put_u32(footer, static_cast<std::uint32_t>(size_));
        put_u32(footer, static_cast<std::uint32_t>(size_ >> 32));
        put_u32(footer, sum_);
        NL_TRY_VOID(write_raw(block({}) + block(footer)));
        if (::fsync(fd_) != 0) {
            return disk_error("sync", temporary_);
        }
        if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
            return disk_error("rename", temporary_);
        }
        ::close(std::exchange(fd_, -1));
        return sync_directory(directory_);
    }

private:
    Result<void> flush() {
        sum_ = crc32c(waiting_, sum_);
        auto written = write_raw(block(waiting_));
        waiting_.clear();
        return written;
    }
    Result<void> write_raw(BytesView bytes) {
        while (!bytes.empty()) {
            const ssize_t wrote = ::write(fd_, bytes.data(), bytes.size());
            if (wrote < 0 && errno == EINTR) {
                continue;
            }
            if (wrote < 0) {
                // What is on disk is unknown now: nothing may follow.
                failure_ = disk_error("write", temporary_).error();
                return std::unexpected(*failure_);
            }
            bytes.remove_prefix(static_cast<std::size_t>(wrote));
        }
        return {};
    }

    std::string directory_;
    std::string path_;
    std::string temporary_;
    int fd_{-1};
    Bytes waiting_;
    std::uint64_t size_{0};
    std::uint32_t sum_{0};
    std::optional<Error> failure_;
};

class FileReader final : public env::SnapshotReader {
public:
    explicit FileReader(std::string path) : path_(std::move(path)) {}
    ~FileReader() override {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    Result<void> begin() {
        fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd_ < 0) {
            if (errno == ENOENT) {
                return fail(ErrorCode::NotFound, "snapshot \"{}\" is not there", path_);
            }
            return disk_error("open", path_);
        }
        NL_TRY(const auto magic, read_raw(kMagic.size()));
        if (magic != kMagic) {
            return damaged(path_, "it does not begin like one of this version");
        }
        NL_TRY(const auto head, read_block());
        NL_TRY(auto header, decode<Header>(head));
        meta_.index = header.index;
        meta_.term = header.term;
        meta_.membership = std::move(header.membership.bytes);
        return read_footer();
    }

    const env::SnapshotMeta& meta() const override { return meta_; }

    Result<Bytes> read(std::size_t max) override {
        if (at_ == waiting_.size() && !ended_) {
            NL_TRY(waiting_, read_block());
            at_ = 0;
            read_ += waiting_.size();
            sum_ = crc32c(waiting_, sum_);
            if (waiting_.empty()) {
                ended_ = true;
                if (read_ != meta_.size || sum_ != total_sum_) {
                    return damaged(path_, "blocks are missing");
                }
            }
        }
        Bytes out = waiting_.substr(at_, max);
        at_ += out.size();
        return out;
    }

private:
    Result<Bytes> read_raw(std::size_t count) {
        Bytes out(count, '\0');
        std::size_t used = 0;
        while (used < count) {
            const ssize_t got = ::read(fd_, out.data() + used, count - used);
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got < 0) {
                return disk_error("read", path_);
            }
            if (got == 0) {
                return damaged(path_, "it is cut short");
            }
            used += static_cast<std::size_t>(got);
        }
        return out;
    }
    Result<Bytes> read_block() {
        NL_TRY(const auto head, read_raw(kBlockHead));
        const std::uint32_t size = get_u32(head);
        if (size > FileSnapshotStore::kBlockBytes) {
            return damaged(path_, "a block is too large");
        }
        NL_TRY(auto content, read_raw(size));
        if (crc32c(content) != get_u32(head.substr(4))) {
            return damaged(path_, "a block does not match its checksum");
        }
        return content;
    }
    /// The size stands at the end; it is read first, so that a file cut short is known at once.
    Result<void> read_footer() {
        const off_t content = ::lseek(fd_, 0, SEEK_CUR);
        constexpr auto kEnd = static_cast<off_t>(kBlockHead + kBlockHead + kFooterBytes);
        const off_t end = ::lseek(fd_, -kEnd, SEEK_END);
        if (end < content) {
            return damaged(path_, "it is cut short");
        }
        NL_TRY(const auto empty, read_block());
        NL_TRY(const auto footer, read_block());
        if (!empty.empty() || footer.size() != kFooterBytes) {
            return damaged(path_, "it has no proper end");
        }
        meta_.size = get_u32(footer) |
                     static_cast<std::uint64_t>(get_u32(BytesView(footer).substr(4))) << 32;
        total_sum_ = get_u32(BytesView(footer).substr(8));
        if (::lseek(fd_, content, SEEK_SET) != content) {
            return disk_error("read", path_);
        }
        return {};
    }

    std::string path_;
    int fd_{-1};
    env::SnapshotMeta meta_;
    Bytes waiting_;
    std::size_t at_{0};
    std::uint64_t read_{0};
    std::uint32_t sum_{0};
    std::uint32_t total_sum_{0};
    bool ended_{false};
};

/// Snapshot files of the directory, newest first.
Result<std::vector<std::string>> snapshots(const std::string& directory) {
    NL_TRY(auto names, list_directory(directory));
    std::erase_if(names, [](const std::string& name) { return !index_of(name); });
    std::ranges::reverse(names);
    return names;
}

Result<std::unique_ptr<FileReader>> open_file(const std::string& path) {
    auto reader = std::make_unique<FileReader>(path);
    NL_TRY_VOID(reader->begin());
    return reader;
}

/// Reads it to its end, so that every checksum is looked at.
Result<env::SnapshotMeta> verify(const std::string& path) {
    NL_TRY(const auto reader, open_file(path));
    for (;;) {
        NL_TRY(const auto bytes, reader->read(FileSnapshotStore::kBlockBytes));
        if (bytes.empty()) {
            return reader->meta();
        }
    }
}

}  // namespace

Result<std::unique_ptr<FileSnapshotStore>> FileSnapshotStore::open(std::string directory) {
    NL_TRY_VOID(make_directories(directory));
    NL_TRY(const auto names, list_directory(directory));
    for (const std::string& name : names) {
        if (name.ends_with(kTemporarySuffix)) {
            NL_TRY_VOID(remove_file(directory + "/" + name));
        }
    }
    return std::unique_ptr<FileSnapshotStore>(new FileSnapshotStore(std::move(directory)));
}

Result<std::unique_ptr<env::SnapshotWriter>> FileSnapshotStore::create(const env::SnapshotMeta& meta
) {
    auto writer = std::make_unique<FileWriter>(directory_, name_of(meta.index, meta.term));
    NL_TRY_VOID(writer->begin(meta));
    return writer;
}

Result<std::optional<env::SnapshotMeta>> FileSnapshotStore::latest() {
    NL_TRY(const auto names, snapshots(directory_));
    for (const std::string& name : names) {
        auto meta = verify(directory_ + "/" + name);
        if (meta) {
            return std::optional(std::move(*meta));
        }
        log_warn("snapshot", "skipped: {}", meta.error().message);
    }
    return std::optional<env::SnapshotMeta>();
}

Result<std::unique_ptr<env::SnapshotReader>> FileSnapshotStore::open(Index index) {
    NL_TRY(const auto names, snapshots(directory_));
    for (const std::string& name : names) {
        if (index_of(name) == index) {
            NL_TRY(auto reader, open_file(directory_ + "/" + name));
            return reader;
        }
    }
    return fail(ErrorCode::NotFound, "there is no snapshot at index {}", index);
}

Result<void> FileSnapshotStore::prune(std::size_t keep) {
    NL_TRY(const auto names, snapshots(directory_));
    for (std::size_t i = keep; i < names.size(); ++i) {
        NL_TRY_VOID(remove_file(directory_ + "/" + names[i]));
    }
    return names.size() > keep ? sync_directory(directory_) : Result<void>();
}

}  // namespace nl::io
