#pragma once
// What a container says, read back from its engine and written into the task's log files: rotated
// by size and count as the supervisor does it, and exactly once. The position (the engine's time of
// the last entry, and how much of the files stood then) is written beside the files after every
// batch; a reader that comes back cuts off what was written after it and reads on from there. What
// is written while no agent runs is kept by the engine. One thread.

#include "base/error.h"
#include "base/uuid.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace nl::drivers {

/// <prefix>.0, <prefix>.1, ... Only the newest `max_files` stay.
class RotatedLog {
public:
    RotatedLog(std::string prefix, std::int64_t max_files, std::int64_t max_bytes);
    RotatedLog(const RotatedLog&) = delete;
    RotatedLog& operator=(const RotatedLog&) = delete;
    ~RotatedLog();

    /// Goes on at the end of the newest file.
    void open_newest();
    /// Goes on after `size` bytes of file `index`; what is later is removed.
    void open_at(std::int64_t index, std::int64_t size);
    /// False if the disk does not take it; nothing is skipped then.
    bool write(std::string_view bytes);

    std::int64_t index() const { return index_; }
    std::int64_t size() const { return size_; }

private:
    bool open_file();
    std::string path(std::int64_t index) const;

    std::string prefix_;
    std::int64_t max_files_;
    std::int64_t max_bytes_;
    std::int64_t index_{0};
    std::int64_t size_{0};
    int fd_{-1};
};

/// Takes the engine's stream of log entries.
class LogSink {
public:
    /// `position` is the file that remembers where it stood.
    LogSink(
        std::string out_prefix,
        std::string err_prefix,
        std::int64_t max_files,
        std::int64_t max_bytes,
        std::string position,
        bool tty
    );

    /// Entries at or after this time are to be asked for; "" for all.
    const std::string& since() const { return stamp_; }
    /// Bytes of the stream as they come. False: the disk is full.
    bool feed(std::string_view bytes);
    /// A new stream begins (the old one broke off).
    void begin();

private:
    bool entry(bool standard_error, std::string_view text);
    bool save();

    RotatedLog out_;
    RotatedLog err_;
    std::string position_;
    bool tty_;
    std::string buffer_;
    /// Of the newest entry written, and how many entries have it.
    std::string stamp_;
    std::int64_t ties_{0};
    /// Entries with the newest time that the stream has told again so far.
    std::int64_t repeated_{0};
    bool after_newest_{true};
};

/// "2026-11-27T10:00:00.123456789Z" as "1795773600.123456789", as engines take a time; "" if it is
/// none.
std::string unix_time_of(std::string_view stamp);

}  // namespace nl::drivers
