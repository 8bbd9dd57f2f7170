#pragma once
// The queue between evaluations and scheduler workers: highest priority first, oldest first among
// equals, never two of one job at the same time, and of several that wait for one job only the
// newest counts. A delivery ends in ack or nack; after kDeliveryLimit deliveries the evaluation has
// failed and is handed out by take_failed. One with wait_until is held until then.
//
// Owned by server::Leader, alive only while leading, rebuilt from a snapshot. It keeps nothing that
// the state does not have. Source: Nomad's scheduling concepts; reliability row 61.

#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "model/evaluation.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace nl::server {

struct BrokerOptions {
    int delivery_limit{3};
    /// A worker that does not answer within this has lost the evaluation.
    Duration nack_timeout = seconds(60);
    Duration first_retry_delay = seconds(1);
    Duration later_retry_delay = seconds(20);
};

/// Namespace and id: what an evaluation is serialised by.
using JobKey = std::pair<std::string, std::string>;

/// One handing out of an evaluation; the token names it, so that a late answer is known as such.
struct Delivery {
    std::shared_ptr<const model::Evaluation> eval;
    std::uint64_t token{0};
    int attempt{1};
};

class Broker {
public:
    using EvalPtr = std::shared_ptr<const model::Evaluation>;

    explicit Broker(BrokerOptions options) : options_(options) {}

    /// Tokens count on from here; before the first delivery.
    void begin_tokens(std::uint64_t first) { next_token_ = first; }
    std::uint64_t next_token() const { return next_token_; }

    /// Takes in a pending evaluation (or a blocked one that was unblocked). One that is already
    /// here, by id, is replaced if it waits and kept for after the delivery if it is out.
    void enqueue(EvalPtr eval, Instant now, WallTime wall);
    /// Forgets an evaluation that needs no more work (terminal, deleted).
    void forget(const Uuid& eval_id);

    /// The next one to work on; nullopt when none is ready. While paused nothing is handed out.
    std::optional<Delivery> take(Instant now);
    /// The work is done and committed. False for a token that is no longer current.
    bool ack(std::uint64_t token, Instant now);
    /// The work could not be done; it is tried again after a delay, or has failed.
    bool nack(std::uint64_t token, Instant now);
    /// Keeps a delivery alive: its plan is on its way through the log.
    bool touch(std::uint64_t token, Instant now);
    /// Delays that are over and deliveries nobody answered.
    void tick(Instant now);
    Instant next_deadline() const;

    /// Evaluations that exhausted their deliveries; the caller commits them as failed.
    std::vector<EvalPtr> take_failed() { return std::exchange(failed_, {}); }
    /// Evaluations that a newer one of their job made pointless; the caller commits them as
    /// canceled.
    std::vector<EvalPtr> take_superseded() { return std::exchange(superseded_, {}); }

    void pause(bool paused) { paused_ = paused; }

    struct Status {
        std::size_t ready{0};
        std::size_t unacked{0};
        /// Behind another evaluation of their job.
        std::size_t pending{0};
        /// Until a time or after a nack.
        std::size_t waiting{0};
    };
    Status status() const;

private:
    struct Ready {
        std::int64_t priority;
        Index create_index;
        Uuid id;
        friend bool operator<(const Ready& a, const Ready& b) {
            // Highest priority first.
            return std::tie(b.priority, a.create_index, a.id) <
                   std::tie(a.priority, b.create_index, b.id);
        }
    };
    struct Out {
        EvalPtr eval;
        Instant deadline;
    };
    struct JobState {
        /// Ready or out: the one evaluation of the job that may be worked on.
        Uuid current;
        /// Behind it, by id.
        std::map<Uuid, EvalPtr> pending;
    };
    enum class Place { Ready, Out, Pending, Waiting };
    struct Entry {
        EvalPtr eval;
        Place place{Place::Ready};
        int attempts{0};
        std::uint64_t token{0};
        Instant due;
    };

    static JobKey key(const model::Evaluation& eval) { return {eval.namespace_, eval.job_id}; }
    static Ready rank(const model::Evaluation& eval) {
        return {eval.priority, eval.create_index, eval.id};
    }
    void make_ready(Entry& entry);
    void release(const JobKey& job, const Uuid& id);
    void wait(Entry& entry, Instant until);

    BrokerOptions options_;
    bool paused_{false};
    std::uint64_t next_token_{1};
    std::map<Uuid, Entry> entries_;
    std::set<Ready> ready_;
    std::map<JobKey, JobState> jobs_;
    std::map<std::uint64_t, Uuid> out_;
    /// Out (unanswered at) and waiting (ready at), by time.
    std::set<std::pair<Instant, Uuid>> timers_;
    std::vector<EvalPtr> failed_;
    std::vector<EvalPtr> superseded_;
};

}  // namespace nl::server
