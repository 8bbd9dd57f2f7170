#pragma once
// The hands of a command while it is applied: reads the state under construction, changes rows with
// everything that follows from them (indexes, columns, summaries, deployment counts, job status),
// and notes what changed. One object lives for one command. Internal to state.
//
// Rule for commands: check everything first and refuse before the first change.

#include "state/effects.h"
#include "state/heap.h"
#include "state/tables.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace nl::state {

class Applying {
public:
    Applying(Heap& heap, Tables& tables, Effects& effects, std::uint64_t seed)
        : heap_(heap), tables_(tables), effects_(effects), seed_(seed) {}
    Applying(const Applying&) = delete;
    Applying& operator=(const Applying&) = delete;
    ~Applying() = default;

    Heap& heap() { return heap_; }
    Tables& tables() { return tables_; }
    const Tables& tables() const { return tables_; }
    Effects& effects() { return effects_; }
    Index index() const { return effects_.index; }
    WallTime time() const { return effects_.time; }
    std::uint64_t seed() const { return seed_; }

    void touch(TableId table);
    Change& note(TableId table, Change::Kind kind);

    // Each takes the row as it shall stand; indexes are set here, keeping create_index.
    void put_node(model::Node node);
    void remove_node(const Uuid& id);
    /// An unknown pool is created, as Nomad does when a node names one.
    void ensure_node_pool(std::string_view name);

    void put_job(model::Job job);
    void remove_job(std::string_view ns, std::string_view id);
    void put_job_version(std::shared_ptr<const model::Job> job);
    void put_eval(model::Evaluation eval);
    void remove_eval(const Uuid& id);
    /// Summaries and deployments may change many times in one command: these are working copies,
    /// stored by finish(). Null if there is none.
    model::JobSummary* summary(std::string_view ns, std::string_view job);
    model::JobSummary& make_summary(const model::Job& job);
    model::Deployment* deployment(const Uuid& id);
    void put_deployment(model::Deployment deployment);
    void remove_deployment(const Uuid& id);

    /// A new allocation or a new version of one; `server_side`: the servers changed it, so
    /// alloc_modify_index moves and its node must learn of it.
    void put_alloc(AllocRow row, bool server_side);
    void remove_alloc(const Uuid& id);
    const AllocRow* alloc(const Uuid& id) const { return tables_.allocs.find<AllocById>({id}); }
    /// The tag of a node known to the state; null if there is neither node nor allocation of it.
    std::shared_ptr<const NodeTag> node_tag(const Uuid& id);
    /// The shared part for a group of a kept job version; null if there is none.
    std::shared_ptr<const GroupShare> share(
        std::string_view ns, std::string_view job, std::uint64_t version, std::string_view group
    ) const;

    void remove_services_of_alloc(const Uuid& alloc);
    void remove_services_of_node(const Uuid& node);
    void mark_stable(const model::Deployment& deployment);

    /// What follows from everything together: statuses of the jobs touched.
    void finish();

    /// Sets create_index from the old row, or to this index; modify_index to this index.
    template <class Row>
    void stamp(Row& row, const Row* old) const {
        row.create_index = old != nullptr ? old->create_index : index();
        row.modify_index = index();
    }

private:
    using JobName = std::pair<std::string, std::string>;
    struct JobMark {
        bool eval_deleted{};
        /// Noted as changed already.
        bool noted{};
    };

    JobMark& mark_job(std::string_view ns, std::string_view id);
    std::string status_of(const model::Job& job, bool eval_deleted);
    void set_status(const JobName& name, const JobMark& mark);
    void count_child(const model::Job& child, std::string_view before, std::string_view after);
    void count_in_summary(const AllocRow* before, const AllocRow& after);
    void count_in_deployment(const AllocRow* before, const AllocRow& after);
    void cancel_blocked(const model::Evaluation& successful);
    std::uint32_t word(std::string_view text);
    void take_from_node(const AllocRow* before, const AllocRow* after);
    void note_alloc(const AllocRow& row, Change::Kind kind);

    Heap& heap_;
    Tables& tables_;
    Effects& effects_;
    std::uint64_t seed_;
    std::map<JobName, JobMark> jobs_;
    std::map<JobName, model::JobSummary> summaries_;
    std::map<Uuid, model::Deployment> deployments_;
};

}  // namespace nl::state
