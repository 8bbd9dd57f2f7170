#include "io/certificates.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <memory>

namespace nl::io {
namespace {

template <auto Free>
struct Freeing {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freeing<X509_free>>;
using Bio = std::unique_ptr<BIO, Freeing<BIO_free_all>>;

constexpr long kDaySeconds = 24 * 3'600;
/// Clocks of two machines may differ by this much.
constexpr long kBackdateSeconds = 60;
constexpr std::size_t kSerialBytes = 16;
constexpr std::int64_t kDaysMax = 36'500;

Error problem(const std::string& what) {
    const unsigned long code = ERR_get_error();
    std::array<char, 256> text{};
    ERR_error_string_n(code, text.data(), text.size());
    return {ErrorCode::InvalidArgument, code == 0 ? what : fmt::format("{}: {}", what, text.data())};
}

bool add_part(X509_NAME* name, const std::string& field, const std::string& value) {
    return value.empty() ||
           X509_NAME_add_entry_by_txt(
               name,
               field.c_str(),
               MBSTRING_UTF8,
               reinterpret_cast<const unsigned char*>(value.data()),
               static_cast<int>(value.size()),
               -1,
               0
           ) == 1;
}

Result<void> extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    if (extension == nullptr) {
        return std::unexpected(problem(fmt::format("a certificate cannot hold \"{}\"", value)));
    }
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return {};
}

Result<Certificate> begin(EVP_PKEY* key, const CertificateName& name, std::int64_t days) {
    if (days < 1 || days > kDaysMax) {
        return fail(ErrorCode::InvalidArgument, "days must be between 1 and {}", kDaysMax);
    }
    Certificate out(X509_new());
    X509_set_version(out.get(), 2);
    std::array<unsigned char, kSerialBytes> serial{};
    RAND_bytes(serial.data(), static_cast<int>(serial.size()));
    serial[0] &= 0x7f;
    BIGNUM* number = BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(out.get()));
    BN_free(number);
    X509_gmtime_adj(X509_getm_notBefore(out.get()), -kBackdateSeconds);
    X509_gmtime_adj(X509_getm_notAfter(out.get()), static_cast<long>(days) * kDaySeconds);
    X509_set_pubkey(out.get(), key);
    X509_NAME* subject = X509_get_subject_name(out.get());
    for (const auto& [field, value] : name.parts) {
        if (!add_part(subject, field, value)) {
            return std::unexpected(problem(fmt::format("{} \"{}\" is no part of a name", field, value)));
        }
    }
    if (!add_part(subject, "CN", name.common_name)) {
        return std::unexpected(problem(fmt::format("\"{}\" is no common name", name.common_name)));
    }
    return out;
}

template <class Write>
std::string pem(Write write) {
    const Bio bio(BIO_new(BIO_s_mem()));
    write(bio.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

PemPair written(X509* certificate, EVP_PKEY* key) {
    return {
        pem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); }),
        pem([&](BIO* bio) {
            PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
        })
    };
}

Result<Certificate> parse_certificate(const std::string& text) {
    const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    Certificate out(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!out) {
        return std::unexpected(problem("this is no certificate in PEM form"));
    }
    return out;
}

std::string common_name(const X509_NAME* name) {
    const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0) {
        return "";
    }
    unsigned char* text = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    std::string out(reinterpret_cast<const char*>(text), size > 0 ? static_cast<std::size_t>(size) : 0);
    OPENSSL_free(text);
    return out;
}

std::string string_of(const ASN1_STRING* text) {
    return {
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
        static_cast<std::size_t>(ASN1_STRING_length(text))
    };
}

std::string address_of(const ASN1_OCTET_STRING* bytes) {
    const unsigned char* at = ASN1_STRING_get0_data(bytes);
    std::string out;
    if (ASN1_STRING_length(bytes) == 4) {
        return fmt::format("{}.{}.{}.{}", at[0], at[1], at[2], at[3]);
    }
    for (int i = 0; i + 1 < ASN1_STRING_length(bytes); i += 2) {
        out += fmt::format("{}{:x}", i == 0 ? "" : ":", at[i] * 256 + at[i + 1]);
    }
    return out;
}

}  // namespace

Result<PemPair> make_authority(const AuthorityRequest& request) {
    const Key key(EVP_EC_gen("P-256"));
    NL_TRY(const Certificate ca, begin(key.get(), request.name, request.days));
    X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
    NL_TRY_VOID(extend(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE"));
    NL_TRY_VOID(extend(ca.get(), ca.get(), NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign"));
    NL_TRY_VOID(extend(ca.get(), ca.get(), NID_subject_key_identifier, "hash"));
    NL_TRY_VOID(extend(ca.get(), ca.get(), NID_authority_key_identifier, "keyid:always"));
    if (!request.permitted_domains.empty()) {
        std::string names = "critical";
        for (const std::string& domain : request.permitted_domains) {
            names += ",permitted;DNS:" + domain;
        }
        NL_TRY_VOID(extend(ca.get(), ca.get(), NID_name_constraints, names));
    }
    if (X509_sign(ca.get(), key.get(), EVP_sha256()) == 0) {
        return std::unexpected(problem("the certificate cannot be signed"));
    }
    return written(ca.get(), key.get());
}

Result<PemPair> make_leaf(const LeafRequest& request, const PemPair& authority) {
    NL_TRY(const Certificate ca, parse_certificate(authority.certificate));
    const Bio bio(BIO_new_mem_buf(authority.key.data(), static_cast<int>(authority.key.size())));
    const Key ca_key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    if (!ca_key || X509_check_private_key(ca.get(), ca_key.get()) != 1) {
        return std::unexpected(problem("the authority's key does not belong to its certificate"));
    }
    const Key key(EVP_EC_gen("P-256"));
    NL_TRY(const Certificate leaf, begin(key.get(), request.name, request.days));
    X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca.get()));
    NL_TRY_VOID(extend(leaf.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE"));
    NL_TRY_VOID(extend(leaf.get(), ca.get(), NID_key_usage, "critical,digitalSignature,keyEncipherment"));
    std::string usage;
    usage += request.for_server ? "serverAuth" : "";
    usage += request.for_client ? (usage.empty() ? "clientAuth" : ",clientAuth") : "";
    NL_TRY_VOID(extend(leaf.get(), ca.get(), NID_ext_key_usage, usage));
    NL_TRY_VOID(extend(leaf.get(), ca.get(), NID_subject_key_identifier, "hash"));
    NL_TRY_VOID(extend(leaf.get(), ca.get(), NID_authority_key_identifier, "keyid"));
    std::string names;
    for (const std::string& name : request.dns_names) {
        names += fmt::format("{}DNS:{}", names.empty() ? "" : ",", name);
    }
    for (const std::string& address : request.ip_addresses) {
        names += fmt::format("{}IP:{}", names.empty() ? "" : ",", address);
    }
    if (!names.empty()) {
        NL_TRY_VOID(extend(leaf.get(), ca.get(), NID_subject_alt_name, names));
    }
    if (X509_sign(leaf.get(), ca_key.get(), EVP_sha256()) == 0) {
        return std::unexpected(problem("the certificate cannot be signed"));
    }
    return written(leaf.get(), key.get());
}

Result<CertificateInfo> read_certificate(const std::string& text) {
    NL_TRY(const Certificate found, parse_certificate(text));
    CertificateInfo out;
    BIGNUM* serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(found.get()), nullptr);
    char* digits = BN_bn2dec(serial);
    out.serial = digits;
    OPENSSL_free(digits);
    BN_free(serial);
    out.issuer = common_name(X509_get_issuer_name(found.get()));
    out.common_name = common_name(X509_get_subject_name(found.get()));
    std::tm parts{};
    ASN1_TIME_to_tm(X509_get0_notAfter(found.get()), &parts);
    out.not_after = WallTime{static_cast<std::int64_t>(timegm(&parts)) * 1'000'000'000};
    out.is_authority = X509_check_ca(found.get()) == 1;
    using Names = std::unique_ptr<GENERAL_NAMES, Freeing<GENERAL_NAMES_free>>;
    const Names names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(found.get(), NID_subject_alt_name, nullptr, nullptr)
    ));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_DNS) {
            out.dns_names.push_back(string_of(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            out.ip_addresses.push_back(address_of(name->d.iPAddress));
        }
    }
    using Constraints = std::unique_ptr<NAME_CONSTRAINTS, Freeing<NAME_CONSTRAINTS_free>>;
    const Constraints constraints(static_cast<NAME_CONSTRAINTS*>(
        X509_get_ext_d2i(found.get(), NID_name_constraints, nullptr, nullptr)
    ));
    for (int i = 0;
         constraints && i < sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees);
         ++i) {
        const GENERAL_NAME* name =
            sk_GENERAL_SUBTREE_value(constraints->permittedSubtrees, i)->base;
        if (name->type == GEN_DNS) {
            out.permitted_domains.push_back(string_of(name->d.dNSName));
        }
    }
    return out;
}

}  // namespace nl::io
