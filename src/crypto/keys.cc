#include "crypto/keys.h"

#include "base/check.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include <memory>

namespace nl::crypto {
namespace {

template <auto Free>
struct Freeing {
    template <class T>
    void operator()(T* held) const {
        Free(held);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freeing<EVP_PKEY_CTX_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freeing<EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Freeing<BN_free>>;

const unsigned char* in(BytesView data) {
    return reinterpret_cast<const unsigned char*>(data.data());
}
unsigned char* out(Bytes& data) {
    return reinterpret_cast<unsigned char*>(data.data());
}

Key private_key_of(int type, BytesView bytes) {
    NL_ASSERT(bytes.size() == kCurveKeyBytes);
    Key key(EVP_PKEY_new_raw_private_key(type, nullptr, in(bytes), bytes.size()));
    NL_ASSERT(key != nullptr);
    return key;
}

Bytes raw_public(const Key& key) {
    std::size_t size = kCurveKeyBytes;
    Bytes bytes(size, '\0');
    NL_ASSERT(EVP_PKEY_get_raw_public_key(key.get(), out(bytes), &size) == 1);
    NL_ASSERT(size == kCurveKeyBytes);
    return bytes;
}

Key rsa_private(BytesView der) {
    const unsigned char* from = in(der);
    Key key(d2i_AutoPrivateKey(nullptr, &from, static_cast<long>(der.size())));
    return key != nullptr && EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA ? std::move(key)
                                                                             : Key();
}

Error no_rsa() {
    return {ErrorCode::InvalidArgument, "the bytes are no RSA key in PKCS#8"};
}

Bytes number_bytes(const EVP_PKEY* key, const char* name) {
    BIGNUM* raw = nullptr;
    NL_ASSERT(EVP_PKEY_get_bn_param(key, name, &raw) == 1);
    const Number number(raw);
    Bytes bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
    BN_bn2bin(number.get(), out(bytes));
    return bytes;
}

}  // namespace

Bytes ed25519_public(BytesView private_key) {
    return raw_public(private_key_of(EVP_PKEY_ED25519, private_key));
}

Bytes ed25519_sign(BytesView private_key, BytesView message) {
    constexpr std::size_t kSignatureBytes = 64;
    const Key key = private_key_of(EVP_PKEY_ED25519, private_key);
    const Digest digest(EVP_MD_CTX_new());
    NL_ASSERT(EVP_DigestSignInit(digest.get(), nullptr, nullptr, nullptr, key.get()) == 1);
    Bytes signature(kSignatureBytes, '\0');
    std::size_t size = kSignatureBytes;
    NL_ASSERT(
        EVP_DigestSign(digest.get(), out(signature), &size, in(message), message.size()) == 1
    );
    return signature;
}

bool ed25519_verify(BytesView public_key, BytesView message, BytesView signature) {
    if (public_key.size() != kCurveKeyBytes) {
        return false;
    }
    const Key key(EVP_PKEY_new_raw_public_key(
        EVP_PKEY_ED25519, nullptr, in(public_key), public_key.size()
    ));
    const Digest digest(EVP_MD_CTX_new());
    return key != nullptr &&
           EVP_DigestVerifyInit(digest.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
           EVP_DigestVerify(
               digest.get(), in(signature), signature.size(), in(message), message.size()
           ) == 1;
}

Bytes x25519_public(BytesView private_key) {
    return raw_public(private_key_of(EVP_PKEY_X25519, private_key));
}

Result<Bytes> x25519_shared(BytesView private_key, BytesView public_key) {
    const Key own = private_key_of(EVP_PKEY_X25519, private_key);
    const Key other(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, in(public_key), public_key.size())
    );
    const KeyContext context(EVP_PKEY_CTX_new(own.get(), nullptr));
    Bytes secret(kCurveKeyBytes, '\0');
    std::size_t size = secret.size();
    // A point of small order makes the agreement fail here.
    if (other == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
        EVP_PKEY_derive_set_peer(context.get(), other.get()) != 1 ||
        EVP_PKEY_derive(context.get(), out(secret), &size) != 1) {
        return fail(ErrorCode::InvalidArgument, "the bytes are no public key of X25519");
    }
    return secret;
}

Result<RsaPublic> rsa_public(BytesView private_der) {
    const Key key = rsa_private(private_der);
    if (key == nullptr) {
        return std::unexpected(no_rsa());
    }
    return RsaPublic{
        number_bytes(key.get(), OSSL_PKEY_PARAM_RSA_N),
        number_bytes(key.get(), OSSL_PKEY_PARAM_RSA_E)
    };
}

Result<Bytes> rsa_sign(BytesView private_der, BytesView message) {
    const Key key = rsa_private(private_der);
    if (key == nullptr) {
        return std::unexpected(no_rsa());
    }
    const Digest digest(EVP_MD_CTX_new());
    Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key.get())), '\0');
    std::size_t size = signature.size();
    NL_ASSERT(EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1);
    NL_ASSERT(
        EVP_DigestSign(digest.get(), out(signature), &size, in(message), message.size()) == 1
    );
    signature.resize(size);
    return signature;
}

bool rsa_verify(const RsaPublic& public_key, BytesView message, BytesView signature) {
    const auto number = [](BytesView bytes) {
        return Number(BN_bin2bn(in(bytes), static_cast<int>(bytes.size()), nullptr));
    };
    const Number n = number(public_key.modulus);
    const Number e = number(public_key.exponent);
    const std::unique_ptr<OSSL_PARAM_BLD, Freeing<OSSL_PARAM_BLD_free>> build(OSSL_PARAM_BLD_new());
    NL_ASSERT(OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1);
    NL_ASSERT(OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
    const std::unique_ptr<OSSL_PARAM, Freeing<OSSL_PARAM_free>> params(
        OSSL_PARAM_BLD_to_param(build.get())
    );
    const KeyContext maker(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    EVP_PKEY* raw = nullptr;
    if (EVP_PKEY_fromdata_init(maker.get()) != 1 ||
        EVP_PKEY_fromdata(maker.get(), &raw, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
        return false;
    }
    const Key key(raw);
    const Digest digest(EVP_MD_CTX_new());
    return EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
           EVP_DigestVerify(
               digest.get(), in(signature), signature.size(), in(message), message.size()
           ) == 1;
}

}  // namespace nl::crypto
