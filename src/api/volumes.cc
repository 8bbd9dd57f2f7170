// Routes that list volumes and read scaling policies. Source: Nomad HTTP API, 6 and 13.
#include "api/csi_volumes.h"
#include "api/named.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "model/host_volume.h"
#include "wire/json_codec.h"

namespace nl::api {
namespace {

using policy::bit;
using policy::Capability;
using state::TableId;

constexpr policy::CapabilitySet kListPolicies =
    bit(Capability::ListScalingPolicies) | bit(Capability::ReadJob);

model::HostVolumeStub volume_stub(const model::HostVolume& volume) {
    model::HostVolumeStub out;
    out.id = volume.id;
    out.namespace_ = volume.namespace_;
    out.name = volume.name;
    out.plugin_id = volume.plugin_id;
    out.node_id = volume.node_id;
    out.node_pool = volume.node_pool;
    out.capacity_bytes = volume.capacity_bytes;
    out.state = volume.state;
    out.create_index = volume.create_index;
    out.create_time = volume.create_time;
    out.modify_index = volume.modify_index;
    out.modify_time = volume.modify_time;
    return out;
}

Outcome host_volumes(const Request& request, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         node = text_param(request, "node_id"),
         pool = text_param(request, "node_pool")](
            const Context& c, const ReadOptions& options
        ) -> Result<Look> {
            std::vector<const model::HostVolume*> rows;
            for (const auto& volume : c.state.host_volumes()) {
                if (visible(c, ns, volume.namespace_, bit(Capability::HostVolumeRead)) &&
                    volume.id.starts_with(options.prefix) &&
                    (node.empty() || volume.node_id == node) &&
                    (pool.empty() || volume.node_pool == pool)) {
                    rows.push_back(&volume);
                }
            }
            NL_TRY(
                Look look,
                list_named(
                    rows,
                    options,
                    [](const auto& row) { return row.namespace_ + "." + row.id; },
                    volume_stub
                )
            );
            look.index = c.state.table_index(TableId::HostVolumes);
            look.keys = {watch_list(TableId::HostVolumes, ns)};
            return look;
        }
    );
}

/// Without a type there is nothing to list.
Result<Look> no_volumes(const Context& c, const ReadOptions&) {
    return of_table(Look{json_response("[]"), {}, {}, {}}, c, TableId::CsiVolumes);
}

Outcome volumes(const Request& request, const PathValues&, const Context& context) {
    const std::string type = text_param(request, "type");
    if (type == "host") {
        return host_volumes(request, context);
    }
    if (!type.empty() && type != "csi") {
        return text_response(404, "resource not found");
    }
    return type.empty() ? read(request, context, no_volumes) : list_csi_volumes(request, context);
}

model::ScalingPolicyListStub policy_stub(const model::ScalingPolicy& row) {
    model::ScalingPolicyListStub stub;
    stub.id = row.id;
    stub.enabled = row.enabled;
    stub.type = row.type;
    stub.target = row.target;
    stub.create_index = row.create_index;
    stub.modify_index = row.modify_index;
    return stub;
}

Outcome policies(const Request& request, const PathValues&, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         job = text_param(request, "job"),
         type = text_param(request, "type")](
            const Context& c, const ReadOptions& options
        ) -> Result<Look> {
            std::vector<const model::ScalingPolicy*> rows;
            for (const auto& policy : c.state.scaling_policies()) {
                const auto target = [&](std::string_view key) {
                    const auto found = policy.target.find(key);
                    return found == policy.target.end() ? std::string() : found->second;
                };
                if (visible(c, ns, target("Namespace"), kListPolicies) &&
                    (job.empty() || target("Job") == job) &&
                    (type.empty() || policy.type == type) &&
                    policy.id.starts_with(options.prefix)) {
                    rows.push_back(&policy);
                }
            }
            NL_TRY(
                Look look,
                list_named(rows, options, [](const auto& row) { return row.id; }, policy_stub)
            );
            return of_table(std::move(look), c, TableId::ScalingPolicies);
        }
    );
}

Outcome policy(const Request& request, const PathValues& path, const Context& context) {
    return read_named(
        request,
        context,
        TableId::ScalingPolicies,
        "policy not found",
        [id = path[0]](const Context& c) { return c.state.scaling_policy(id); }
    );
}

constexpr Route kRoutes[] = {
    {kGet,
     "/v1/volumes",
     Where::Server,
     "ns:host-volume-read|ns:csi-list-volume|ns:csi-read-volume|ns:csi-mount-volume|ns:list-jobs",
     "type node_id node_pool plugin_id",
     "List volumes.",
     volumes},
    {kGet,
     "/v1/scaling/policies",
     Where::Server,
     "ns:list-scaling-policies|ns:list-jobs&ns:read-job",
     "job type",
     "List scaling policies.",
     policies},
    {kGet,
     "/v1/scaling/policy/{id}",
     Where::Server,
     "scaling:read-scaling-policy",
     "",
     "A scaling policy.",
     policy},
};

}  // namespace

std::span<const Route> volume_routes() {
    return kRoutes;
}

}  // namespace nl::api
