#pragma once
// One function a command: it makes the command's entry in the table. Listed in registry.cc, which
// alone includes this (with the few that route to another command): a new command leaves the other
// files as they are.

#include "cli/command.h"

namespace nl::cli {

Command agent_command();
Command bench_nodes_command();
Command server_command();
Command alloc_stop_command();
Command alloc_restart_command();
Command alloc_signal_command();
Command alloc_checks_command();
Command alloc_exec_command();
Command alloc_pause_command();
Command eval_delete_command();
Command node_config_command();
Command node_meta_apply_command();
Command node_meta_read_command();
Command scaling_policy_info_command();
Command scaling_policy_list_command();
Command service_delete_command();
Command service_info_command();
Command service_list_command();
Command alloc_fs_command();
Command alloc_logs_command();
Command alloc_status_command();
Command cluster_status_command();
Command cluster_transfer_leader_command();
Command cluster_drain_command();
Command deployment_list_command();
Command deployment_status_command();
Command deployment_fail_command();
Command deployment_pause_command();
Command deployment_resume_command();
Command deployment_unblock_command();
Command deployment_promote_command();
Command eval_list_command();
Command eval_status_command();
Command fmt_command();
Command job_cancel_command();
Command job_action_command();
Command job_revert_command();
Command job_start_command();
Command job_dispatch_command();
Command job_eval_command();
Command job_periodic_force_command();
Command job_scale_command();
Command job_promote_command();
Command job_init_command();
Command job_list_command();
Command job_plan_command();
Command job_validate_command();
Command job_inspect_command();
Command job_history_command();
Command job_deployments_command();
Command job_allocs_command();
Command job_scaling_events_command();
Command job_run_command();
Command job_status_command();
Command job_stop_command();
Command job_restart_command();
Command job_tag_apply_command();
Command job_tag_unset_command();
Command job_submit_command();
Command log_list_command();
Command namespace_list_command();
Command namespace_status_command();
Command namespace_inspect_command();
Command namespace_apply_command();
Command namespace_delete_command();
Command node_eligibility_command();
Command node_drain_command();
Command node_status_command();
Command operator_raft_list_peers_command();
Command operator_raft_remove_peer_command();
Command operator_raft_transfer_leadership_command();
Command operator_scheduler_get_config_command();
Command operator_scheduler_set_config_command();
Command operator_metrics_command();
Command system_gc_command();
Command system_reconcile_summaries_command();
Command monitor_command();
Command operator_api_command();
Command seed_job_status_command();
Command server_members_command();
Command server_join_command();
Command server_force_leave_command();
Command agent_info_command();
Command check_command();
Command status_command();
Command version_command();

/// Commands of features that open-source servers answer with a sentence.
std::vector<Command> enterprise_commands();
std::vector<Command> tls_commands();

}  // namespace nl::cli
