#include "io/internal/grpc_support.h"

#include "io/files.h"
#include "io/grpc/frame.h"
#include "io/grpc/grpc_transport.h"
#include "io/internal/client_stream.h"
#include "io/log.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <charconv>
#include <mutex>

namespace nl::io {

namespace {

constexpr std::string_view kDetailsPrefix = "nl:";
/// Room for the fields around the data of a frame.
constexpr std::size_t kFrameOverhead = 1024 * 1024;
/// A TCP and TLS handshake that takes longer is given up.
constexpr int kConnectMs = 2'000;

/// What the libraries have to say about one connection is told to us as a status too, so it goes to
/// our own log, for who asks for details, and not to stderr.
void take_over_logs() {
    static std::once_flag once;
    std::call_once(once, [] {
        gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
        gpr_set_log_function([](gpr_log_func_args* line) {
            log_debug("grpc", "{}:{}: {}", line->file, line->line, line->message);
        });
        google::protobuf::SetLogHandler(
            [](google::protobuf::LogLevel, const char*, int, const std::string& message) {
                log_debug("protobuf", "{}", message);
            }
        );
    });
}

struct BioFree {
    void operator()(BIO* bio) const { BIO_free(bio); }
};
struct X509Free {
    void operator()(X509* x) const { X509_free(x); }
};
struct KeyFree {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, BioFree>;
using Certificate = std::unique_ptr<X509, X509Free>;
using Key = std::unique_ptr<EVP_PKEY, KeyFree>;

Bio open_text(const Bytes& text) {
    return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// gRPC notices a broken file only when somebody connects, so it is looked at here.
Result<Certificate> parse_certificate(const Bytes& pem, const std::string& path) {
    const Bio bio = open_text(pem);
    Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    ERR_clear_error();
    if (!certificate) {
        return fail(ErrorCode::InvalidArgument, "\"{}\" holds no certificate in PEM form", path);
    }
    return certificate;
}

struct Pair {
    Bytes certificate;
    Bytes key;
};
Result<Pair> read_pair(const TlsOptions& tls) {
    NL_TRY(auto certificate, read_file(tls.cert_file));
    NL_TRY(auto key, read_file(tls.key_file));
    NL_TRY(const auto parsed, parse_certificate(certificate, tls.cert_file));
    const Bio bio = open_text(key);
    const Key private_key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    const bool is_match =
        private_key && X509_check_private_key(parsed.get(), private_key.get()) == 1;
    ERR_clear_error();
    if (!private_key) {
        return fail(
            ErrorCode::InvalidArgument, "\"{}\" holds no private key in PEM form", tls.key_file
        );
    }
    if (!is_match) {
        return fail(
            ErrorCode::InvalidArgument,
            "the key \"{}\" does not belong to the certificate \"{}\"",
            tls.key_file,
            tls.cert_file
        );
    }
    return Pair{std::move(certificate), std::move(key)};
}
Result<Bytes> read_authorities(const TlsOptions& tls) {
    if (tls.ca_file.empty()) {
        return Bytes();
    }
    NL_TRY(auto pem, read_file(tls.ca_file));
    NL_TRY(const auto parsed, parse_certificate(pem, tls.ca_file));
    return pem;
}
Error as_argument(Error error) {
    error.code = ErrorCode::InvalidArgument;
    return error;
}

Result<::grpc::SslCredentialsOptions> client_options(const TlsOptions& tls) {
    ::grpc::SslCredentialsOptions options;
    NL_TRY(options.pem_root_certs, read_authorities(tls));
    if (!tls.cert_file.empty() || !tls.key_file.empty()) {
        NL_TRY(auto pair, read_pair(tls));
        options.pem_cert_chain = std::move(pair.certificate);
        options.pem_private_key = std::move(pair.key);
    }
    return options;
}
Result<::grpc::SslServerCredentialsOptions> server_options(const TlsOptions& tls) {
    auto request = GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
    if (tls.require_client_certificate) {
        if (tls.ca_file.empty()) {
            return fail(
                ErrorCode::InvalidArgument,
                "client certificates are required but no authority is given to verify them"
            );
        }
        request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    } else if (!tls.ca_file.empty()) {
        request = GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
    }
    ::grpc::SslServerCredentialsOptions options(request);
    NL_TRY(options.pem_root_certs, read_authorities(tls));
    NL_TRY(auto pair, read_pair(tls));
    options.pem_key_cert_pairs.push_back({std::move(pair.key), std::move(pair.certificate)});
    return options;
}

::grpc::StatusCode status_code(ErrorCode code) {
    switch (code) {
        case ErrorCode::NotFound:
            return ::grpc::StatusCode::NOT_FOUND;
        case ErrorCode::AlreadyExists:
            return ::grpc::StatusCode::ALREADY_EXISTS;
        case ErrorCode::InvalidArgument:
        case ErrorCode::TooLarge:
            return ::grpc::StatusCode::INVALID_ARGUMENT;
        case ErrorCode::FailedPrecondition:
        case ErrorCode::NotLeader:
            return ::grpc::StatusCode::FAILED_PRECONDITION;
        case ErrorCode::Conflict:
        case ErrorCode::Aborted:
            return ::grpc::StatusCode::ABORTED;
        case ErrorCode::Cancelled:
            return ::grpc::StatusCode::CANCELLED;
        case ErrorCode::Unauthenticated:
            return ::grpc::StatusCode::UNAUTHENTICATED;
        case ErrorCode::PermissionDenied:
            return ::grpc::StatusCode::PERMISSION_DENIED;
        case ErrorCode::ResourceExhausted:
            return ::grpc::StatusCode::RESOURCE_EXHAUSTED;
        case ErrorCode::Unavailable:
            return ::grpc::StatusCode::UNAVAILABLE;
        case ErrorCode::Timeout:
            return ::grpc::StatusCode::DEADLINE_EXCEEDED;
        case ErrorCode::Corruption:
            return ::grpc::StatusCode::DATA_LOSS;
        case ErrorCode::Unimplemented:
            return ::grpc::StatusCode::UNIMPLEMENTED;
        case ErrorCode::Internal:
            return ::grpc::StatusCode::INTERNAL;
    }
    return ::grpc::StatusCode::INTERNAL;
}

ErrorCode error_code(::grpc::StatusCode code) {
    switch (code) {
        case ::grpc::StatusCode::NOT_FOUND:
            return ErrorCode::NotFound;
        case ::grpc::StatusCode::ALREADY_EXISTS:
            return ErrorCode::AlreadyExists;
        case ::grpc::StatusCode::INVALID_ARGUMENT:
        case ::grpc::StatusCode::OUT_OF_RANGE:
            return ErrorCode::InvalidArgument;
        case ::grpc::StatusCode::FAILED_PRECONDITION:
            return ErrorCode::FailedPrecondition;
        case ::grpc::StatusCode::ABORTED:
            return ErrorCode::Aborted;
        case ::grpc::StatusCode::CANCELLED:
            return ErrorCode::Cancelled;
        case ::grpc::StatusCode::UNAUTHENTICATED:
            return ErrorCode::Unauthenticated;
        case ::grpc::StatusCode::PERMISSION_DENIED:
            return ErrorCode::PermissionDenied;
        case ::grpc::StatusCode::RESOURCE_EXHAUSTED:
            return ErrorCode::ResourceExhausted;
        case ::grpc::StatusCode::UNAVAILABLE:
            return ErrorCode::Unavailable;
        case ::grpc::StatusCode::DEADLINE_EXCEEDED:
            return ErrorCode::Timeout;
        case ::grpc::StatusCode::DATA_LOSS:
            return ErrorCode::Corruption;
        case ::grpc::StatusCode::UNIMPLEMENTED:
            return ErrorCode::Unimplemented;
        case ::grpc::StatusCode::OK:
        case ::grpc::StatusCode::UNKNOWN:
        case ::grpc::StatusCode::INTERNAL:
        case ::grpc::StatusCode::DO_NOT_USE:
            return ErrorCode::Internal;
    }
    return ErrorCode::Internal;
}

/// The last and most telling part of gRPC's nested connection errors.
std::string_view shorten(std::string_view message) {
    const auto colon = message.rfind(": ");
    return colon == std::string_view::npos ? message : message.substr(colon + 2);
}

}  // namespace

std::shared_ptr<::grpc::Channel> ChannelSettings::connect(const std::string& address) const {
    ::grpc::ChannelArguments arguments;
    // Every channel has a connection of its own; gRPC would otherwise share one between channels to
    // the same address, and heartbeats would wait behind appends.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, GrpcTransport::kReconnectMinMs);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, GrpcTransport::kReconnectMaxMs);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, GrpcTransport::kKeepaliveMs);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, GrpcTransport::kKeepaliveMs);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetMaxReceiveMessageSize(static_cast<int>(kFrameBytesMax + kFrameOverhead));
    arguments.SetMaxSendMessageSize(static_cast<int>(kFrameBytesMax + kFrameOverhead));
    if (!expected_name.empty()) {
        arguments.SetSslTargetNameOverride(expected_name);
    }
    return ::grpc::CreateCustomChannel(address, credentials, arguments);
}

Result<std::shared_ptr<const ChannelSettings>> make_channel_settings(
    const std::optional<TlsOptions>& tls
) {
    take_over_logs();
    auto settings = std::make_shared<ChannelSettings>();
    if (!tls) {
        settings->credentials = ::grpc::InsecureChannelCredentials();
        return settings;
    }
    const auto options = client_options(*tls);
    if (!options) {
        return std::unexpected(as_argument(options.error()));
    }
    settings->credentials = ::grpc::SslCredentials(*options);
    settings->expected_name = tls->expected_name;
    return settings;
}

Result<std::shared_ptr<::grpc::ServerCredentials>> make_server_credentials(
    const std::optional<TlsOptions>& tls
) {
    take_over_logs();
    if (!tls) {
        return ::grpc::InsecureServerCredentials();
    }
    const auto options = server_options(*tls);
    if (!options) {
        return std::unexpected(as_argument(options.error()));
    }
    return ::grpc::SslServerCredentials(*options);
}

::grpc::Status to_status(const Error& error) {
    return {status_code(error.code), error.message};
}

::grpc::Status to_exact_status(const Error& error) {
    return {
        status_code(error.code),
        error.message,
        fmt::format("{}{}", kDetailsPrefix, static_cast<int>(error.code))
    };
}

Error to_error(const ::grpc::Status& status, const std::string& address) {
    Error error{error_code(status.error_code()), status.error_message()};
    const std::string details = status.error_details();
    if (details.starts_with(kDetailsPrefix)) {
        unsigned code = 0;
        std::from_chars(
            details.data() + kDetailsPrefix.size(), details.data() + details.size(), code
        );
        if (code <= static_cast<unsigned>(ErrorCode::Internal)) {
            error.code = static_cast<ErrorCode>(code);
        }
        return error;
    }
    if (error.code == ErrorCode::FailedPrecondition &&
        error.message.starts_with("Not the leader")) {
        error.code = ErrorCode::NotLeader;
    } else if (error.code == ErrorCode::Unavailable &&
               error.message.starts_with("failed to connect")) {
        error.message =
            fmt::format("cannot reach the server at {}: {}", address, shorten(error.message));
    } else if (error.code == ErrorCode::Timeout && error.message == "Deadline Exceeded") {
        error.message = fmt::format("the server at {} did not answer in time", address);
    }
    return error;
}

std::string peer_address(const std::string& peer) {
    const auto colon = peer.find(':');
    std::string address = colon == std::string::npos ? peer : peer.substr(colon + 1);
    // gRPC writes the brackets of IPv6 percent-encoded.
    for (const auto& [from, to] : {std::pair("%5B", "["), std::pair("%5D", "]")}) {
        const auto at = address.find(from);
        if (at != std::string::npos) {
            address.replace(at, 3, to);
        }
    }
    return address;
}

}  // namespace nl::io
