#pragma once
// Randomness of the operating system (getrandom). For ids, keys and the seeds of base::Rng; never
// asked inside apply.

#include "base/bytes.h"
#include "base/uuid.h"

#include <cstddef>
#include <cstdint>

namespace nl::io {

/// `count` bytes fit for keys. Ends the program when the kernel has none to give: going on with
/// guessable keys would be worse.
Bytes random_bytes(std::size_t count);
std::uint64_t random_seed();
/// A version 4 UUID.
Uuid random_uuid();

}  // namespace nl::io
