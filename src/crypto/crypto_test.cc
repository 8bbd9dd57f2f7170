#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/keys.h"

#include <gtest/gtest.h>

namespace nl::crypto {
namespace {

Bytes hex(std::string_view text) {
    return hex_decode(text).value();
}

// Vectors of FIPS 180-4, RFC 4231 (case 2), RFC 5869 (A.1) and RFC 8032 (7.1, test 2).

TEST(Crypto, DigestsAreThoseOfTheStandards) {
    EXPECT_EQ(
        hex_encode(sha256("abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    EXPECT_EQ(
        hex_encode(hmac_sha256("Jefe", "what do ya want for nothing?")),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    EXPECT_EQ(
        hex_encode(hkdf_sha256(
            Bytes(22, '\x0b'),
            hex("000102030405060708090a0b0c"),
            hex("f0f1f2f3f4f5f6f7f8f9"),
            42
        )),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    );
}

TEST(Crypto, SecretsAreComparedWhole) {
    EXPECT_TRUE(equal_secrets("abc", "abc"));
    EXPECT_FALSE(equal_secrets("abc", "abd"));
    EXPECT_FALSE(equal_secrets("abc", "ab"));
    EXPECT_TRUE(equal_secrets("", ""));
}

TEST(Crypto, SealedTextOpensOnlyUnchanged) {
    const Bytes key(kAeadKeyBytes, 'k');
    const Bytes nonce(kAeadNonceBytes, 'n');
    const Bytes sealed = seal(key, nonce, "path", "secret");
    EXPECT_EQ(sealed.find("secret"), Bytes::npos);
    EXPECT_EQ(open(key, "path", sealed).value(), "secret");
    EXPECT_EQ(open(key, "", seal(key, nonce, "", "")).value(), "");
    EXPECT_FALSE(open(key, "other", sealed).has_value());
    EXPECT_FALSE(open(Bytes(kAeadKeyBytes, 'x'), "path", sealed).has_value());
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        Bytes changed = sealed;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_FALSE(open(key, "path", changed).has_value()) << i;
    }
    EXPECT_FALSE(open(key, "path", sealed.substr(0, sealed.size() - 1)).has_value());
    EXPECT_FALSE(open(key, "path", "short").has_value());
}

TEST(Crypto, Ed25519SignsAndRefuses) {
    const Bytes key = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    EXPECT_EQ(
        hex_encode(ed25519_public(key)),
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    );
    const Bytes signature = ed25519_sign(key, "\x72");
    EXPECT_EQ(
        hex_encode(signature),
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
        "f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    );
    EXPECT_TRUE(ed25519_verify(ed25519_public(key), "\x72", signature));
    EXPECT_FALSE(ed25519_verify(ed25519_public(key), "\x73", signature));
    EXPECT_FALSE(ed25519_verify(ed25519_public(key), "\x72", signature.substr(1)));
    EXPECT_FALSE(ed25519_verify("short", "\x72", signature));
}

TEST(Crypto, BothSidesAgreeOnOneSecret) {
    const Bytes alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f92ebc099d0b5f00ae9a0f5d7b5");
    const Bytes bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    EXPECT_EQ(
        x25519_shared(alice, x25519_public(bob)).value(),
        x25519_shared(bob, x25519_public(alice)).value()
    );
    EXPECT_FALSE(x25519_shared(alice, Bytes(kCurveKeyBytes, '\0')).has_value());
    EXPECT_FALSE(x25519_shared(alice, "short").has_value());
}

TEST(Crypto, WhatIsNoRsaKeyIsRefused) {
    EXPECT_FALSE(rsa_public("nothing").has_value());
    EXPECT_FALSE(rsa_sign("nothing", "x").has_value());
    EXPECT_FALSE(rsa_verify({Bytes(256, '\xff'), Bytes("\x01\x00\x01", 3)}, "x", Bytes(256, 'a')));
}

}  // namespace
}  // namespace nl::crypto
