#pragma once
// An authority and a certificate of its own for one test, as PEM files in a directory.

#include <string>

namespace nl::io {

struct TestCertificates {
    std::string ca_file;
    std::string cert_file;
    std::string key_file;
};

/// A certificate for `name`, signed by a new authority; files begin with `prefix`.
TestCertificates make_certificates(
    const std::string& directory, const std::string& prefix, const std::string& name
);

}  // namespace nl::io
