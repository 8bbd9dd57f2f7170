#include "server/broker.h"

#include "base/check.h"

#include <algorithm>

namespace nl::server {

void Broker::enqueue(EvalPtr eval, Instant now, WallTime wall) {
    NL_ASSERT(eval != nullptr);
    const Uuid id = eval->id;
    if (const auto at = entries_.find(id); at != entries_.end()) {
        Entry& known = at->second;
        if (known.place == Place::Out) {
            // Its delivery goes on with what it was given; a nack delivers the newer form.
            known.eval = std::move(eval);
            return;
        }
        forget(id);
    }
    Entry& entry = entries_[id];
    entry.eval = std::move(eval);
    if (entry.eval->wait_until > wall) {
        wait(entry, now + (entry.eval->wait_until - wall));
        return;
    }
    make_ready(entry);
}

void Broker::make_ready(Entry& entry) {
    JobState& job = jobs_[key(*entry.eval)];
    if (job.current.is_nil()) {
        job.current = entry.eval->id;
        entry.place = Place::Ready;
        ready_.insert(rank(*entry.eval));
    } else {
        entry.place = Place::Pending;
        job.pending[entry.eval->id] = entry.eval;
    }
}

void Broker::wait(Entry& entry, Instant until) {
    entry.place = Place::Waiting;
    entry.due = until;
    timers_.insert({until, entry.eval->id});
}

void Broker::forget(const Uuid& eval_id) {
    const auto at = entries_.find(eval_id);
    if (at == entries_.end()) {
        return;
    }
    const Entry entry = std::move(at->second);
    entries_.erase(at);
    const JobKey job = key(*entry.eval);
    switch (entry.place) {
        case Place::Waiting:
            timers_.erase({entry.due, eval_id});
            break;
        case Place::Pending:
            jobs_.at(job).pending.erase(eval_id);
            break;
        case Place::Ready:
            ready_.erase(rank(*entry.eval));
            release(job, eval_id);
            break;
        case Place::Out:
            timers_.erase({entry.due, eval_id});
            out_.erase(entry.token);
            release(job, eval_id);
            break;
    }
}

/// The job's current evaluation is over: the newest that waits behind it follows, the others have
/// become pointless.
void Broker::release(const JobKey& job, const Uuid& id) {
    const auto at = jobs_.find(job);
    NL_ASSERT(at != jobs_.end());
    JobState& state = at->second;
    NL_ASSERT(state.current == id);
    state.current = Uuid{};
    if (state.pending.empty()) {
        jobs_.erase(at);
        return;
    }
    const auto newest = std::ranges::max_element(state.pending, {}, [](const auto& item) {
        return std::tuple(item.second->create_index, item.second->modify_index, item.first);
    });
    const EvalPtr next = newest->second;
    for (const auto& [other, eval] : state.pending) {
        if (other != next->id) {
            entries_.erase(other);
            superseded_.push_back(eval);
        }
    }
    state.pending.clear();
    make_ready(entries_.at(next->id));
}

std::optional<Delivery> Broker::take(Instant now) {
    if (paused_ || ready_.empty()) {
        return std::nullopt;
    }
    const Uuid id = ready_.begin()->id;
    ready_.erase(ready_.begin());
    Entry& entry = entries_.at(id);
    NL_ASSERT(entry.place == Place::Ready);
    entry.place = Place::Out;
    entry.token = next_token_++;
    entry.due = now + options_.nack_timeout;
    ++entry.attempts;
    out_[entry.token] = id;
    timers_.insert({entry.due, id});
    return Delivery{entry.eval, entry.token, entry.attempts};
}

bool Broker::ack(std::uint64_t token, Instant now) {
    static_cast<void>(now);
    const auto at = out_.find(token);
    if (at == out_.end()) {
        return false;
    }
    const Uuid id = at->second;
    forget(id);
    return true;
}

bool Broker::touch(std::uint64_t token, Instant now) {
    const auto at = out_.find(token);
    if (at == out_.end()) {
        return false;
    }
    Entry& entry = entries_.at(at->second);
    timers_.erase({entry.due, at->second});
    entry.due = now + options_.nack_timeout;
    timers_.insert({entry.due, at->second});
    return true;
}

bool Broker::nack(std::uint64_t token, Instant now) {
    const auto at = out_.find(token);
    if (at == out_.end()) {
        return false;
    }
    const Uuid id = at->second;
    Entry& entry = entries_.at(id);
    if (entry.attempts >= options_.delivery_limit) {
        failed_.push_back(entry.eval);
        forget(id);
        return true;
    }
    const int attempts = entry.attempts;
    const EvalPtr eval = entry.eval;
    forget(id);
    Entry& again = entries_[id];
    again.eval = eval;
    again.attempts = attempts;
    wait(again, now + (attempts == 1 ? options_.first_retry_delay : options_.later_retry_delay));
    return true;
}

void Broker::tick(Instant now) {
    while (!timers_.empty() && timers_.begin()->first <= now) {
        const Uuid id = timers_.begin()->second;
        Entry& entry = entries_.at(id);
        if (entry.place == Place::Out) {
            nack(entry.token, now);
            continue;
        }
        NL_ASSERT(entry.place == Place::Waiting);
        timers_.erase(timers_.begin());
        make_ready(entry);
    }
}

Instant Broker::next_deadline() const {
    return timers_.empty() ? Instant::max() : timers_.begin()->first;
}

Broker::Status Broker::status() const {
    Status s;
    s.ready = ready_.size();
    s.unacked = out_.size();
    for (const auto& [job, state] : jobs_) {
        s.pending += state.pending.size();
    }
    s.waiting = timers_.size() - out_.size();
    return s;
}

}  // namespace nl::server
