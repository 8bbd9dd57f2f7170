#include "drivers/artifacts/fetcher.h"

#include "base/bytes.h"
#include "drivers/task_files.h"
#include "io/clock.h"
#include "io/files.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <filesystem>

namespace nl::drivers {
namespace {

namespace fs = std::filesystem;

constexpr long kMaxRedirects = 10;
/// A server that sends less than this for this long is given up.
constexpr long kSlowBytes = 16;
constexpr long kSlowSeconds = 60;

std::string text_of(int error) {
    return std::strerror(error);  // NOLINT(concurrency-mt-unsafe): glibc's is safe.
}

std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr ==
                text.data() + i + 3) {
            out.push_back(static_cast<char>(value));
            i += 2;
        } else {
            out.push_back(text[i] == '+' ? ' ' : text[i]);
        }
    }
    return out;
}

bool matches_cidr(const std::string& cidr, int family, const unsigned char* address) {
    const std::size_t slash = cidr.find('/');
    std::array<unsigned char, 16> net{};
    if (inet_pton(family, cidr.substr(0, slash).c_str(), net.data()) != 1) {
        return false;
    }
    const int size = family == AF_INET ? 32 : 128;
    int bits = size;
    if (slash != std::string::npos) {
        std::from_chars(cidr.data() + slash + 1, cidr.data() + cidr.size(), bits);
    }
    for (int i = 0; i < std::clamp(bits, 0, size); ++i) {
        const unsigned mask = 0x80U >> (static_cast<unsigned>(i) % 8);
        const auto at = static_cast<std::size_t>(i / 8);
        if ((net[at] & mask) != (address[at] & mask)) {
            return false;
        }
    }
    return true;
}

/// What of the job's own data is where no stranger should lead it.
constexpr std::array<const char*, 4> kBadV4{
    "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "0.0.0.0/8"
};
constexpr std::array<const char*, 4> kBadV6{"::1/128", "fe80::/10", "ff00::/8", "::/128"};

struct Sum {
    const EVP_MD* kind{};
    std::string wanted;
};

Result<Sum> parse_sum(const std::string& text) {
    Sum out;
    std::string kind;
    const std::size_t colon = text.find(':');
    std::string value = text;
    if (colon != std::string::npos) {
        kind = text.substr(0, colon);
        value = text.substr(colon + 1);
    } else {
        kind = value.size() == 32   ? "md5"
               : value.size() == 40 ? "sha1"
               : value.size() == 64 ? "sha256"
                                    : "sha512";
    }
    out.kind = kind == "md5"      ? EVP_md5()
               : kind == "sha1"   ? EVP_sha1()
               : kind == "sha256" ? EVP_sha256()
               : kind == "sha512" ? EVP_sha512()
                                  : nullptr;
    if (out.kind == nullptr) {
        return fail(ErrorCode::InvalidArgument, "unsupported checksum type \"{}\"", kind);
    }
    std::ranges::transform(value, std::back_inserter(out.wanted), [](char c) {
        return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

Result<void> check_sum(const std::string& file, const Sum& sum) {
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(ErrorCode::Unavailable, "{}: {}", file, text_of(errno));
    }
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, sum.kind, nullptr);
    std::vector<char> buffer(1U << 20);
    ssize_t n = 0;
    while ((n = read(fd, buffer.data(), buffer.size())) > 0) {
        EVP_DigestUpdate(context, buffer.data(), static_cast<std::size_t>(n));
    }
    close(fd);
    std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
    unsigned length = 0;
    EVP_DigestFinal_ex(context, raw.data(), &length);
    EVP_MD_CTX_free(context);
    const std::string got = hex_encode({reinterpret_cast<const char*>(raw.data()), length});
    if (got != sum.wanted) {
        return fail(
            ErrorCode::InvalidArgument,
            "checksums did not match: expected {}, got {}",
            sum.wanted,
            got
        );
    }
    return {};
}

}  // namespace

bool egress_allowed(const ArtifactOptions& options, const std::string& address, int port) {
    std::array<unsigned char, 16> raw{};
    int family = AF_INET;
    if (inet_pton(AF_INET, address.c_str(), raw.data()) != 1) {
        family = AF_INET6;
        if (inet_pton(AF_INET6, address.c_str(), raw.data()) != 1) {
            return false;
        }
        // An IPv4 address in IPv6's clothes is that address.
        if (matches_cidr("::ffff:0:0/96", AF_INET6, raw.data())) {
            std::array<char, INET_ADDRSTRLEN> text{};
            inet_ntop(AF_INET, raw.data() + 12, text.data(), static_cast<socklen_t>(text.size()));
            return egress_allowed(options, text.data(), port);
        }
    }
    const std::string with_port = fmt::format("{}:{}", address, port);
    if (std::ranges::find(options.egress_deny_ports, with_port) !=
        options.egress_deny_ports.end()) {
        return false;
    }
    for (const std::string& cidr : options.egress_allow) {
        if (matches_cidr(cidr, family, raw.data())) {
            return true;
        }
    }
    const auto bad = [&](const char* cidr) { return matches_cidr(cidr, family, raw.data()); };
    return family == AF_INET ? std::ranges::none_of(kBadV4, bad)
                             : std::ranges::none_of(kBadV6, bad);
}

Result<ArtifactSource> parse_artifact_source(const std::string& source, const StringMap& options) {
    ArtifactSource out;
    std::string text = source;
    std::string forced;
    if (const std::size_t at = text.find("::"); at != std::string::npos && at < 12) {
        forced = text.substr(0, at);
        text.erase(0, at + 2);
    }
    if (const std::size_t question = text.find('?'); question != std::string::npos) {
        std::string query = text.substr(question + 1);
        text.resize(question);
        for (std::size_t at = 0; at < query.size();) {
            const std::size_t end = std::min(query.find('&', at), query.size());
            const std::string pair = query.substr(at, end - at);
            const std::size_t equals = pair.find('=');
            if (!pair.empty()) {
                out.query[unescape(pair.substr(0, equals))] =
                    equals == std::string::npos ? "" : unescape(pair.substr(equals + 1));
            }
            at = end + 1;
        }
    }
    for (const auto& [key, value] : options) {
        out.query[key] = value;
    }
    const std::size_t scheme_end = text.find("://");
    std::string scheme = scheme_end == std::string::npos ? "" : text.substr(0, scheme_end);
    std::string rest = scheme_end == std::string::npos ? text : text.substr(scheme_end + 3);
    if (const std::size_t sub = rest.find("//"); sub != std::string::npos) {
        out.subdirectory = rest.substr(sub + 2);
        rest.resize(sub);
        if (out.subdirectory.find("..") != std::string::npos) {
            return fail(
                ErrorCode::InvalidArgument, "the subdirectory of an artifact may not hold \"..\""
            );
        }
        while (out.subdirectory.ends_with('/')) {
            out.subdirectory.pop_back();
        }
    }
    if (scheme.empty()) {
        // go-getter's short forms.
        const bool hub = rest.starts_with("github.com/") || rest.starts_with("gitlab.com/") ||
                         rest.starts_with("bitbucket.org/");
        if (hub) {
            std::size_t slashes = 0;
            std::size_t cut = rest.size();
            for (std::size_t i = 0; i < rest.size() && cut == rest.size(); ++i) {
                slashes += rest[i] == '/' ? 1U : 0U;
                cut = slashes == 3 ? i : cut;
            }
            if (cut < rest.size() && out.subdirectory.empty()) {
                out.subdirectory = rest.substr(cut + 1);
            }
            rest.resize(cut);
            scheme = "https";
            forced = forced.empty() ? "git" : forced;
            rest += rest.ends_with(".git") ? "" : ".git";
        } else if (rest.starts_with("git@")) {
            const std::size_t colon = rest.find(':');
            if (colon != std::string::npos) {
                rest[colon] = '/';
            }
            scheme = "ssh";
            forced = "git";
        } else if (rest.find("amazonaws.com/") != std::string::npos) {
            scheme = "https";
            forced = "s3";
        } else if (rest.starts_with('/') || rest.starts_with("./") || rest.starts_with("../")) {
            scheme = "file";
        } else {
            return fail(
                ErrorCode::InvalidArgument,
                "the source \"{}\" names no known kind of artifact",
                source
            );
        }
    }
    out.url = scheme == "file" ? rest : scheme + "://" + rest;
    if (forced.empty()) {
        forced = scheme == "git" || scheme == "ssh" ? "git" : scheme;
    }
    if (forced == "http" || forced == "https") {
        out.getter = "http";
        if (scheme != "http" && scheme != "https") {
            return fail(ErrorCode::InvalidArgument, "the scheme \"{}\" is not one of http", scheme);
        }
    } else if (forced == "git" || forced == "s3" || forced == "file") {
        out.getter = forced;
    } else {
        return fail(ErrorCode::InvalidArgument, "download not supported for scheme '{}'", forced);
    }
    if (out.getter == "git" && scheme != "https" && scheme != "http" && scheme != "ssh" &&
        scheme != "git") {
        return fail(ErrorCode::InvalidArgument, "git is not used over \"{}\"", scheme);
    }
    if (out.getter == "s3" && scheme != "https" && scheme != "http") {
        return fail(ErrorCode::InvalidArgument, "s3 is not used over \"{}\"", scheme);
    }
    return out;
}

struct ArtifactFetcher::Job {
    env::FetchArtifact work;
    std::string directory;
    std::function<void(Result<void>)> done;
    std::atomic<bool> cancelled{false};
    Instant until;

    std::optional<Error> stop() const {
        if (cancelled.load()) {
            return Error{ErrorCode::Cancelled, "the download was ended"};
        }
        if (io::now() > until) {
            return Error{ErrorCode::Timeout, "the download took too long"};
        }
        return std::nullopt;
    }
};

namespace {

/// A directory beside the task's that goes with the download.
class Staging {
public:
    static Result<Staging> make(const std::string& task_directory) {
        std::string path =
            task_directory.substr(0, task_directory.rfind('/')) + "/.artifact-XXXXXX";
        if (mkdtemp(path.data()) == nullptr) {
            return fail(ErrorCode::Unavailable, "{}: {}", path, text_of(errno));
        }
        return Staging(std::move(path));
    }
    Staging(Staging&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;
    ~Staging() {
        if (!path_.empty()) {
            std::error_code error;
            fs::remove_all(path_, error);
        }
    }
    const std::string& path() const { return path_; }

private:
    explicit Staging(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

struct Transfer {
    std::optional<Error> (*stop)(const void*);
    const void* job;
    const ArtifactOptions* options;
    std::string* refused;
    std::uint64_t received{};
    int fd{-1};
    bool too_large{};
    int write_error{};
};

std::size_t on_data(char* data, std::size_t size, std::size_t count, void* to) {
    auto& t = *static_cast<Transfer*>(to);
    const std::size_t bytes = size * count;
    t.received += bytes;
    if (t.options->http_max_bytes > 0 && t.received > t.options->http_max_bytes) {
        t.too_large = true;
        return 0;
    }
    for (std::size_t done = 0; done < bytes;) {
        const ssize_t n = write(t.fd, data + done, bytes - done);
        if (n < 0 && errno != EINTR) {
            t.write_error = errno;
            return 0;
        }
        done += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    return bytes;
}

int on_progress(void* to, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& t = *static_cast<Transfer*>(to);
    return t.stop(t.job) ? 1 : 0;
}

/// Every address that is really connected to, after names and redirects.
curl_socket_t on_open(void* to, curlsocktype, curl_sockaddr* address) {
    auto& t = *static_cast<Transfer*>(to);
    std::array<char, INET6_ADDRSTRLEN> text{};
    int port = 0;
    // The address is as long as its family makes it, whatever the member's type says.
    const char* raw = reinterpret_cast<const char*>(address) + offsetof(curl_sockaddr, addr);
    if (address->family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, raw, sizeof(in));
        inet_ntop(AF_INET, &in.sin_addr, text.data(), static_cast<socklen_t>(text.size()));
        port = ntohs(in.sin_port);
    } else if (address->family == AF_INET6) {
        sockaddr_in6 in{};
        std::memcpy(&in, raw, sizeof(in));
        inet_ntop(AF_INET6, &in.sin6_addr, text.data(), static_cast<socklen_t>(text.size()));
        port = ntohs(in.sin6_port);
    }
    if (!egress_allowed(*t.options, text.data(), port)) {
        *t.refused = fmt::format("{} port {}", text.data(), port);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

struct CurlDeleter {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Login {
    std::string user;
    std::string signature;
    std::string token;
};

Result<void> download(
    const std::string& url,
    const std::string& file,
    const env::FetchArtifact& work,
    Transfer& t,
    Duration timeout,
    const Login& login
) {
    t.fd = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (t.fd < 0) {
        return fail(ErrorCode::Unavailable, "{}: {}", file, text_of(errno));
    }
    const std::unique_ptr<CURL, CurlDeleter> handle(curl_easy_init());
    std::unique_ptr<curl_slist, CurlDeleter> headers;
    CURL* c = handle.get();
    const auto add = [&](const std::string& key, const std::string& value) {
        const std::string line = key + ": " + value;
        // A line break would begin another header.
        if (line.find_first_of("\r\n") == std::string::npos) {
            headers.reset(curl_slist_append(headers.release(), line.c_str()));
        }
    };
    for (const auto& [key, value] : work.headers) {
        add(key, value);
    }
    if (!login.token.empty()) {
        add("x-amz-security-token", login.token);
    }
    curl_easy_setopt(c, CURLOPT_URL, url.c_str());
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, kMaxRedirects);
    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.ms()));
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 30L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, kSlowBytes);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, kSlowSeconds);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "nomad-lite");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, &t);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, &t);
    if (work.insecure) {
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (!login.signature.empty()) {
        curl_easy_setopt(c, CURLOPT_AWS_SIGV4, login.signature.c_str());
        curl_easy_setopt(c, CURLOPT_USERPWD, login.user.c_str());
    }
    const CURLcode code = curl_easy_perform(c);
    long status = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    close(t.fd);
    if (const auto stopped = t.stop(t.job)) {
        return std::unexpected(*stopped);
    }
    if (t.too_large) {
        return fail(
            ErrorCode::TooLarge,
            "the artifact is larger than {} bytes, which is the limit",
            t.options->http_max_bytes
        );
    }
    if (t.write_error != 0) {
        return fail(
            ErrorCode::ResourceExhausted,
            "the artifact cannot be written: {}",
            text_of(t.write_error)
        );
    }
    if (!t.refused->empty()) {
        return fail(
            ErrorCode::PermissionDenied,
            "the egress policy of this node does not allow {}",
            *t.refused
        );
    }
    if (code == CURLE_HTTP_RETURNED_ERROR) {
        return fail(ErrorCode::Unavailable, "bad response code: {}", status);
    }
    if (code != CURLE_OK) {
        return fail(ErrorCode::Unavailable, "{}", curl_easy_strerror(code));
    }
    return {};
}

/// The addresses a name has now, each of which must be allowed. For programs that connect
/// themselves.
Result<void> check_host(const std::string& url, const ArtifactOptions& options) {
    const std::size_t start = url.find("://") + 3;
    std::string host = url.substr(start, std::min(url.find('/', start), url.size()) - start);
    host = host.substr(host.rfind('@') == std::string::npos ? 0 : host.rfind('@') + 1);
    int port = url.starts_with("https") ? 443
               : url.starts_with("ssh") ? 22
               : url.starts_with("git") ? 9418
                                        : 80;
    if (host.starts_with('[')) {
        const std::size_t close = host.find(']');
        if (close + 2 < host.size()) {
            std::from_chars(host.data() + close + 2, host.data() + host.size(), port);
        }
        host = host.substr(1, close - 1);
    } else if (const std::size_t colon = host.find(':'); colon != std::string::npos) {
        std::from_chars(host.data() + colon + 1, host.data() + host.size(), port);
        host.resize(colon);
    }
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, nullptr, &found) != 0) {
        return fail(ErrorCode::Unavailable, "the name \"{}\" cannot be resolved", host);
    }
    Result<void> result;
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        if (getnameinfo(
                at->ai_addr,
                at->ai_addrlen,
                text.data(),
                static_cast<socklen_t>(text.size()),
                nullptr,
                0,
                NI_NUMERICHOST
            ) == 0 &&
            !egress_allowed(options, text.data(), port)) {
            result = fail(
                ErrorCode::PermissionDenied,
                "the egress policy of this node does not allow {} port {}",
                text.data(),
                port
            );
        }
    }
    freeaddrinfo(found);
    return result;
}

/// Runs a program to its end, without the agent's environment, as nobody if the agent is root.
Result<void> run_program(
    std::vector<std::string> argv,
    const std::vector<std::string>& env,
    const std::string& cwd,
    const std::function<std::optional<Error>()>& stop
) {
    std::array<int, 2> out{};
    if (pipe2(out.data(), O_CLOEXEC) != 0) {
        return fail(ErrorCode::Unavailable, "pipe: {}", text_of(errno));
    }
    std::vector<char*> args;
    for (std::string& arg : argv) {
        args.push_back(arg.data());
    }
    args.push_back(nullptr);
    std::vector<std::string> variables = env;
    std::vector<char*> envp;
    for (std::string& variable : variables) {
        envp.push_back(variable.data());
    }
    envp.push_back(nullptr);
    const passwd* nobody =
        geteuid() == 0 ? getpwnam("nobody") : nullptr;  // NOLINT(concurrency-mt-unsafe)
    const uid_t uid = nobody != nullptr ? nobody->pw_uid : 0;
    const gid_t gid = nobody != nullptr ? nobody->pw_gid : 0;
    if (nobody != nullptr && chown(cwd.c_str(), uid, gid) != 0) {
        return fail(ErrorCode::Unavailable, "{}: {}", cwd, text_of(errno));
    }
    const pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        dup2(out[1], 1);
        dup2(out[1], 2);
        const int null = open("/dev/null", O_RDONLY);
        dup2(null, 0);
        if (nobody != nullptr &&
            (setgroups(0, nullptr) != 0 || setgid(gid) != 0 || setuid(uid) != 0)) {
            _exit(126);
        }
        if (chdir(cwd.c_str()) != 0) {
            _exit(126);
        }
        execve(args[0], args.data(), envp.data());
        _exit(127);
    }
    close(out[1]);
    if (pid < 0) {
        close(out[0]);
        return fail(ErrorCode::Unavailable, "fork: {}", text_of(errno));
    }
    std::string said;
    std::optional<Error> stopped;
    std::array<char, 4096> buffer{};
    while (true) {
        stopped = stop();
        if (stopped) {
            kill(-pid, SIGKILL);
        }
        pollfd wait{out[0], POLLIN, 0};
        if (poll(&wait, 1, 200) == 0) {
            continue;
        }
        const ssize_t n = read(out[0], buffer.data(), buffer.size());
        if (n <= 0) {
            break;
        }
        if (said.size() < 2000) {
            said.append(buffer.data(), static_cast<std::size_t>(n));
        }
    }
    close(out[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    if (stopped) {
        return std::unexpected(*stopped);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        while (said.ends_with('\n')) {
            said.pop_back();
        }
        return fail(ErrorCode::Unavailable, "{} failed: {}", argv[0], said);
    }
    return {};
}

/// A copy of a file under a name below `base`, made anew.
Result<void> put_file(
    const std::string& from,
    const std::string& base,
    const std::string& target,
    const ExtractOptions& options
) {
    NL_TRY_VOID(make_parents(base, target, options.uid, options.gid));
    const std::size_t slash = target.rfind('/');
    NL_TRY(
        const int folder,
        open_beneath(
            base,
            slash == std::string::npos ? "." : target.substr(0, slash),
            O_RDONLY | O_DIRECTORY,
            0
        )
    );
    const std::string last = target.substr(slash == std::string::npos ? 0 : slash + 1);
    const int in = open(from.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat what{};
    unlinkat(folder, last.c_str(), 0);
    const int out =
        in < 0
            ? -1
            : openat(
                  folder, last.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600
              );
    int error = out < 0 ? errno : 0;
    close(folder);
    std::vector<char> buffer(1U << 20);
    ssize_t n = 0;
    while (error == 0 && (n = read(in, buffer.data(), buffer.size())) > 0) {
        for (ssize_t done = 0; done < n && error == 0;) {
            const ssize_t wrote =
                write(out, buffer.data() + done, static_cast<std::size_t>(n - done));
            error = wrote < 0 && errno != EINTR ? errno : 0;
            done += std::max<ssize_t>(wrote, 0);
        }
        if (const auto stopped = options.stop ? options.stop() : std::nullopt) {
            error = ECANCELED;
        }
    }
    if (error == 0) {
        const bool staged =
            from.find("/.artifact-") != std::string::npos && from.ends_with("/download");
        fchmod(out, fstat(in, &what) == 0 && !staged ? what.st_mode & 0777U : 0644U);
        if (options.uid >= 0 && geteuid() == 0 &&
            fchown(out, static_cast<uid_t>(options.uid), static_cast<gid_t>(options.gid)) != 0) {
            error = errno;
        }
    }
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    return error == 0 ? Result<void>{}
                      : fail(ErrorCode::Unavailable, "{}: {}", target, text_of(error));
}

/// Copies a tree below the task's directory with the same care as an archive: links that lead out,
/// devices and set-user-id bits do not come along.
Result<void> copy_tree(
    const fs::path& from,
    const std::string& base,
    const std::string& directory,
    const ExtractOptions& options
) {
    std::error_code error;
    std::uint64_t files = 0;
    for (auto at = fs::recursive_directory_iterator(from, error); !error && at != fs::end(at);
         at.increment(error)) {
        if (const auto stopped = options.stop()) {
            return std::unexpected(*stopped);
        }
        const std::string name = fs::relative(at->path(), from).string();
        if (name == ".git" || name.starts_with(".git/")) {
            if (name == ".git") {
                at.disable_recursion_pending();
            }
            continue;
        }
        if (options.limits.max_files > 0 && ++files > options.limits.max_files) {
            return fail(
                ErrorCode::TooLarge,
                "the artifact holds more than {} files, which is the limit",
                options.limits.max_files
            );
        }
        const std::string target = directory.empty() ? name : directory + "/" + name;
        NL_TRY_VOID(make_parents(base, target, options.uid, options.gid));
        if (at->is_symlink(error)) {
            const fs::path link = fs::read_symlink(at->path(), error);
            const fs::path whole =
                (fs::path("/x") / fs::path(name).parent_path() / link).lexically_normal();
            if (link.is_absolute() || !whole.string().starts_with("/x")) {
                return fail(
                    ErrorCode::InvalidArgument,
                    "the link \"{}\" leads outside of the artifact",
                    name
                );
            }
            const std::size_t slash = target.rfind('/');
            NL_TRY(
                const int folder,
                open_beneath(
                    base,
                    slash == std::string::npos ? "." : target.substr(0, slash),
                    O_RDONLY | O_DIRECTORY,
                    0
                )
            );
            const std::string last = target.substr(slash == std::string::npos ? 0 : slash + 1);
            unlinkat(folder, last.c_str(), 0);
            const int made = symlinkat(link.c_str(), folder, last.c_str());
            close(folder);
            if (made != 0) {
                return fail(ErrorCode::Unavailable, "{}: {}", name, text_of(errno));
            }
            continue;
        }
        if (at->is_directory(error)) {
            NL_TRY_VOID(make_parents(base, target + "/.", options.uid, options.gid));
            continue;
        }
        if (!at->is_regular_file(error)) {
            continue;
        }
        NL_TRY_VOID(put_file(at->path().string(), base, target, options));
    }
    return error ? fail(ErrorCode::Unavailable, "{}: {}", from.string(), error.message())
                 : Result<void>{};
}

std::string last_of(const std::string& url) {
    std::string path = url;
    while (path.ends_with('/')) {
        path.pop_back();
    }
    path = path.substr(path.rfind('/') + 1);
    return unescape(path);
}

}  // namespace

namespace {

class Fetch {
public:
    Fetch(
        const env::FetchArtifact& work,
        std::string directory,
        const ArtifactOptions& options,
        std::function<std::optional<Error>()> stop
    )
        : work_(work),
          directory_(std::move(directory)),
          options_(options),
          stop_(std::move(stop)) {}

    Result<void> run() {
        NL_TRY(source_, parse_artifact_source(work_.source, work_.options));
        const std::string alloc_dir = directory_.substr(0, directory_.rfind('/'));
        NL_TRY(where_, resolve_task_path(alloc_dir, work_.task, work_.destination));
        extract_.limits = options_.extract;
        extract_.stop = stop_;
        extract_.subdirectory = source_.subdirectory;
        if (work_.chown) {
            NL_TRY(const UserIds ids, user_ids(work_.user));
            extract_.uid = ids.uid;
            extract_.gid = ids.gid;
        }
        NL_TRY(const Staging staging, Staging::make(directory_));
        if (source_.getter == "git") {
            return git(staging);
        }
        if (source_.getter == "file") {
            return local_file(staging);
        }
        const std::string file = staging.path() + "/download";
        NL_TRY_VOID(get(file));
        return place(file, last_of(source_.url));
    }

private:
    std::string query(const std::string& key) const {
        const auto at = source_.query.find(key);
        return at == source_.query.end() ? "" : at->second;
    }

    Result<void> get(const std::string& file) {
        std::string url = source_.url;
        Login login;
        Duration timeout = options_.http_read_timeout;
        std::string rest;
        for (const auto& [key, value] : source_.query) {
            const bool ours = key == "archive" || key == "checksum" || key == "filename" ||
                              key == "region" || key.starts_with("aws_") || key == "version";
            if (!ours) {
                rest += (rest.empty() ? "?" : "&") + escape(key) + "=" + escape(value);
            }
        }
        url += rest;
        if (source_.getter == "s3") {
            timeout = options_.s3_timeout;
            const std::string key = query("aws_access_key_id");
            std::string region = query("region");
            if (region.empty()) {
                const std::size_t at = url.find("s3-") != std::string::npos ? url.find("s3-") + 3
                                                                            : url.find("s3.") + 3;
                const std::size_t dot = url.find('.', at);
                const std::string part = url.substr(at, dot - at);
                region = url.find("amazonaws.com") != std::string::npos && part != "amazonaws"
                             ? part
                             : "us-east-1";
            }
            if (!key.empty()) {
                login.user = key + ":" + query("aws_access_key_secret");
                login.signature = "aws:amz:" + region + ":s3";
                login.token = query("aws_access_token");
            }
        }
        std::string refused;
        Transfer t{
            [](const void* self) { return static_cast<const Fetch*>(self)->stop_(); },
            this,
            &options_,
            &refused
        };
        auto got = download(url, file, work_, t, timeout, login);
        if (!got) {
            return got;
        }
        return check(file);
    }

    static std::string escape(const std::string& text) {
        std::string out;
        for (const char c : text) {
            const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
                               c == '~';
            out +=
                plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
        return out;
    }

    Result<void> check(const std::string& file) {
        std::string wanted = query("checksum");
        if (wanted.empty()) {
            return {};
        }
        if (wanted.starts_with("file:")) {
            const std::string list = file + ".sums";
            std::string refused;
            Transfer t{
                [](const void* self) { return static_cast<const Fetch*>(self)->stop_(); },
                this,
                &options_,
                &refused
            };
            NL_TRY_VOID(download(wanted.substr(5), list, work_, t, options_.http_read_timeout, {}));
            NL_TRY(wanted, find_sum(list, last_of(source_.url)));
        }
        NL_TRY(const Sum sum, parse_sum(wanted));
        return check_sum(file, sum);
    }

    /// A line "<sum>  <name>" or "SHA256 (name) = <sum>", or the only sum in the file.
    static Result<std::string> find_sum(const std::string& file, const std::string& name) {
        NL_TRY(const Bytes text, io::read_file(file, 1U << 20));
        std::string only;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = std::min(text.find('\n', at), text.size());
            const std::string line = text.substr(at, end - at);
            at = end + 1;
            const std::string first = line.substr(0, line.find(' '));
            if (line.find(name) != std::string::npos && line.find(" = ") != std::string::npos) {
                return line.substr(line.rfind(' ') + 1);
            }
            if (line.ends_with(name) && first.size() >= 32) {
                return first;
            }
            only = only.empty() ? first : only;
        }
        if (only.size() >= 32) {
            return only;
        }
        return fail(ErrorCode::InvalidArgument, "the checksum file does not name \"{}\"", name);
    }

    Result<void> place(const std::string& file, std::string name) {
        const std::string asked = query("archive");
        std::string kind = asked.empty() ? archive_kind(name) : asked;
        if (asked == "false" || asked == "0") {
            kind.clear();
        } else if (!asked.empty() && archive_kind("x." + asked).empty()) {
            return fail(ErrorCode::InvalidArgument, "the archive type \"{}\" is not known", asked);
        }
        if (!query("filename").empty()) {
            name = query("filename");
            if (name.find('/') != std::string::npos || name == "..") {
                return fail(ErrorCode::InvalidArgument, "the file name \"{}\" is none", name);
            }
        }
        const bool single = kind == "gz" || kind == "bz2" || kind == "xz" || kind == "zst";
        if (work_.mode == "file") {
            if (!kind.empty() && !single) {
                return fail(
                    ErrorCode::InvalidArgument, "an archive cannot be fetched in mode \"file\""
                );
            }
            if (where_.relative.empty()) {
                return fail(ErrorCode::InvalidArgument, "the destination names no file");
            }
            if (single) {
                const std::size_t slash = where_.relative.rfind('/');
                return extract_archive(
                    file,
                    kind,
                    where_.base,
                    slash == std::string::npos ? "" : where_.relative.substr(0, slash),
                    where_.relative.substr(slash == std::string::npos ? 0 : slash + 1),
                    extract_
                );
            }
            return put_file(file, where_.base, where_.relative, extract_);
        }
        if (!kind.empty()) {
            std::string plain = name;
            if (single && plain.size() > kind.size() + 1) {
                plain.resize(plain.size() - kind.size() - 1);
            }
            return extract_archive(file, kind, where_.base, where_.relative, plain, extract_);
        }
        if (work_.mode == "dir") {
            return fail(
                ErrorCode::InvalidArgument,
                "no source URL was returned: a plain file is no directory"
            );
        }
        if (name.empty() || name == "." || name == "..") {
            return fail(ErrorCode::InvalidArgument, "the source names no file");
        }
        return put_file(
            file,
            where_.base,
            where_.relative.empty() ? name : where_.relative + "/" + name,
            extract_
        );
    }

    Result<void> local_file(const Staging&) {
        if (!options_.allow_file) {
            return fail(
                ErrorCode::PermissionDenied, "download not supported for scheme 'file' on this node"
            );
        }
        if (fs::is_directory(source_.url)) {
            return copy_tree(source_.url, where_.base, where_.relative, extract_);
        }
        NL_TRY_VOID(check(source_.url));
        return place(source_.url, last_of(source_.url));
    }

    Result<void> git(const Staging& staging) {
        NL_TRY_VOID(check_host(source_.url, options_));
        const std::string ref = query("ref");
        const std::string depth = query("depth");
        const auto bad = [](const std::string& text) {
            return text.starts_with('-') || text.find("..") != std::string::npos ||
                   text.find_first_not_of(
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-@^~"
                   ) != std::string::npos;
        };
        if (bad(ref) || depth.find_first_not_of("0123456789") != std::string::npos ||
            source_.url.starts_with('-')) {
            return fail(
                ErrorCode::InvalidArgument,
                "git: the reference \"{}\" or depth \"{}\" is none",
                ref,
                depth
            );
        }
        std::vector<std::string> env{
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "HOME=" + staging.path(),
            "GIT_TERMINAL_PROMPT=0",
            "GIT_CONFIG_NOSYSTEM=1",
            "GIT_CONFIG_GLOBAL=/dev/null",
            "GIT_ALLOW_PROTOCOL=https:http:ssh:git",
            "LC_ALL=C"
        };
        if (work_.insecure) {
            env.emplace_back("GIT_SSL_NO_VERIFY=1");
        }
        if (const std::string key = query("sshkey"); !key.empty()) {
            const auto bytes = base64_decode(key);
            if (!bytes) {
                return fail(ErrorCode::InvalidArgument, "git: sshkey is not base64");
            }
            const std::string path = staging.path() + "/key";
            NL_TRY_VOID(io::write_file_atomic(path, *bytes, 0600));
            if (const passwd* nobody =
                    geteuid() == 0 ? getpwnam("nobody") : nullptr;  // NOLINT(concurrency-mt-unsafe)
                nobody != nullptr && chown(path.c_str(), nobody->pw_uid, nobody->pw_gid) != 0) {
                return fail(ErrorCode::Unavailable, "{}: {}", path, text_of(errno));
            }
            env.push_back(
                "GIT_SSH_COMMAND=ssh -i " + path +
                " -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new -o "
                "UserKnownHostsFile=/dev/null"
            );
        }
        const std::string program = "/usr/bin/git";
        if (access(program.c_str(), X_OK) != 0) {
            return fail(ErrorCode::Unavailable, "git is not installed on this node");
        }
        std::vector<std::string> clone{
            program,
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "http.followRedirects=false",
            "clone",
            "--quiet",
            "--no-hardlinks",
            "--no-recurse-submodules"
        };
        if (!depth.empty() && depth != "0") {
            clone.insert(clone.end(), {"--depth", depth});
            if (!ref.empty()) {
                clone.insert(clone.end(), {"--branch", ref});
            }
        }
        clone.insert(clone.end(), {"--", source_.url, "repo"});
        NL_TRY_VOID(run_program(clone, env, staging.path(), stop_));
        const std::string repo = staging.path() + "/repo";
        if (!ref.empty() && (depth.empty() || depth == "0")) {
            NL_TRY_VOID(run_program(
                {program,
                 "-C",
                 repo,
                 "-c",
                 "core.hooksPath=/dev/null",
                 "-c",
                 "advice.detachedHead=false",
                 "checkout",
                 "--quiet",
                 ref,
                 "--"},
                env,
                staging.path(),
                stop_
            ));
        }
        const std::string from =
            source_.subdirectory.empty() ? repo : repo + "/" + source_.subdirectory;
        std::error_code error;
        if (!fs::is_directory(fs::symlink_status(from, error))) {
            return fail(
                ErrorCode::NotFound, "the repository has no directory \"{}\"", source_.subdirectory
            );
        }
        return copy_tree(from, where_.base, where_.relative, extract_);
    }

    const env::FetchArtifact& work_;
    std::string directory_;
    const ArtifactOptions& options_;
    std::function<std::optional<Error>()> stop_;
    ArtifactSource source_;
    TaskPath where_;
    ExtractOptions extract_;
};

}  // namespace

ArtifactFetcher::ArtifactFetcher(ArtifactOptions options) : options_(std::move(options)) {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    static_cast<void>(ready);
}

ArtifactFetcher::~ArtifactFetcher() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
        queue_.clear();
        for (const auto& job : active_) {
            job->cancelled = true;
        }
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

void ArtifactFetcher::fetch(
    const env::FetchArtifact& work,
    const std::string& task_directory,
    std::function<void(Result<void>)> done
) {
    auto job = std::make_shared<Job>();
    job->work = work;
    job->directory = task_directory;
    job->done = std::move(done);
    const std::scoped_lock lock(mutex_);
    queue_.push_back(std::move(job));
    if (idle_ == 0 && threads_.size() < kMaxParallel) {
        threads_.emplace_back([this] { run(); });
    }
    wake_.notify_one();
}

void ArtifactFetcher::cancel(const Uuid& alloc) {
    std::unique_lock lock(mutex_);
    std::erase_if(queue_, [&](const auto& job) { return job->work.alloc == alloc; });
    for (const auto& job : active_) {
        if (job->work.alloc == alloc) {
            job->cancelled = true;
        }
    }
    ended_.wait(lock, [&] {
        return std::ranges::none_of(active_, [&](const auto& job) {
            return job->work.alloc == alloc;
        });
    });
}

void ArtifactFetcher::run() {
    while (true) {
        std::shared_ptr<Job> job;
        {
            std::unique_lock lock(mutex_);
            ++idle_;
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            --idle_;
            if (stopping_) {
                return;
            }
            job = std::move(queue_.front());
            queue_.pop_front();
            active_.push_back(job);
        }
        job->until = io::now() + std::max(options_.http_read_timeout, options_.git_timeout);
        auto result =
            Fetch(job->work, job->directory, options_, [&job] { return job->stop(); }).run();
        if (!result) {
            result = fail(
                result.error().code,
                "failed to download artifact \"{}\": {}",
                job->work.source,
                result.error().message
            );
        }
        {
            const std::scoped_lock lock(mutex_);
            std::erase(active_, job);
        }
        ended_.notify_all();
        job->done(std::move(result));
    }
}

}  // namespace nl::drivers
