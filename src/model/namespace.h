#pragma once
// Namespaces.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct NamespaceCapabilities {
    std::vector<std::string> enabled_task_drivers{};
    std::vector<std::string> disabled_task_drivers{};
    std::vector<std::string> enabled_network_modes{};
    std::vector<std::string> disabled_network_modes{};

    NL_FIELDS(
        NamespaceCapabilities,
        (1, enabled_task_drivers),
        (2, disabled_task_drivers),
        (3, enabled_network_modes),
        (4, disabled_network_modes)
    )
};

struct NamespaceNodePoolConfiguration {
    std::string default_{};
    std::vector<std::string> allowed{};
    std::vector<std::string> denied{};

    NL_FIELDS(NamespaceNodePoolConfiguration, (1, default_), (2, allowed), (3, denied))
};

struct NamespaceVaultConfiguration {
    std::string default_{};
    std::vector<std::string> allowed{};
    std::vector<std::string> denied{};

    NL_FIELDS(NamespaceVaultConfiguration, (1, default_), (2, allowed), (3, denied))
};

struct NamespaceConsulConfiguration {
    std::string default_{};
    std::vector<std::string> allowed{};
    std::vector<std::string> denied{};

    NL_FIELDS(NamespaceConsulConfiguration, (1, default_), (2, allowed), (3, denied))
};

struct Namespace {
    std::string name{};
    std::string description{};
    std::string quota{};
    Box<NamespaceCapabilities> capabilities{};
    Box<NamespaceNodePoolConfiguration> node_pool_configuration{};
    Box<NamespaceVaultConfiguration> vault_configuration{};
    Box<NamespaceConsulConfiguration> consul_configuration{};
    StringMap meta{};
    Blob hash{};
    Index create_index{};
    Index modify_index{};
    StringMap required_extra_claims{};
    StringMap optional_extra_claims{};

    NL_FIELDS(
        Namespace,
        (1, name),
        (2, description),
        (3, quota),
        (4, capabilities),
        (5, node_pool_configuration),
        (6, vault_configuration),
        (7, consul_configuration),
        (8, meta),
        (9, hash),
        (10, create_index),
        (11, modify_index),
        (12, required_extra_claims),
        (13, optional_extra_claims)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::NamespaceCapabilities>();
extern template const StructType& struct_type<model::NamespaceNodePoolConfiguration>();
extern template const StructType& struct_type<model::NamespaceVaultConfiguration>();
extern template const StructType& struct_type<model::NamespaceConsulConfiguration>();
extern template const StructType& struct_type<model::Namespace>();
}  // namespace nl::codec
