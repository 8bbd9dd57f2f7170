#include "policy/identity.h"
#include "policy/keyring.h"

#include "crypto/keys.h"

#include <gtest/gtest.h>

namespace nl::policy {
namespace {

Bytes entropy(char fill) {
    return Bytes(kEntropyBytes, fill);
}
RootKey key_of(char fill) {
    return make_root_key("11111111-2222-3333-4444-55555555555" + std::string(1, fill), entropy(fill));
}

TEST(Keyring, OnlyRecipientsUnwrap) {
    const Bytes first(crypto::kCurveKeyBytes, '1');
    const Bytes second(crypto::kCurveKeyBytes, '2');
    const Bytes stranger(crypto::kCurveKeyBytes, '3');
    const RootKey key = key_of('a');
    const std::vector<Bytes> recipients{crypto::x25519_public(first), crypto::x25519_public(second)};
    const Bytes wrapped = wrap(key, recipients, entropy('e'));
    EXPECT_EQ(wrapped.find(key.aead), Bytes::npos);
    EXPECT_EQ(wrapped.find(key.ed25519), Bytes::npos);
    EXPECT_EQ(recipients_of(wrapped), recipients);
    EXPECT_EQ(unwrap(wrapped, first)->aead, key.aead);
    EXPECT_EQ(unwrap(wrapped, second)->ed25519, key.ed25519);
    EXPECT_EQ(unwrap(wrapped, stranger).error().code, ErrorCode::NotFound);
    for (std::size_t i = 0; i < wrapped.size(); ++i) {
        Bytes changed = wrapped;
        changed[i] = static_cast<char>(changed[i] ^ 0x20);
        const auto opened = unwrap(changed, first);
        // A change in the other recipient's part does not concern this one.
        EXPECT_TRUE(!opened || opened->aead == key.aead) << i;
    }
    EXPECT_FALSE(unwrap("", first).has_value());
    EXPECT_TRUE(recipients_of("nonsense").empty());
}

TEST(Keyring, AVariableOpensOnlyInItsPlace) {
    const RootKey key = key_of('a');
    const Bytes sealed = seal_variable(key, "default", "app/db", "items", entropy('n'));
    EXPECT_EQ(open_variable(key, "default", "app/db", sealed).value(), "items");
    EXPECT_FALSE(open_variable(key, "default", "app/other", sealed).has_value());
    EXPECT_FALSE(open_variable(key, "other", "app/db", sealed).has_value());
    EXPECT_FALSE(open_variable(key_of('b'), "default", "app/db", sealed).has_value());
    EXPECT_FALSE(open_variable(key, "default", "app/db", "short").has_value());
    EXPECT_NE(sealed, seal_variable(key, "default", "app/db", "items", entropy('m')));
}

struct Signed {
    RootKey key = key_of('a');
    WallTime now{1'700'000'000'000'000'000};
    Claims claims;
    FindPublicKeys find = [this](std::string_view id) {
        return id == key.id ? std::optional(public_keys(key)) : std::nullopt;
    };

    Signed() {
        claims.namespace_ = "default";
        claims.job_id = "web";
        claims.group = "g";
        claims.task = "t";
        claims.alloc_id = "aaaaaaaa-2222-3333-4444-555555555555";
        claims.issued_at = now;
        claims.expires_at = now + hours(1);
    }
    std::string token() const {
        return sign_identity(claims, key, SigningAlgorithm::EdDSA).value();
    }
    std::string refusal(std::string_view text, WallTime at) const {
        const auto read = verify_identity(text, find, at);
        return read ? "" : read.error().message;
    }
    std::string refusal(std::string_view text) const { return refusal(text, now); }
};

TEST(Identity, SaysWhoItsBearerIs) {
    const Signed s;
    const auto read = verify_identity(s.token(), s.find, s.now);
    ASSERT_TRUE(read.has_value()) << read.error().message;
    EXPECT_EQ(read->job_id, "web");
    EXPECT_EQ(read->task, "t");
    EXPECT_EQ(read->group, "g");
    EXPECT_EQ(read->alloc_id, s.claims.alloc_id);
    EXPECT_EQ(read->expires_at, s.claims.expires_at);
    EXPECT_FALSE(sign_identity(s.claims, s.key, SigningAlgorithm::RS256).has_value());
}

TEST(Identity, ForgeriesAreRefused) {
    Signed s;
    const std::string token = s.token();
    EXPECT_NE(s.refusal(token, s.now + hours(1)), "");
    EXPECT_NE(s.refusal(token, s.now - hours(1)), "");
    // Signed by a key that is not of this cluster, though it bears the same id.
    Signed other;
    other.key = key_of('b');
    other.key.id = s.key.id;
    EXPECT_EQ(s.refusal(other.token()), "the workload identity has a wrong signature");
    other.key.id = "unknown";
    EXPECT_EQ(s.refusal(other.token()), "the workload identity names an unknown key");
    // No signature at all, or a key used for another algorithm than its own.
    const std::string body = token.substr(token.find('.'), token.rfind('.') - token.find('.'));
    const auto with_head = [&](const std::string& head) {
        return base64url_encode(head) + body + token.substr(token.rfind('.'));
    };
    EXPECT_NE(s.refusal(with_head(R"({"alg":"none","kid":")" + s.key.id + "\"}")), "");
    EXPECT_NE(s.refusal(with_head(R"({"alg":"HS256","kid":")" + s.key.id + "\"}")), "");
    EXPECT_NE(s.refusal(with_head(R"({"alg":"RS256","kid":")" + s.key.id + ".ed25519\"}")), "");
    EXPECT_NE(s.refusal(with_head(R"({"alg":"EdDSA","kid":")" + s.key.id + "\"}")), "");
    // Each byte counts.
    for (std::size_t i = 0; i < token.size(); ++i) {
        std::string changed = token;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        const auto read = verify_identity(changed, s.find, s.now);
        // The last character of base64 may carry bits that mean nothing.
        EXPECT_TRUE(!read || changed == token || i + 1 == token.size()) << i;
    }
    s.claims.audience = {"vault.io"};
    EXPECT_EQ(s.refusal(s.token()), "the workload identity is meant for another audience");
    for (const char* nonsense : {"", "..", "a.b.c", "a.b", "a.b.c.d", "\xff.\xff.\xff"}) {
        EXPECT_NE(s.refusal(nonsense), "") << nonsense;
    }
    EXPECT_NE(s.refusal(std::string(100'000, '.')), "");
}

TEST(Identity, TheKeySetShowsPublicPartsOnly) {
    const Signed s;
    const Value::List keys = json_web_keys(s.key.id, public_keys(s.key));
    ASSERT_EQ(keys.size(), 1U);
    const auto& entry = *keys[0].as_map();
    EXPECT_EQ(*entry.at("kty").as_string(), "OKP");
    EXPECT_EQ(*entry.at("x").as_string(), base64url_encode(public_keys(s.key).ed25519));
    EXPECT_FALSE(entry.contains("d"));
}

}  // namespace
}  // namespace nl::policy
