#include "io/http/internal/byte_stream.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <utility>

namespace nl::io::http::internal {
namespace {

template <class Socket>
class PlainStream final : public ByteStream {
public:
    explicit PlainStream(Socket socket) : socket_(std::move(socket)) {}

    void handshake(Ended done) override {
        asio::dispatch(socket_.get_executor(), [done = std::move(done)] { done({}); });
    }
    void read_some(asio::mutable_buffer into, Done done) override {
        socket_.async_read_some(into, std::move(done));
    }
    void write_all(std::vector<asio::const_buffer> from, Done done) override {
        asio::async_write(socket_, std::move(from), std::move(done));
    }
    void finish_sending(Ended done) override {
        ErrorCodeAsio ec;
        socket_.shutdown(Socket::shutdown_send, ec);
        done(ec);
    }
    void close() override {
        ErrorCodeAsio ec;
        socket_.close(ec);
    }
    std::string peer_common_name() const override { return {}; }
    bool is_tls() const override { return false; }

private:
    Socket socket_;
};

class TlsStream final : public ByteStream {
public:
    TlsStream(
        Tcp::socket socket,
        std::shared_ptr<asio::ssl::context> context,
        asio::ssl::stream_base::handshake_type type
    )
        : context_(std::move(context)), stream_(std::move(socket), *context_), type_(type) {}

    void handshake(Ended done) override { stream_.async_handshake(type_, std::move(done)); }
    void read_some(asio::mutable_buffer into, Done done) override {
        stream_.async_read_some(into, std::move(done));
    }
    void write_all(std::vector<asio::const_buffer> from, Done done) override {
        asio::async_write(stream_, std::move(from), std::move(done));
    }
    void finish_sending(Ended done) override { stream_.async_shutdown(std::move(done)); }
    void close() override {
        ErrorCodeAsio ec;
        stream_.next_layer().close(ec);
    }
    std::string peer_common_name() const override {
        // The handle is not const in asio's interface, though reading the peer changes nothing.
        auto* ssl = const_cast<asio::ssl::stream<Tcp::socket>&>(stream_).native_handle();
        X509* certificate = SSL_get1_peer_certificate(ssl);
        if (certificate == nullptr) {
            return {};
        }
        std::string name;
        if (SSL_get_verify_result(ssl) == X509_V_OK) {
            std::array<char, 256> text{};
            const int size = X509_NAME_get_text_by_NID(
                X509_get_subject_name(certificate), NID_commonName, text.data(), text.size()
            );
            name.assign(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
        }
        X509_free(certificate);
        return name;
    }
    bool is_tls() const override { return true; }
    asio::ssl::stream<Tcp::socket>& stream() { return stream_; }

private:
    std::shared_ptr<asio::ssl::context> context_;
    asio::ssl::stream<Tcp::socket> stream_;
    asio::ssl::stream_base::handshake_type type_;
};

Result<void> load_files(asio::ssl::context& context, const TlsOptions& options) {
    ErrorCodeAsio ec;
    if (!options.cert_file.empty()) {
        context.use_certificate_chain_file(options.cert_file, ec);
        if (ec) {
            return fail(
                ErrorCode::InvalidArgument,
                "cannot read certificate \"{}\": {}",
                options.cert_file,
                ec.message()
            );
        }
        context.use_private_key_file(options.key_file, asio::ssl::context::pem, ec);
        if (ec) {
            return fail(
                ErrorCode::InvalidArgument,
                "cannot read private key \"{}\" of certificate \"{}\": {}",
                options.key_file,
                options.cert_file,
                ec.message()
            );
        }
    }
    if (!options.ca_file.empty()) {
        context.load_verify_file(options.ca_file, ec);
        if (ec) {
            return fail(
                ErrorCode::InvalidArgument,
                "cannot read CA certificate \"{}\": {}",
                options.ca_file,
                ec.message()
            );
        }
    }
    return {};
}

}  // namespace

std::unique_ptr<ByteStream> plain_stream(Tcp::socket socket) {
    return std::make_unique<PlainStream<Tcp::socket>>(std::move(socket));
}

std::unique_ptr<ByteStream> local_stream(Local::socket socket) {
    return std::make_unique<PlainStream<Local::socket>>(std::move(socket));
}

std::unique_ptr<ByteStream> tls_server_stream(
    Tcp::socket socket, std::shared_ptr<asio::ssl::context> context
) {
    return std::make_unique<TlsStream>(
        std::move(socket), std::move(context), asio::ssl::stream_base::server
    );
}

Result<std::unique_ptr<ByteStream>> tls_client_stream(
    Tcp::socket socket, std::shared_ptr<asio::ssl::context> context, const std::string& server_name
) {
    auto stream = std::make_unique<TlsStream>(
        std::move(socket), std::move(context), asio::ssl::stream_base::client
    );
    ErrorCodeAsio not_an_ip;
    static_cast<void>(asio::ip::make_address(server_name, not_an_ip));
    // Names of machines go into the handshake (SNI); addresses may not (RFC 6066 3).
    if (not_an_ip) {
        // What SSL_set_tlsext_host_name expands to, without its old-style cast.
        SSL_ctrl(
            stream->stream().native_handle(),
            SSL_CTRL_SET_TLSEXT_HOSTNAME,
            TLSEXT_NAMETYPE_host_name,
            const_cast<char*>(server_name.c_str())
        );
    }
    if ((SSL_get_verify_mode(stream->stream().native_handle()) & SSL_VERIFY_PEER) != 0) {
        ErrorCodeAsio ec;
        stream->stream().set_verify_callback(asio::ssl::host_name_verification(server_name), ec);
        if (ec) {
            return fail(ErrorCode::Internal, "cannot set up TLS: {}", ec.message());
        }
    }
    return stream;
}

Result<std::shared_ptr<asio::ssl::context>> server_context(const TlsOptions& options) {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    // Idle connections give their record buffers back: most connections here are parked.
    SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
    NL_TRY_VOID(load_files(*context, options));
    if (options.verify_client) {
        if (options.ca_file.empty()) {
            return fail(
                ErrorCode::InvalidArgument, "verifying clients needs a CA certificate (ca_file)"
            );
        }
        ErrorCodeAsio ec;
        context->set_verify_mode(
            asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert, ec
        );
        if (ec) {
            return fail(ErrorCode::Internal, "cannot set up TLS: {}", ec.message());
        }
    }
    return context;
}

Result<std::shared_ptr<asio::ssl::context>> client_context(const TlsOptions& options) {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    ErrorCodeAsio ec;
    if (options.ca_file.empty()) {
        context->set_default_verify_paths(ec);
    }
    NL_TRY_VOID(load_files(*context, options));
    context->set_verify_mode(
        options.skip_verify ? asio::ssl::verify_none : asio::ssl::verify_peer, ec
    );
    if (ec) {
        return fail(ErrorCode::Internal, "cannot set up TLS: {}", ec.message());
    }
    return context;
}

}  // namespace nl::io::http::internal
