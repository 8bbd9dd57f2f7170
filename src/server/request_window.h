#pragma once
// Which requests were applied lately, and how they ended: with it a command that is proposed again
// (its first answer was lost, a leader was) takes effect once. Part of the replicated state: every
// server remembers and forgets the same requests at the same index, and snapshots carry it. Owned by
// the applier. A request that may be older than what is remembered is refused, never applied on a
// guess: Committed::born says how old it is at most.
// Source: Ongaro's thesis 6.3, with bounded memory in place of sessions.

#include "base/bytes.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/strong.h"
#include "base/uuid.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

namespace nl::server {

class RequestWindow {
public:
    /// Requests remembered; with 100 bytes each, below 2 MB.
    static constexpr std::size_t kKeptMax = 16'384;

    explicit RequestWindow(std::size_t kept_max = kKeptMax) : kept_max_(kept_max) {}

    /// How a command ended when it was applied.
    struct Outcome {
        /// Where it took effect.
        Index index;
        /// The state's refusal: code 0 for none.
        std::uint64_t code{0};
        std::string message;
        Index conflict_index;

        NL_FIELDS(Outcome, (1, index), (2, code), (3, message), (4, conflict_index))

        void refuse(const Error& error) {
            code = static_cast<std::uint64_t>(error.code) + 1;
            message = error.message;
        }
        Result<void> result() const {
            if (code == 0) {
                return {};
            }
            return std::unexpected(Error{static_cast<ErrorCode>(code - 1), message});
        }
    };

    enum class Verdict : unsigned char {
        /// Apply it, then remember().
        Fresh,
        /// Applied before: answer with `outcome`, change nothing.
        Again,
        /// It may have been applied and forgotten: change nothing, say that its fate is unknown.
        TooOld,
    };
    struct Judged {
        Verdict verdict{Verdict::Fresh};
        /// For Again; valid until the next call.
        const Outcome* outcome{nullptr};
    };
    /// Nil requests are always fresh and need not be remembered.
    Judged judge(const Uuid& request, Index born) const;
    void remember(const Uuid& request, Outcome outcome);

    std::size_t size() const { return order_.size(); }
    /// Requests applied at or before this may have been forgotten.
    Index forgotten_through() const { return forgotten_through_; }

    /// docs/formats/requests.md; empty when nothing was ever remembered.
    Bytes save() const;
    /// Errors: Corruption.
    static Result<RequestWindow> load(BytesView bytes, std::size_t kept_max = kKeptMax);

private:
    std::size_t kept_max_;
    std::map<Uuid, Outcome> outcomes_;
    /// Oldest first.
    std::deque<Uuid> order_;
    Index forgotten_through_;
};

}  // namespace nl::server
