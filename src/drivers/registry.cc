#include "drivers/registry.h"

#include "drivers/capabilities.h"
#include "drivers/config.h"
#include "drivers/engine/driver.h"
#include "drivers/exec_driver.h"
#include "drivers/java.h"
#include "drivers/mock_driver.h"
#include "drivers/qemu.h"
#include "drivers/raw_exec.h"
#include "io/clock.h"
#include "io/log.h"

#include <algorithm>
#include <utility>

namespace nl::drivers {
namespace {

std::vector<std::string> split_list(const std::string& text) {
    std::vector<std::string> out;
    std::size_t from = 0;
    while (from <= text.size()) {
        const std::size_t comma = std::min(text.find(',', from), text.size());
        std::string one = text.substr(from, comma - from);
        const auto strip = [](char c) { return c == ' ' || c == '\t'; };
        while (!one.empty() && strip(one.front())) {
            one.erase(0, 1);
        }
        while (!one.empty() && strip(one.back())) {
            one.pop_back();
        }
        if (!one.empty()) {
            out.push_back(std::move(one));
        }
        from = comma + 1;
    }
    return out;
}

/// The first of the two spellings (Nomad's and its older one) that is set.
const std::string* option(const StringMap& options, const char* name, const char* old) {
    for (const char* key : {name, old}) {
        if (const auto at = options.find(key); at != options.end()) {
            return &at->second;
        }
    }
    return nullptr;
}

struct RawExecPlugin {
    bool enabled{};
    bool no_cgroups{};
    std::vector<std::string> denied_envvars;
    std::string denied_host_uids;
    std::string denied_host_gids;
    NL_FIELDS(
        RawExecPlugin,
        (1, enabled),
        (2, no_cgroups),
        (3, denied_envvars),
        (4, denied_host_uids),
        (5, denied_host_gids)
    )
};

/// plugin "exec" and plugin "java".
struct OciPlugin {
    bool no_pivot_root{};
    std::string default_pid_mode{"private"};
    std::string default_ipc_mode{"private"};
    std::vector<std::string> allow_caps;
    std::int64_t pids_limit{8192};
    std::string runtime;
    NL_FIELDS(
        OciPlugin,
        (1, no_pivot_root),
        (2, default_pid_mode),
        (3, default_ipc_mode),
        (4, allow_caps),
        (5, pids_limit),
        (6, runtime)
    )
};

struct QemuPlugin {
    std::vector<std::string> image_paths;
    std::vector<std::string> args_allowlist;
    std::vector<std::string> emulators_allowlist;
    NL_FIELDS(QemuPlugin, (1, image_paths), (2, args_allowlist), (3, emulators_allowlist))
};

struct MockPlugin {
    bool enabled{true};
    bool shutdown_periodic_after{};
    Duration shutdown_periodic_duration{};
    NL_FIELDS(
        MockPlugin, (1, enabled), (2, shutdown_periodic_after), (3, shutdown_periodic_duration)
    )
};

UserPolicy user_policy(const RegistryOptions& options) {
    UserPolicy out;
    if (const std::string* text = option(options.options, "user.denylist", "user.blacklist")) {
        out.denied = split_list(*text);
    }
    if (const auto at = options.options.find("user.checked_drivers"); at != options.options.end()) {
        out.checked_drivers = split_list(at->second);
    }
    return out;
}

Result<OciOptions> oci_options(
    const std::string& owner, const ValueMap& block, const RegistryOptions& options
) {
    NL_TRY(const OciPlugin plugin, read_config<OciPlugin>(owner, block));
    for (const std::string* mode : {&plugin.default_pid_mode, &plugin.default_ipc_mode}) {
        if (*mode != "private" && *mode != "host") {
            return fail(
                ErrorCode::InvalidArgument,
                "{}: default_pid_mode and default_ipc_mode must be \"private\" or \"host\", got "
                "\"{}\"",
                owner,
                *mode
            );
        }
    }
    if (plugin.no_pivot_root) {
        return fail(
            ErrorCode::InvalidArgument,
            "{}: no_pivot_root is not taken: it would let a task climb out of its root",
            owner
        );
    }
    OciOptions out;
    out.chroot_env = options.chroot_env;
    out.allow_caps = plugin.allow_caps.empty() ? default_capabilities() : plugin.allow_caps;
    out.default_pid_mode = plugin.default_pid_mode;
    out.default_ipc_mode = plugin.default_ipc_mode;
    out.pids_max = plugin.pids_limit;
    out.runtime = plugin.runtime;
    if (const std::string* text = option(options.options, "user.denylist", "user.blacklist")) {
        out.users.denied = split_list(*text);
    }
    if (const auto at = options.options.find("user.checked_drivers"); at != options.options.end()) {
        out.users.checked_drivers = split_list(at->second);
    }
    return out;
}

}  // namespace

Registry::Registry(RegistryOptions options, EventSink sink)
    : options_(std::move(options)), sink_(std::move(sink)), loop_({.name = "driver-health"}) {}

Registry::~Registry() {
    loop_.stop();
    network_.reset();
    // What waits for the supervisor's answers first, then its client, then those who use it.
    for (OciTasks* tasks : {exec_tasks_.get(), java_tasks_.get()}) {
        if (tasks != nullptr) {
            tasks->stop();
        }
    }
    if (auto* qemu = dynamic_cast<QemuDriver*>(find("qemu"))) {
        qemu->close();
    }
    if (supervised_) {
        supervised_->close();
    }
    drivers_.clear();
    exec_tasks_.reset();
    java_tasks_.reset();
    supervised_.reset();
}

Result<std::unique_ptr<Registry>> Registry::open(RegistryOptions options, EventSink sink) {
    std::unique_ptr<Registry> self(new Registry(std::move(options), std::move(sink)));
    NL_TRY_VOID(self->add_drivers());
    self->loop_.start();
    self->loop_.run_at(io::now() + kHealthInterval, [raw = self.get()] { raw->look_again(); });
    return self;
}

bool Registry::allowed(const std::string& name) const {
    const auto names = [&](const char* key, const char* old) -> std::vector<std::string> {
        const std::string* text = option(options_.options, key, old);
        return text != nullptr ? split_list(*text) : std::vector<std::string>{};
    };
    const auto allow = names("driver.allowlist", "driver.whitelist");
    const auto deny = names("driver.denylist", "driver.blacklist");
    return (allow.empty() || std::ranges::find(allow, name) != allow.end()) &&
           std::ranges::find(deny, name) == deny.end();
}

template <class D, class... Args>
void Registry::add(Args&&... args) {
    auto driver = std::make_unique<D>(std::forward<Args>(args)...);
    const std::string name(driver->name());
    if (allowed(name)) {
        drivers_.emplace(name, std::move(driver));
    }
}

Result<void> Registry::add_drivers() {
    for (const auto& [name, config] : options_.plugins) {
        static constexpr std::array<std::string_view, 8> kKnown{
            "raw_exec", "exec", "java", "qemu", "docker", "podman", "mock_driver", "devices"
        };
        if (std::ranges::find(kKnown, name) == kKnown.end()) {
            io::log_warn(
                "drivers", "plugin \"{}\" is not one of this agent's and is left alone", name
            );
        }
    }
    const EventSink sink = [this](client::DriverEvent event) { note(std::move(event)); };
    const auto block = [&](const char* name) {
        const auto at = options_.plugins.find(name);
        return at == options_.plugins.end() ? ValueMap{} : at->second;
    };
    NL_TRY(
        const RawExecPlugin raw,
        read_config<RawExecPlugin>("plugin \"raw_exec\"", block("raw_exec"))
    );
    NL_TRY(
        const MockPlugin mock,
        read_config<MockPlugin>("plugin \"mock_driver\"", block("mock_driver"))
    );
    NL_TRY(
        supervised_,
        Supervised::open(
            {.directory = options_.state_dir + "/supervisor",
             .parent_cgroup = options_.parent_cgroup,
             .use_cgroups = !raw.no_cgroups,
             .core_mhz = options_.core_mhz},
            sink
        )
    );
    std::vector<std::string> denied_env = default_denied_env();
    if (const std::string* text = option(options_.options, "env.denylist", "env.blacklist")) {
        denied_env = split_list(*text);
    }
    RawExecOptions raw_options{
        .enabled = raw.enabled, .host_env = options_.host_env, .denied_env = denied_env
    };
    if (const std::string* text =
            option(options_.options, "driver.raw_exec.enable", "driver.raw_exec.enabled")) {
        raw_options.enabled = *text == "1" || *text == "true";
    }
    raw_options.denied_env.insert(
        raw_options.denied_env.end(), raw.denied_envvars.begin(), raw.denied_envvars.end()
    );
    add<RawExec>(std::move(raw_options), *supervised_);
    NL_TRY(OciOptions exec, oci_options("plugin \"exec\"", block("exec"), options_));
    NL_TRY(OciOptions java, oci_options("plugin \"java\"", block("java"), options_));
    exec.directory = options_.state_dir + "/exec";
    java.directory = options_.state_dir + "/java";
    exec_tasks_ = std::make_unique<OciTasks>(std::move(exec), *supervised_);
    java_tasks_ = std::make_unique<OciTasks>(std::move(java), *supervised_);
    supervised_->set_exit_note([this](const client::TaskId& id, client::ExitResult& result) {
        exec_tasks_->note_exit(id, result);
        java_tasks_->note_exit(id, result);
    });
    exec_tasks_->remove_leftovers();
    java_tasks_->remove_leftovers();
    add<ExecDriver>(*exec_tasks_);
    add<JavaDriver>(*java_tasks_);
    NL_TRY(const QemuPlugin qemu, read_config<QemuPlugin>("plugin \"qemu\"", block("qemu")));
    add<QemuDriver>(
        QemuOptions{
            .image_paths = qemu.image_paths,
            .emulators = qemu.emulators_allowlist,
            .args_allowlist = qemu.args_allowlist,
            .users = user_policy(options_)
        },
        *supervised_
    );
    for (const Engine engine : {Engine::Docker, Engine::Podman}) {
        const char* engine_name = engine == Engine::Docker ? "docker" : "podman";
        NL_TRY(EnginePolicy policy, read_policy(engine, block(engine_name)));
        policy.total_compute = options_.total_compute;
        if (engine == Engine::Docker) {
            if (const std::string* text = option(
                    options_.options, "docker.privileged.enabled", "docker.privileged.enable"
                )) {
                policy.allow_privileged = *text == "1" || *text == "true";
            }
        }
        add<EngineDriver>(
            std::move(policy), options_.state_dir + "/" + engine_name, options_.core_mhz, sink
        );
    }
    options_.network.directory = options_.state_dir + "/network";
    network_ = std::make_unique<NetworkManager>(
        options_.network, dynamic_cast<EngineDriver*>(find("docker")), options_.on_network
    );
    if (mock.enabled) {
        add<MockDriver>(sink);
    }
    return {};
}

client::Driver* Registry::find(std::string_view name) const {
    const auto at = drivers_.find(name);
    return at == drivers_.end() ? nullptr : at->second.get();
}

std::vector<std::string> Registry::names() const {
    std::vector<std::string> out;
    for (const auto& [name, driver] : drivers_) {
        out.push_back(name);
    }
    return out;
}

void Registry::note(client::DriverEvent event) {
    if (const auto* found = std::get_if<client::Fingerprinted>(&event.what)) {
        const std::scoped_lock lock(mutex_);
        const auto at = told_.find(found->driver);
        if (event.ticket.value == 0 && at != told_.end() && at->second == found->info) {
            return;
        }
        told_[found->driver] = found->info;
    }
    sink_(std::move(event));
}

void Registry::look_again() {
    for (const auto& [name, driver] : drivers_) {
        driver->fingerprint(Ticket{});
    }
    loop_.run_at(io::now() + kHealthInterval, [this] { look_again(); });
}

}  // namespace nl::drivers
