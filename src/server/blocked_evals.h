#pragma once
// Evaluations that could not place everything, kept until something changes that might help: a node
// of an eligible class joins or changes, or capacity is freed on one. One per job: a newer replaces
// an older, which is handed out as a duplicate. A change that came between the scheduler's snapshot
// and the blocking is not missed: the last change of each class is remembered by index. One that
// lost its place to other plans too often waits for no change, only for a quieter moment.
//
// Owned by server::Leader, alive only while leading. Source: Nomad's scheduling concepts.

#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "model/evaluation.h"
#include "server/broker.h"

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nl::server {

/// How long an evaluation that gave up because of other plans waits before it is tried again.
inline constexpr Duration kConflictRetryWait = seconds(5);

class BlockedEvals {
public:
    using EvalPtr = std::shared_ptr<const model::Evaluation>;

    /// Keeps the evaluation, or hands it back through take_ready if what it waits for happened
    /// after its snapshot.
    void block(EvalPtr eval, Instant now);
    /// Releases what waits for a quieter moment and has waited long enough.
    void tick(Instant now);
    Instant next_deadline() const;
    /// The job was stopped, changed or placed: whatever it waits with is pointless.
    void forget_job(const JobKey& job);
    void forget(const Uuid& eval_id);

    /// A node of this class has, or may have, more room than before.
    void capacity_changed(std::string_view computed_class, const Uuid& node, Index index);
    /// What a quota frees may help every evaluation held back by it.
    void quota_changed(std::string_view quota, Index index);

    /// Evaluations to schedule again.
    std::vector<EvalPtr> take_ready() { return std::exchange(ready_, {}); }
    /// Blocked evaluations replaced by a newer one of their job; the caller commits them as
    /// canceled.
    std::vector<EvalPtr> take_duplicates() { return std::exchange(duplicates_, {}); }

    std::size_t size() const { return by_id_.size(); }

private:
    bool was_missed(const model::Evaluation& eval) const;
    static bool may_help(const model::Evaluation& eval, std::string_view computed_class);
    void release(const Uuid& id);

    std::map<Uuid, EvalPtr> by_id_;
    /// System jobs block for each node on its own.
    std::map<std::pair<JobKey, Uuid>, Uuid> by_job_;
    std::map<std::string, Index, std::less<>> class_changed_;
    std::map<std::string, Index, std::less<>> quota_changed_;
    std::map<Uuid, Index> node_changed_;
    /// Since when; what was released or forgotten otherwise is skipped.
    std::deque<std::pair<Instant, Uuid>> conflicted_;
    std::vector<EvalPtr> ready_;
    std::vector<EvalPtr> duplicates_;
};

}  // namespace nl::server
