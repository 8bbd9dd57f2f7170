#pragma once
// Keys that libcrypto makes with the operating system's randomness.

#include "base/bytes.h"

namespace nl::io {

/// A new 2048-bit RSA key as DER. Takes some tenths of a second: not for a loop that others wait
/// for. Ends the program if libcrypto cannot.
Bytes generate_rsa_key();

}  // namespace nl::io
