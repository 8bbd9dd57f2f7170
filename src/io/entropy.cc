#include "io/entropy.h"

#include "base/check.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nl::io {

Bytes random_bytes(std::size_t count) {
    Bytes out(count, '\0');
    std::size_t filled = 0;
    while (filled < count) {
        const ssize_t got = ::getrandom(out.data() + filled, count - filled, 0);
        if (got < 0) {
            NL_ASSERT(errno == EINTR);
            continue;
        }
        filled += static_cast<std::size_t>(got);
    }
    return out;
}

std::uint64_t random_seed() {
    const Bytes raw = random_bytes(sizeof(std::uint64_t));
    std::uint64_t seed = 0;
    std::memcpy(&seed, raw.data(), sizeof(seed));
    return seed;
}

Uuid random_uuid() {
    Uuid id;
    const Bytes raw = random_bytes(id.bytes.size());
    std::memcpy(id.bytes.data(), raw.data(), id.bytes.size());
    // RFC 9562: version 4, variant 10.
    id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

}  // namespace nl::io
