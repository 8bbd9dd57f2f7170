#include "crypto/hash.h"

#include "base/check.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

namespace nl::crypto {
namespace {

const unsigned char* in(BytesView data) {
    return reinterpret_cast<const unsigned char*>(data.data());
}
unsigned char* out(Bytes& data) {
    return reinterpret_cast<unsigned char*>(data.data());
}

}  // namespace

Bytes sha256(BytesView data) {
    Bytes digest(kSha256Bytes, '\0');
    unsigned size = 0;
    NL_ASSERT(EVP_Digest(data.data(), data.size(), out(digest), &size, EVP_sha256(), nullptr) == 1);
    NL_ASSERT(size == kSha256Bytes);
    return digest;
}

Bytes hmac_sha256(BytesView key, BytesView data) {
    Bytes digest(kSha256Bytes, '\0');
    unsigned size = 0;
    NL_ASSERT(
        HMAC(
            EVP_sha256(),
            key.data(),
            static_cast<int>(key.size()),
            in(data),
            data.size(),
            out(digest),
            &size
        ) != nullptr
    );
    NL_ASSERT(size == kSha256Bytes);
    return digest;
}

Bytes hkdf_sha256(BytesView secret, BytesView salt, BytesView info, std::size_t size) {
    constexpr std::size_t kBlocksMax = 255;
    NL_ASSERT(size <= kBlocksMax * kSha256Bytes);
    const Bytes key = hmac_sha256(salt.empty() ? Bytes(kSha256Bytes, '\0') : Bytes(salt), secret);
    Bytes made;
    Bytes block;
    for (unsigned char n = 1; made.size() < size; ++n) {
        block = hmac_sha256(key, block + Bytes(info) + static_cast<char>(n));
        made += block;
    }
    made.resize(size);
    return made;
}

bool equal_secrets(BytesView a, BytesView b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace nl::crypto
