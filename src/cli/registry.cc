#include "cli/commands.h"
#include "cli/completion.h"

namespace nl::cli {

Registry make_registry() {
    Registry registry;
    for (const auto make : {
             agent_command,          server_command,         alloc_logs_command,
             alloc_status_command,   cluster_status_command, cluster_transfer_leader_command,
             cluster_drain_command,  eval_list_command,      eval_status_command,
             job_cancel_command,     job_list_command,       job_run_command,
             job_status_command,     job_stop_command,       job_submit_command,
             log_list_command,       node_status_command,    operator_api_command,
             server_members_command, server_join_command,    server_force_leave_command,
             agent_info_command,     check_command,          version_command,
             completion_command,     complete_command,
         }) {
        registry.add(make());
    }
    return registry;
}

}  // namespace nl::cli
