#include "cli/frames.h"

#include "base/bytes.h"
#include "cli/json.h"

namespace nl::cli {

bool FrameReader::feed(std::string_view bytes) {
    pending_ += bytes;
    std::size_t start = 0;
    while (scanned_ < pending_.size()) {
        const char c = pending_[scanned_++];
        if (in_string_) {
            if (escaped_) {
                escaped_ = false;
            } else if (c == '\\') {
                escaped_ = true;
            } else if (c == '"') {
                in_string_ = false;
            }
            continue;
        }
        if (depth_ == 0 && c != '{' && c != ' ' && c != '\n' && c != '\r' && c != '\t') {
            status_ = fail(ErrorCode::Internal, "{}", pending_.substr(scanned_ - 1));
            return false;
        }
        if (c == '"') {
            in_string_ = true;
        } else if (c == '{') {
            start = depth_ == 0 ? scanned_ - 1 : start;
            ++depth_;
        } else if (c == '}') {
            --depth_;
            if (depth_ == 0) {
                const bool more = take(std::string_view(pending_).substr(start, scanned_ - start));
                if (!more) {
                    return false;
                }
                pending_.erase(0, scanned_);
                scanned_ = 0;
                start = 0;
            }
        }
    }
    if (pending_.size() > kMaxFrameBytes) {
        status_ = fail(
            ErrorCode::TooLarge, "the server sent a frame of more than {} bytes", kMaxFrameBytes
        );
        return false;
    }
    return true;
}

bool FrameReader::take(std::string_view object) {
    const auto parsed = parse_json(object);
    if (!parsed) {
        status_ = fail(ErrorCode::Internal, "the server sent a damaged frame");
        return false;
    }
    const Doc doc(*parsed);
    auto data = base64_decode(doc["Data"].text());
    if (!data) {
        status_ = fail(ErrorCode::Internal, "the server sent a damaged frame");
        return false;
    }
    const Frame frame{
        .data = std::move(*data),
        .file = doc["File"].text(),
        .event = doc["FileEvent"].text(),
        .offset = doc["Offset"].integer()
    };
    if (frame.data.empty() && frame.event.empty()) {
        return true;
    }
    return on_frame_(frame);
}

}  // namespace nl::cli
