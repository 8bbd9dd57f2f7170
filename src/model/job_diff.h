#pragma once
// The difference between two versions of a job, as job plan shows it.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct FieldDiff {
    std::string type{};
    std::string name{};
    std::string old{};
    std::string new_{};
    std::vector<std::string> annotations{};

    NL_FIELDS(FieldDiff, (1, type), (2, name), (3, old), (4, new_), (5, annotations))
};

struct ObjectDiff {
    std::string type{};
    std::string name{};
    std::vector<FieldDiff> fields{};
    std::vector<ObjectDiff> objects{};

    NL_FIELDS(ObjectDiff, (1, type), (2, name), (3, fields), (4, objects))
};

struct TaskDiff {
    std::string type{};
    std::string name{};
    std::vector<FieldDiff> fields{};
    std::vector<ObjectDiff> objects{};
    std::vector<std::string> annotations{};

    NL_FIELDS(TaskDiff, (1, type), (2, name), (3, fields), (4, objects), (5, annotations))
};

struct TaskGroupDiff {
    std::string type{};
    std::string name{};
    std::vector<FieldDiff> fields{};
    std::vector<ObjectDiff> objects{};
    std::vector<TaskDiff> tasks{};
    Map<std::int64_t> updates{};

    NL_FIELDS(
        TaskGroupDiff, (1, type), (2, name), (3, fields), (4, objects), (5, tasks), (6, updates)
    )
};

struct JobDiff {
    std::string type{};
    std::string id{};
    std::vector<FieldDiff> fields{};
    std::vector<ObjectDiff> objects{};
    std::vector<TaskGroupDiff> task_groups{};

    NL_FIELDS(JobDiff, (1, type), (2, id), (3, fields), (4, objects), (5, task_groups))
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::FieldDiff>();
extern template const StructType& struct_type<model::ObjectDiff>();
extern template const StructType& struct_type<model::TaskDiff>();
extern template const StructType& struct_type<model::TaskGroupDiff>();
extern template const StructType& struct_type<model::JobDiff>();
}  // namespace nl::codec
