#pragma once
// Commands about jobs. Each body is a field list; `apply` carries it out (called by Store only).
// An evaluation inside comes from the proposer with its id and reason; its indexes are set here.

#include "model/evaluation.h"
#include "model/job.h"
#include "model/job_records.h"
#include "state/command.h"
#include "state/rows.h"

#include <memory>
#include <string>
#include <vector>

namespace nl::state {
class Applying;
}

namespace nl::state::commands {

/// Versions kept of each job beside tagged ones.
inline constexpr std::size_t kKeptJobVersions = 6;
/// Scaling events kept for each group.
inline constexpr std::size_t kMaxScalingEvents = 20;

/// Creates or updates a job. A job equal to the registered one (but for what servers set) keeps its
/// version and only gets the evaluation. Refusals: the check index does not match;
/// AlreadyExists for a dispatched job whose idempotency token another child of its parent has.
struct JobRegister {
    static constexpr CommandType kType = CommandType::JobRegister;
    std::shared_ptr<const model::Job> job{};
    Box<model::JobSubmission> submission{};
    /// Absent for periodic and parameterized jobs, which are not scheduled themselves.
    Box<model::Evaluation> eval{};
    bool enforce_index{};
    /// With enforce_index: the registered job's job_modify_index, 0 for "must not exist".
    Index check_index{};
    /// Versions kept of the job beside tagged ones (job_tracked_versions); 0: kKeptJobVersions.
    std::uint32_t keep_versions{};

    NL_FIELDS(
        JobRegister,
        (1, job),
        (2, submission),
        (3, eval),
        (4, enforce_index),
        (5, check_index),
        (6, keep_versions)
    )
};

/// Many jobs, each by itself: one whose check index does not match is left as it was, and does not
/// keep the others from being registered. Whoever asked compares afterwards.
struct JobBatchRegister {
    static constexpr CommandType kType = CommandType::JobBatchRegister;
    std::vector<JobRegister> jobs{};
    NL_FIELDS(JobBatchRegister, (1, jobs))
};

/// Stops a job (its `stop` becomes true) or, with purge, removes it. The eval is stored in any
/// case, so that a job that is already gone has its allocations stopped.
struct JobDeregister {
    static constexpr CommandType kType = CommandType::JobDeregister;
    std::string namespace_{};
    std::string job_id{};
    bool purge{};
    /// Its allocations stop without their shutdown delay.
    bool no_shutdown_delay{};
    Box<model::Evaluation> eval{};
    /// As for JobRegister.
    std::uint32_t keep_versions{};

    NL_FIELDS(
        JobDeregister,
        (1, namespace_),
        (2, job_id),
        (3, purge),
        (4, no_shutdown_delay),
        (5, eval),
        (6, keep_versions)
    )
};

struct JobRef {
    std::string namespace_{};
    std::string job_id{};
    NL_FIELDS(JobRef, (1, namespace_), (2, job_id))
};

/// Garbage collection: removes dead jobs with all their versions.
struct JobsReap {
    static constexpr CommandType kType = CommandType::JobsReap;
    std::vector<JobRef> jobs{};
    NL_FIELDS(JobsReap, (1, jobs))
};

struct JobStability {
    static constexpr CommandType kType = CommandType::JobStability;
    std::string namespace_{};
    std::string job_id{};
    std::uint64_t version{};
    bool stable{};
    NL_FIELDS(JobStability, (1, namespace_), (2, job_id), (3, version), (4, stable))
};

/// Names a version so that it is kept, or removes a name. Refusals: unknown version, name in use.
struct JobVersionTagSet {
    static constexpr CommandType kType = CommandType::JobVersionTag;
    std::string namespace_{};
    std::string job_id{};
    std::uint64_t version{};
    /// Absent: `remove` is taken away.
    Box<model::JobVersionTag> tag{};
    std::string remove{};
    /// As for JobRegister.
    std::uint32_t keep_versions{};
    NL_FIELDS(
        JobVersionTagSet,
        (1, namespace_),
        (2, job_id),
        (3, version),
        (4, tag),
        (5, remove),
        (6, keep_versions)
    )
};

/// Records a scaling event, with the changed job if the count changes.
struct JobScale {
    static constexpr CommandType kType = CommandType::JobScale;
    std::string namespace_{};
    std::string job_id{};
    std::string group{};
    model::ScalingEvent event{};
    Box<JobRegister> registration{};
    NL_FIELDS(JobScale, (1, namespace_), (2, job_id), (3, group), (4, event), (5, registration))
};

/// A periodic job's time has come: remembers it and registers the child, if there is to be one.
/// Nothing happens if that time or a later one is remembered already, or the job is gone: a launch
/// that two leaders propose is carried out once.
struct PeriodicLaunchUpsert {
    static constexpr CommandType kType = CommandType::PeriodicLaunchUpsert;
    PeriodicLaunch launch{};
    Box<JobRegister> registration{};
    NL_FIELDS(PeriodicLaunchUpsert, (1, launch), (2, registration))
};

Result<void> apply(Applying& a, const JobRegister& command);
Result<void> apply(Applying& a, const JobBatchRegister& command);
Result<void> apply(Applying& a, const JobDeregister& command);
Result<void> apply(Applying& a, const JobsReap& command);
Result<void> apply(Applying& a, const JobStability& command);
Result<void> apply(Applying& a, const JobVersionTagSet& command);
Result<void> apply(Applying& a, const JobScale& command);
Result<void> apply(Applying& a, const PeriodicLaunchUpsert& command);

/// Whether registering `fresh` over `old` makes a new version: anything a user writes differs.
bool spec_changed(const model::Job& old, const model::Job& fresh);

}  // namespace nl::state::commands

namespace nl::codec {
extern template const StructType& struct_type<state::commands::JobRegister>();
extern template const StructType& struct_type<state::commands::JobBatchRegister>();
extern template const StructType& struct_type<state::commands::JobDeregister>();
extern template const StructType& struct_type<state::commands::JobRef>();
extern template const StructType& struct_type<state::commands::JobsReap>();
extern template const StructType& struct_type<state::commands::JobStability>();
extern template const StructType& struct_type<state::commands::JobVersionTagSet>();
extern template const StructType& struct_type<state::commands::JobScale>();
extern template const StructType& struct_type<state::commands::PeriodicLaunchUpsert>();
}  // namespace nl::codec
