#include "drivers/workers.h"

#include <pthread.h>

#include <utility>

namespace nl::drivers {

Workers::Workers(std::string name, std::size_t count) : name_(std::move(name)), count_(count) {}

Workers::~Workers() {
    stop();
}

void Workers::stop() {
    std::vector<std::thread> threads;
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
        threads.swap(threads_);
    }
    wake_.notify_all();
    for (std::thread& thread : threads) {
        thread.join();
    }
}

void Workers::post(std::function<void()> work) {
    {
        const std::scoped_lock lock(mutex_);
        if (stopping_) {
            return;
        }
        queue_.push_back(std::move(work));
        if (queue_.size() > idle_ && threads_.size() < count_) {
            threads_.emplace_back([this] { run(); });
        }
    }
    wake_.notify_one();
}

void Workers::run() {
    constexpr std::size_t kLongestName = 15;
    ::pthread_setname_np(::pthread_self(), name_.substr(0, kLongestName).c_str());
    std::unique_lock lock(mutex_);
    while (true) {
        ++idle_;
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        --idle_;
        if (queue_.empty()) {
            return;
        }
        std::function<void()> work = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        work();
        work = {};
        lock.lock();
    }
}

}  // namespace nl::drivers
