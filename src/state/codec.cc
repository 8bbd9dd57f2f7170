// The binary forms of these structs are compiled once, here; their headers name them.

#include "state/commands/alloc.h"
#include "state/commands/deployment.h"
#include "state/commands/eval.h"
#include "state/commands/job.h"
#include "state/commands/node.h"
#include "state/commands/plan_results.h"
#include "state/commands/records.h"
#include "state/commands/settings.h"
#include "state/rows.h"

namespace nl::codec {

template const StructType& struct_type<state::JobRow>();
template const StructType& struct_type<state::JobVersionRow>();
template const StructType& struct_type<state::ScalingEventsRow>();
template const StructType& struct_type<state::VariableRow>();
template const StructType& struct_type<state::RootKeyRow>();
template const StructType& struct_type<state::ClusterMeta>();
template const StructType& struct_type<state::ServerRow>();
template const StructType& struct_type<state::PeriodicLaunch>();
template const StructType& struct_type<state::commands::AllocReport>();
template const StructType& struct_type<state::commands::AllocClientUpdate>();
template const StructType& struct_type<state::commands::TransitionItem>();
template const StructType& struct_type<state::commands::AllocDesiredTransition>();
template const StructType& struct_type<state::commands::DeploymentStatusSet>();
template const StructType& struct_type<state::commands::DeploymentPromote>();
template const StructType& struct_type<state::commands::DeploymentAllocHealth>();
template const StructType& struct_type<state::commands::DeploymentDelete>();
template const StructType& struct_type<state::commands::EvalUpsert>();
template const StructType& struct_type<state::commands::EvalDelete>();
template const StructType& struct_type<state::commands::JobRegister>();
template const StructType& struct_type<state::commands::JobBatchRegister>();
template const StructType& struct_type<state::commands::JobDeregister>();
template const StructType& struct_type<state::commands::JobRef>();
template const StructType& struct_type<state::commands::JobsReap>();
template const StructType& struct_type<state::commands::JobStability>();
template const StructType& struct_type<state::commands::JobVersionTagSet>();
template const StructType& struct_type<state::commands::JobScale>();
template const StructType& struct_type<state::commands::PeriodicLaunchUpsert>();
template const StructType& struct_type<state::commands::NodeRegister>();
template const StructType& struct_type<state::commands::NodeDeregister>();
template const StructType& struct_type<state::commands::NodeStatusItem>();
template const StructType& struct_type<state::commands::NodeStatusUpdate>();
template const StructType& struct_type<state::commands::NodeDrain>();
template const StructType& struct_type<state::commands::NodeEligibilityUpdate>();
template const StructType& struct_type<state::commands::NodeEventItem>();
template const StructType& struct_type<state::commands::NodeEventsAdd>();
template const StructType& struct_type<state::commands::AcceptedPlacement>();
template const StructType& struct_type<state::commands::AcceptedPlan>();
template const StructType& struct_type<state::commands::PlanResults>();
template const StructType& struct_type<state::commands::NamespacedName>();
template const StructType& struct_type<state::commands::RootKeyDelete>();
template const StructType& struct_type<state::commands::Noop>();
template const StructType& struct_type<state::commands::SchedulerConfigSet>();
template const StructType& struct_type<state::commands::AutopilotConfigSet>();
template const StructType& struct_type<state::commands::ClusterMetaSet>();
template const StructType& struct_type<state::commands::VariableApply>();
template const StructType& struct_type<state::commands::AclBootstrap>();

}  // namespace nl::codec
