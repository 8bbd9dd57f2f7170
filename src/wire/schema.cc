#include "wire/schema.h"

#include "model/acl.h"
#include "model/alloc_list_stub.h"
#include "model/allocation.h"
#include "model/answers.h"
#include "model/client_stats.h"
#include "model/csi.h"
#include "model/deployment.h"
#include "model/evaluation.h"
#include "model/host_volume.h"
#include "model/job.h"
#include "model/job_answers.h"
#include "model/job_diff.h"
#include "model/job_records.h"
#include "model/namespace.h"
#include "model/node.h"
#include "model/node_answers.h"
#include "model/node_pool.h"
#include "model/operator.h"
#include "model/service_registration.h"
#include "model/variable.h"
#include "wire/json_type.h"
#include "wire/value_json.h"

namespace nl::wire {

// Compiled with each noun (json_*.cc).
template <class T>
const JsonType& json_type();

namespace {

template <class... T>
JsonSchemas make() {
    JsonSchemas all;
    (static_cast<void>(json_type<T>().schema(all, false)), ...);
    return all;
}

const JsonSchemas& schemas() {
    using namespace model;  // NOLINT(google-build-using-namespace): a list of the model's nouns.
    static const JsonSchemas kAll = make<
        Job,
        JobListStub,
        JobSummary,
        JobRegisterResponse,
        JobDeregisterResponse,
        JobPlanResponse,
        JobValidateResponse,
        JobDispatchResponse,
        JobScaleStatus,
        JobSubmission,
        JobDiff,
        JobStatusesJob,
        JobAction,
        ScalingPolicy,
        ScalingPolicyListStub,
        Node,
        NodeListStub,
        NodePool,
        NodeUpdateResponse,
        NodeDrainUpdateResponse,
        NodeEligibilityUpdateResponse,
        NodeMetaResponse,
        Allocation,
        AllocListStub,
        AllocStopResponse,
        AllocFileInfo,
        AllocResourceUsage,
        HostStats,
        Evaluation,
        EvalDeleteResponse,
        Deployment,
        DeploymentUpdateResponse,
        ServiceRegistration,
        ServiceRegistrationListStub,
        CheckQueryResult,
        Namespace,
        VariableMetadata,
        ACLToken,
        ACLTokenListStub,
        ACLPolicy,
        ACLPolicyListStub,
        ACLRole,
        ACLAuthMethod,
        ACLBindingRule,
        HostVolume,
        HostVolumeStub,
        CSIVolume,
        CSIVolListStub,
        CSIPlugin,
        CSIPluginListStub,
        SchedulerConfiguration,
        AutopilotConfiguration,
        OperatorHealthReply,
        RaftConfigurationResponse,
        ServerMembersResponse>();
    return kAll;
}

}  // namespace

std::string schemas_json() {
    std::string out;
    for (const auto& [name, schema] : schemas()) {
        if (!out.empty()) {
            out += ',';
        }
        append_json_string(out, name);
        out += ':';
        out += schema;
    }
    return out;
}

bool has_schema(std::string_view noun) {
    return schemas().contains(noun);
}

}  // namespace nl::wire
