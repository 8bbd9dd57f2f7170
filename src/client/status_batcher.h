#pragma once
// States of allocations on their way to the servers: the newest of each, one batch in flight. So
// the first `running` leaves at once, and what changes while a batch is on its way leaves together
// in the next: batching comes from load, not from a clock. Invariant: what was added and not
// acknowledged is either pending or in flight.

#include "base/uuid.h"
#include "server/node_protocol.h"

#include <cstdint>
#include <map>
#include <optional>

namespace nl::client {

class StatusBatcher {
public:
    void add(server::AllocStatus status);
    /// The next batch, if none is in flight and there is something to say.
    std::optional<server::StatusBatch> take();
    void acknowledged(std::uint64_t sequence);
    /// The session ended: what was in flight may not have arrived.
    void session_lost();
    void forget(const Uuid& alloc);
    std::size_t waiting() const { return pending_.size() + in_flight_.size(); }

private:
    std::map<Uuid, server::AllocStatus> pending_;
    std::map<Uuid, server::AllocStatus> in_flight_;
    std::uint64_t sequence_ = 0;
};

}  // namespace nl::client
