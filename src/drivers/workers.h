#pragma once
// A few threads for what a driver must wait for (a container runtime, an engine's answer), so that
// no call of the node's loop blocks. Work is taken in order; the queue is bounded by the calls that
// the node has open. The destructor stops.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace nl::drivers {

class Workers {
public:
    Workers(std::string name, std::size_t count);
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;
    ~Workers();

    /// Runs what is queued and waits; later work is dropped.
    void stop();

    /// Threads are started by the first work.
    void post(std::function<void()> work);

private:
    void run();

    std::string name_;
    std::size_t count_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> queue_;
    std::size_t idle_{0};
    bool stopping_{false};
    std::vector<std::thread> threads_;
};

}  // namespace nl::drivers
