#include "drivers/host_volumes.h"

#include "io/files.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

namespace nl::drivers {
namespace {

constexpr std::string_view kPrefix = "volume/";
constexpr std::size_t kMaxPluginOutput = 1U << 20;
constexpr std::string_view kMkdirVersion = "0.0.1";

bool is_plugin_name(const std::string& name) {
    return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    });
}

bool is_volume_id(const std::string& id) {
    return Uuid::parse(id).has_value();
}

std::string text_of(int error) {
    return std::strerror(error);  // NOLINT(concurrency-mt-unsafe): glibc's is safe.
}

std::string quote(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
            out.push_back(c);
        }
    }
    return out + "\"";
}

/// The value of a top-level member of a small JSON object, as text.
std::string member(std::string_view json, std::string_view name) {
    const std::size_t at = json.find("\"" + std::string(name) + "\"");
    if (at == std::string_view::npos) {
        return "";
    }
    std::string_view rest = json.substr(at + name.size() + 2);
    rest.remove_prefix(std::min(rest.find_first_not_of(": \t\r\n"), rest.size()));
    if (rest.starts_with('"')) {
        std::string out;
        for (std::size_t i = 1; i < rest.size() && rest[i] != '"'; ++i) {
            i += rest[i] == '\\' && i + 1 < rest.size() ? 1U : 0U;
            out.push_back(rest[i]);
        }
        return out;
    }
    return std::string(rest.substr(0, rest.find_first_of(",} \r\n")));
}

Result<std::string> run_plugin(
    const std::string& program,
    const std::string& operation,
    std::vector<std::string> env,
    Duration timeout
) {
    std::array<int, 2> out{};
    if (pipe2(out.data(), O_CLOEXEC) != 0) {
        return fail(ErrorCode::Unavailable, "pipe: {}", text_of(errno));
    }
    std::string path = program;
    std::string argument = operation;
    std::array<char*, 3> args{path.data(), argument.data(), nullptr};
    std::vector<char*> envp;
    for (std::string& variable : env) {
        envp.push_back(variable.data());
    }
    envp.push_back(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        dup2(out[1], 1);
        const int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 2);
        execve(path.c_str(), args.data(), envp.data());
        _exit(127);
    }
    close(out[1]);
    if (pid < 0) {
        close(out[0]);
        return fail(ErrorCode::Unavailable, "fork: {}", text_of(errno));
    }
    std::string said;
    std::array<char, 4096> buffer{};
    std::int64_t left = timeout.ms();
    while (left > 0) {
        pollfd wait{out[0], POLLIN, 0};
        const int ready = poll(&wait, 1, 100);
        left -= ready == 0 ? 100 : 0;
        if (ready == 0) {
            continue;
        }
        const ssize_t n = read(out[0], buffer.data(), buffer.size());
        if (n <= 0) {
            break;
        }
        if (said.size() < kMaxPluginOutput) {
            said.append(buffer.data(), static_cast<std::size_t>(n));
        }
    }
    if (left <= 0) {
        kill(-pid, SIGKILL);
    }
    close(out[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    if (left <= 0) {
        return fail(ErrorCode::Timeout, "the plugin did not end within {}", to_string(timeout));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return fail(
            ErrorCode::Unavailable,
            "the plugin ended with exit code {}: {}",
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            said
        );
    }
    return said;
}

}  // namespace

HostVolumes::HostVolumes(Options options, env::BlobStore& store, const env::BlobsLoaded& records)
    : options_(std::move(options)), store_(store), loop_({.name = "host-volumes"}) {
    for (const env::BlobRecord& record : records.records) {
        if (!record.key.starts_with(kPrefix)) {
            continue;
        }
        if (auto volume = decode<model::HostVolume>(record.data)) {
            std::string id = volume->id;
            volumes_.emplace(std::move(id), std::move(*volume));
        }
    }
    loop_.start();
}

HostVolumes::~HostVolumes() {
    loop_.stop();
}

Map<model::ClientHostVolumeConfig> HostVolumes::offered() const {
    Map<model::ClientHostVolumeConfig> out = options_.fixed;
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, volume] : volumes_) {
        out[volume.name] = {
            .name = volume.name, .path = volume.host_path, .read_only = false, .id = id
        };
    }
    return out;
}

Result<void> HostVolumes::keep(const model::HostVolume& volume) {
    NL_TRY_VOID(store_.put(std::string(kPrefix) + volume.id, encode(volume), env::Durability::Power)
    );
    {
        const std::scoped_lock lock(mutex_);
        volumes_.insert_or_assign(volume.id, volume);
    }
    options_.on_change(offered());
    return {};
}

void HostVolumes::create(model::HostVolume volume, OnDone done) {
    loop_.must_post([this, v = std::move(volume), d = std::move(done)]() mutable {
        auto made = run_create(v);
        if (made) {
            v.host_path = made->host_path;
            v.capacity_bytes = made->capacity_bytes;
            if (auto kept = keep(v); !kept) {
                made = std::unexpected(kept.error());
            }
        }
        d(std::move(made));
    });
}

void HostVolumes::register_one(model::HostVolume volume, OnDone done) {
    loop_.must_post([this, v = std::move(volume), d = std::move(done)]() mutable {
        std::error_code error;
        if (!v.host_path.starts_with('/') || !std::filesystem::exists(v.host_path, error)) {
            d(fail(
                ErrorCode::InvalidArgument,
                "host path \"{}\" is not there on this node",
                v.host_path
            ));
            return;
        }
        if (auto kept = keep(v); !kept) {
            d(std::unexpected(kept.error()));
            return;
        }
        d(server::VolumeAnswer{v.host_path, v.capacity_bytes});
    });
}

void HostVolumes::remove(model::HostVolume volume, OnDone done) {
    loop_.must_post([this, v = std::move(volume), d = std::move(done)] {
        {
            const std::scoped_lock lock(mutex_);
            if (!volumes_.contains(v.id)) {
                d(server::VolumeAnswer{});
                return;
            }
        }
        if (auto removed = run_remove(v); !removed) {
            d(std::unexpected(removed.error()));
            return;
        }
        static_cast<void>(store_.erase(std::string(kPrefix) + v.id));
        {
            const std::scoped_lock lock(mutex_);
            volumes_.erase(v.id);
        }
        options_.on_change(offered());
        d(server::VolumeAnswer{});
    });
}

namespace {

std::vector<std::string> plugin_env(
    const std::string& operation,
    const model::HostVolume& v,
    const std::string& volumes_dir,
    const std::string& plugin_dir,
    const Uuid& node,
    const std::string& pool
) {
    std::string parameters = "{";
    for (const auto& [key, value] : v.parameters) {
        parameters += (parameters.size() > 1 ? "," : "") + quote(key) + ":" + quote(value);
    }
    return {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DHV_OPERATION=" + operation,
        "DHV_VOLUMES_DIR=" + volumes_dir,
        "DHV_PLUGIN_DIR=" + plugin_dir,
        "DHV_NAMESPACE=" + v.namespace_,
        "DHV_VOLUME_NAME=" + v.name,
        "DHV_VOLUME_ID=" + v.id,
        "DHV_NODE_ID=" + node.str(),
        "DHV_NODE_POOL=" + pool,
        fmt::format("DHV_CAPACITY_MIN_BYTES={}", v.requested_capacity_min_bytes),
        fmt::format("DHV_CAPACITY_MAX_BYTES={}", v.requested_capacity_max_bytes),
        "DHV_PARAMETERS=" + parameters + "}",
        "DHV_CREATED_PATH=" + v.host_path
    };
}

}  // namespace

Result<server::VolumeAnswer> HostVolumes::run_create(const model::HostVolume& v) {
    // Looked at here as well as on the server: a name with a slash would run any program of the
    // node.
    if (!is_plugin_name(v.plugin_id)) {
        return fail(
            ErrorCode::InvalidArgument, "plugin id \"{}\" is no plugin's name", v.plugin_id
        );
    }
    if (!is_volume_id(v.id)) {
        return fail(ErrorCode::InvalidArgument, "\"{}\" is no volume's id", v.id);
    }
    {
        const std::scoped_lock lock(mutex_);
        for (const auto& [id, other] : volumes_) {
            if (other.name == v.name && id != v.id) {
                return fail(
                    ErrorCode::AlreadyExists, "this node has a volume \"{}\" already", v.name
                );
            }
        }
        if (options_.fixed.contains(v.name)) {
            return fail(
                ErrorCode::AlreadyExists,
                "this node's configuration has a volume \"{}\" already",
                v.name
            );
        }
    }
    NL_TRY_VOID(io::make_directories(options_.volumes_dir, 0711));
    if (v.plugin_id == "mkdir") {
        const std::string path = options_.volumes_dir + "/" + v.id;
        unsigned mode = 0700;
        if (const auto at = v.parameters.find("mode"); at != v.parameters.end()) {
            const std::string& text = at->second;
            const auto [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), mode, 8);
            if (error != std::errc{} || end != text.data() + text.size() || mode > 07777) {
                return fail(
                    ErrorCode::InvalidArgument, "mkdir: mode \"{}\" is no octal number", text
                );
            }
        }
        std::array<std::int64_t, 2> owner{-1, -1};
        for (const auto& [index, key] : {std::pair(0U, "uid"), std::pair(1U, "gid")}) {
            if (const auto at = v.parameters.find(key); at != v.parameters.end()) {
                const std::string& text = at->second;
                const auto [end, error] =
                    std::from_chars(text.data(), text.data() + text.size(), owner[index]);
                if (error != std::errc{} || end != text.data() + text.size() || owner[index] < 0) {
                    return fail(
                        ErrorCode::InvalidArgument, "mkdir: {} \"{}\" is no number", key, text
                    );
                }
            }
        }
        if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
            return fail(ErrorCode::Unavailable, "{}: {}", path, text_of(errno));
        }
        if (chmod(path.c_str(), mode) != 0 ||
            ((owner[0] >= 0 || owner[1] >= 0) &&
             chown(path.c_str(), static_cast<uid_t>(owner[0]), static_cast<gid_t>(owner[1])) != 0
            )) {
            return fail(ErrorCode::Unavailable, "{}: {}", path, text_of(errno));
        }
        return server::VolumeAnswer{path, 0};
    }
    const std::string program = options_.plugin_dir + "/" + v.plugin_id;
    if (options_.plugin_dir.empty() || access(program.c_str(), X_OK) != 0) {
        return fail(ErrorCode::NotFound, "no such plugin \"{}\" on this node", v.plugin_id);
    }
    NL_TRY(
        const std::string said,
        run_plugin(
            program,
            "create",
            plugin_env(
                "create",
                v,
                options_.volumes_dir,
                options_.plugin_dir,
                options_.node_id,
                options_.node_pool
            ),
            options_.plugin_timeout
        )
    );
    server::VolumeAnswer answer;
    answer.host_path = member(said, "path");
    const std::string bytes = member(said, "bytes");
    std::from_chars(bytes.data(), bytes.data() + bytes.size(), answer.capacity_bytes);
    if (!answer.host_path.starts_with('/')) {
        return fail(ErrorCode::Unavailable, "plugin \"{}\" named no path: {}", v.plugin_id, said);
    }
    return answer;
}

Result<void> HostVolumes::run_remove(const model::HostVolume& asked) {
    model::HostVolume v;
    {
        const std::scoped_lock lock(mutex_);
        v = volumes_.at(asked.id);
    }
    if (v.plugin_id.empty()) {
        // Registered: what is in it is not ours to remove.
        return {};
    }
    if (v.plugin_id == "mkdir") {
        const std::string path = options_.volumes_dir + "/" + v.id;
        if (!is_volume_id(v.id)) {
            return fail(ErrorCode::InvalidArgument, "\"{}\" is no volume's id", v.id);
        }
        std::error_code error;
        std::filesystem::remove_all(path, error);
        return error ? fail(ErrorCode::Unavailable, "{}: {}", path, error.message())
                     : Result<void>{};
    }
    if (!is_plugin_name(v.plugin_id)) {
        return fail(
            ErrorCode::InvalidArgument, "plugin id \"{}\" is no plugin's name", v.plugin_id
        );
    }
    NL_TRY(
        const std::string said,
        run_plugin(
            options_.plugin_dir + "/" + v.plugin_id,
            "delete",
            plugin_env(
                "delete",
                v,
                options_.volumes_dir,
                options_.plugin_dir,
                options_.node_id,
                options_.node_pool
            ),
            options_.plugin_timeout
        )
    );
    static_cast<void>(said);
    return {};
}

StringMap HostVolumes::attributes() const {
    StringMap out;
    out["plugins.host_volume.mkdir.version"] = kMkdirVersion;
    const auto names = options_.plugin_dir.empty()
                           ? Result<std::vector<std::string>>(std::vector<std::string>{})
                           : io::list_directory(options_.plugin_dir);
    for (const std::string& name : names ? *names : std::vector<std::string>{}) {
        const std::string program = options_.plugin_dir + "/" + name;
        if (!is_plugin_name(name) || access(program.c_str(), X_OK) != 0) {
            continue;
        }
        const auto said = run_plugin(
            program,
            "fingerprint",
            {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
             "DHV_OPERATION=fingerprint"},
            seconds(5)
        );
        const std::string version = said ? member(*said, "version") : "";
        if (!version.empty()) {
            out["plugins.host_volume." + name + ".version"] = version;
        }
    }
    return out;
}

}  // namespace nl::drivers
