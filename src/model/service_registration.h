#pragma once
// Registered service instances and their check results.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct ServiceRegistration {
    std::string id{};
    std::string service_name{};
    std::string namespace_{};
    Uuid node_id{};
    std::string datacenter{};
    std::string job_id{};
    Uuid alloc_id{};
    std::vector<std::string> tags{};
    std::string address{};
    std::int64_t port{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ServiceRegistration,
        (1, id),
        (2, service_name),
        (3, namespace_),
        (4, node_id),
        (5, datacenter),
        (6, job_id),
        (7, alloc_id),
        (8, tags),
        (9, address),
        (10, port),
        (11, create_index),
        (12, modify_index)
    )
};

struct ServiceRegistrationStub {
    std::string service_name{};
    std::vector<std::string> tags{};

    NL_FIELDS(ServiceRegistrationStub, (1, service_name), (2, tags))
};

struct ServiceRegistrationListStub {
    std::string namespace_{};
    std::vector<ServiceRegistrationStub> services{};

    NL_FIELDS(ServiceRegistrationListStub, (1, namespace_), (2, services))
};

struct CheckQueryResult {
    std::string id{};
    std::string mode{};
    std::string status{};
    std::int64_t status_code{};
    std::string output{};
    std::int64_t timestamp{};
    std::string group{};
    std::string task{};
    std::string service{};
    std::string check{};

    NL_FIELDS(
        CheckQueryResult,
        (1, id),
        (2, mode),
        (3, status),
        (4, status_code),
        (5, output),
        (6, timestamp),
        (7, group),
        (8, task),
        (9, service),
        (10, check)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::ServiceRegistration>();
extern template const StructType& struct_type<model::ServiceRegistrationStub>();
extern template const StructType& struct_type<model::ServiceRegistrationListStub>();
extern template const StructType& struct_type<model::CheckQueryResult>();
}  // namespace nl::codec
