#include "drivers/java.h"

#include "drivers/config.h"
#include "drivers/run_program.h"

#include <sstream>
#include <utility>

namespace nl::drivers {
namespace {

struct JavaConfig {
    std::string class_;
    std::string class_path;
    std::string jar_path;
    std::vector<std::string> jvm_options;
    std::vector<std::string> args;
    std::string pid_mode;
    std::string ipc_mode;
    std::vector<std::string> cap_add;
    std::vector<std::string> cap_drop;
    std::string work_dir;
    NL_FIELDS(
        JavaConfig,
        (1, class_),
        (2, class_path),
        (3, jar_path),
        (4, jvm_options),
        (5, args),
        (6, pid_mode),
        (7, ipc_mode),
        (8, cap_add),
        (9, cap_drop),
        (10, work_dir)
    )
};

Result<OciCommand> command_of(const ValueMap& map) {
    NL_TRY(JavaConfig config, read_config<JavaConfig>("driver java", map));
    if (config.class_.empty() == config.jar_path.empty()) {
        return fail(
            ErrorCode::InvalidArgument, "config: one of jar_path or class must be specified"
        );
    }
    OciCommand out;
    out.args = {"java"};
    out.args.insert(out.args.end(), config.jvm_options.begin(), config.jvm_options.end());
    if (!config.class_path.empty()) {
        out.args.push_back("-cp");
        out.args.push_back(std::move(config.class_path));
    }
    if (!config.jar_path.empty()) {
        out.args.push_back("-jar");
        out.args.push_back(std::move(config.jar_path));
    } else {
        out.args.push_back(std::move(config.class_));
    }
    out.args.insert(out.args.end(), config.args.begin(), config.args.end());
    out.pid_mode = std::move(config.pid_mode);
    out.ipc_mode = std::move(config.ipc_mode);
    out.cap_add = std::move(config.cap_add);
    out.cap_drop = std::move(config.cap_drop);
    out.work_dir = std::move(config.work_dir);
    return out;
}

/// Between the first two quotes.
std::string between_quotes(std::string_view line) {
    const std::size_t open = line.find('"');
    const std::size_t close = open == std::string_view::npos ? open : line.find('"', open + 1);
    return close == std::string_view::npos ? ""
                                           : std::string(line.substr(open + 1, close - open - 1));
}

}  // namespace

StringMap parse_java_version(std::string_view text) {
    std::istringstream in{std::string(text)};
    std::string version;
    std::string runtime;
    std::string vm;
    std::string line;
    while (std::getline(in, line)) {
        if (line.find(" version \"") != std::string::npos) {
            version = between_quotes(line);
        } else if (!version.empty() && runtime.empty()) {
            runtime = line;
        } else if (!version.empty() && vm.empty()) {
            vm = line;
        }
    }
    if (version.empty()) {
        return {};
    }
    return {
        {"driver.java.version", version}, {"driver.java.runtime", runtime}, {"driver.java.vm", vm}
    };
}

void JavaDriver::fingerprint(Ticket ticket) {
    {
        const std::scoped_lock lock(mutex_);
        if (!asked_ && !find_in_path("java").empty()) {
            asked_ = true;
            // A virtual machine takes longer to start than a node does.
            workers_.post([this] {
                const auto said = run_program({find_in_path("java"), "-version"}, seconds(30));
                {
                    const std::scoped_lock inner(mutex_);
                    version_ = parse_java_version(said ? said->output : "");
                }
                tell(Ticket{});
            });
        }
    }
    tell(ticket);
}

void JavaDriver::tell(Ticket ticket) {
    model::DriverInfo info;
    const auto runtime = tasks_.runtime();
    if (find_in_path("java").empty()) {
        info.health_description = "no java program is installed";
    } else if (!runtime) {
        info.health_description = runtime.error().message;
    } else {
        info.detected = true;
        info.healthy = true;
        info.health_description = "Healthy";
        const std::scoped_lock lock(mutex_);
        info.attributes = version_;
        info.attributes["driver.java"] = "true";
    }
    tasks_.supervised().sink()({ticket, {}, client::Fingerprinted{"java", std::move(info)}});
}

void JavaDriver::start(const client::TaskSpec& spec, Ticket ticket) {
    auto command = command_of(spec.config);
    if (!command) {
        tasks_.supervised().sink()(
            {ticket, spec.id, client::StartFailed{std::move(command.error()), false}}
        );
        return;
    }
    tasks_.start("java", spec, std::move(*command), ticket);
}

void JavaDriver::stats(const client::TaskId& id, Ticket ticket) {
    tasks_.supervised().sink()({ticket, id, client::StatsAnswer{usage(id)}});
}

}  // namespace nl::drivers
