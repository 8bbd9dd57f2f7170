#pragma once
// The service instances this node offers, on their way to the servers: what is wanted, what was
// told, one batch in flight. A new session begins with all of them, so that the servers forget what
// is gone. Value, owned by client::Node. Invariant: after an acknowledgement with nothing dirty the
// servers hold exactly `wanted_`.

#include "base/uuid.h"
#include "server/node_more.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nl::client {

class ServiceBatcher {
public:
    /// All instances of one part of an allocation (`owner`: a task's name, "" for the group).
    void set(
        const Uuid& alloc,
        const std::string& owner,
        std::vector<model::ServiceRegistration> instances
    );
    void remove_all(const Uuid& alloc);
    std::optional<server::ServiceBatch> take();
    void acknowledged(std::uint64_t sequence);
    void session_started();
    void session_lost();
    /// Whether the servers know of the allocation's instances what is wanted now.
    bool settled(const Uuid& alloc) const;
    /// Whether the allocation has any instance.
    bool has_any(const Uuid& alloc) const;

private:
    using Owner = std::pair<Uuid, std::string>;

    std::map<std::string, model::ServiceRegistration> wanted_;
    std::map<Owner, std::set<std::string>> owned_;
    /// Ids to tell of, with the allocation they belong to.
    std::map<std::string, Uuid> dirty_;
    std::map<std::string, Uuid> in_flight_;
    bool full_due_ = true;
    bool busy_ = false;
    bool live_ = false;
    std::uint64_t sequence_ = 0;
};

}  // namespace nl::client
