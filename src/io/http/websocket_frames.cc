#include "io/http/websocket_frames.h"

#include "base/check.h"

#include <openssl/evp.h>

#include <array>
#include <utility>

namespace nl::io::http {
namespace {

constexpr std::size_t kControlPayloadMax = 125;

char byte_of(std::uint64_t value, int shift) {
    return static_cast<char>(value >> shift & 0xff);
}

std::uint64_t big_endian(BytesView bytes) {
    std::uint64_t value = 0;
    for (const char c : bytes) {
        value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
}

void apply_mask(char* data, std::size_t size, BytesView key) {
    for (std::size_t i = 0; i < size; ++i) {
        data[i] = static_cast<char>(data[i] ^ key[i % 4]);
    }
}

bool is_control(Opcode opcode) {
    return static_cast<unsigned>(opcode) >= 0x8;
}

std::optional<Opcode> opcode_of(unsigned bits) {
    switch (bits) {
        case 0x0:
            return Opcode::Continuation;
        case 0x1:
            return Opcode::Text;
        case 0x2:
            return Opcode::Binary;
        case 0x8:
            return Opcode::Close;
        case 0x9:
            return Opcode::Ping;
        case 0xA:
            return Opcode::Pong;
        default:
            return {};
    }
}

}  // namespace

Bytes encode_frame(Opcode opcode, BytesView payload, std::optional<std::uint32_t> mask) {
    Bytes out;
    out.reserve(payload.size() + 14);
    out.push_back(static_cast<char>(0x80 | static_cast<unsigned>(opcode)));
    const unsigned mask_bit = mask ? 0x80 : 0;
    if (payload.size() <= kControlPayloadMax) {
        out.push_back(static_cast<char>(mask_bit | payload.size()));
    } else if (payload.size() <= 0xffff) {
        out.push_back(static_cast<char>(mask_bit | 126));
        out.push_back(byte_of(payload.size(), 8));
        out.push_back(byte_of(payload.size(), 0));
    } else {
        out.push_back(static_cast<char>(mask_bit | 127));
        for (int shift = 56; shift >= 0; shift -= 8) {
            out.push_back(byte_of(payload.size(), shift));
        }
    }
    if (!mask) {
        out.append(payload);
        return out;
    }
    const std::size_t key_at = out.size();
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(byte_of(*mask, shift));
    }
    out.append(payload);
    const std::array<char, 4> key{out[key_at], out[key_at + 1], out[key_at + 2], out[key_at + 3]};
    apply_mask(out.data() + key_at + 4, payload.size(), BytesView(key.data(), key.size()));
    return out;
}

Bytes encode_close(std::uint16_t code, std::string_view reason, std::optional<std::uint32_t> mask) {
    Bytes payload;
    payload.push_back(byte_of(code, 8));
    payload.push_back(byte_of(code, 0));
    reason = reason.substr(0, kControlPayloadMax - 2);
    // Cut at a character's border: the reason must stay UTF-8.
    while (!reason.empty() && !is_utf8(reason)) {
        reason.remove_suffix(1);
    }
    payload.append(reason);
    return encode_frame(Opcode::Close, payload, mask);
}

Result<CloseReason> decode_close(BytesView payload) {
    if (payload.empty()) {
        return CloseReason{};
    }
    if (payload.size() == 1) {
        return fail(ErrorCode::InvalidArgument, "a close frame has a payload of one byte");
    }
    const auto code = static_cast<std::uint16_t>(big_endian(payload.substr(0, 2)));
    const bool allowed =
        (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
        (code >= 3000 && code <= 4999);
    if (!allowed || !is_utf8(payload.substr(2))) {
        return fail(ErrorCode::InvalidArgument, "close code {} may not be sent", code);
    }
    return CloseReason{code, std::string(payload.substr(2))};
}

std::string websocket_accept(std::string_view key) {
    // The GUID is the RFC's, section 1.3.
    const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<unsigned char, 20> digest{};
    unsigned size = 0;
    const int done =
        EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
    NL_ASSERT(done == 1);
    return base64_encode(BytesView(reinterpret_cast<const char*>(digest.data()), size));
}

bool is_utf8(std::string_view text) {
    std::size_t i = 0;
    while (i < text.size()) {
        const auto first = static_cast<unsigned char>(text[i]);
        std::size_t more = 0;
        std::uint32_t point = 0;
        if (first < 0x80) {
            ++i;
            continue;
        }
        if (first >= 0xC2 && first <= 0xDF) {
            more = 1;
            point = first & 0x1fU;
        } else if (first >= 0xE0 && first <= 0xEF) {
            more = 2;
            point = first & 0x0fU;
        } else if (first >= 0xF0 && first <= 0xF4) {
            more = 3;
            point = first & 0x07U;
        } else {
            return false;
        }
        if (i + more >= text.size()) {
            return false;
        }
        for (std::size_t k = 1; k <= more; ++k) {
            const auto next = static_cast<unsigned char>(text[i + k]);
            if ((next & 0xC0U) != 0x80U) {
                return false;
            }
            point = point << 6 | (next & 0x3fU);
        }
        const bool overlong = (more == 2 && point < 0x800) || (more == 3 && point < 0x10000);
        if (overlong || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
            return false;
        }
        i += more + 1;
    }
    return true;
}

Result<bool> FrameReader::take_frame(std::vector<Frame>& out) {
    if (pending_.size() < 2) {
        return false;
    }
    const auto first = static_cast<unsigned char>(pending_[0]);
    const auto second = static_cast<unsigned char>(pending_[1]);
    const bool final = (first & 0x80U) != 0;
    const bool masked = (second & 0x80U) != 0;
    const auto opcode = opcode_of(first & 0x0fU);
    if ((first & 0x70U) != 0 || !opcode) {
        return fail(ErrorCode::FailedPrecondition, "a frame of an unknown kind");
    }
    if (masked != (side_ == Side::Server)) {
        return fail(ErrorCode::FailedPrecondition, "a frame with the wrong masking");
    }
    std::size_t header = 2;
    std::uint64_t size = second & 0x7fU;
    if (size == 126 || size == 127) {
        const std::size_t wide = size == 126 ? 2 : 8;
        if (pending_.size() < header + wide) {
            return false;
        }
        size = big_endian(BytesView(pending_).substr(header, wide));
        header += wide;
    }
    if (is_control(*opcode) && (!final || size > kControlPayloadMax)) {
        return fail(ErrorCode::FailedPrecondition, "a control frame that is too long or in parts");
    }
    const std::size_t held = message_ ? message_->payload.size() : 0;
    if (size > message_bytes_max_ || held + size > message_bytes_max_) {
        return fail(ErrorCode::TooLarge, "a message of more than {} bytes", message_bytes_max_);
    }
    const std::size_t key_at = header;
    header += masked ? 4 : 0;
    const std::size_t total = header + static_cast<std::size_t>(size);
    if (pending_.size() < total) {
        return false;
    }
    Bytes payload = pending_.substr(header, static_cast<std::size_t>(size));
    if (masked) {
        apply_mask(payload.data(), payload.size(), BytesView(pending_).substr(key_at, 4));
    }
    pending_.erase(0, total);
    if (is_control(*opcode)) {
        out.push_back({*opcode, std::move(payload)});
        return true;
    }
    if ((*opcode == Opcode::Continuation) != message_.has_value()) {
        return fail(ErrorCode::FailedPrecondition, "a message part out of order");
    }
    if (message_) {
        message_->payload += payload;
    } else {
        message_ = Frame{*opcode, std::move(payload)};
    }
    if (final) {
        if (message_->opcode == Opcode::Text && !is_utf8(message_->payload)) {
            return fail(ErrorCode::InvalidArgument, "a text message that is not UTF-8");
        }
        out.push_back(*std::exchange(message_, std::nullopt));
    }
    return true;
}

Result<std::vector<Frame>> FrameReader::feed(BytesView bytes) {
    pending_.append(bytes);
    std::vector<Frame> out;
    bool more = true;
    while (more) {
        NL_TRY(more, take_frame(out));
    }
    return out;
}

}  // namespace nl::io::http
