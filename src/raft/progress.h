#pragma once
// What a leader knows of one follower (thesis 3.5, 10.2.1): how far its log surely matches, what to
// send next, and what is on its way. Invariant: match < next.

#include "base/strong.h"
#include "base/time.h"

#include <cstddef>
#include <cstdint>
#include <deque>

namespace nl::raft {

enum class ProgressMode : unsigned char {
    /// It is not known where the logs meet: one message at a time.
    Probe,
    /// Appends follow one another without waiting, as far as the window allows.
    Replicate,
    /// It needs what the log no longer has; nothing is sent until the snapshot is through.
    Snapshot,
};

struct Progress {
    struct Inflight {
        Index last;
        std::size_t bytes{0};
    };

    Index match;
    Index next{1};
    ProgressMode mode{ProgressMode::Probe};
    bool probe_sent{false};
    /// Appends without an answer, oldest first; bounded by Options::inflight_messages_max and
    /// inflight_bytes_max.
    std::deque<Inflight> inflight;
    std::size_t inflight_bytes{0};
    /// When the last append left, and when the window last moved.
    Instant sent_at;
    Instant moved_at;
    Instant contact;
    /// Like contact, but forgives the time in which this server itself was not running.
    Instant active;
    /// The commit index it was last told.
    Index commit_told;
    /// The newest heartbeat round it answered.
    std::uint64_t round{0};
    /// What `match` was when the newest round was sent.
    Index match_at_round;
    Instant snapshot_retry;

    void probe_from(Index index) {
        mode = ProgressMode::Probe;
        next = index;
        probe_sent = false;
        inflight.clear();
        inflight_bytes = 0;
    }
    void replicate_from_match() {
        mode = ProgressMode::Replicate;
        next = match.next();
        probe_sent = false;
        inflight.clear();
        inflight_bytes = 0;
    }
    void sent(Index last, std::size_t bytes) {
        inflight.push_back({.last = last, .bytes = bytes});
        inflight_bytes += bytes;
    }
    void answered(Index through) {
        while (!inflight.empty() && inflight.front().last <= through) {
            inflight_bytes -= inflight.front().bytes;
            inflight.pop_front();
        }
    }
};

}  // namespace nl::raft
