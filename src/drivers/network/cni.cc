#include "drivers/network/cni.h"

#include "drivers/run_program.h"
#include "io/files.h"
#include "wire/value_json.h"

#include <unistd.h>

#include <algorithm>

namespace nl::drivers {
namespace {

constexpr Duration kPluginTimeout = seconds(60);
constexpr const char* kVersion = "0.4.0";

const Value* field(const Value& value, std::string_view key) {
    const Value::Map* map = value.as_map();
    if (map == nullptr) {
        return nullptr;
    }
    const auto at = map->find(key);
    return at == map->end() ? nullptr : &at->second;
}

std::string text_field(const Value& value, std::string_view key) {
    const Value* found = field(value, key);
    return found != nullptr && found->as_string() != nullptr ? *found->as_string() : "";
}

}  // namespace

Result<CniList> parse_cni(std::string_view json) {
    NL_TRY(const Value root, wire::parse_json(json));
    CniList out;
    out.name = text_field(root, "name");
    out.version = text_field(root, "cniVersion");
    if (out.version.empty()) {
        out.version = kVersion;
    }
    if (const Value* plugins = field(root, "plugins"); plugins != nullptr) {
        if (plugins->as_list() == nullptr || plugins->as_list()->empty()) {
            return fail(ErrorCode::InvalidArgument, "a CNI configuration list has no plugins");
        }
        out.plugins = *plugins->as_list();
    } else {
        out.plugins = {root};
    }
    for (const Value& plugin : out.plugins) {
        const std::string type = text_field(plugin, "type");
        if (type.empty() || type.find('/') != std::string::npos) {
            return fail(
                ErrorCode::InvalidArgument, "a CNI plugin's type must be the name of a program"
            );
        }
    }
    if (out.name.empty()) {
        return fail(ErrorCode::InvalidArgument, "a CNI configuration has no name");
    }
    return out;
}

Cni::Cni(std::vector<std::string> path) : path_(std::move(path)) {
    if (path_.empty()) {
        path_ = {"/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"};
    }
}

std::string Cni::find(const std::string& plugin) const {
    for (const std::string& folder : path_) {
        if (std::string file = folder + "/" + plugin; ::access(file.c_str(), X_OK) == 0) {
            return file;
        }
    }
    return "";
}

Result<Value> Cni::run(
    const std::string& command,
    const CniList& list,
    const Value& plugin,
    const CniRequest& request,
    const Value& previous
) const {
    const std::string type = text_field(plugin, "type");
    const std::string program = find(type);
    if (program.empty()) {
        return fail(
            ErrorCode::NotFound,
            "the CNI plugin \"{}\" is not installed in {}",
            type,
            fmt::join(path_, ", ")
        );
    }
    Value::Map config = *plugin.as_map();
    config["name"] = list.name;
    config["cniVersion"] = list.version;
    if (!previous.is_null()) {
        config["prevResult"] = previous;
    }
    const Value* abilities = field(plugin, "capabilities");
    const Value* maps = abilities != nullptr ? field(*abilities, "portMappings") : nullptr;
    if (maps != nullptr && *maps == Value(true)) {
        Value::List ports;
        for (const CniPort& port : request.ports) {
            for (const char* protocol : {"tcp", "udp"}) {
                Value::Map one{
                    {"hostPort", port.host_port},
                    {"containerPort", port.container_port},
                    {"protocol", protocol}
                };
                if (!port.host_ip.empty() && port.host_ip != "0.0.0.0") {
                    one["hostIP"] = port.host_ip;
                }
                ports.push_back(std::move(one));
            }
        }
        config["runtimeConfig"] = Value::Map{{"portMappings", std::move(ports)}};
    }
    config.erase("capabilities");
    std::string args = "IgnoreUnknown=true";
    for (const auto& [key, value] : request.args) {
        args += fmt::format(";{}={}", key, value);
    }
    NL_TRY(
        const ProgramResult said,
        run_program(
            {program},
            kPluginTimeout,
            wire::write_json(config),
            {"CNI_COMMAND=" + command,
             "CNI_CONTAINERID=" + request.container_id,
             "CNI_NETNS=" + request.net_ns,
             "CNI_IFNAME=" + request.interface,
             "CNI_ARGS=" + args,
             fmt::format("CNI_PATH={}", fmt::join(path_, ":")),
             "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            true
        )
    );
    auto answer = said.output.empty() ? Result<Value>(Value{}) : wire::parse_json(said.output);
    if (said.exit_code != 0) {
        std::string message = answer ? text_field(*answer, "msg") : "";
        if (answer && !text_field(*answer, "details").empty()) {
            message += ": " + text_field(*answer, "details");
        }
        if (message.empty()) {
            message =
                said.errors.empty() ? fmt::format("it exited {}", said.exit_code) : said.errors;
        }
        return fail(ErrorCode::Unavailable, "CNI plugin \"{}\" failed: {}", type, message);
    }
    return answer;
}

Result<CniAnswer> Cni::add(const CniList& list, const CniRequest& request) const {
    Value previous;
    for (const Value& plugin : list.plugins) {
        auto result = run("ADD", list, plugin, request, previous);
        if (!result) {
            static_cast<void>(remove(list, request, previous));
            return std::unexpected(std::move(result.error()));
        }
        if (!result->is_null()) {
            previous = std::move(*result);
        }
    }
    CniAnswer out;
    out.interface = request.interface;
    if (const Value* ips = field(previous, "ips"); ips != nullptr && ips->as_list() != nullptr) {
        for (const Value& ip : *ips->as_list()) {
            std::string address = text_field(ip, "address");
            address = address.substr(0, address.find('/'));
            std::string& into =
                address.find(':') != std::string::npos ? out.address_v6 : out.address;
            into = into.empty() ? address : into;
        }
    }
    if (const Value* dns = field(previous, "dns")) {
        out.dns = *dns;
    }
    out.result = std::move(previous);
    return out;
}

Result<void> Cni::remove(const CniList& list, const CniRequest& request, const Value& result)
    const {
    Result<void> first;
    for (auto plugin = list.plugins.rbegin(); plugin != list.plugins.rend(); ++plugin) {
        const auto done = run("DEL", list, *plugin, request, result);
        if (!done && first) {
            first = std::unexpected(done.error());
        }
    }
    return first;
}

StringMap Cni::versions() const {
    StringMap out;
    for (const std::string& folder : path_) {
        for (const std::string& name :
             io::list_directory(folder).value_or(std::vector<std::string>{})) {
            const std::string program = folder + "/" + name;
            if (out.contains(name) || ::access(program.c_str(), X_OK) != 0) {
                continue;
            }
            // "CNI bridge plugin v1.1.1", on standard error; Debian leaves out the number.
            const auto said = run_program({program, "--version"}, seconds(5), "", {"PATH=/bin"});
            std::string version;
            if (said) {
                std::size_t at = said->output.find(" v");
                while (at != std::string::npos &&
                       (said->output[at + 2] < '0' || said->output[at + 2] > '9')) {
                    at = said->output.find(" v", at + 1);
                }
                if (at != std::string::npos) {
                    version = said->output.substr(at + 1);
                    version = version.substr(0, version.find_first_of(" \n\r"));
                } else if (said->output.find("plugin") != std::string::npos) {
                    // It is one, built without its number: what speaks this protocol is new enough.
                    version = "v1.0.0";
                }
            }
            if (!version.empty()) {
                out.emplace(name, version);
            }
        }
    }
    return out;
}

CniList bridge_list(
    const std::string& bridge, const std::string& subnet, bool hairpin, const std::string& version
) {
    CniList out{"nomad", version, {}};
    out.plugins.push_back(Value::Map{
        {"type", "bridge"},
        {"bridge", bridge},
        {"ipMasq", true},
        {"isGateway", true},
        {"forceAddress", true},
        {"hairpinMode", hairpin},
        {"ipam",
         Value::Map{
             {"type", "host-local"},
             {"ranges", Value::List{Value(Value::List{Value(Value::Map{{"subnet", subnet}})})}},
             {"routes", Value::List{Value(Value::Map{{"dst", "0.0.0.0/0"}})}}
         }}
    });
    out.plugins.push_back(Value::Map{
        {"type", "firewall"}, {"backend", "iptables"}, {"iptablesAdminChainName", "NOMAD-ADMIN"}
    });
    out.plugins.push_back(Value::Map{
        {"type", "portmap"}, {"snat", true}, {"capabilities", Value::Map{{"portMappings", true}}}
    });
    return out;
}

}  // namespace nl::drivers
