#pragma once
// One function a command: it makes the command's entry in the table. Listed in registry.cc.

#include "cli/command.h"

namespace nl::cli {

Command agent_command();
Command server_command();
Command alloc_logs_command();
Command alloc_status_command();
Command cluster_status_command();
Command cluster_transfer_leader_command();
Command cluster_drain_command();
Command eval_list_command();
Command eval_status_command();
Command job_cancel_command();
Command job_list_command();
Command job_run_command();
Command job_status_command();
Command job_stop_command();
Command job_submit_command();
Command log_list_command();
Command node_status_command();
Command operator_api_command();
Command seed_job_status_command();
Command server_members_command();
Command server_join_command();
Command server_force_leave_command();
Command agent_info_command();
Command check_command();
Command version_command();

}  // namespace nl::cli
