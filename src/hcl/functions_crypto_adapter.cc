#include "base/bytes.h"
#include "hcl/internal/function_groups.h"
#include "hcl/text.h"

#include <crypt.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <memory>

namespace nl::hcl::internal {
namespace {

std::string digest(const EVP_MD* kind, std::string_view data) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned length = 0;
    EVP_Digest(data.data(), data.size(), out.data(), &length, kind, nullptr);
    return {reinterpret_cast<const char*>(out.data()), length};
}

template <const EVP_MD* (*kKind)()>
FunctionResult hex_digest(Arguments a, FunctionEnvironment&) {
    return Value::string(hex_encode(digest(kKind(), a[0].as_string())));
}

std::string uuid_text(std::array<std::uint8_t, 16> bytes, int version) {
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | (version << 4));
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);
    std::string hex =
        hex_encode(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    for (const std::size_t at : {20U, 16U, 12U, 8U}) {
        hex.insert(at, 1, '-');
    }
    return hex;
}

FunctionResult uuid_named(Arguments a, FunctionEnvironment&) {
    // RFC 4122, appendix C: the name spaces dns, url, oid and x500 differ in one byte.
    static constexpr std::array<std::pair<std::string_view, char>, 4> kKnown{
        {{"dns", '0'}, {"url", '1'}, {"oid", '2'}, {"x500", '4'}}
    };
    std::string space = a[0].as_string();
    for (const auto& [name, letter] : kKnown) {
        if (space == name) {
            space = std::string("6ba7b81") + letter + "-9dad-11d1-80b4-00c04fd430c8";
            break;
        }
    }
    std::erase(space, '-');
    const auto bytes = hex_decode(space);
    if (!bytes || bytes->size() != 16) {
        return wrong(fmt::format("uuidv5() doesn't support namespace {}", a[0].as_string()));
    }
    const std::string sum = digest(EVP_sha1(), *bytes + a[1].as_string());
    std::array<std::uint8_t, 16> out{};
    std::copy_n(sum.begin(), out.size(), out.begin());
    return Value::string(uuid_text(out, 5));
}

FunctionResult password_hash(Arguments a, FunctionEnvironment& e) {
    std::int64_t cost = 10;
    if (a.size() > 2) {
        return wrong("bcrypt() takes no more than two arguments");
    }
    if (a.size() == 2) {
        const auto given = a[1].as_number().as_int();
        if (!given || *given < 4 || *given > 31) {
            return wrong("cost must be a whole number from 4 to 31", 1);
        }
        cost = *given;
        constexpr std::int64_t kMaxCost = 14;  // About a second of work.
        if (cost > kMaxCost) {
            return wrong(fmt::format("cost {} takes too long, the limit is {}", cost, kMaxCost), 1);
        }
    }
    if (!e.entropy) {
        return wrong("no source of entropy here");
    }
    std::array<std::uint8_t, 16> salt{};
    e.entropy(salt);
    static constexpr std::string_view kAlphabet =
        "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    std::string setting = fmt::format("$2a${:02}$", cost);
    // bcrypt's base 64: 16 bytes as 22 letters, the last carrying two bits.
    std::uint32_t bits = 0;
    int held = 0;
    for (const std::uint8_t byte : salt) {
        bits = (bits << 8) | byte;
        held += 8;
        while (held >= 6) {
            held -= 6;
            setting += kAlphabet[(bits >> held) & 63];
        }
    }
    setting += kAlphabet[(bits << (6 - held)) & 63];
    auto data = std::make_unique<crypt_data>();
    const char* hash = crypt_r(a[0].as_string().c_str(), setting.c_str(), data.get());
    if (hash == nullptr || hash[0] == '*') {
        return wrong("the text cannot be hashed");
    }
    return Value::string(hash);
}

FunctionResult decrypted(Arguments a, FunctionEnvironment&) {
    const auto cipher = base64_decode(a[0].as_string());
    if (!cipher) {
        return wrong("failed to decode input: cipher text must be base64-encoded", 0);
    }
    const std::string& pem = a[1].as_string();
    const std::unique_ptr<BIO, decltype(&BIO_free)> source(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free
    );
    // An encrypted key must not ask on the terminal for its password.
    const auto no_password = [](char*, int, int, void*) { return -1; };
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        PEM_read_bio_PrivateKey(source.get(), nullptr, no_password, nullptr), &EVP_PKEY_free
    );
    if (key == nullptr) {
        return wrong("invalid private key", 1);
    }
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
        EVP_PKEY_CTX_new(key.get(), nullptr), &EVP_PKEY_CTX_free
    );
    const auto* in = reinterpret_cast<const unsigned char*>(cipher->data());
    std::size_t length = 0;
    if (context == nullptr || EVP_PKEY_decrypt_init(context.get()) <= 0 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) <= 0 ||
        EVP_PKEY_decrypt(context.get(), nullptr, &length, in, cipher->size()) <= 0) {
        return wrong("failed to decrypt");
    }
    std::string out(length, '\0');
    if (EVP_PKEY_decrypt(
            context.get(), reinterpret_cast<unsigned char*>(out.data()), &length, in, cipher->size()
        ) <= 0) {
        return wrong("failed to decrypt");
    }
    out.resize(length);
    return Value::string(out);
}

}  // namespace

void add_crypto_functions(FunctionTable& table) {
    const Parameter str{.name = "str", .type = Kind::String};
    table["md5"] = {.parameters = {str}, .call = hex_digest<EVP_md5>};
    table["sha1"] = {.parameters = {str}, .call = hex_digest<EVP_sha1>};
    table["sha256"] = {.parameters = {str}, .call = hex_digest<EVP_sha256>};
    table["sha512"] = {.parameters = {str}, .call = hex_digest<EVP_sha512>};
    table["bcrypt"] = {
        .parameters = {str},
        .rest = Parameter{.name = "cost", .type = Kind::Number},
        .call = password_hash
    };
    table["rsadecrypt"] = {
        .parameters =
            {{.name = "ciphertext", .type = Kind::String},
             {.name = "privatekey", .type = Kind::String}},
        .call = decrypted
    };
    table["uuidv4"] = {.call = [](Arguments, FunctionEnvironment& e) -> FunctionResult {
        if (!e.entropy) {
            return wrong("no source of entropy here");
        }
        std::array<std::uint8_t, 16> bytes{};
        e.entropy(bytes);
        return Value::string(uuid_text(bytes, 4));
    }};
    table["uuidv5"] = {
        .parameters =
            {{.name = "namespace", .type = Kind::String}, {.name = "name", .type = Kind::String}},
        .call = uuid_named
    };
}

}  // namespace nl::hcl::internal
