#include "cli/commands.h"
#include "cli/completion.h"

#include <utility>

namespace nl::cli {

Registry make_registry() {
    Registry registry;
    for (const auto make : {
             agent_command,
             bench_nodes_command,
             server_command,
             alloc_stop_command,
             alloc_restart_command,
             alloc_signal_command,
             alloc_checks_command,
             alloc_exec_command,
             alloc_pause_command,
             eval_delete_command,
             node_config_command,
             node_meta_apply_command,
             node_meta_read_command,
             scaling_policy_info_command,
             scaling_policy_list_command,
             service_delete_command,
             service_info_command,
             service_list_command,
             alloc_fs_command,
             alloc_logs_command,
             alloc_status_command,
             cluster_status_command,
             cluster_transfer_leader_command,
             cluster_drain_command,
             deployment_list_command,
             deployment_status_command,
             deployment_fail_command,
             deployment_pause_command,
             deployment_resume_command,
             deployment_unblock_command,
             deployment_promote_command,
             eval_list_command,
             eval_status_command,
             fmt_command,
             job_cancel_command,
             job_action_command,
             job_revert_command,
             job_start_command,
             job_dispatch_command,
             job_eval_command,
             job_periodic_force_command,
             job_scale_command,
             job_promote_command,
             job_init_command,
             job_list_command,
             job_plan_command,
             job_validate_command,
             job_inspect_command,
             job_history_command,
             job_deployments_command,
             job_allocs_command,
             job_scaling_events_command,
             job_run_command,
             job_status_command,
             job_stop_command,
             job_restart_command,
             job_tag_apply_command,
             job_tag_unset_command,
             job_submit_command,
             log_list_command,
             namespace_list_command,
             namespace_status_command,
             namespace_inspect_command,
             namespace_apply_command,
             namespace_delete_command,
             node_eligibility_command,
             node_drain_command,
             node_status_command,
             operator_raft_list_peers_command,
             operator_raft_remove_peer_command,
             operator_raft_transfer_leadership_command,
             operator_scheduler_get_config_command,
             operator_scheduler_set_config_command,
             operator_metrics_command,
             system_gc_command,
             system_reconcile_summaries_command,
             monitor_command,
             operator_api_command,
             server_members_command,
             server_join_command,
             server_force_leave_command,
             agent_info_command,
             check_command,
             status_command,
             version_command,
             completion_command,
             complete_command,
         }) {
        registry.add(make());
    }
    for (const auto make : {enterprise_commands, tls_commands}) {
        for (Command& command : make()) {
            registry.add(std::move(command));
        }
    }
    return registry;
}

}  // namespace nl::cli
