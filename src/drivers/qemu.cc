#include "drivers/qemu.h"

#include "drivers/command.h"
#include "drivers/config.h"
#include "drivers/run_program.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace nl::drivers {
namespace {

constexpr const char* kMonitor = "qemu-monitor.sock";
constexpr const char* kGuestAgent = "qemu-guest-agent.sock";
constexpr std::int64_t kSmallestMemoryMb = 128;
constexpr std::int64_t kLargestMemoryMb = 4000000;

struct QemuConfig {
    std::string image_path;
    std::string emulator{"qemu-system-x86_64"};
    std::string machine_type{"pc"};
    std::string drive_interface{"ide"};
    std::string accelerator{"tcg"};
    bool graceful_shutdown{};
    bool guest_agent{};
    std::vector<std::string> args;
    Map<std::int64_t> port_map;
    NL_FIELDS(
        QemuConfig,
        (1, image_path),
        (2, emulator),
        (3, machine_type),
        (4, drive_interface),
        (5, accelerator),
        (6, graceful_shutdown),
        (7, guest_agent),
        (8, args),
        (9, port_map)
    )
    static constexpr std::array<std::string_view, 1> kRequired{"image_path"};
};

/// One word of an option's value: what would end it is no part of a name.
Result<void> check_word(const char* what, const std::string& text) {
    const bool ok = !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.' || c == '+';
    });
    if (!ok) {
        return fail(
            ErrorCode::InvalidArgument, "config: {} must be a name, got \"{}\"", what, text
        );
    }
    return {};
}

bool is_below(const std::string& path, const std::string& folder) {
    return path == folder || path.starts_with(folder.ends_with('/') ? folder : folder + "/");
}

/// Where a path really leads, if that is a place that the task may use.
Result<std::string> allowed_file(
    const QemuOptions& options, const client::TaskSpec& task, const std::string& written
) {
    std::error_code error;
    const std::filesystem::path whole =
        written.starts_with('/') ? written : task.task_dir + "/" + written;
    const std::string real = std::filesystem::weakly_canonical(whole, error).string();
    const std::string base = std::filesystem::weakly_canonical(
                                 std::filesystem::path(task.alloc_dir).parent_path(), error
    )
                                 .string();
    if (!error && is_below(real, base)) {
        return real;
    }
    for (const std::string& folder : options.image_paths) {
        const std::string allowed = std::filesystem::weakly_canonical(folder, error).string();
        if (!error && !allowed.empty() && is_below(real, allowed)) {
            return real;
        }
    }
    return fail(
        ErrorCode::PermissionDenied,
        "{} is neither in the allocation's directory nor below one of the node's image_paths",
        written
    );
}

/// Arguments by themselves can name any file, device or command of the node. Without a list of the
/// node's owner only these pass, and the files they name are looked at.
Result<void> check_args(
    const QemuOptions& options, const client::TaskSpec& task, const std::vector<std::string>& args
) {
    if (!options.args_allowlist.empty()) {
        for (const std::string& arg : args) {
            if (arg.starts_with('-') &&
                std::ranges::find(options.args_allowlist, arg) == options.args_allowlist.end()) {
                return fail(
                    ErrorCode::PermissionDenied,
                    "argument \"{}\" is not in the node's args_allowlist",
                    arg
                );
            }
        }
        return {};
    }
    static const std::vector<std::string_view> kHarmless{
        "-smp",
        "-cpu",
        "-m",
        "-boot",
        "-rtc",
        "-vga",
        "-nographic",
        "-no-reboot",
        "-no-acpi",
        "-usb",
        "-uuid",
        "-k",
        "-nodefaults",
        "-no-user-config",
        "-no-shutdown",
        "-append",
        "-global",
        "-smbios"
    };
    static const std::vector<std::string_view> kFiles{
        "-drive", "-hda", "-hdb", "-hdc", "-hdd", "-cdrom", "-kernel", "-initrd", "-bios", "-pflash"
    };
    for (std::size_t i = 0; i < args.size(); ++i) {
        const std::string& arg = args[i];
        const std::string value =
            i + 1 < args.size() && !args[i + 1].starts_with('-') ? args[i + 1] : "";
        const auto refuse = [&] {
            return fail(
                ErrorCode::PermissionDenied,
                "argument \"{}{}{}\" is not allowed on this node (args_allowlist)",
                arg,
                value.empty() ? "" : " ",
                value
            );
        };
        if (!arg.starts_with('-')) {
            return fail(ErrorCode::InvalidArgument, "argument \"{}\" belongs to no option", arg);
        }
        if (std::ranges::find(kFiles, arg) != kFiles.end()) {
            std::string file = value;
            if (arg == "-drive") {
                const std::size_t at = value.find("file=");
                const bool starts_word =
                    at == 0 || (at != std::string::npos && value[at - 1] == ',');
                if (!starts_word || value.find("file=", at + 5) != std::string::npos) {
                    return refuse();
                }
                file = value.substr(at + 5);
                file = file.substr(0, file.find(','));
            }
            // "nbd:host", "fat:folder", "json:{...}": not files of the task.
            if (file.empty() || file.find(':') != std::string::npos) {
                return refuse();
            }
            NL_TRY_VOID(allowed_file(options, task, file));
        } else if (arg == "-device") {
            if (value.starts_with("vfio") || value.starts_with("ivshmem") ||
                value.starts_with("usb-host") || value.find('/') != std::string::npos) {
                return refuse();
            }
        } else if (arg == "-serial" || arg == "-display") {
            if (value != "stdio" && value != "null" && value != "none") {
                return refuse();
            }
        } else if (std::ranges::find(kHarmless, arg) == kHarmless.end() ||
                   (value.find('/') != std::string::npos && arg != "-append") ||
                   value.find("file=") != std::string::npos) {
            return refuse();
        }
        i += value.empty() ? 0U : 1U;
    }
    return {};
}

Result<void> send_to_monitor(const std::string& folder, const std::string& words) {
    // By way of the folder's descriptor: a socket's path may have 107 bytes only.
    const int dir = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d/%s", dir, kMonitor);
    Result<void> result;
    if (dir < 0 || fd < 0 ||
        ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
        ::send(fd, words.data(), words.size(), MSG_NOSIGNAL) < 0) {
        result = fail(
            ErrorCode::Unavailable,
            "the machine's monitor does not answer: {}",
            std::strerror(errno)
        );
    }
    if (fd >= 0) {
        ::close(fd);
    }
    if (dir >= 0) {
        ::close(dir);
    }
    return result;
}

}  // namespace

QemuDriver::QemuDriver(QemuOptions options, Supervised& tasks)
    : options_(std::move(options)), tasks_(tasks), workers_("qemu", 2) {}

void QemuDriver::fingerprint(Ticket ticket) {
    {
        const std::scoped_lock lock(mutex_);
        if (!asked_ && !find_in_path("qemu-system-x86_64").empty()) {
            asked_ = true;
            workers_.post([this] {
                const auto said =
                    run_program({find_in_path("qemu-system-x86_64"), "--version"}, seconds(20));
                std::string version;
                if (said) {
                    const std::size_t at = said->output.find("version ");
                    if (at != std::string::npos) {
                        version = said->output.substr(at + 8);
                        version = version.substr(0, version.find_first_of(" \n("));
                    }
                }
                {
                    const std::scoped_lock inner(mutex_);
                    version_ = version;
                }
                tell(Ticket{});
            });
        }
    }
    tell(ticket);
}

void QemuDriver::tell(Ticket ticket) {
    model::DriverInfo info;
    if (find_in_path("qemu-system-x86_64").empty()) {
        info.health_description = "qemu-system-x86_64 is not installed";
    } else {
        info.detected = true;
        info.healthy = true;
        info.health_description = "Healthy";
        info.attributes["driver.qemu"] = "true";
        const std::scoped_lock lock(mutex_);
        if (!version_.empty()) {
            info.attributes["driver.qemu.version"] = version_;
        }
    }
    tasks_.sink()({ticket, {}, client::Fingerprinted{"qemu", std::move(info)}});
}

Result<supervisor::SpawnSpec> QemuDriver::make_spec(const client::TaskSpec& task) const {
    NL_TRY(const QemuConfig config, read_config<QemuConfig>("driver qemu", task.config));
    for (const auto& [what, word] :
         {std::pair{"emulator", &config.emulator},
          std::pair{"machine_type", &config.machine_type},
          std::pair{"drive_interface", &config.drive_interface},
          std::pair{"accelerator", &config.accelerator}}) {
        NL_TRY_VOID(check_word(what, *word));
    }
    const bool known_emulator =
        options_.emulators.empty()
            ? config.emulator.starts_with("qemu-system-")
            : std::ranges::find(options_.emulators, config.emulator) != options_.emulators.end();
    if (!known_emulator) {
        return fail(
            ErrorCode::PermissionDenied,
            "emulator \"{}\" is not allowed on this node",
            config.emulator
        );
    }
    if (!task.user.empty()) {
        NL_TRY_VOID(check_user(options_.users, "qemu", task.user));
    }
    NL_TRY(const std::string image, allowed_file(options_, task, config.image_path));
    if (::access(image.c_str(), R_OK) != 0) {
        return fail(
            ErrorCode::NotFound, "image_path {}: {}", config.image_path, std::strerror(errno)
        );
    }
    if (image.find(',') != std::string::npos) {
        return fail(ErrorCode::InvalidArgument, "image_path must not have a comma");
    }
    NL_TRY_VOID(check_args(options_, task, config.args));
    if (task.memory_mb < kSmallestMemoryMb || task.memory_mb > kLargestMemoryMb) {
        return fail(
            ErrorCode::InvalidArgument,
            "Qemu memory assignment out of bounds: {} MB is not between {} and {}",
            task.memory_mb,
            kSmallestMemoryMb,
            kLargestMemoryMb
        );
    }
    supervisor::SpawnSpec spec;
    spec.path = find_in_path(config.emulator);
    if (spec.path.empty()) {
        return fail(ErrorCode::NotFound, "{} is not installed", config.emulator);
    }
    spec.argv = {
        config.emulator,
        "-machine",
        fmt::format("type={},accel={}", config.machine_type, config.accelerator),
        "-name",
        std::filesystem::path(image).filename().string(),
        "-m",
        fmt::format("{}M", task.memory_mb),
        "-drive",
        fmt::format("file={},if={}", image, config.drive_interface),
        "-nographic"
    };
    const auto add = [&](std::initializer_list<std::string> words) {
        spec.argv.insert(spec.argv.end(), words);
    };
    if (config.accelerator == "kvm") {
        if (::access("/dev/kvm", R_OK | W_OK) != 0) {
            return fail(
                ErrorCode::NotFound, "accelerator kvm: /dev/kvm is not usable on this node"
            );
        }
        add({"-enable-kvm", "-cpu", "host"});
    }
    if (!task.cores.empty()) {
        add({"-smp", std::to_string(task.cores.size())});
    }
    if (config.graceful_shutdown) {
        add({"-monitor", fmt::format("unix:{},server,nowait", kMonitor)});
    }
    if (config.guest_agent) {
        add(
            {"-chardev",
             fmt::format("socket,path={},server=on,wait=off,id=qga0", kGuestAgent),
             "-device",
             "virtio-serial",
             "-device",
             "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"}
        );
    }
    spec.argv.insert(spec.argv.end(), config.args.begin(), config.args.end());
    std::string forwards;
    const auto forward = [&](const client::TaskPort& port, std::int64_t guest) {
        for (const char* protocol : {"tcp", "udp"}) {
            forwards +=
                fmt::format(",hostfwd={}:{}:{}-:{}", protocol, port.host_ip, port.value, guest);
        }
    };
    for (const auto& [label, guest] : config.port_map) {
        const auto at = std::ranges::find(task.network.ports, label, &client::TaskPort::label);
        if (at == task.network.ports.end()) {
            return fail(ErrorCode::InvalidArgument, "Unknown port label \"{}\" in port_map", label);
        }
        forward(*at, guest);
    }
    for (const client::TaskPort& port : task.network.ports) {
        if (port.to > 0 && !config.port_map.contains(port.label)) {
            forward(port, port.to);
        }
    }
    if (!forwards.empty()) {
        add({"-netdev", "user,id=user.0" + forwards, "-device", "virtio-net,netdev=user.0"});
    }
    for (const auto& [name, value] : task.env) {
        spec.env.push_back(name + "=" + value);
    }
    if (!task.env.contains("PATH")) {
        spec.env.emplace_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    }
    spec.cwd = task.task_dir;
    spec.net_ns = task.network.net_ns;
    NL_TRY_VOID(set_user(task.user, spec));
    if (!task.logs_disabled) {
        spec.stdout_prefix = fmt::format("{}/{}.stdout", task.logs_dir, task.id.task);
        spec.stderr_prefix = fmt::format("{}/{}.stderr", task.logs_dir, task.id.task);
        spec.log_max_files = task.log_max_files;
        spec.log_max_bytes = task.log_max_file_bytes;
    }
    return spec;
}

void QemuDriver::start(const client::TaskSpec& spec, Ticket ticket) {
    auto process = make_spec(spec);
    if (!process) {
        tasks_.sink()({ticket, spec.id, client::StartFailed{std::move(process.error()), false}});
        return;
    }
    tasks_.start("qemu", spec, std::move(*process), ticket);
}

void QemuDriver::stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) {
    // The machine is asked first, where it can be; the supervisor ends what has not obeyed.
    workers_.post([this, id, signal, timeout, ticket] {
        const std::string folder = tasks_.working_directory(id);
        const bool asked = !folder.empty() && timeout.ns > 0 &&
                           ::access((folder + "/" + kMonitor).c_str(), F_OK) == 0 &&
                           send_to_monitor(folder, "system_powerdown\n").has_value();
        tasks_.stop(id, asked ? 0 : signal, timeout, ticket);
    });
}

void QemuDriver::stats(const client::TaskId& id, Ticket ticket) {
    tasks_.sink()({ticket, id, client::StatsAnswer{usage(id)}});
}

}  // namespace nl::drivers
