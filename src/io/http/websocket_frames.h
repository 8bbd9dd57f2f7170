#pragma once
// WebSocket framing as values (RFC 6455 5): bytes in, whole messages and control frames out. No
// sockets: the connection feeds it and sends what `encode_frame` makes. Extensions and compression
// are not spoken.

#include "base/bytes.h"
#include "base/error.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::io::http {

enum class Opcode : unsigned char {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
};

struct Frame {
    Opcode opcode = Opcode::Text;
    Bytes payload;
};

struct CloseReason {
    std::uint16_t code = 1005;  ///< 1005: the frame carried none.
    std::string reason;
};

enum class Side : unsigned char { Server, Client };

/// One final frame. A client's frames are masked with `mask`; a server's carry none.
Bytes encode_frame(Opcode opcode, BytesView payload, std::optional<std::uint32_t> mask = {});
Bytes encode_close(
    std::uint16_t code, std::string_view reason, std::optional<std::uint32_t> mask = {}
);
/// Errors: InvalidArgument for a payload of one byte or a code that must not be sent.
Result<CloseReason> decode_close(BytesView payload);

/// The value of Sec-WebSocket-Accept for a key.
std::string websocket_accept(std::string_view key);

/// True for well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text);

class FrameReader {
public:
    /// `side` is ours: a server takes only masked frames, a client only bare ones.
    FrameReader(Side side, std::size_t message_bytes_max)
        : side_(side), message_bytes_max_(message_bytes_max) {}

    /// Takes bytes and gives every message (fragments joined) and control frame they complete.
    /// Errors end the session: TooLarge (close code 1009), InvalidArgument (1007: text that is not
    /// UTF-8), FailedPrecondition (1002: any other breach).
    Result<std::vector<Frame>> feed(BytesView bytes);

private:
    Result<bool> take_frame(std::vector<Frame>& out);

    Side side_;
    std::size_t message_bytes_max_;
    Bytes pending_;
    std::optional<Frame> message_;
};

}  // namespace nl::io::http
