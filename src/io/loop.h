#pragma once
// A thread that runs closures one after another, with timers: what `agent` gives to each value
// machine (replica, applier, leader, node) so that the machine itself needs no lock. Closures run
// in the order in which they were posted; after each batch of them the drained hook runs once, the
// place to take what the machine has to say (one take_ready for many inputs). Timers run between
// batches. Any thread may post; only the loop's own thread touches the machine.

#include "base/time.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace nl::io {

class EventLoop {
public:
    using Task = std::move_only_function<void()>;
    using TimerId = std::uint64_t;

    static constexpr std::size_t kQueueMax = 65'536;
    /// Closures run before timers are looked at again.
    static constexpr std::size_t kBatchMax = 256;

    struct Options {
        /// Shown as the thread's name; at most 15 characters are.
        std::string name{"loop"};
        std::size_t queue_max{kQueueMax};
    };

    explicit EventLoop(Options options);
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    /// Stops.
    ~EventLoop();

    /// Runs after each batch of closures or timers, on the loop's thread. Set before start().
    void set_drained(std::function<void()> hook);
    void start();

    /// False, and nothing happens, when the queue is full or the loop has stopped.
    [[nodiscard]] bool post(Task task);
    /// Beyond the bound of the queue: for the ends of work that this loop started itself, whose
    /// number is bounded by what it started. Dropped after the stop.
    void must_post(Task task);

    /// Runs once, at or soon after `when`. May be called from any thread.
    TimerId run_at(Instant when, Task task);
    /// A timer that has run or is unknown is no mistake.
    void cancel(TimerId timer);

    /// Runs what is queued, drops the timers and ends the thread; waits for it unless called on it.
    void stop();

    bool is_loop_thread() const;
    std::size_t queued() const;

private:
    void run();

    Options options_;
    std::function<void()> drained_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Task> queue_;
    std::map<std::pair<Instant, TimerId>, Task> timers_;
    std::map<TimerId, Instant> timer_times_;
    TimerId next_timer_{1};
    bool stopping_{false};
    bool sleeping_{false};
    std::atomic<std::thread::id> thread_id_{};
    std::thread thread_;
};

}  // namespace nl::io
