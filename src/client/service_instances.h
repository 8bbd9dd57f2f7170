#pragma once
// From a group's or task's service blocks to the instances that are registered and the checks that
// are run, for provider nomad. Pure. Source: job specification, section 6.

#include "client/task_env.h"
#include "model/allocation.h"
#include "model/node.h"
#include "model/service_registration.h"

#include <cstdint>
#include <string>
#include <vector>

namespace nl::client {

struct CheckSpec {
    /// Stable within the allocation: what a client sees as the check's id.
    std::string id;
    std::string service_id;
    std::string group;
    std::string task;
    std::string service;
    std::string name;
    std::string type;
    std::string address;
    std::int64_t port{};
    std::string path;
    std::string protocol;
    std::string method;
    std::string body;
    Map<std::vector<std::string>> headers;
    std::string grpc_service;
    bool tls{};
    bool tls_skip_verify{};
    std::string tls_server_name;
    std::string command;
    std::vector<std::string> args;
    Duration interval;
    Duration timeout;
    std::string initial_status;
    /// on_update = "ignore": says whether it is ready, decides no deployment.
    bool readiness{};
    std::int64_t restart_limit{};
    Duration restart_grace;
    /// The task that check_restart restarts; "" is every task of the group.
    std::string restart_task;

    friend bool operator==(const CheckSpec&, const CheckSpec&) = default;
};

struct ServiceInputs {
    const model::Allocation& alloc;
    const model::TaskGroup& group;
    const model::Node& node;
    const model::AllocNetworkStatus* network;
    const TaskEnv& env;
    /// "" for the group's own services.
    std::string task;
    const std::vector<model::Service>& services;
};

struct ServiceInstances {
    std::vector<model::ServiceRegistration> registrations;
    std::vector<CheckSpec> checks;
    /// What could not be offered, one sentence each.
    std::vector<std::string> problems;
};

ServiceInstances service_instances(const ServiceInputs& inputs);

}  // namespace nl::client
