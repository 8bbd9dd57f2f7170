#pragma once
// What a dry run says would happen to each group.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/alloc_list_stub.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct DesiredUpdates {
    std::int64_t ignore{};
    std::int64_t place{};
    std::int64_t migrate{};
    std::int64_t stop{};
    std::int64_t in_place_update{};
    std::int64_t destructive_update{};
    std::int64_t canary{};
    std::int64_t preemptions{};
    std::int64_t disconnect{};
    std::int64_t reconnect{};
    std::int64_t reschedule_now{};
    std::int64_t reschedule_later{};

    NL_FIELDS(
        DesiredUpdates,
        (1, ignore),
        (2, place),
        (3, migrate),
        (4, stop),
        (5, in_place_update),
        (6, destructive_update),
        (7, canary),
        (8, preemptions),
        (9, disconnect),
        (10, reconnect),
        (11, reschedule_now),
        (12, reschedule_later)
    )
};

struct PlanAnnotations {
    Map<DesiredUpdates> desired_tg_updates{};
    std::vector<AllocListStub> preempted_allocs{};

    NL_FIELDS(PlanAnnotations, (1, desired_tg_updates), (2, preempted_allocs))
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::DesiredUpdates>();
extern template const StructType& struct_type<model::PlanAnnotations>();
}  // namespace nl::codec
