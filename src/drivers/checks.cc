#include "drivers/checks.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace nl::drivers {
namespace {

constexpr long kMaxRedirects = 10;

struct Answer {
    bool success{};
    std::int64_t code{};
    std::string output;
};

struct CurlDeleter {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Handle = std::unique_ptr<CURL, CurlDeleter>;
using Headers = std::unique_ptr<curl_slist, CurlDeleter>;

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* to) {
    auto& body = *static_cast<std::string*>(to);
    const std::size_t bytes = size * count;
    const std::size_t room =
        CheckProber::kMaxBodyBytes - std::min(body.size(), CheckProber::kMaxBodyBytes);
    body.append(data, std::min(bytes, room));
    return bytes;
}

void add_header(Headers& headers, const std::string& line) {
    // A line break would begin another header.
    if (line.find_first_of("\r\n") == std::string::npos) {
        headers.reset(curl_slist_append(headers.release(), line.c_str()));
    }
}

std::string host_part(const std::string& address) {
    return address.find(':') != std::string::npos ? "[" + address + "]" : address;
}

Handle begin(const client::CheckSpec& spec, const std::string& url) {
    Handle curl(curl_easy_init());
    CURL* c = curl.get();
    curl_easy_setopt(c, CURLOPT_URL, url.c_str());
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, static_cast<long>(spec.timeout.ms()));
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(spec.timeout.ms()));
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
    if (spec.tls_skip_verify) {
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    return curl;
}

Answer failure(CURLcode code) {
    return {false, 0, fmt::format("nomad: {}", curl_easy_strerror(code))};
}

Answer probe_http(const client::CheckSpec& spec) {
    const std::string path = spec.path.starts_with('/') ? spec.path : "/" + spec.path;
    const std::string url = fmt::format(
        "{}://{}:{}{}", spec.tls ? "https" : "http", host_part(spec.address), spec.port, path
    );
    const Handle curl = begin(spec, url);
    CURL* c = curl.get();
    std::string body;
    Headers headers;
    for (const auto& [key, values] : spec.headers) {
        for (const std::string& value : values) {
            add_header(headers, fmt::format("{}: {}", key, value));
        }
    }
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, kMaxRedirects);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "Nomad Check");
    if (!spec.body.empty()) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, static_cast<long>(spec.body.size()));
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, spec.body.c_str());
    }
    if (spec.method == "HEAD") {
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    } else {
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, spec.method.c_str());
    }
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &body);
    const CURLcode result = curl_easy_perform(c);
    if (result != CURLE_OK) {
        return failure(result);
    }
    long code = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &code);
    if (code >= 200 && code < 300) {
        return {true, code, "nomad: http ok"};
    }
    return {false, code, body.empty() ? fmt::format("nomad: http status {}", code) : body};
}

Answer probe_tcp(const client::CheckSpec& spec) {
    const Handle curl =
        begin(spec, fmt::format("http://{}:{}", host_part(spec.address), spec.port));
    curl_easy_setopt(curl.get(), CURLOPT_CONNECT_ONLY, 1L);
    const CURLcode result = curl_easy_perform(curl.get());
    return result == CURLE_OK ? Answer{true, 0, "nomad: tcp ok"} : failure(result);
}

/// grpc.health.v1: a HealthCheckRequest is the service's name in field 1, the answer's field 1 is 1
/// for SERVING.
Answer probe_grpc(const client::CheckSpec& spec) {
    const Handle curl = begin(
        spec,
        fmt::format(
            "{}://{}:{}/grpc.health.v1.Health/Check",
            spec.tls ? "https" : "http",
            host_part(spec.address),
            spec.port
        )
    );
    CURL* c = curl.get();
    if (spec.grpc_service.size() > 127) {
        return {false, 0, "nomad: the name of a gRPC service has 127 bytes at most"};
    }
    std::string message;
    if (!spec.grpc_service.empty()) {
        message.push_back('\x0a');
        message.push_back(static_cast<char>(spec.grpc_service.size()));
        message += spec.grpc_service;
    }
    std::string body("\0\0\0\0", 4);
    body.push_back(static_cast<char>(message.size()));
    body += message;
    std::string answer;
    Headers headers;
    add_header(headers, "content-type: application/grpc");
    add_header(headers, "te: trailers");
    curl_easy_setopt(
        c,
        CURLOPT_HTTP_VERSION,
        spec.tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
    );
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &answer);
    const CURLcode result = curl_easy_perform(c);
    if (result != CURLE_OK) {
        return failure(result);
    }
    if (answer.size() >= 7 && answer[5] == 0x08 && answer[6] == 0x01) {
        return {true, 0, "nomad: grpc ok"};
    }
    return {false, 0, "nomad: grpc service is not serving"};
}

Answer probe_once(const client::CheckSpec& spec) {
    if (spec.type == "http") {
        return probe_http(spec);
    }
    if (spec.type == "tcp") {
        return probe_tcp(spec);
    }
    if (spec.type == "grpc") {
        return probe_grpc(spec);
    }
    return {false, 0, fmt::format("nomad: a check of type \"{}\" is not run here", spec.type)};
}

}  // namespace

CheckProber::CheckProber(OnDone on_done) : on_done_(std::move(on_done)) {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    static_cast<void>(ready);
}

CheckProber::~CheckProber() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
        queue_.clear();
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

void CheckProber::probe(client::CheckWork work) {
    {
        const std::scoped_lock lock(mutex_);
        if (stopping_) {
            return;
        }
        if (queue_.size() < kMaxQueue) {
            if (threads_.size() < kThreads) {
                threads_.emplace_back([this] { run(); });
            }
            queue_.push_back(std::move(work));
            wake_.notify_one();
            return;
        }
    }
    on_done_(
        {work.alloc,
         work.spec.id,
         work.probe,
         false,
         0,
         fmt::format("nomad: {} checks wait already, which is the limit", kMaxQueue)}
    );
}

void CheckProber::run() {
    while (true) {
        client::CheckWork work;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (stopping_) {
                return;
            }
            work = std::move(queue_.front());
            queue_.pop_front();
        }
        Answer answer = probe_once(work.spec);
        on_done_(
            {work.alloc,
             work.spec.id,
             work.probe,
             answer.success,
             answer.code,
             std::move(answer.output)}
        );
    }
}

}  // namespace nl::drivers
