#pragma once
// The frames in which logs and files are streamed: JSON objects one after another, cut anywhere by
// the network. Data is base64; a frame without anything is a heartbeat.

#include "base/error.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace nl::cli {

struct Frame {
    std::string data;
    std::string file;
    std::string event;
    std::int64_t offset{0};
};

class FrameReader {
public:
    /// `on_frame` is not called for heartbeats; it returns false to end the stream.
    explicit FrameReader(std::function<bool(const Frame&)> on_frame)
        : on_frame_(std::move(on_frame)) {}

    /// Takes the next bytes; false when the stream is to end, because of `on_frame` or an error.
    bool feed(std::string_view bytes);

    /// The error that ended the stream, if one did. Text that is no frame is the server's own
    /// words.
    const Result<void>& status() const { return status_; }

private:
    bool take(std::string_view object);

    /// A server never makes a larger frame; more than that is not a stream of frames.
    static constexpr std::size_t kMaxFrameBytes = 16 * 1024 * 1024;

    std::function<bool(const Frame&)> on_frame_;
    std::string pending_;
    std::size_t scanned_{0};
    int depth_{0};
    bool in_string_{false};
    bool escaped_{false};
    Result<void> status_;
};

}  // namespace nl::cli
