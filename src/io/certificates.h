#pragma once
// Certificates for a cluster of one's own: an authority, and what it signs for servers, clients and
// command lines. Keys are ECDSA P-256. Wraps libcrypto; values are PEM text. Source: RFC 5280.

#include "base/error.h"
#include "base/time.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nl::io {

struct CertificateName {
    std::string common_name;
    /// Further parts of the name, by their short names: {"C", "DE"}, {"O", "Acme"}.
    std::vector<std::pair<std::string, std::string>> parts;
};

struct AuthorityRequest {
    CertificateName name;
    std::int64_t days{1825};
    /// Only names below these may be signed; empty: any.
    std::vector<std::string> permitted_domains;
};

struct LeafRequest {
    CertificateName name;
    std::int64_t days{365};
    std::vector<std::string> dns_names;
    std::vector<std::string> ip_addresses;
    bool for_server{true};
    bool for_client{true};
};

struct PemPair {
    std::string certificate;
    std::string key;
};

/// Errors: InvalidArgument (a name or address that cannot stand in a certificate).
Result<PemPair> make_authority(const AuthorityRequest& request);
/// Errors: InvalidArgument (also: `authority` is no pair that belongs together).
Result<PemPair> make_leaf(const LeafRequest& request, const PemPair& authority);

struct CertificateInfo {
    std::string serial;
    std::string issuer;
    std::string common_name;
    WallTime not_after;
    std::vector<std::string> dns_names;
    std::vector<std::string> ip_addresses;
    std::vector<std::string> permitted_domains;
    bool is_authority{false};
};
/// Errors: InvalidArgument.
Result<CertificateInfo> read_certificate(const std::string& pem);

}  // namespace nl::io
