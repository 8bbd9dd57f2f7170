#pragma once
// Fetches artifacts as jobs write them (go-getter's forms): http and https, git, s3-style, and
// files of the node where the agent allows it; archives are unpacked, checksums are compared, and
// every connection is checked against the egress policy after its name was resolved, redirects
// included. One thread a download, a bounded number at once. Source: job specification, "artifact";
// the client configuration's artifact block.

#include "base/time.h"
#include "drivers/artifacts/extract.h"
#include "env/task_files.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace nl::drivers {

struct ArtifactOptions {
    Duration http_read_timeout{minutes(30)};
    std::uint64_t http_max_bytes{100ULL << 30};
    Duration git_timeout{minutes(30)};
    Duration s3_timeout{minutes(30)};
    ExtractLimits extract;
    /// Files of the node may be copied.
    bool allow_file{};
    /// Addresses ("127.0.0.0/8", "10.1.2.3") that may be reached although they are loopback,
    /// link-local, multicast or unspecified.
    std::vector<std::string> egress_allow;
    /// "address:port" that is never reached: the agent's own interfaces.
    std::vector<std::string> egress_deny_ports;
};

/// What a source says once it is taken apart.
struct ArtifactSource {
    /// "http", "git", "s3" or "file".
    std::string getter;
    std::string url;
    /// After "//".
    std::string subdirectory;
    std::map<std::string, std::string> query;
};
/// Errors: InvalidArgument for what is not understood.
Result<ArtifactSource> parse_artifact_source(const std::string& source, const StringMap& options);

/// Whether an address may be reached.
bool egress_allowed(const ArtifactOptions& options, const std::string& address, int port);

class ArtifactFetcher {
public:
    static constexpr std::size_t kMaxParallel = 8;

    explicit ArtifactFetcher(ArtifactOptions options);
    /// Ends every download and waits for it.
    ~ArtifactFetcher();
    ArtifactFetcher(const ArtifactFetcher&) = delete;
    ArtifactFetcher& operator=(const ArtifactFetcher&) = delete;

    /// `task_directory` is where it may write. `done` is called once, on a thread of the fetcher.
    void fetch(
        const env::FetchArtifact& work,
        const std::string& task_directory,
        std::function<void(Result<void>)> done
    );
    /// Ends the downloads of an allocation and waits until they write no more.
    void cancel(const Uuid& alloc);

private:
    struct Job;
    void run();

    ArtifactOptions options_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable ended_;
    std::deque<std::shared_ptr<Job>> queue_;
    std::vector<std::shared_ptr<Job>> active_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;
};

}  // namespace nl::drivers
