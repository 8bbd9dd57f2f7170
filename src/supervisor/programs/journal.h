#pragma once
// The exit journal: a file of fixed-size records to which the guardian and the supervisor append
// what they reaped. Each record is one write() under a lock, so a killed writer leaves a whole
// record or none; a torn one (power loss) fails its sum and is skipped. Owned by both programs of
// the supervisor; linked statically, no exceptions.

#include <sys/resource.h>

#include <csignal>
#include <cstdint>
#include <optional>
#include <vector>

namespace nl::supervisor {

inline constexpr const char* kJournalName = "exits.journal";
/// The journal is emptied once it is longer than this and nothing in it is awaited.
inline constexpr std::int64_t kJournalCompactBytes = 1 << 20;

/// One process that ended. Stored as it lies in memory: the file never leaves the machine, nor
/// outlives its boot in meaning.
struct ExitRecord {
    std::uint32_t magic{0x4c4e5831};  // "1XNL"
    std::int32_t pid{};
    std::uint64_t start_time{};
    std::int32_t exit_code{};
    std::int32_t signal{};
    std::int64_t at_unix_ns{};
    std::int64_t user_ns{};
    std::int64_t system_ns{};
    std::int64_t max_rss_kb{};
    std::uint64_t sum{};
};
static_assert(sizeof(ExitRecord) == 64);

class Journal {
public:
    /// Opens or makes the file in the current directory. Not ok() on failure.
    Journal();
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;
    ~Journal();

    bool ok() const { return fd_ >= 0; }
    /// Written to the page cache: survives the end of this process, not of the machine. Call sync()
    /// soon.
    bool append(ExitRecord record);
    void sync();
    /// Records that were appended since the last call, by anyone.
    std::vector<ExitRecord> read_new();
    /// Empties the file if it is long; call only when no record in it is awaited.
    void maybe_compact();

private:
    int fd_ = -1;
    std::int64_t read_at_ = 0;
};

/// The state of an ended child, read without reaping it (WNOWAIT) or with.
struct Ended {
    siginfo_t info{};
    rusage usage{};
};
/// waitid(2) with its usage. nullopt if nothing ended.
std::optional<Ended> wait_for(int id_type, int id, int options);
ExitRecord make_record(const Ended& ended);

/// Field 22 of /proc/<pid>/stat; 0 if there is no such process.
std::uint64_t start_time_of(int pid);
std::int64_t unix_now_ns();

}  // namespace nl::supervisor
