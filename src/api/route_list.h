#pragma once
// The rows of each file of routes. Included by routes.cc alone, so that a new file of routes leaves
// the others as they are.

#include "api/routes.h"

#include <span>

namespace nl::api {

// Rows of each file, in the order of http_api.md.
std::span<const Route> job_routes();
std::span<const Route> exec_routes();
std::span<const Route> agent_control_routes();
std::span<const Route> node_metadata_routes();
std::span<const Route> eval_delete_routes();
std::span<const Route> job_parse_routes();
std::span<const Route> job_plan_routes();
std::span<const Route> explain_routes();
std::span<const Route> job_write_routes();
std::span<const Route> node_routes();
std::span<const Route> node_pool_routes();
std::span<const Route> allocation_routes();
std::span<const Route> evaluation_routes();
std::span<const Route> deployment_routes();
std::span<const Route> namespace_routes();
std::span<const Route> acl_token_routes();
std::span<const Route> acl_policy_routes();
std::span<const Route> acl_login_routes();
std::span<const Route> variable_routes();
std::span<const Route> keyring_routes();
std::span<const Route> client_routes();
std::span<const Route> agent_routes();
std::span<const Route> status_routes();
std::span<const Route> search_routes();
std::span<const Route> operator_routes();
std::span<const Route> service_routes();
std::span<const Route> volume_routes();
std::span<const Route> csi_volume_routes();
std::span<const Route> host_volume_routes();
std::span<const Route> event_routes();
std::span<const Route> dashboard_routes();

}  // namespace nl::api
