#pragma once
// A collection an operator asked for: one bounded entry of the log after the other, each made from
// the state that the former left, until nothing is left or one was refused.

#include "base/error.h"
#include "server/gc.h"
#include "state/command.h"
#include "state/snapshot.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace nl::agent {

/// Rounds of one collection; with 4,096 ids each that is more than a server holds.
inline constexpr std::size_t kGarbageRoundsMax = 10'000;

class GarbageRun : public std::enable_shared_from_this<GarbageRun> {
public:
    struct Work {
        /// The newest state, with what was carried out so far.
        std::function<std::vector<state::Command>(server::Gc&)> collect;
        /// Carries one command out and says how it went, from any thread.
        std::function<void(const state::Command&, std::function<void(Result<void>)>)> propose;
        /// Runs its argument on the thread the collection belongs to.
        std::function<void(std::function<void()>)> post;
        std::function<void(Result<void>)> done;
    };
    GarbageRun(server::GcOptions options, Work work) : gc_(options), work_(std::move(work)) {}

    /// On the thread of `post`.
    void round() {
        const auto commands = work_.collect(gc_);
        if (commands.empty() || !result_ || ++rounds_ > kGarbageRoundsMax) {
            work_.done(std::move(result_));
            return;
        }
        waiting_ = commands.size();
        for (const state::Command& command : commands) {
            work_.propose(command, [self = shared_from_this()](Result<void> result) {
                self->work_.post([self, answer = std::move(result)]() mutable {
                    if (!answer) {
                        self->result_ = std::move(answer);
                    }
                    if (--self->waiting_ == 0) {
                        self->round();
                    }
                });
            });
        }
    }

private:
    server::Gc gc_;
    Work work_;
    Result<void> result_;
    std::size_t waiting_{0};
    std::size_t rounds_{0};
};

}  // namespace nl::agent
