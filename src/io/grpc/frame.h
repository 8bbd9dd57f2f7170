#pragma once
// What travels on a node's session and in the answer to a call: opaque data under a kind and an id
// that the rooms above choose. docs/formats/transport.md.

#include "base/bytes.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace nl::io {

/// The largest message on any of our gRPC streams.
inline constexpr std::size_t kFrameBytesMax = 64 * 1024 * 1024;

struct Frame {
    std::string kind;
    std::uint64_t id{0};
    Bytes data;

    friend bool operator==(const Frame&, const Frame&) = default;
};

}  // namespace nl::io
