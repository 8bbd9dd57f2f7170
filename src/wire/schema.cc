#include "wire/schema.h"

#include "base/codec.h"
#include "model/acl.h"
#include "model/alloc_list_stub.h"
#include "model/allocation.h"
#include "model/answers.h"
#include "model/client_stats.h"
#include "model/csi.h"
#include "model/deployment.h"
#include "model/enums.h"
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
#include "wire/names.h"
#include "wire/value_json.h"

#include <map>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

namespace nl::wire {
namespace {

/// Schemas by noun; an entry is made before its fields are looked at, so that a noun may hold
/// itself.
using Schemas = std::map<std::string, std::string, std::less<>>;

template <class T>
concept Noun = requires { T::kNlTypeName; };
template <class T>
concept ModelEnum = std::is_enum_v<T> && requires(T v) { model::to_string(v); };
template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};
template <class T>
concept MapLike = requires { typename T::mapped_type; };
template <class T>
concept Nullable = requires(const T& v) {
    *v;
    static_cast<bool>(v);
} && !std::is_pointer_v<T>;

template <class T>
std::string schema_of(Schemas& all, bool duration_text);

template <class T>
void add_noun(Schemas& all) {
    const std::string name(T::kNlTypeName);
    if (!all.emplace(name, "").second) {
        return;
    }
    std::string properties;
    const T probe{};
    visit_fields(probe, [&](FieldInfo info, const auto& member) {
        using Member = std::remove_cvref_t<decltype(member)>;
        if (!properties.empty()) {
            properties += ',';
        }
        append_json_string(properties, json_name(T::kNlTypeName, info.name));
        properties += ':';
        properties += number_as_bool(T::kNlTypeName, info.name)
                          ? schema_of<bool>(all, false)
                          : schema_of<Member>(all, duration_as_text(T::kNlTypeName, info.name));
    });
    all[name] = "{\"type\":\"object\",\"properties\":{" + properties + "}}";
}

template <class T>
std::string schema_of(Schemas& all, bool duration_text) {
    if constexpr (Noun<T>) {
        add_noun<T>(all);
        return "{\"$ref\":\"#/components/schemas/" + std::string(T::kNlTypeName) + "\"}";
    } else if constexpr (IsList<T>::value) {
        return "{\"type\":\"array\",\"nullable\":true,\"items\":" +
               schema_of<typename T::value_type>(all, false) + "}";
    } else if constexpr (MapLike<T>) {
        return "{\"type\":\"object\",\"nullable\":true,\"additionalProperties\":" +
               schema_of<typename T::mapped_type>(all, false) + "}";
    } else if constexpr (std::is_same_v<T, bool>) {
        return "{\"type\":\"boolean\"}";
    } else if constexpr (ModelEnum<T> || std::is_same_v<T, std::string>) {
        return "{\"type\":\"string\"}";
    } else if constexpr (std::is_same_v<T, Duration>) {
        return duration_text ? "{\"type\":\"string\",\"description\":\"a duration such as 30m0s\"}"
                             : "{\"type\":\"integer\",\"format\":\"int64\",\"description\":\"nanoseconds\"}";
    } else if constexpr (std::is_same_v<T, WallTime>) {
        return "{\"type\":\"string\",\"format\":\"date-time\"}";
    } else if constexpr (std::is_same_v<T, Uuid>) {
        return "{\"type\":\"string\",\"format\":\"uuid\"}";
    } else if constexpr (std::is_same_v<T, Blob>) {
        return "{\"type\":\"string\",\"format\":\"byte\",\"nullable\":true}";
    } else if constexpr (std::is_same_v<T, double>) {
        return "{\"type\":\"number\"}";
    } else if constexpr (std::is_integral_v<T> || codec::IsStrong<T>::value) {
        return "{\"type\":\"integer\",\"format\":\"int64\"}";
    } else if constexpr (std::is_same_v<T, Value>) {
        return "{}";
    } else {
        static_assert(Nullable<T>, "this type has no schema");
        using Held = std::remove_cvref_t<decltype(*std::declval<const T&>())>;
        return "{\"nullable\":true,\"allOf\":[" + schema_of<Held>(all, duration_text) + "]}";
    }
}

template <class... T>
Schemas make() {
    Schemas all;
    (add_noun<T>(all), ...);
    return all;
}

const Schemas& schemas() {
    using namespace model;  // NOLINT(google-build-using-namespace): a list of the model's nouns.
    static const Schemas kAll = make<
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
