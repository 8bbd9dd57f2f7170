// Differences of the blocks that jobs, groups and tasks share.

#include "jobspec/diff_parts.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::jobspec::differences {

Objects constraints(
    const std::vector<model::Constraint>& before,
    const std::vector<model::Constraint>& after,
    DiffContext context
) {
    return by_content<model::Constraint>({.name = "Constraint", .context = context}, before, after);
}

Objects affinities(
    const std::vector<model::Affinity>& before,
    const std::vector<model::Affinity>& after,
    DiffContext context
) {
    return by_content<model::Affinity>({.name = "Affinity", .context = context}, before, after);
}

Objects spreads(
    const std::vector<model::Spread>& before,
    const std::vector<model::Spread>& after,
    DiffContext context
) {
    const Form<model::SpreadTarget> target{.name = "SpreadTarget", .context = context};
    return by_key<model::Spread>(
        {.name = "Spread",
         .parts =
             [&](const model::Spread& old, const model::Spread& now, Objects& out) {
                 add(by_key(
                         target,
                         old.spread_target,
                         now.spread_target,
                         [](const model::SpreadTarget& t) { return t.value; }
                     ),
                     out);
             },
         .context = context},
        before,
        after,
        [](const model::Spread& s) { return s.attribute; }
    );
}

namespace {

Objects ports(
    std::string_view name,
    const std::vector<model::Port>& before,
    const std::vector<model::Port>& after,
    DiffContext context,
    bool dynamic
) {
    std::map<std::string_view, std::pair<Texts, Texts>> all;
    const auto texts = [&](const model::Port& port) {
        return dynamic ? texts_of(port, {"Value", "IgnoreCollision"}) : texts_of(port);
    };
    for (const model::Port& port : before) {
        all[port.label].first = texts(port);
    }
    for (const model::Port& port : after) {
        all[port.label].second = texts(port);
    }
    Objects out;
    for (const auto& [label, pair] : all) {
        add(by_fields(name, pair.first, pair.second, context), out);
    }
    sort(out);
    return out;
}

Texts dns_texts(const model::DNSConfig& dns) {
    Texts out;
    const auto joined = [&](const char* name, const std::vector<std::string>& list) {
        if (!list.empty()) {
            out.emplace(name, fmt::format("{}", fmt::join(list, ",")));
        }
    };
    joined("Servers", dns.servers);
    joined("Searches", dns.searches);
    joined("Options", dns.options);
    return out;
}

Texts args_of(const Box<model::CNIConfig>& cni) {
    return cni ? Texts(cni->args.begin(), cni->args.end()) : Texts{};
}

}  // namespace

Objects networks(
    const std::vector<model::NetworkResource>& before,
    const std::vector<model::NetworkResource>& after,
    DiffContext context
) {
    using model::NetworkResource;
    return by_content<NetworkResource>(
        {.name = "Network",
         .texts = [](const NetworkResource& n
                  ) { return texts_of(n, {"Device", "CIDR", "IP", "MBits"}); },
         .parts =
             [context](const NetworkResource& old, const NetworkResource& now, Objects& out) {
                 add(ports("Static Port", old.reserved_ports, now.reserved_ports, context, false),
                     out);
                 add(ports("Dynamic Port", old.dynamic_ports, now.dynamic_ports, context, true),
                     out);
                 add(object<model::DNSConfig>(
                         {.name = "DNS", .texts = dns_texts, .context = context}, old.dns, now.dns
                     ),
                     out);
                 add(by_fields("CNIConfig", args_of(old.cni), args_of(now.cni), context), out);
             },
         .context = context},
        before,
        after
    );
}

std::optional<ObjectDiff> resources(
    const Box<model::Resources>& before, const Box<model::Resources>& after, DiffContext context
) {
    using model::RequestedDevice;
    using model::Resources;
    const Form<RequestedDevice> device{
        .name = "Device",
        .parts =
            [context](const RequestedDevice& old, const RequestedDevice& now, Objects& out) {
                if (!both(old, now)) {
                    return;
                }
                add(constraints(old.constraints, now.constraints, context), out);
                add(affinities(old.affinities, now.affinities, context), out);
            },
        .context = context
    };
    const Form<model::NUMA> numa{
        .name = "NUMA",
        .parts =
            [](const model::NUMA& old, const model::NUMA& now, Objects& out) {
                if (both(old, now)) {
                    add(text_set("Devices", old.devices, now.devices, DiffContext::OnlyChanges),
                        out);
                }
            },
        .context = context
    };
    const Form<Resources> form{
        .name = "Resources",
        .parts =
            [&](const Resources& old, const Resources& now, Objects& out) {
                add(networks(old.networks, now.networks, context), out);
                add(by_key(
                        device,
                        old.devices,
                        now.devices,
                        [](const RequestedDevice& d) { return d.name; }
                    ),
                    out);
                add(object(numa, old.numa, now.numa), out);
            },
        .context = context
    };
    return object(form, before, after);
}

Form<model::WorkloadIdentity> identity_form(DiffContext context) {
    using model::WorkloadIdentity;
    return {
        .name = "Identity",
        .parts =
            [context](const WorkloadIdentity& old, const WorkloadIdentity& now, Objects& out) {
                add(text_set("Audience", old.audience, now.audience, context), out);
                if (both(old, now)) {
                    add(text_set(
                            "ExtraClaims",
                            old.extra_claims,
                            now.extra_claims,
                            DiffContext::OnlyChanges
                        ),
                        out);
                }
            },
        .context = context
    };
}

Objects identities(
    const std::vector<model::WorkloadIdentity>& before,
    const std::vector<model::WorkloadIdentity>& after,
    DiffContext context
) {
    return by_key(identity_form(context), before, after, [](const model::WorkloadIdentity& id) {
        return id.name;
    });
}

Objects volume_mounts(
    const std::vector<model::VolumeMount>& before,
    const std::vector<model::VolumeMount>& after,
    DiffContext context
) {
    return by_place<model::VolumeMount>({.name = "VolumeMount", .context = context}, before, after);
}

Objects templates(
    const std::vector<model::Template>& before,
    const std::vector<model::Template>& after,
    DiffContext context
) {
    using model::Template;
    const Form<model::WaitConfig> wait{
        .name = "Template",
        .texts = [](const model::WaitConfig& w) { return texts_of(w, {}, Absent::Shown); },
        .context = context
    };
    const Form<model::ChangeScript> script{
        .name = "ChangeScript",
        .parts = [context](
                     const model::ChangeScript& old, const model::ChangeScript& now, Objects& out
                 ) { add(text_set("Args", old.args, now.args, context), out); },
        .context = context
    };
    const auto texts = [](const Template& t) {
        Texts out = texts_of(t);
        if (t.uid) {
            out.emplace("Uid", text_of(*t.uid));
        }
        if (t.gid) {
            out.emplace("Gid", text_of(*t.gid));
        }
        return out;
    };
    return by_likeness<Template>(
        {.name = "Template",
         .texts = texts,
         .parts =
             [&](const Template& old, const Template& now, Objects& out) {
                 add(object(wait, old.wait, now.wait), out);
                 add(object(script, old.change_script, now.change_script), out);
             },
         .context = context},
        before,
        after,
        [](const Template& old, std::size_t, const Template& now, std::size_t) {
            return old.dest_path == now.dest_path ? 1 : 0;
        }
    );
}

Objects volumes(
    const Map<model::VolumeRequest>& before,
    const Map<model::VolumeRequest>& after,
    DiffContext context
) {
    using model::CSIMountOptions;
    using model::VolumeRequest;
    const Form<CSIMountOptions> options{
        .name = "MountOptions",
        .parts = [context](
                     const CSIMountOptions& old, const CSIMountOptions& now, Objects& out
                 ) { add(text_set("MountFlags", old.mount_flags, now.mount_flags, context), out); },
        .context = context
    };
    const Form<VolumeRequest> form{
        .name = "Volume",
        .parts = [&](const VolumeRequest& old, const VolumeRequest& now, Objects& out
                 ) { add(object(options, old.mount_options, now.mount_options), out); },
        .context = context
    };
    Objects out;
    const auto find = [](const Map<VolumeRequest>& map, const std::string& name) {
        const auto found = map.find(name);
        return found == map.end() ? nullptr : &found->second;
    };
    for (const auto& [name, old] : before) {
        add(object(form, &old, find(after, name)), out);
    }
    for (const auto& [name, now] : after) {
        if (!before.contains(name)) {
            add(object<VolumeRequest>(form, nullptr, &now), out);
        }
    }
    return out;
}

std::optional<ObjectDiff> scaling(
    const Box<model::ScalingPolicy>& before, const Box<model::ScalingPolicy>& after
) {
    using model::ScalingPolicy;
    // Who keeps the policy, and since when, is none of the job's content.
    const auto content = [](const Box<ScalingPolicy>& policy) {
        Box<ScalingPolicy> out = policy;
        if (out) {
            out->id.clear();
            out->target.clear();
            out->namespace_.clear();
            out->create_index = {};
            out->modify_index = {};
        }
        return out;
    };
    return object(
        Form<ScalingPolicy>{
            .name = "Scaling",
            .texts = [](const ScalingPolicy& p
                     ) { return texts_of(p, {"ID", "Type", "Target", "Namespace"}); },
            .parts =
                [](const ScalingPolicy& old, const ScalingPolicy& now, Objects& out) {
                    // Unchanged parts of a policy are no context: it can be of any size.
                    add(config("Policy", old.policy, now.policy, DiffContext::OnlyChanges), out);
                },
        },
        content(before),
        content(after)
    );
}

}  // namespace nl::jobspec::differences
