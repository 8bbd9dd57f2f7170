#pragma once
// Which allocation a ticket belongs to: the node hands an answer to the runner that asked. Tickets
// are never reused in a process's life.

#include "base/strong.h"
#include "base/uuid.h"

#include <map>
#include <optional>

namespace nl::client {

class Tickets {
public:
    /// A new ticket of `alloc` (nil: the node's own).
    Ticket issue(const Uuid& alloc) {
        ++last_;
        owners_.emplace(last_, alloc);
        return last_;
    }
    /// Whose it is; each ticket is answered once. nullopt for one that was answered or never
    /// issued.
    std::optional<Uuid> take(Ticket ticket) {
        const auto at = owners_.find(ticket);
        if (at == owners_.end()) {
            return std::nullopt;
        }
        const Uuid owner = at->second;
        owners_.erase(at);
        return owner;
    }

private:
    Ticket last_;
    std::map<Ticket, Uuid> owners_;
};

}  // namespace nl::client
