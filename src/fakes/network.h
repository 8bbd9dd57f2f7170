#pragma once
// A network in virtual time between servers: it delays, loses, doubles, replays, reorders, clogs and
// parts, by a seed. Best effort like env::Transport; `Port` is that interface for one server. The owner takes
// out what is due.

#include "base/rng.h"
#include "base/time.h"
#include "env/transport.h"

#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace nl::fakes {

struct NetworkFaults {
    int loss_percent{0};
    int duplicate_percent{0};
    Duration delay_min = microseconds(200);
    Duration delay_max = milliseconds(1);
    /// One message in a hundred may take this long.
    Duration delay_rare = milliseconds(1);
    /// A message delivered already comes once more, up to this much later.
    int replay_percent{0};
    Duration replay_max = seconds(2);
};

struct Delivery {
    ServerId from;
    ServerId to;
    env::Channel channel{env::Channel::Raft};
    Bytes bytes;
};

class Network {
public:
    explicit Network(Rng rng, NetworkFaults faults = {}) : rng_(rng), faults_(faults) {}

    void set_faults(const NetworkFaults& faults) { faults_ = faults; }
    void set_now(Instant now) { now_ = now; }
    void send(Delivery delivery);
    Instant next_due() const { return queue_.empty() ? Instant::max() : queue_.top().due; }
    std::optional<Delivery> take_due(Instant now);

    /// Nothing passes from one to the other any more; the other direction stays as it is.
    void cut(ServerId from, ServerId to) { cut_.emplace(from, to); }
    /// Like cut(), and what is on its way is lost.
    void sever(ServerId from, ServerId to);
    void mend(ServerId from, ServerId to) { cut_.erase({from, to}); }
    void heal() { cut_.clear(); }
    std::size_t cuts() const { return cut_.size(); }
    /// What one sends the other waits, without being lost, until unclog().
    void clog(ServerId from, ServerId to) { clogged_.try_emplace({from, to}); }
    void unclog(ServerId from, ServerId to);
    void unclog_all();

private:
    struct Flight {
        Instant due;
        std::uint64_t order{0};
        Delivery delivery;
        bool operator<(const Flight& other) const {
            return std::pair(due, order) > std::pair(other.due, other.order);
        }
    };

    Rng rng_;
    NetworkFaults faults_;
    Instant now_;
    std::uint64_t order_{0};
    std::priority_queue<Flight> queue_;
    std::set<std::pair<ServerId, ServerId>> cut_;
    std::map<std::pair<ServerId, ServerId>, std::vector<Delivery>> clogged_;
};

/// One server's way into the network.
class Port final : public env::Transport {
public:
    Port(Network& network, ServerId self) : network_(network), self_(self) {}
    void send(ServerId to, env::Channel channel, Bytes message) override {
        network_.send({.from = self_, .to = to, .channel = channel, .bytes = std::move(message)});
    }
    void set_address(ServerId server, std::string address) override {
        if (address.empty()) {
            known_.erase(server);
        } else {
            known_.insert(server);
        }
    }
    bool knows(ServerId server) const { return known_.contains(server); }

private:
    Network& network_;
    ServerId self_;
    std::set<ServerId> known_;
};

}  // namespace nl::fakes
