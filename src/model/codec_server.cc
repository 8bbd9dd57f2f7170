// The binary forms of these nouns are compiled once, here; their headers name them.

#include "model/acl.h"
#include "model/answers.h"
#include "model/deployment.h"
#include "model/evaluation.h"
#include "model/job_answers.h"
#include "model/job_diff.h"
#include "model/namespace.h"
#include "model/operator.h"
#include "model/plan.h"
#include "model/plan_annotations.h"
#include "model/service_registration.h"
#include "model/variable.h"

namespace nl::codec {

template const StructType& struct_type<model::ACLTokenRoleLink>();
template const StructType& struct_type<model::ACLToken>();
template const StructType& struct_type<model::ACLTokenListStub>();
template const StructType& struct_type<model::JobACL>();
template const StructType& struct_type<model::ACLPolicy>();
template const StructType& struct_type<model::ACLPolicyListStub>();
template const StructType& struct_type<model::ACLRolePolicyLink>();
template const StructType& struct_type<model::ACLRole>();
template const StructType& struct_type<model::ACLRoleListStub>();
template const StructType& struct_type<model::OIDCClientAssertionKey>();
template const StructType& struct_type<model::OIDCClientAssertion>();
template const StructType& struct_type<model::ACLAuthMethodConfig>();
template const StructType& struct_type<model::ACLAuthMethod>();
template const StructType& struct_type<model::ACLAuthMethodStub>();
template const StructType& struct_type<model::ACLBindingRule>();
template const StructType& struct_type<model::ACLBindingRuleListStub>();
template const StructType& struct_type<model::OneTimeToken>();
template const StructType& struct_type<model::AllocStopResponse>();
template const StructType& struct_type<model::EvalDeleteResponse>();
template const StructType& struct_type<model::DeploymentUpdateResponse>();
template const StructType& struct_type<model::DeploymentState>();
template const StructType& struct_type<model::Deployment>();
template const StructType& struct_type<model::EvaluationStub>();
template const StructType& struct_type<model::Evaluation>();
template const StructType& struct_type<model::JobListStub>();
template const StructType& struct_type<model::JobStatusesDeployment>();
template const StructType& struct_type<model::JobStatusesAlloc>();
template const StructType& struct_type<model::JobStatusesLatestDeployment>();
template const StructType& struct_type<model::JobStatusesJob>();
template const StructType& struct_type<model::JobRegisterResponse>();
template const StructType& struct_type<model::JobDeregisterResponse>();
template const StructType& struct_type<model::JobPlanResponse>();
template const StructType& struct_type<model::JobValidateResponse>();
template const StructType& struct_type<model::JobVersionsResponse>();
template const StructType& struct_type<model::JobDispatchResponse>();
template const StructType& struct_type<model::TaskGroupScaleStatus>();
template const StructType& struct_type<model::JobScaleStatus>();
template const StructType& struct_type<model::ScalingPolicyListStub>();
template const StructType& struct_type<model::PeriodicForceResponse>();
template const StructType& struct_type<model::JobStabilityResponse>();
template const StructType& struct_type<model::JobTagResponse>();
template const StructType& struct_type<model::JobAction>();
template const StructType& struct_type<model::FieldDiff>();
template const StructType& struct_type<model::ObjectDiff>();
template const StructType& struct_type<model::TaskDiff>();
template const StructType& struct_type<model::TaskGroupDiff>();
template const StructType& struct_type<model::JobDiff>();
template const StructType& struct_type<model::NamespaceCapabilities>();
template const StructType& struct_type<model::NamespaceNodePoolConfiguration>();
template const StructType& struct_type<model::NamespaceVaultConfiguration>();
template const StructType& struct_type<model::NamespaceConsulConfiguration>();
template const StructType& struct_type<model::Namespace>();
template const StructType& struct_type<model::RaftServer>();
template const StructType& struct_type<model::RaftConfigurationResponse>();
template const StructType& struct_type<model::LeadershipTransferResponse>();
template const StructType& struct_type<model::PreemptionConfig>();
template const StructType& struct_type<model::SchedulerConfiguration>();
template const StructType& struct_type<model::SchedulerConfigurationResponse>();
template const StructType& struct_type<model::SchedulerSetConfigurationResponse>();
template const StructType& struct_type<model::RootKeyMeta>();
template const StructType& struct_type<model::ServerHealth>();
template const StructType& struct_type<model::OperatorHealthReply>();
template const StructType& struct_type<model::SearchResponse>();
template const StructType& struct_type<model::FuzzyMatch>();
template const StructType& struct_type<model::FuzzySearchResponse>();
template const StructType& struct_type<model::ServerMember>();
template const StructType& struct_type<model::ServerMembersResponse>();
template const StructType& struct_type<model::KeyringResponse>();
template const StructType& struct_type<model::AutopilotConfiguration>();
template const StructType& struct_type<model::PlanGroup>();
template const StructType& struct_type<model::Placement>();
template const StructType& struct_type<model::InPlaceUpdate>();
template const StructType& struct_type<model::PlannedStop>();
template const StructType& struct_type<model::PlannedPreemption>();
template const StructType& struct_type<model::DeploymentStatusUpdate>();
template const StructType& struct_type<model::Plan>();
template const StructType& struct_type<model::PlanResult>();
template const StructType& struct_type<model::DesiredUpdates>();
template const StructType& struct_type<model::PlanAnnotations>();
template const StructType& struct_type<model::ServiceRegistration>();
template const StructType& struct_type<model::ServiceRegistrationStub>();
template const StructType& struct_type<model::ServiceRegistrationListStub>();
template const StructType& struct_type<model::CheckQueryResult>();
template const StructType& struct_type<model::VariableLock>();
template const StructType& struct_type<model::VariableMetadata>();
template const StructType& struct_type<model::VariableDecrypted>();

}  // namespace nl::codec
