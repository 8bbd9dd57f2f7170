#include "client/service_instances.h"

#include "base/bytes.h"

#include <charconv>
#include <optional>
#include <utility>

namespace nl::client {
namespace {

struct Endpoint {
    std::string address;
    std::int64_t port{};
};

std::optional<std::int64_t> as_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
        return std::nullopt;
    }
    return value;
}

std::string host_address(const ServiceInputs& in) {
    if (in.alloc.allocated_resources && in.alloc.allocated_resources->shared) {
        for (const auto& network : in.alloc.allocated_resources->shared->networks) {
            if (!network.ip.empty()) {
                return network.ip;
            }
        }
    }
    if (in.node.node_resources) {
        for (const auto& network : in.node.node_resources->networks) {
            if (!network.ip.empty()) {
                return network.ip;
            }
        }
    }
    const auto at = in.node.attributes.find("unique.network.ip-address");
    return at == in.node.attributes.end() ? "127.0.0.1" : at->second;
}

const model::AllocatedPortMapping* find_port(const ServiceInputs& in, const std::string& label) {
    if (!in.alloc.allocated_resources || !in.alloc.allocated_resources->shared) {
        return nullptr;
    }
    for (const auto& port : in.alloc.allocated_resources->shared->ports) {
        if (port.label == label) {
            return &port;
        }
    }
    return nullptr;
}

Result<Endpoint> endpoint(
    const ServiceInputs& in, const std::string& mode, const std::string& label
) {
    const auto* port = label.empty() ? nullptr : find_port(in, label);
    const auto number = as_number(label);
    if (mode == "alloc" || mode == "alloc_ipv6") {
        const bool v6 = mode == "alloc_ipv6";
        if (in.network == nullptr ||
            (v6 ? in.network->address_ipv6 : in.network->address).empty()) {
            return fail(
                ErrorCode::FailedPrecondition,
                "cannot use address_mode = \"{}\": no allocation network status reported",
                mode
            );
        }
        Endpoint out{v6 ? in.network->address_ipv6 : in.network->address, 0};
        if (port != nullptr) {
            out.port = port->to > 0 ? port->to : port->value;
        } else if (number) {
            out.port = *number;
        } else if (!label.empty()) {
            return fail(
                ErrorCode::InvalidArgument, "invalid port \"{}\": port label not found", label
            );
        }
        return out;
    }
    if (mode == "driver" && in.network != nullptr && !in.network->address.empty()) {
        return endpoint(in, "alloc", label);
    }
    if (port != nullptr) {
        return Endpoint{port->host_ip.empty() ? host_address(in) : port->host_ip, port->value};
    }
    if (number) {
        return Endpoint{host_address(in), *number};
    }
    if (!label.empty()) {
        return fail(ErrorCode::InvalidArgument, "invalid port \"{}\": port label not found", label);
    }
    return Endpoint{host_address(in), 0};
}

CheckSpec check_spec(
    const ServiceInputs& in,
    const model::Service& service,
    const model::ServiceCheck& check,
    const model::ServiceRegistration& instance
) {
    CheckSpec out;
    out.service_id = instance.id;
    out.group = in.alloc.name;
    out.task = in.task;
    out.service = instance.service_name;
    out.name = check.name.empty() ? fmt::format("service: \"{}\" check", instance.service_name)
                                  : in.env.expand(check.name);
    out.type = check.type;
    out.path = in.env.expand(check.path);
    out.protocol = in.env.expand(check.protocol);
    out.method = check.method.empty() ? "GET" : in.env.expand(check.method);
    out.body = in.env.expand(check.body);
    for (const auto& [key, values] : check.header) {
        auto& to = out.headers[in.env.expand(key)];
        for (const std::string& value : values) {
            to.push_back(in.env.expand(value));
        }
    }
    out.grpc_service = in.env.expand(check.grpc_service);
    out.tls = check.protocol == "https" || check.grpc_use_tls;
    out.tls_skip_verify = check.tls_skip_verify;
    out.tls_server_name = check.tls_server_name;
    out.command = in.env.expand(check.command);
    for (const std::string& arg : check.args) {
        out.args.push_back(in.env.expand(arg));
    }
    out.interval = check.interval.ns > 0 ? check.interval : seconds(10);
    out.timeout = check.timeout.ns > 0 ? check.timeout : seconds(1);
    out.initial_status = check.initial_status;
    out.readiness = check.on_update == "ignore" || service.on_update == "ignore";
    if (const auto& restart = check.check_restart ? check.check_restart : service.check_restart) {
        out.restart_limit = restart->limit;
        out.restart_grace = restart->grace;
    }
    out.restart_task = !in.task.empty()           ? in.task
                       : !check.task_name.empty() ? check.task_name
                                                  : service.task_name;
    out.id = fmt::format(
        "{:08x}{:08x}",
        crc32c(instance.id + "\n" + out.name + "\n" + out.type),
        crc32c(out.path + "\n" + check.port_label + "\n" + out.name, 0x9e3779b9U)
    );
    return out;
}

}  // namespace

ServiceInstances service_instances(const ServiceInputs& in) {
    ServiceInstances out;
    const bool canary = in.alloc.deployment_status && in.alloc.deployment_status->canary;
    for (const model::Service& service : in.services) {
        if (service.provider != "nomad") {
            continue;
        }
        model::ServiceRegistration instance;
        instance.service_name = in.env.expand(service.name);
        const std::string label = in.env.expand(service.port_label);
        instance.id = fmt::format(
            "_nomad-task-{}-{}-{}-{}",
            in.alloc.id.str(),
            in.task.empty() ? "group-" + in.group.name : in.task,
            instance.service_name,
            label
        );
        instance.namespace_ = in.alloc.namespace_;
        instance.node_id = in.node.id;
        instance.datacenter = in.node.datacenter;
        instance.job_id = in.alloc.job_id;
        instance.alloc_id = in.alloc.id;
        const auto& tags =
            canary && !service.canary_tags.empty() ? service.canary_tags : service.tags;
        for (const std::string& tag : tags) {
            instance.tags.push_back(in.env.expand(tag));
        }
        const std::string mode = service.address_mode.empty() ? "auto" : service.address_mode;
        auto at = endpoint(in, mode, label);
        if (!at) {
            out.problems.push_back(
                fmt::format("service \"{}\": {}", instance.service_name, at.error().message)
            );
            continue;
        }
        instance.address = service.address.empty() ? at->address : in.env.expand(service.address);
        instance.port = at->port;
        for (const model::ServiceCheck& check : service.checks) {
            CheckSpec spec = check_spec(in, service, check, instance);
            const std::string check_label =
                check.port_label.empty() ? label : in.env.expand(check.port_label);
            const std::string check_mode = !check.address_mode.empty() ? check.address_mode
                                           : mode == "auto"            ? "host"
                                                                       : mode;
            auto target = endpoint(in, check_mode, check_label);
            if (!target) {
                out.problems.push_back(
                    fmt::format("check \"{}\": {}", spec.name, target.error().message)
                );
                continue;
            }
            spec.address = target->address;
            spec.port = target->port;
            out.checks.push_back(std::move(spec));
        }
        out.registrations.push_back(std::move(instance));
    }
    return out;
}

}  // namespace nl::client
