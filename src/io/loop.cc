#include "io/loop.h"

#include "base/check.h"
#include "io/clock.h"

#include <pthread.h>

#include <chrono>
#include <optional>

namespace nl::io {

namespace {

constexpr std::size_t kThreadNameMax = 15;

std::chrono::steady_clock::time_point to_steady(Instant when) {
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(when.ns));
}

}  // namespace

EventLoop::EventLoop(Options options) : options_(std::move(options)) {}

EventLoop::~EventLoop() {
    NL_ASSERT(!is_loop_thread());
    stop();
}

void EventLoop::set_drained(std::function<void()> hook) {
    NL_ASSERT(!thread_.joinable());
    drained_ = std::move(hook);
}

void EventLoop::start() {
    NL_ASSERT(!thread_.joinable());
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), options_.name.substr(0, kThreadNameMax).c_str());
}

bool EventLoop::post(Task task) {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= options_.queue_max) {
        return false;
    }
    queue_.push_back(std::move(task));
    if (sleeping_) {
        wake_.notify_one();
    }
    return true;
}

void EventLoop::must_post(Task task) {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
        return;
    }
    queue_.push_back(std::move(task));
    if (sleeping_) {
        wake_.notify_one();
    }
}

EventLoop::TimerId EventLoop::run_at(Instant when, Task task) {
    const std::lock_guard lock(mutex_);
    const TimerId id = next_timer_++;
    if (stopping_) {
        return id;
    }
    const bool is_earliest = timers_.empty() || when < timers_.begin()->first.first;
    timers_.emplace(std::pair(when, id), std::move(task));
    timer_times_.emplace(id, when);
    if (is_earliest && sleeping_) {
        wake_.notify_one();
    }
    return id;
}

void EventLoop::cancel(TimerId timer) {
    // A closure may own what posts to this loop, so it dies outside the lock.
    std::optional<Task> dropped;
    const std::lock_guard lock(mutex_);
    const auto found = timer_times_.find(timer);
    if (found == timer_times_.end()) {
        return;
    }
    const auto task = timers_.find(std::pair(found->second, timer));
    NL_ASSERT(task != timers_.end());
    dropped = std::move(task->second);
    timers_.erase(task);
    timer_times_.erase(found);
}

void EventLoop::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        wake_.notify_one();
    }
    if (thread_.joinable() && !is_loop_thread()) {
        thread_.join();
    }
}

bool EventLoop::is_loop_thread() const {
    return thread_id_.load() == std::this_thread::get_id();
}

std::size_t EventLoop::queued() const {
    const std::lock_guard lock(mutex_);
    return queue_.size();
}

void EventLoop::run() {
    thread_id_.store(std::this_thread::get_id());
    std::vector<Task> batch;
    std::size_t done = 0;
    for (;;) {
        {
            std::unique_lock lock(mutex_);
            while (done == batch.size()) {
                batch.clear();
                done = 0;
                if (!queue_.empty()) {
                    std::swap(batch, queue_);
                    break;
                }
                if (stopping_) {
                    timers_.clear();
                    timer_times_.clear();
                    return;
                }
                if (timers_.empty()) {
                    sleeping_ = true;
                    wake_.wait(lock);
                    sleeping_ = false;
                    continue;
                }
                const Instant due = timers_.begin()->first.first;
                if (due <= now()) {
                    break;
                }
                sleeping_ = true;
                wake_.wait_until(lock, to_steady(due));
                sleeping_ = false;
            }
        }
        for (std::size_t i = 0; i < kBatchMax && done < batch.size(); ++i, ++done) {
            batch[done]();
            batch[done] = nullptr;
        }
        const Instant reached = now();
        for (std::size_t i = 0; i < kBatchMax; ++i) {
            Task task;
            {
                const std::lock_guard lock(mutex_);
                if (stopping_ || timers_.empty() || timers_.begin()->first.first > reached) {
                    break;
                }
                const auto first = timers_.begin();
                task = std::move(first->second);
                timer_times_.erase(first->first.second);
                timers_.erase(first);
            }
            task();
        }
        if (drained_) {
            drained_();
        }
    }
}

}  // namespace nl::io
