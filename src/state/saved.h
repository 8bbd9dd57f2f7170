#pragma once
// The records of a saved state (docs/formats/state_snapshot.md). Internal to state: save.cc writes
// them, load.cc reads them. Numbers are stored for ever.

#include "state/rows.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nl::state::saved {

inline constexpr std::string_view kMagic = "NLSTATE1";
/// A block is closed at this size; one record may make it larger.
inline constexpr std::size_t kBlockBytes = 256U << 10;
/// No block of ours is larger; a longer one is damage.
inline constexpr std::size_t kMaxBlockBytes = 512U << 20;

enum class Kind : std::uint64_t {
    Header = 1,
    Row = 2,
    Job = 3,
    Share = 4,
    NodeTag = 5,
    Metric = 6,
    Alloc = 7,
    End = 8,
};

struct Header {
    Index index{};
    /// By table number.
    std::vector<Index> changed{};
    NL_FIELDS(Header, (1, index), (2, changed))
};

/// A row of any table but the allocations.
struct Row {
    std::uint64_t table{};
    Blob row{};
    NL_FIELDS(Row, (1, table), (2, row))
};

/// A job version that is no longer kept but still used by allocations. The records of the kinds
/// Job, Share, NodeTag and Metric are numbered from 1, each kind by itself, in order.
struct Share {
    /// 0: the kept version named below.
    std::uint64_t job{};
    std::string namespace_{};
    std::string job_id{};
    std::uint64_t version{};
    std::uint32_t group{};
    NL_FIELDS(Share, (1, job), (2, namespace_), (3, job_id), (4, version), (5, group))
};

struct Alloc {
    Uuid id{};
    Uuid eval_id{};
    Uuid deployment_id{};
    std::uint64_t share{};
    std::uint64_t node{};
    std::uint64_t metrics{};
    Box<AllocDetails> details{};
    std::string desired_description{};
    std::string client_description{};
    Blob task_states{};
    Index create_index{};
    Index modify_index{};
    Index alloc_modify_index{};
    std::int64_t create_time{};
    std::int64_t modify_time{};
    std::uint32_t name_index{};
    double score{};
    model::AllocDesiredStatus desired{};
    model::AllocClientStatus client{};

    NL_FIELDS(
        Alloc,
        (1, id),
        (2, eval_id),
        (3, deployment_id),
        (4, share),
        (5, node),
        (6, metrics),
        (7, details),
        (8, desired_description),
        (9, client_description),
        (10, task_states),
        (11, create_index),
        (12, modify_index),
        (13, alloc_modify_index),
        (14, create_time),
        (15, modify_time),
        (16, name_index),
        (17, score),
        (18, desired),
        (19, client)
    )
};

struct End {
    /// Row and Alloc records before this one.
    std::uint64_t rows{};
    NL_FIELDS(End, (1, rows))
};

/// The record of an allocation, without the numbers of its shared parts.
Alloc record_of(const AllocRow& row);

}  // namespace nl::state::saved
