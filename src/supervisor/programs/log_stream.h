#pragma once
// One output stream of a task: a named FIFO whose bytes are moved by splice(2) into numbered log
// files, rotated by size and count. Moving happens inside the kernel, so a supervisor killed at any
// moment loses and doubles nothing: a byte is in the FIFO or in the file. The FIFO is opened for
// reading and writing on both sides, so no writer ever gets SIGPIPE; a full one makes the task wait
// until a new supervisor has opened it by its path. Statically linked, no exceptions.

#include <cstdint>
#include <string>

namespace nl::supervisor {

class LogStream {
public:
    /// What one call moves at most, so that one loud task doesn't keep the others waiting.
    static constexpr std::int64_t kMaxBytesPerPump = 1 << 20;

    LogStream() = default;
    LogStream(const LogStream&) = delete;
    LogStream& operator=(const LogStream&) = delete;
    ~LogStream();

    /// Makes the FIFO and the first file if they are missing. False (with errno) on failure. An
    /// empty prefix throws output away.
    bool open(std::string fifo, std::string prefix, std::int64_t max_files, std::int64_t max_bytes);
    /// A descriptor for the task to write to, of its own file description; -1 on failure.
    int open_task_end() const;
    int fd() const { return fifo_fd_; }

    enum class Pumped { Idle, More, Stuck };
    /// Moves what is there. Stuck: the disk takes nothing now; try again later.
    Pumped pump();
    /// Moves all that is left, closes, and removes the FIFO.
    void finish();

private:
    bool open_file();
    bool rotate();
    /// How much of `available` goes into the current file: to its end, or to the last line that
    /// fits.
    std::int64_t fitting(std::int64_t available);

    std::string fifo_;
    std::string prefix_;
    std::int64_t max_files_ = 0;
    std::int64_t max_bytes_ = 0;
    std::int64_t index_ = 0;
    std::int64_t size_ = 0;
    int fifo_fd_ = -1;
    int file_fd_ = -1;
};

}  // namespace nl::supervisor
