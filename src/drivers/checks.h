#pragma once
// Probes services for client::CheckRunner: http, tcp and gRPC health, from the node. A small pool
// of threads with a bounded queue; a probe that finds it full fails and says so. Redirects are
// followed, bodies are read up to a limit and not kept.

#include "client/check_runner.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace nl::drivers {

class CheckProber {
public:
    static constexpr std::size_t kThreads = 4;
    static constexpr std::size_t kMaxQueue = 16384;
    static constexpr std::size_t kMaxBodyBytes = 64U << 10;

    using OnDone = std::function<void(client::CheckDone)>;

    explicit CheckProber(OnDone on_done);
    ~CheckProber();
    CheckProber(const CheckProber&) = delete;
    CheckProber& operator=(const CheckProber&) = delete;

    void probe(client::CheckWork work);

private:
    void run();

    OnDone on_done_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<client::CheckWork> queue_;
    bool stopping_ = false;
    /// Begun with the first probe: a node without checks pays nothing.
    std::vector<std::thread> threads_;
};

}  // namespace nl::drivers
