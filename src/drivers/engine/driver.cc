#include "drivers/engine/driver.h"

#include "base/bytes.h"
#include "drivers/cgroups.h"
#include "drivers/engine/exec.h"
#include "drivers/engine/logs.h"
#include "drivers/oci_tasks.h"
#include "drivers/shim.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/log.h"
#include "wire/value_json.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>

namespace nl::drivers {
namespace {

constexpr std::size_t kWorkers = 6;
constexpr Duration kCallTimeout = seconds(60);
constexpr Duration kProbeTimeout = seconds(5);
constexpr Duration kFirstLook = milliseconds(100);
constexpr Duration kCollectInterval = seconds(30);
/// After a container's end, how long its last lines may take.
constexpr std::chrono::seconds kDrainPatience{10};
constexpr Duration kFirstRetry = milliseconds(100);
constexpr Duration kLongestRetry = seconds(5);
constexpr int kCreateTries = 5;
constexpr const char* kPauseRepository = "nomad-lite/pause";

const Value* at(const Value& value, std::initializer_list<std::string_view> keys) {
    const Value* here = &value;
    for (const std::string_view key : keys) {
        const Value::Map* map = here->as_map();
        if (map == nullptr) {
            return nullptr;
        }
        const auto found = map->find(key);
        if (found == map->end()) {
            return nullptr;
        }
        here = &found->second;
    }
    return here;
}

std::string text_at(const Value& value, std::initializer_list<std::string_view> keys) {
    const Value* found = at(value, keys);
    return found != nullptr && found->as_string() != nullptr ? *found->as_string() : "";
}

std::int64_t int_at(const Value& value, std::initializer_list<std::string_view> keys) {
    const Value* found = at(value, keys);
    if (found != nullptr && found->as_double() != nullptr) {
        return static_cast<std::int64_t>(*found->as_double());
    }
    return found != nullptr && found->as_int() != nullptr ? *found->as_int() : 0;
}

bool flag_at(const Value& value, std::initializer_list<std::string_view> keys) {
    const Value* found = at(value, keys);
    return found != nullptr && found->as_bool() != nullptr && *found->as_bool();
}

bool may_help_to_retry(const Error& error) {
    return error.code == ErrorCode::Unavailable || error.code == ErrorCode::Timeout ||
           error.code == ErrorCode::Conflict;
}

/// A tar with one program, as `docker import` takes it.
std::string tar_of(std::string_view name, std::string_view content) {
    char header[512] = {};
    const auto put = [&](std::size_t offset, std::size_t width, std::uint64_t value) {
        const std::string digits = fmt::format("{:0{}o}", value, width - 1);
        std::memcpy(header + offset, digits.data(), width - 1);
    };
    std::memcpy(header, name.data(), std::min<std::size_t>(name.size(), 99));
    put(100, 8, 0755);
    put(108, 8, 0);
    put(116, 8, 0);
    put(124, 12, content.size());
    put(136, 12, 0);
    std::memset(header + 148, ' ', 8);
    header[156] = '0';
    std::memcpy(header + 257, "ustar", 6);
    std::memcpy(header + 263, "00", 2);
    std::uint64_t sum = 0;
    for (const char c : header) {
        sum += static_cast<unsigned char>(c);
    }
    put(148, 7, sum);
    std::string out(header, sizeof header);
    out.append(content);
    out.append((512 - content.size() % 512) % 512 + 1024, '\0');
    return out;
}

}  // namespace

/// What finds a container again; kept in the node's local state.
struct EngineDriver::Kept {
    client::TaskId id;
    std::string container;
    std::string image;
    bool collect_logs{};
    bool tty{};
    std::string out_prefix;
    std::string err_prefix;
    std::int64_t max_files{};
    std::int64_t max_bytes{};
    NL_FIELDS(
        Kept,
        (1, id),
        (2, container),
        (3, image),
        (4, collect_logs),
        (5, tty),
        (6, out_prefix),
        (7, err_prefix),
        (8, max_files),
        (9, max_bytes)
    )
};

struct EngineDriver::Task {
    Kept kept;
    std::mutex mutex;
    std::condition_variable changed;
    bool logs_done{};
    bool ended{};
    client::ExitResult result;
    EngineCancel cancel;
    io::EventLoop::TimerId kill_timer{};
};

EngineDriver::EngineDriver(
    EnginePolicy policy, std::string directory, double core_mhz, EventSink sink
)
    : policy_(std::move(policy)),
      directory_(std::move(directory)),
      core_mhz_(core_mhz),
      sink_(std::move(sink)),
      engine_(policy_.endpoint),
      images_(engine_, policy_),
      loop_({.name = "engine"}),
      workers_(policy_.engine == Engine::Docker ? "docker" : "podman", kWorkers) {
    loop_.start();
    loop_.run_at(io::now() + kCollectInterval, [this] { collect(); });
    if (policy_.gc_dangling) {
        loop_.run_at(io::now() + policy_.gc_dangling_period, [this] { remove_dangling(); });
    }
}

EngineDriver::~EngineDriver() {
    stop_.cancel();
    loop_.stop();
    {
        const std::scoped_lock lock(mutex_);
        for (const auto& [id, task] : tasks_) {
            task->cancel.cancel();
        }
    }
    workers_.stop();
    {
        // What began while the workers were stopping.
        const std::scoped_lock lock(mutex_);
        for (const auto& [id, task] : tasks_) {
            task->cancel.cancel();
        }
    }
    reap_threads(true);
}

std::string EngineDriver::folder(const client::TaskId& id) const {
    return directory_ + "/" + instance_name(id);
}

void EngineDriver::done(const client::TaskId& id, Ticket ticket, Result<void> result) {
    sink_({ticket, id, client::CallDone{std::move(result)}});
}

std::shared_ptr<EngineDriver::Task> EngineDriver::find(const client::TaskId& id) {
    const std::scoped_lock lock(mutex_);
    const auto found = tasks_.find(id);
    return found == tasks_.end() ? nullptr : found->second;
}

// ---- what the engine is

void EngineDriver::fingerprint(Ticket ticket) {
    workers_.post([this, ticket] {
        // A node's start waits for the first answer: whether the engine is there. The rest follows.
        if (ticket.value != 0) {
            look(ticket, kFirstLook, false);
        }
        look(Ticket{}, kProbeTimeout, true);
    });
}

void EngineDriver::look(Ticket ticket, Duration timeout, bool closely) {
    const std::string own(name());
    model::DriverInfo info;
    const auto version = engine_.call("GET", "/version", {}, timeout, &stop_);
    if (!version) {
        if (stop_.cancelled()) {
            return;
        }
        const std::scoped_lock lock(mutex_);
        info.detected = was_detected_;
        info.health_description = was_detected_ ? "Failed to connect to the " + own +
                                                      " daemon: " + version.error().message
                                                : own + " is not there: " + version.error().message;
    } else {
        info.detected = true;
        info.healthy = true;
        info.health_description = "Healthy";
        const std::string prefix = "driver." + own;
        info.attributes[prefix] = "true";
        info.attributes[prefix + ".version"] = text_at(*version, {"Version"});
        info.attributes[prefix + ".os_type"] = text_at(*version, {"Os"});
        if (policy_.allow_privileged) {
            info.attributes[prefix + ".privileged.enabled"] = "true";
        }
        if (policy_.volumes_enabled) {
            info.attributes[prefix + ".volumes.enabled"] = "true";
        }
        const auto about =
            closely ? engine_.call("GET", "/info", {}, timeout, &stop_) : Result<Value>(Value{});
        if (about) {
            if (const Value* runtimes = at(*about, {"Runtimes"});
                runtimes != nullptr && runtimes->as_map() != nullptr) {
                std::string names;
                for (const auto& [runtime, detail] : *runtimes->as_map()) {
                    names += (names.empty() ? "" : ",") + runtime;
                }
                info.attributes[prefix + ".runtimes"] = names;
            }
        }
        if (closely && policy_.engine == Engine::Docker) {
            if (const auto bridge = engine_.call("GET", "/networks/bridge", {}, timeout, &stop_)) {
                if (const Value* all = at(*bridge, {"IPAM", "Config"});
                    all != nullptr && all->as_list() != nullptr && !all->as_list()->empty()) {
                    if (const std::string ip = text_at(all->as_list()->front(), {"Gateway"});
                        !ip.empty()) {
                        info.attributes[prefix + ".bridge_ip"] = ip;
                    }
                }
            }
        }
        const std::scoped_lock lock(mutex_);
        was_detected_ = true;
    }
    sink_({ticket, {}, client::Fingerprinted{own, std::move(info)}});
}

// ---- start

void EngineDriver::start(const client::TaskSpec& spec, Ticket ticket) {
    {
        const std::scoped_lock lock(mutex_);
        node_id_ = spec.node_id;
    }
    workers_.post([this, spec, ticket] { run_start(spec, ticket); });
}

void EngineDriver::run_start(const client::TaskSpec& spec, Ticket ticket) {
    const auto started = [&](const std::shared_ptr<Task>& task) {
        client::TaskHandle handle{spec.id, std::string(name()), 1, encode(task->kept)};
        sink_({ticket, spec.id, client::Started{std::move(handle), io::wall_now()}});
    };
    if (const auto known = find(spec.id)) {
        started(known);
        const std::scoped_lock lock(known->mutex);
        if (known->ended) {
            sink_({{}, spec.id, client::Exited{known->result}});
        }
        return;
    }
    const auto failed = [&](Error error) {
        if (stop_.cancelled()) {
            return;
        }
        images_.release(spec.id.str(), io::now());
        static_cast<void>(remove_bundle_tree(folder(spec.id)));
        const bool again = may_help_to_retry(error);
        sink_({ticket, spec.id, client::StartFailed{std::move(error), again}});
    };
    // Who the task is inside, only the image knows. The folder above is root's alone, so that what
    // everybody may read below it nobody reaches but by the container's own mounts.
    if (::geteuid() == 0) {
        ::chmod(spec.task_dir.c_str(), 0700);
        ::chmod((spec.task_dir + "/secrets").c_str(), 0777);
    }
    auto plan = plan_container(policy_, spec, folder(spec.id));
    if (!plan) {
        failed(std::move(plan.error()));
        return;
    }
    auto image = images_.acquire(
        *plan,
        spec.id.str(),
        [this, id = spec.id](const std::string& message) {
            sink_({{}, id, client::DriverMessage{message}});
        },
        stop_
    );
    if (!image) {
        failed(std::move(image.error()));
        return;
    }
    auto container = create_container(*plan, spec);
    if (!container) {
        failed(std::move(container.error()));
        return;
    }
    const auto begun =
        engine_.call("POST", "/containers/" + *container + "/start", {}, kCallTimeout, &stop_);
    if (!begun && !stop_.cancelled()) {
        Error error = begun.error();
        remove_container(*container);
        error.message = fmt::format("Failed to start container {}: {}", *container, error.message);
        failed(std::move(error));
        return;
    }
    if (!begun) {
        return;
    }
    auto task = std::make_shared<Task>();
    task->kept = {
        .id = spec.id,
        .container = *container,
        .image = *image,
        .collect_logs = plan->collect_logs,
        .tty = plan->tty,
        .out_prefix = fmt::format("{}/{}.stdout", spec.logs_dir, spec.id.task),
        .err_prefix = fmt::format("{}/{}.stderr", spec.logs_dir, spec.id.task),
        .max_files = spec.log_max_files,
        .max_bytes = spec.log_max_file_bytes
    };
    started(task);
    adopt(std::move(task));
}

Result<std::string> EngineDriver::create_container(
    const ContainerPlan& plan, const client::TaskSpec& spec
) {
    Error last;
    for (int attempt = 0; attempt < kCreateTries; ++attempt) {
        const auto made = engine_.call(
            "POST",
            "/containers/create?name=" + query_escape(plan.name),
            plan.create,
            kCallTimeout,
            &stop_
        );
        if (made) {
            return text_at(*made, {"Id"});
        }
        last = made.error();
        // Podman says 500 for a name in use.
        const bool taken = last.code == ErrorCode::Conflict ||
                           last.message.find("already in use") != std::string::npos;
        if (!taken) {
            break;
        }
        const auto there = engine_.call(
            "GET", "/containers/" + query_escape(plan.name) + "/json", {}, kCallTimeout, &stop_
        );
        if (!there) {
            continue;
        }
        const std::string id = text_at(*there, {"Id"});
        if (text_at(*there, {"Config", "Labels", kInstanceLabel}) == spec.id.str()) {
            // Made by an agent that went before it could say so.
            return id;
        }
        if (text_at(*there, {"Config", "Labels", kAllocLabel}).empty()) {
            break;
        }
        remove_container(id);
    }
    last.message = "Failed to create container: " + last.message;
    return std::unexpected(std::move(last));
}

void EngineDriver::recover(const client::TaskHandle& handle, Ticket ticket) {
    workers_.post([this, handle, ticket] {
        if (const auto known = find(handle.id)) {
            sink_({ticket, handle.id, client::Recovered{handle}});
            const std::scoped_lock lock(known->mutex);
            if (known->ended) {
                sink_({{}, handle.id, client::Exited{known->result}});
            }
            return;
        }
        auto kept = decode<Kept>(handle.state);
        if (!kept) {
            sink_({ticket, handle.id, client::RecoverFailed{kept.error()}});
            return;
        }
        // An engine that is away for a moment keeps its containers: only its word that there is
        // none counts. Until then the task is taken to run.
        const auto there = engine_.call(
            "GET", "/containers/" + kept->container + "/json", {}, kCallTimeout, &stop_
        );
        if (!there && there.error().code == ErrorCode::NotFound) {
            sink_({ticket, handle.id, client::RecoverFailed{there.error()}});
            return;
        }
        if (stop_.cancelled()) {
            return;
        }
        images_.note_use(kept->image, handle.id.str());
        auto task = std::make_shared<Task>();
        task->kept = std::move(*kept);
        sink_({ticket, handle.id, client::Recovered{handle}});
        adopt(std::move(task));
    });
}

void EngineDriver::adopt(std::shared_ptr<Task> task) {
    reap_threads(false);
    const std::scoped_lock lock(mutex_);
    if (stop_.cancelled()) {
        return;
    }
    tasks_[task->kept.id] = task;
    const auto run = [&](auto work) {
        auto over = std::make_shared<std::atomic<bool>>(false);
        threads_.emplace_back(over, std::thread([work, over] {
                                  work();
                                  *over = true;
                              }));
    };
    if (task->kept.collect_logs) {
        run([this, task] { follow_logs(task); });
    } else {
        task->logs_done = true;
    }
    run([this, task] { watch(task); });
}

void EngineDriver::reap_threads(bool all) {
    std::vector<std::thread> over;
    {
        const std::scoped_lock lock(mutex_);
        for (auto& [flag, thread] : threads_) {
            if (all || *flag) {
                over.push_back(std::move(thread));
            }
        }
        std::erase_if(threads_, [](const auto& one) { return !one.second.joinable(); });
    }
    for (std::thread& thread : over) {
        thread.join();
    }
}

// ---- until its end

void EngineDriver::watch(const std::shared_ptr<Task>& task) {
    Duration pause = kFirstRetry;
    const std::string base = "/containers/" + task->kept.container;
    while (!task->cancel.cancelled()) {
        const auto over = engine_.call("POST", base + "/wait", {}, Duration{}, &task->cancel);
        client::ExitResult result;
        result.finished_at = io::wall_now();
        if (const auto state =
                engine_.call("GET", base + "/json", {}, kCallTimeout, &task->cancel)) {
            if (!flag_at(*state, {"State", "Running"}) && over) {
                result.exit_code = int_at(*state, {"State", "ExitCode"});
                result.oom_killed = flag_at(*state, {"State", "OOMKilled"});
                if (const std::string error = text_at(*state, {"State", "Error"}); !error.empty()) {
                    result.error = error;
                }
                const auto at_time = parse_rfc3339(text_at(*state, {"State", "FinishedAt"}));
                if (at_time && at_time->unix_ns > 0) {
                    result.finished_at = *at_time;
                }
                end_task(task, std::move(result));
                return;
            }
        } else if (state.error().code == ErrorCode::NotFound) {
            result.exit_code = -1;
            result.error = "the container is gone";
            end_task(task, std::move(result));
            return;
        }
        // The engine was restarted, or is away: it will tell.
        std::unique_lock lock(task->mutex);
        task->changed.wait_for(lock, std::chrono::nanoseconds(pause.ns), [&] {
            return task->cancel.cancelled();
        });
        pause = std::min(pause * 2, kLongestRetry);
    }
}

void EngineDriver::follow_logs(const std::shared_ptr<Task>& task) {
    const Kept& kept = task->kept;
    const std::string files = folder(kept.id);
    static_cast<void>(io::make_directories(files, 0711));
    LogSink sink(
        kept.out_prefix,
        kept.err_prefix,
        kept.max_files,
        kept.max_bytes,
        files + "/log.position",
        kept.tty
    );
    Duration pause = kFirstRetry;
    bool last = false;
    while (!task->cancel.cancelled()) {
        EngineRequest request;
        request.target = fmt::format(
            "/containers/{}/logs?stdout=1&stderr=1&timestamps=1&follow={}",
            kept.container,
            last ? 0 : 1
        );
        if (!sink.since().empty()) {
            request.target += "&since=" + unix_time_of(sink.since());
        }
        sink.begin();
        bool disk_full = false;
        const auto read = engine_.stream(
            request,
            last ? seconds(30) : Duration{},
            [&](std::string_view bytes) {
                disk_full = !sink.feed(bytes);
                return !disk_full;
            },
            &task->cancel
        );
        if (last || (!read && read.error().code == ErrorCode::NotFound)) {
            break;
        }
        std::unique_lock lock(task->mutex);
        if (task->ended) {
            // Once more, without waiting: what came between the last look and the end.
            last = true;
            continue;
        }
        task->changed.wait_for(lock, std::chrono::nanoseconds(pause.ns), [&] {
            return task->cancel.cancelled() || task->ended;
        });
        pause = read && !disk_full ? kFirstRetry : std::min(pause * 2, kLongestRetry);
    }
    const std::scoped_lock lock(task->mutex);
    task->logs_done = true;
    task->changed.notify_all();
}

void EngineDriver::end_task(const std::shared_ptr<Task>& task, client::ExitResult result) {
    {
        std::unique_lock lock(task->mutex);
        if (task->ended) {
            return;
        }
        task->ended = true;
        task->result = result;
        task->changed.notify_all();
        // Its end is news only when its words are there.
        task->changed.wait_for(lock, kDrainPatience, [&] {
            return task->logs_done || task->cancel.cancelled();
        });
    }
    if (task->kill_timer != 0) {
        loop_.cancel(task->kill_timer);
    }
    if (!stop_.cancelled()) {
        sink_({{}, task->kept.id, client::Exited{std::move(result)}});
    }
}

// ---- calls

Result<std::string> EngineDriver::container_of(const client::TaskId& id) {
    const auto task = find(id);
    if (!task) {
        return fail(ErrorCode::NotFound, "task \"{}\" is not running", id.task);
    }
    return task->kept.container;
}

void EngineDriver::signal(const client::TaskId& id, int signal, Ticket ticket) {
    workers_.post([this, id, signal, ticket] {
        const auto container = container_of(id);
        Result<void> result;
        if (!container) {
            result = std::unexpected(container.error());
        } else if (const auto sent = engine_.call(
                       "POST",
                       fmt::format("/containers/{}/kill?signal={}", *container, signal),
                       {},
                       kCallTimeout,
                       &stop_
                   );
                   !sent) {
            result = std::unexpected(sent.error());
        }
        done(id, ticket, std::move(result));
    });
}

void EngineDriver::stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) {
    const auto task = find(id);
    if (!task) {
        done(id, ticket, {});
        return;
    }
    const auto kill = [this, task](int number) {
        static_cast<void>(engine_.call(
            "POST",
            fmt::format("/containers/{}/kill?signal={}", task->kept.container, number),
            {},
            kCallTimeout,
            &stop_
        ));
    };
    if (timeout.ns > 0) {
        task->kill_timer = loop_.run_at(io::now() + timeout, [this, kill] {
            workers_.post([kill] { kill(SIGKILL); });
        });
    }
    workers_.post([this, id, ticket, kill, number = timeout.ns > 0 ? signal : SIGKILL] {
        kill(number);
        done(id, ticket, {});
    });
}

void EngineDriver::remove_container(const std::string& id) {
    const auto removed = engine_.call(
        "DELETE", "/containers/" + query_escape(id) + "?force=true&v=true", {}, kCallTimeout
    );
    if (!removed && removed.error().code != ErrorCode::NotFound) {
        io::log_warn("drivers", "container {} stays: {}", id, removed.error().message);
    }
}

void EngineDriver::destroy(const client::TaskId& id, Ticket ticket) {
    std::shared_ptr<Task> task;
    {
        const std::scoped_lock lock(mutex_);
        if (auto node = tasks_.extract(id); !node.empty()) {
            task = std::move(node.mapped());
        }
        cpu_before_.erase(id);
    }
    if (task) {
        task->cancel.cancel();
        const std::scoped_lock lock(task->mutex);
        task->changed.notify_all();
    }
    workers_.post([this, id, task, ticket] {
        std::vector<std::string> found;
        if (task) {
            found.push_back(task->kept.container);
        } else {
            // Nothing was written down of it: it is told by its label.
            const std::string filter = wire::write_json(Value::Map{
                {"label", Value::List{Value(fmt::format("{}={}", kInstanceLabel, id.str()))}}
            });
            const auto all = engine_.call(
                "GET",
                "/containers/json?all=1&filters=" + query_escape(filter),
                {},
                kCallTimeout,
                &stop_
            );
            if (all && all->as_list() != nullptr) {
                for (const Value& one : *all->as_list()) {
                    found.push_back(text_at(one, {"Id"}));
                }
            }
        }
        if (policy_.gc_container) {
            for (const std::string& container : found) {
                remove_container(container);
            }
        }
        images_.release(id.str(), io::now());
        static_cast<void>(remove_bundle_tree(folder(id)));
        done(id, ticket, {});
    });
}

Result<model::TaskResourceUsage> EngineDriver::usage(const client::TaskId& id) {
    NL_TRY(const std::string container, container_of(id));
    NL_TRY(
        const Value stats,
        engine_.call(
            "GET",
            fmt::format("/containers/{}/stats?stream=false&one-shot=true", container),
            {},
            seconds(10),
            &stop_
        )
    );
    const CpuBefore now{
        io::wall_now().unix_ns,
        int_at(stats, {"cpu_stats", "cpu_usage", "total_usage"}),
        int_at(stats, {"cpu_stats", "cpu_usage", "usage_in_usermode"}),
        int_at(stats, {"cpu_stats", "cpu_usage", "usage_in_kernelmode"})
    };
    CpuBefore before;
    {
        const std::scoped_lock lock(mutex_);
        const auto [found, fresh] = cpu_before_.try_emplace(id, now);
        before = fresh ? now : std::exchange(found->second, now);
    }
    const auto span = static_cast<double>(now.at_ns - before.at_ns);
    const auto percent = [&](std::int64_t a, std::int64_t b) {
        return span > 0 && a > b ? static_cast<double>(a - b) / span * 100.0 : 0.0;
    };
    model::TaskResourceUsage out;
    out.timestamp = now.at_ns;
    auto& cpu = out.resource_usage.ensure().cpu_stats.ensure();
    cpu.percent = percent(now.total_ns, before.total_ns);
    cpu.user_mode = percent(now.user_ns, before.user_ns);
    cpu.system_mode = percent(now.system_ns, before.system_ns);
    cpu.total_ticks = cpu.percent / 100.0 * core_mhz_;
    cpu.throttled_periods = int_at(stats, {"cpu_stats", "throttling_data", "throttled_periods"});
    cpu.throttled_time = int_at(stats, {"cpu_stats", "throttling_data", "throttled_time"});
    cpu.measured = {"Throttled Periods", "Throttled Time", "Percent"};
    auto& memory = out.resource_usage->memory_stats.ensure();
    const std::int64_t rss = int_at(stats, {"memory_stats", "stats", "rss"});
    memory.rss = rss > 0 ? rss : int_at(stats, {"memory_stats", "stats", "anon"});
    memory.cache = std::max(
        int_at(stats, {"memory_stats", "stats", "cache"}),
        int_at(stats, {"memory_stats", "stats", "file"})
    );
    memory.swap = int_at(stats, {"memory_stats", "stats", "swap"});
    memory.mapped_file = int_at(stats, {"memory_stats", "stats", "mapped_file"});
    memory.usage = int_at(stats, {"memory_stats", "usage"});
    memory.max_usage = int_at(stats, {"memory_stats", "max_usage"});
    if (memory.rss == 0) {
        memory.rss = std::max<std::int64_t>(memory.usage - memory.cache, 0);
    }
    memory.measured = {"RSS", "Cache", "Swap", "Usage"};
    return out;
}

Result<std::unique_ptr<client::ExecProcess>> EngineDriver::exec(
    const client::TaskId& id, const client::ExecSpec& spec, client::ExecHandlers handlers
) {
    NL_TRY(const std::string container, container_of(id));
    return start_engine_exec(engine_, container, spec, std::move(handlers));
}

void EngineDriver::stats(const client::TaskId& id, Ticket ticket) {
    workers_.post([this, id, ticket] { sink_({ticket, id, client::StatsAnswer{usage(id)}}); });
}

// ---- sandboxes

Result<std::string> EngineDriver::ensure_pause_image() {
    if (!policy_.infra_image.empty()) {
        ContainerPlan plan;
        plan.image = policy_.infra_image;
        plan.pull_timeout = policy_.infra_image_pull_timeout;
        NL_TRY(
            const std::string id,
            images_.acquire(
                plan, "sandboxes", [](const std::string&) {}, stop_
            )
        );
        static_cast<void>(id);
        return policy_.infra_image;
    }
    const std::string_view program = shim_program();
    const std::string tag = fmt::format("{:08x}", crc32c(program));
    const std::string image = fmt::format("{}:{}", kPauseRepository, tag);
    if (engine_.call("GET", "/images/" + image + "/json", {}, kCallTimeout, &stop_)) {
        return image;
    }
    // The engine is handed a program of ours, so that a network needs no registry.
    EngineRequest request{
        .method = "POST",
        .target = fmt::format(
            "/images/create?fromSrc=-&repo={}&tag={}", query_escape(kPauseRepository), tag
        ),
        .body = tar_of("pause", program),
        .content_type = "application/x-tar"
    };
    NL_TRY(const EngineResponse answer, engine_.send(request, kCallTimeout, &stop_));
    if (answer.status >= 400 || answer.body.find("\"error\"") != std::string::npos) {
        return std::unexpected(engine_error(answer.status, answer.body));
    }
    return image;
}

Result<EngineDriver::Sandbox> EngineDriver::make_sandbox(
    const Uuid& alloc, const std::string& hostname, const std::string& node_id
) {
    const std::string name = "nomad_init_" + alloc.str();
    const auto look = [&]() -> Result<Sandbox> {
        NL_TRY(
            const Value there,
            engine_.call("GET", "/containers/" + name + "/json", {}, kCallTimeout, &stop_)
        );
        if (!flag_at(there, {"State", "Running"})) {
            return fail(ErrorCode::NotFound, "the sandbox does not run");
        }
        std::string path = text_at(there, {"NetworkSettings", "SandboxKey"});
        if (path.empty()) {
            path = fmt::format("/proc/{}/ns/net", int_at(there, {"State", "Pid"}));
        }
        return Sandbox{text_at(there, {"Id"}), path};
    };
    if (auto there = look()) {
        return there;
    }
    NL_TRY(const std::string image, ensure_pause_image());
    remove_container(name);
    Value::Map body{
        {"Image", image},
        {"Labels",
         Value::Map{{kAllocLabel, alloc.str()}, {kInstanceLabel, "network"}, {kNodeLabel, node_id}}
        },
        {"HostConfig",
         Value::Map{
             {"NetworkMode", "none"},
             {"CapDrop", Value::List{Value("ALL")}},
             {"ReadonlyRootfs", true},
             {"Memory", std::int64_t{16} << 20},
             {"LogConfig", Value::Map{{"Type", "none"}}},
             {"RestartPolicy", Value::Map{{"Name", "unless-stopped"}}}
         }}
    };
    if (policy_.infra_image.empty()) {
        body["Cmd"] = Value::List{Value("/pause"), Value("pause")};
    }
    if (!hostname.empty()) {
        body["Hostname"] = hostname;
    }
    NL_TRY(
        const Value made,
        engine_.call("POST", "/containers/create?name=" + name, body, kCallTimeout, &stop_)
    );
    NL_TRY(
        const Value begun,
        engine_.call(
            "POST", "/containers/" + text_at(made, {"Id"}) + "/start", {}, kCallTimeout, &stop_
        )
    );
    static_cast<void>(begun);
    return look();
}

void EngineDriver::remove_sandbox(const Uuid& alloc) {
    remove_container("nomad_init_" + alloc.str());
}

// ---- cleaning up

void EngineDriver::collect() {
    workers_.post([this] {
        images_.collect(io::now());
        reap_threads(false);
    });
    loop_.run_at(io::now() + kCollectInterval, [this] { collect(); });
}

void EngineDriver::remove_dangling() {
    workers_.post([this] {
        std::string node;
        {
            const std::scoped_lock lock(mutex_);
            node = node_id_;
        }
        if (node.empty()) {
            return;
        }
        const std::string filter = wire::write_json(
            Value::Map{{"label", Value::List{Value(fmt::format("{}={}", kNodeLabel, node))}}}
        );
        const auto all = engine_.call(
            "GET",
            "/containers/json?all=1&filters=" + query_escape(filter),
            {},
            kCallTimeout,
            &stop_
        );
        if (!all || all->as_list() == nullptr) {
            return;
        }
        const std::int64_t now_s = io::wall_now().unix_ns / 1'000'000'000;
        const std::int64_t grace_s = policy_.gc_dangling_grace.ns / 1'000'000'000;
        for (const Value& one : *all->as_list()) {
            const std::string instance = text_at(one, {"Labels", kInstanceLabel});
            const auto id = client::TaskId::parse(instance);
            if (!id || find(*id) || now_s - int_at(one, {"Created"}) < grace_s) {
                continue;
            }
            const std::string container = text_at(one, {"Id"});
            io::log_warn(
                "drivers",
                "container {} of task {} belongs to nobody{}",
                container.substr(0, 12),
                instance,
                policy_.gc_dangling_dry_run ? "" : " and is removed"
            );
            if (!policy_.gc_dangling_dry_run) {
                remove_container(container);
            }
        }
    });
    loop_.run_at(io::now() + policy_.gc_dangling_period, [this] { remove_dangling(); });
}

}  // namespace nl::drivers
