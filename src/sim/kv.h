#pragma once
// The state machine of simulated clusters: values under keys, changed by the operations of
// sim/history.h, each request once. Small, but with everything a real one has: results that depend
// on the order, a window of requests, a form on disk.

#include "base/bytes.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/uuid.h"
#include "server/replica.h"
#include "server/request_window.h"
#include "sim/history.h"

#include <cstdint>
#include <map>
#include <string>

namespace nl::sim {

struct KvCommand {
    OpKind kind{OpKind::Put};
    std::string key;
    std::string a;
    std::string b;
    /// Tells attempts apart that carry the same request; means nothing to the state.
    std::uint64_t attempt{0};

    NL_FIELDS(KvCommand, (1, kind), (2, key), (3, a), (4, b), (5, attempt))
};

class Kv {
public:
    explicit Kv(std::size_t requests_kept = server::RequestWindow::kKeptMax)
        : window_(requests_kept) {}

    struct Applied {
        /// False: the request is too old to know whether it was applied before.
        bool known{true};
        /// Where it took effect: an earlier index if the request had been applied before.
        Index index;
        std::string result;
    };
    Applied apply(const server::Committed& entry);
    std::string get(const std::string& key) const;
    /// Equal on servers that hold the same values and got there by the same entries.
    std::uint64_t hash() const { return history_ ^ content_; }

    Bytes save() const;
    /// Errors: Corruption.
    static Result<Kv> load(BytesView bytes, std::size_t requests_kept);

private:
    std::map<std::string, std::string> values_;
    server::RequestWindow window_;
    /// Over every entry in order.
    std::uint64_t history_{0};
    /// Over the values, in no order.
    std::uint64_t content_{0};
};

}  // namespace nl::sim
