#include "crypto/aead.h"

#include "base/check.h"

#include <openssl/evp.h>

#include <memory>

namespace nl::crypto {
namespace {

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* in(BytesView data) {
    return reinterpret_cast<const unsigned char*>(data.data());
}

}  // namespace

Bytes seal(BytesView key, BytesView nonce, BytesView bound, BytesView plain) {
    NL_ASSERT(key.size() == kAeadKeyBytes);
    NL_ASSERT(nonce.size() == kAeadNonceBytes);
    const Cipher cipher(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    Bytes sealed(nonce);
    sealed.resize(kAeadNonceBytes + plain.size() + kAeadTagBytes);
    auto* to = reinterpret_cast<unsigned char*>(sealed.data()) + kAeadNonceBytes;
    int size = 0;
    NL_ASSERT(
        EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, in(key), in(nonce)) == 1
    );
    NL_ASSERT(
        EVP_EncryptUpdate(
            cipher.get(), nullptr, &size, in(bound), static_cast<int>(bound.size())
        ) == 1
    );
    NL_ASSERT(
        EVP_EncryptUpdate(cipher.get(), to, &size, in(plain), static_cast<int>(plain.size())) == 1
    );
    NL_ASSERT(static_cast<std::size_t>(size) == plain.size());
    NL_ASSERT(EVP_EncryptFinal_ex(cipher.get(), to + plain.size(), &size) == 1);
    NL_ASSERT(
        EVP_CIPHER_CTX_ctrl(
            cipher.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(kAeadTagBytes), to + plain.size()
        ) == 1
    );
    return sealed;
}

Result<Bytes> open(BytesView key, BytesView bound, BytesView sealed) {
    NL_ASSERT(key.size() == kAeadKeyBytes);
    const auto refused = [] {
        return fail(
            ErrorCode::Corruption, "the ciphertext is damaged or was encrypted with another key"
        );
    };
    if (sealed.size() < kAeadNonceBytes + kAeadTagBytes) {
        return refused();
    }
    const std::size_t plain_size = sealed.size() - kAeadNonceBytes - kAeadTagBytes;
    const unsigned char* from = in(sealed) + kAeadNonceBytes;
    const Cipher cipher(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    Bytes plain(plain_size, '\0');
    Bytes tag(sealed.substr(sealed.size() - kAeadTagBytes));
    auto* to = reinterpret_cast<unsigned char*>(plain.data());
    int size = 0;
    NL_ASSERT(
        EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, in(key), in(sealed)) == 1
    );
    NL_ASSERT(
        EVP_DecryptUpdate(
            cipher.get(), nullptr, &size, in(bound), static_cast<int>(bound.size())
        ) == 1
    );
    NL_ASSERT(
        EVP_DecryptUpdate(cipher.get(), to, &size, from, static_cast<int>(plain_size)) == 1
    );
    NL_ASSERT(
        EVP_CIPHER_CTX_ctrl(
            cipher.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(tag.size()), tag.data()
        ) == 1
    );
    if (EVP_DecryptFinal_ex(cipher.get(), to + plain_size, &size) != 1) {
        return refused();
    }
    return plain;
}

}  // namespace nl::crypto
