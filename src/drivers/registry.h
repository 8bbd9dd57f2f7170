#pragma once
// Every driver of a node: made from the agent's `plugin` blocks and client options, fingerprinted,
// and looked at again from time to time, so that an engine that goes or comes is news to the
// servers. A driver is one file or folder here and one line in registry.cc. Owned by the agent;
// `find` may be called from any thread after `open`.

#include "client/driver.h"
#include "drivers/event_sink.h"
#include "drivers/network/manager.h"
#include "drivers/oci_tasks.h"
#include "drivers/supervised.h"
#include "io/loop.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace nl::drivers {

/// How often drivers are looked at again.
inline constexpr Duration kHealthInterval = seconds(15);

struct RegistryOptions {
    /// Absolute: the client's state directory and where allocations live.
    std::string state_dir;
    std::string alloc_dir;
    /// `plugin "<name>" { config { ... } }`
    Map<ValueMap> plugins;
    /// client { options { ... } }: driver.allowlist, driver.denylist, driver.raw_exec.enable,
    /// env.denylist, user.denylist, user.checked_drivers.
    StringMap options;
    /// client { chroot_env { ... } }; empty: the default set.
    StringMap chroot_env;
    std::string parent_cgroup{"nomad"};
    StringMap host_env;
    double core_mhz{1000};
    /// MHz of all cores, for hard limits.
    std::int64_t total_compute{};
    NetworkOptions network;
    /// Answers of `perform_network`; any thread.
    NetworkManager::OnDone on_network;
};

class Registry {
public:
    /// `sink` may be called before this returns. Errors: InvalidArgument (a plugin's
    /// configuration), or why the supervisor cannot be started.
    static Result<std::unique_ptr<Registry>> open(RegistryOptions options, EventSink sink);
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;
    ~Registry();

    /// Null if the node carries no such driver.
    client::Driver* find(std::string_view name) const;
    std::vector<std::string> names() const;
    Supervised& supervised() { return *supervised_; }
    /// Sets up and tears down networks of allocations; answers come as `on_network`.
    NetworkManager& network() { return *network_; }

private:
    Registry(RegistryOptions options, EventSink sink);
    Result<void> add_drivers();
    template <class D, class... Args>
    void add(Args&&... args);
    bool allowed(const std::string& name) const;
    void note(client::DriverEvent event);
    void look_again();

    RegistryOptions options_;
    EventSink sink_;
    std::mutex mutex_;
    /// As last told, so that only changes are news.
    std::map<std::string, model::DriverInfo> told_;
    std::unique_ptr<Supervised> supervised_;
    std::unique_ptr<OciTasks> exec_tasks_;
    std::unique_ptr<OciTasks> java_tasks_;
    std::map<std::string, std::unique_ptr<client::Driver>, std::less<>> drivers_;
    std::unique_ptr<NetworkManager> network_;
    io::EventLoop loop_;
};

}  // namespace nl::drivers
