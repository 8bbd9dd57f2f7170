#pragma once
// A connected socket as a stream of bytes, whatever is below it: TCP, TLS or a unix socket. Only
// for the server and the client of this folder. Operations are asynchronous; at most one read and
// one write at a time; completions run on the executor that the socket was made with.

#include "base/error.h"
#include "io/http/tls.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace nl::io::http::internal {

namespace asio = boost::asio;
using ErrorCodeAsio = boost::system::error_code;
using Tcp = asio::ip::tcp;
using Local = asio::local::stream_protocol;

class ByteStream {
public:
    using Done = std::function<void(ErrorCodeAsio, std::size_t)>;
    using Ended = std::function<void(ErrorCodeAsio)>;

    ByteStream() = default;
    ByteStream(const ByteStream&) = delete;
    ByteStream& operator=(const ByteStream&) = delete;
    virtual ~ByteStream() = default;

    /// TLS handshake; nothing to do on a plain socket.
    virtual void handshake(Ended done) = 0;
    virtual void read_some(asio::mutable_buffer into, Done done) = 0;
    virtual void write_all(std::vector<asio::const_buffer> from, Done done) = 0;
    /// Says that no more will be sent.
    virtual void finish_sending(Ended done) = 0;
    virtual void close() = 0;
    /// The common name of the peer's verified certificate, or "".
    virtual std::string peer_common_name() const = 0;
    virtual bool is_tls() const = 0;
};

std::unique_ptr<ByteStream> plain_stream(Tcp::socket socket);
std::unique_ptr<ByteStream> local_stream(Local::socket socket);
/// The context must outlive the stream; it is kept.
std::unique_ptr<ByteStream> tls_server_stream(
    Tcp::socket socket, std::shared_ptr<asio::ssl::context> context
);
/// Checks the certificate's name against `server_name` unless the context verifies nothing.
Result<std::unique_ptr<ByteStream>> tls_client_stream(
    Tcp::socket socket, std::shared_ptr<asio::ssl::context> context, const std::string& server_name
);

/// Errors: InvalidArgument, naming the file.
Result<std::shared_ptr<asio::ssl::context>> server_context(const TlsOptions& options);
Result<std::shared_ptr<asio::ssl::context>> client_context(const TlsOptions& options);

}  // namespace nl::io::http::internal
