#include "drivers/exec_driver.h"

#include "drivers/config.h"

#include <utility>

namespace nl::drivers {
namespace {

constexpr std::int64_t kMaxOomScoreAdj = 1000;

struct ExecConfig {
    std::string command;
    std::vector<std::string> args;
    std::string pid_mode;
    std::string ipc_mode;
    std::vector<std::string> cap_add;
    std::vector<std::string> cap_drop;
    std::string work_dir;
    std::string image;
    std::int64_t oom_score_adj{};
    NL_FIELDS(
        ExecConfig,
        (1, command),
        (2, args),
        (3, pid_mode),
        (4, ipc_mode),
        (5, cap_add),
        (6, cap_drop),
        (7, work_dir),
        (8, image),
        (9, oom_score_adj)
    )
    static constexpr std::array<std::string_view, 1> kRequired{"command"};
};

Result<OciCommand> command_of(const ValueMap& map) {
    NL_TRY(ExecConfig config, read_config<ExecConfig>("driver exec", map));
    if (config.oom_score_adj < 0 || config.oom_score_adj > kMaxOomScoreAdj) {
        return fail(
            ErrorCode::InvalidArgument,
            "config: oom_score_adj must be a number from 0 to {}",
            kMaxOomScoreAdj
        );
    }
    OciCommand out;
    out.args.push_back(std::move(config.command));
    out.args.insert(out.args.end(), config.args.begin(), config.args.end());
    out.pid_mode = std::move(config.pid_mode);
    out.ipc_mode = std::move(config.ipc_mode);
    out.cap_add = std::move(config.cap_add);
    out.cap_drop = std::move(config.cap_drop);
    out.work_dir = std::move(config.work_dir);
    out.image = std::move(config.image);
    out.oom_score_adj = config.oom_score_adj;
    return out;
}

}  // namespace

void ExecDriver::fingerprint(Ticket ticket) {
    model::DriverInfo info;
    if (const auto runtime = tasks_.runtime()) {
        info.detected = true;
        info.healthy = true;
        info.health_description = "Healthy";
        info.attributes["driver.exec"] = "true";
    } else {
        info.health_description = runtime.error().message;
    }
    tasks_.supervised().sink()({ticket, {}, client::Fingerprinted{"exec", std::move(info)}});
}

void ExecDriver::start(const client::TaskSpec& spec, Ticket ticket) {
    auto command = command_of(spec.config);
    if (!command) {
        tasks_.supervised().sink()(
            {ticket, spec.id, client::StartFailed{std::move(command.error()), false}}
        );
        return;
    }
    tasks_.start("exec", spec, std::move(*command), ticket);
}

void ExecDriver::stats(const client::TaskId& id, Ticket ticket) {
    tasks_.supervised().sink()({ticket, id, client::StatsAnswer{usage(id)}});
}

}  // namespace nl::drivers
