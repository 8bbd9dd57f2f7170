#include "model/answers.h"
#include "model/deployment.h"
#include "model/namespace.h"
#include "model/operator.h"
#include "model/variable.h"
#include "wire/json_codec.h"

NL_WIRE_BOTH(nl::model::DeploymentState)
NL_WIRE_BOTH(nl::model::Deployment)
NL_WIRE_BOTH(nl::model::AllocStopResponse)
NL_WIRE_BOTH(nl::model::EvalDeleteResponse)
NL_WIRE_BOTH(nl::model::DeploymentUpdateResponse)
NL_WIRE_BOTH(nl::model::RaftServer)
NL_WIRE_BOTH(nl::model::RaftConfigurationResponse)
NL_WIRE_BOTH(nl::model::LeadershipTransferResponse)
NL_WIRE_BOTH(nl::model::PreemptionConfig)
NL_WIRE_BOTH(nl::model::SchedulerConfiguration)
NL_WIRE_BOTH(nl::model::SchedulerConfigurationResponse)
NL_WIRE_BOTH(nl::model::SchedulerSetConfigurationResponse)
NL_WIRE_BOTH(nl::model::RootKeyMeta)
NL_WIRE_BOTH(nl::model::ServerHealth)
NL_WIRE_BOTH(nl::model::OperatorHealthReply)
NL_WIRE_BOTH(nl::model::SearchResponse)
NL_WIRE_BOTH(nl::model::FuzzyMatch)
NL_WIRE_BOTH(nl::model::FuzzySearchResponse)
NL_WIRE_BOTH(nl::model::ServerMember)
NL_WIRE_BOTH(nl::model::ServerMembersResponse)
NL_WIRE_BOTH(nl::model::KeyringResponse)
NL_WIRE_BOTH(nl::model::AutopilotConfiguration)
NL_WIRE_BOTH(nl::model::NamespaceCapabilities)
NL_WIRE_BOTH(nl::model::NamespaceNodePoolConfiguration)
NL_WIRE_BOTH(nl::model::NamespaceVaultConfiguration)
NL_WIRE_BOTH(nl::model::NamespaceConsulConfiguration)
NL_WIRE_BOTH(nl::model::Namespace)
NL_WIRE_BOTH(nl::model::VariableLock)
NL_WIRE_BOTH(nl::model::VariableMetadata)
NL_WIRE_BOTH(nl::model::VariableDecrypted)
