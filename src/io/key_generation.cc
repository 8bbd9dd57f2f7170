#include "io/key_generation.h"

#include "base/check.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>

namespace nl::io {

Bytes generate_rsa_key() {
    constexpr std::size_t kBits = 2048;
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        EVP_RSA_gen(kBits), &EVP_PKEY_free
    );
    NL_ASSERT(key != nullptr);
    const int size = i2d_PrivateKey(key.get(), nullptr);
    NL_ASSERT(size > 0);
    Bytes der(static_cast<std::size_t>(size), '\0');
    auto* to = reinterpret_cast<unsigned char*>(der.data());
    NL_ASSERT(i2d_PrivateKey(key.get(), &to) == size);
    return der;
}

}  // namespace nl::io
