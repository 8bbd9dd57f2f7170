#include "drivers/raw_exec.h"

#include "drivers/command.h"
#include "drivers/config.h"

#include <optional>
#include <utility>

namespace nl::drivers {
namespace {

constexpr std::int64_t kMaxOomScoreAdj = 1000;

struct Config {
    std::string command;
    std::vector<std::string> args;
    std::string work_dir;
    std::int64_t oom_score_adj{};
    std::vector<std::string> denied_envvars;
    std::string cgroup_v2_override;
    StringMap cgroup_v1_override;
    NL_FIELDS(
        Config,
        (1, command),
        (2, args),
        (3, work_dir),
        (4, oom_score_adj),
        (5, denied_envvars),
        (6, cgroup_v2_override),
        (7, cgroup_v1_override)
    )
    static constexpr std::array<std::string_view, 1> kRequired{"command"};
};

Result<Config> checked_config(const ValueMap& map) {
    NL_TRY(Config config, read_config<Config>("driver raw_exec", map));
    if (config.oom_score_adj < 0 || config.oom_score_adj > kMaxOomScoreAdj) {
        return fail(
            ErrorCode::InvalidArgument,
            "config: oom_score_adj must be a number from 0 to {}",
            kMaxOomScoreAdj
        );
    }
    if (!config.cgroup_v2_override.empty() || !config.cgroup_v1_override.empty()) {
        // Accepted silently it would run the task outside the group that its owner chose.
        return fail(
            ErrorCode::InvalidArgument,
            "config: this version of the node does not take cgroup_v1_override or "
            "cgroup_v2_override"
        );
    }
    return config;
}

}  // namespace

std::vector<std::string> default_denied_env() {
    return {
        "CONSUL_TOKEN",
        "CONSUL_HTTP_TOKEN",
        "NOMAD_TOKEN",
        "VAULT_TOKEN",
        "CONSUL_LICENSE",
        "NOMAD_LICENSE",
        "VAULT_LICENSE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS"
    };
}

RawExec::RawExec(RawExecOptions options, Supervised& tasks)
    : options_(std::move(options)), tasks_(tasks) {}

void RawExec::fingerprint(Ticket ticket) {
    model::DriverInfo info;
    info.detected = options_.enabled;
    info.healthy = options_.enabled;
    info.health_description = options_.enabled ? "Healthy" : "disabled";
    if (options_.enabled) {
        info.attributes["driver.raw_exec"] = "true";
    }
    tasks_.sink()({ticket, {}, client::Fingerprinted{"raw_exec", std::move(info)}});
}

Result<supervisor::SpawnSpec> RawExec::make_spec(const client::TaskSpec& task) const {
    if (!options_.enabled) {
        return fail(ErrorCode::FailedPrecondition, "driver raw_exec is disabled on this node");
    }
    NL_TRY(const Config config, checked_config(task.config));
    std::vector<std::string> denied = options_.denied_env;
    denied.insert(denied.end(), config.denied_envvars.begin(), config.denied_envvars.end());
    const auto task_path = task.env.find("PATH");
    const auto host_path = options_.host_env.find("PATH");
    const std::string path = task_path != task.env.end()            ? task_path->second
                             : host_path != options_.host_env.end() ? host_path->second
                                                                    : "";
    supervisor::SpawnSpec spec;
    NL_TRY(spec.path, find_command(config.command, task.task_dir, path));
    spec.argv.push_back(config.command);
    spec.argv.insert(spec.argv.end(), config.args.begin(), config.args.end());
    spec.env = make_env(options_.host_env, denied, task.env);
    spec.cwd = config.work_dir.empty() ? task.task_dir : config.work_dir;
    NL_TRY_VOID(set_user(task.user, spec));
    if (!task.logs_disabled) {
        spec.stdout_prefix = fmt::format("{}/{}.stdout", task.logs_dir, task.id.task);
        spec.stderr_prefix = fmt::format("{}/{}.stderr", task.logs_dir, task.id.task);
        spec.log_max_files = task.log_max_files;
        spec.log_max_bytes = task.log_max_file_bytes;
    }
    spec.oom_score_adj = config.oom_score_adj;
    spec.net_ns = task.network.net_ns;
    return spec;
}

void RawExec::start(const client::TaskSpec& task, Ticket ticket) {
    auto spec = make_spec(task);
    if (!spec) {
        tasks_.sink()({ticket, task.id, client::StartFailed{std::move(spec.error()), false}});
        return;
    }
    tasks_.start("raw_exec", task, std::move(*spec), ticket);
}

Result<std::unique_ptr<client::ExecProcess>> RawExec::exec(
    const client::TaskId& id, const client::ExecSpec& spec, client::ExecHandlers handlers
) {
    NL_TRY(supervisor::SpawnSpec program, tasks_.surroundings(id));
    if (spec.command.empty()) {
        return fail(ErrorCode::InvalidArgument, "no command to run was given");
    }
    NL_TRY(
        program.path, find_command(spec.command.front(), program.cwd, env_value(program, "PATH"))
    );
    program.argv = spec.command;
    if (spec.tty && env_value(program, "TERM").empty()) {
        program.env.emplace_back("TERM=xterm");
    }
    return tasks_.exec(id, std::move(program), spec, std::move(handlers));
}

void RawExec::stats(const client::TaskId& id, Ticket ticket) {
    tasks_.sink()({ticket, id, client::StatsAnswer{tasks_.usage(id)}});
}

}  // namespace nl::drivers
