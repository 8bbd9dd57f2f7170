#include "io/testing/certificates.h"

#include "base/check.h"
#include "io/files.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace nl::io {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

constexpr long kHour = 3'600;

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    NL_ASSERT(extension != nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

Certificate make(EVP_PKEY* key, const std::string& name, long serial) {
    Certificate certificate(X509_new(), &X509_free);
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kHour);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kHour);
    X509_set_pubkey(certificate.get(), key);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(certificate.get()),
        "CN",
        MBSTRING_ASC,
        reinterpret_cast<const unsigned char*>(name.c_str()),
        -1,
        -1,
        0
    );
    return certificate;
}

template <class Write>
void save(const std::string& path, Write write) {
    BIO* bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    NL_ASSERT(write_file_atomic(path, BytesView(data, static_cast<std::size_t>(size))).has_value());
    BIO_free(bio);
}

}  // namespace

TestCertificates make_certificates(
    const std::string& directory, const std::string& prefix, const std::string& name
) {
    const Key ca_key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    const Certificate ca = make(ca_key.get(), "test authority", 1);
    X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
    extend(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(ca.get(), ca_key.get(), EVP_sha256());

    const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    const Certificate certificate = make(key.get(), name, 2);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(ca.get()));
    extend(certificate.get(), ca.get(), NID_subject_alt_name, "DNS:" + name);
    X509_sign(certificate.get(), ca_key.get(), EVP_sha256());

    TestCertificates files{
        directory + "/" + prefix + "-ca.pem",
        directory + "/" + prefix + ".pem",
        directory + "/" + prefix + "-key.pem"
    };
    save(files.ca_file, [&](BIO* bio) { PEM_write_bio_X509(bio, ca.get()); });
    save(files.cert_file, [&](BIO* bio) { PEM_write_bio_X509(bio, certificate.get()); });
    save(files.key_file, [&](BIO* bio) {
        PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    return files;
}

}  // namespace nl::io
