#include "drivers/fingerprint/slow.h"

#include "drivers/config.h"
#include "drivers/engine/http.h"
#include "io/files.h"
#include "wire/value_json.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <map>

namespace nl::drivers {
namespace {

constexpr Duration kMetadataTimeout = seconds(1);
constexpr const char* kMetadata = "tcp://169.254.169.254:80";

// ---- named by the node's owner

struct DeviceBlock {
    std::string vendor;
    std::string type;
    std::string name;
    std::vector<std::string> paths;
    StringMap attributes;
    NL_FIELDS(DeviceBlock, (1, vendor), (2, type), (3, name), (4, paths), (5, attributes))
    static constexpr std::array<std::string_view, 4> kRequired{"vendor", "type", "name", "paths"};
};
struct DevicesBlock {
    std::vector<DeviceBlock> device;
    NL_FIELDS(DevicesBlock, (1, device))
};

// ---- NVIDIA's management library, as its public header (nvml.h) declares what is used of it

using NvmlDevice = void*;
struct NvmlMemory {
    unsigned long long total, free, used;
};
struct NvmlPci {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};
constexpr int kNvmlSuccess = 0;
constexpr unsigned kGraphicsClock = 0;
constexpr unsigned kMemoryClock = 2;
constexpr std::size_t kTextBytes = 96;

class Nvml {
public:
    Nvml() : library_(::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
        const auto init = find<int (*)()>("nvmlInit_v2");
        ready_ = init != nullptr && init() == kNvmlSuccess;
    }
    Nvml(const Nvml&) = delete;
    Nvml& operator=(const Nvml&) = delete;
    ~Nvml() {
        if (ready_) {
            if (const auto end = find<int (*)()>("nvmlShutdown")) {
                end();
            }
        }
        // The library stays loaded: it starts threads of its own that may outlive a close.
    }

    bool ready() const { return ready_; }
    template <class F>
    F find(const char* name) const {
        return library_ == nullptr ? nullptr : reinterpret_cast<F>(::dlsym(library_, name));
    }
    std::string driver_version() const {
        char out[kTextBytes] = {};
        const auto get = find<int (*)(char*, unsigned)>("nvmlSystemGetDriverVersion");
        return get != nullptr && get(out, sizeof out) == kNvmlSuccess ? out : "";
    }
    std::string text(const char* function, NvmlDevice device) const {
        char out[kTextBytes] = {};
        const auto get = find<int (*)(NvmlDevice, char*, unsigned)>(function);
        return get != nullptr && get(device, out, sizeof out) == kNvmlSuccess ? out : "";
    }
    unsigned number(const char* function, NvmlDevice device) const {
        unsigned out = 0;
        const auto get = find<int (*)(NvmlDevice, unsigned*)>(function);
        return get != nullptr && get(device, &out) == kNvmlSuccess ? out : 0;
    }
    unsigned clock(NvmlDevice device, unsigned which) const {
        unsigned out = 0;
        const auto get =
            find<int (*)(NvmlDevice, unsigned, unsigned*)>("nvmlDeviceGetMaxClockInfo");
        return get != nullptr && get(device, which, &out) == kNvmlSuccess ? out : 0;
    }

private:
    void* library_;
    bool ready_ = false;
};

model::Attribute amount(std::int64_t value, const char* unit) {
    model::Attribute out;
    out.int_ = value;
    out.unit = unit;
    return out;
}

// ---- clouds

std::string firmware(const char* name) {
    std::string text = io::read_file(std::string("/sys/class/dmi/id/") + name).value_or("");
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.pop_back();
    }
    return text;
}

std::string ask(
    const EngineClient& client,
    const std::string& target,
    const std::map<std::string, std::string>& headers,
    const std::string& method = "GET"
) {
    EngineRequest request{.method = method, .target = target};
    request.headers = headers;
    const auto answer = client.send(request, kMetadataTimeout);
    if (!answer || answer->status != 200) {
        return "";
    }
    std::string text = answer->body;
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return text;
}

std::string last_part(const std::string& path) {
    return path.substr(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
}

void put(StringMap& out, const std::string& key, const std::string& value) {
    if (!value.empty()) {
        out.insert_or_assign(key, value);
    }
}

StringMap ask_aws(const EngineClient& client) {
    StringMap out;
    const std::string token =
        ask(client, "/latest/api/token", {{"X-aws-ec2-metadata-token-ttl-seconds", "60"}}, "PUT");
    std::map<std::string, std::string> headers;
    if (!token.empty()) {
        headers["X-aws-ec2-metadata-token"] = token;
    }
    const std::string base = "/latest/meta-data/";
    const std::string ami = ask(client, base + "ami-id", headers);
    if (ami.empty()) {
        return out;
    }
    put(out, "platform.aws.ami-id", ami);
    put(out, "unique.platform.aws.ami-id", ami);
    for (const char* key : {"instance-type", "instance-life-cycle"}) {
        put(out, std::string("platform.aws.") + key, ask(client, base + key, headers));
    }
    put(out,
        "platform.aws.placement.availability-zone",
        ask(client, base + "placement/availability-zone", headers));
    put(out, "platform.aws.placement.region", ask(client, base + "placement/region", headers));
    for (const char* key :
         {"hostname",
          "instance-id",
          "local-hostname",
          "local-ipv4",
          "public-hostname",
          "public-ipv4",
          "mac"}) {
        put(out, std::string("unique.platform.aws.") + key, ask(client, base + key, headers));
    }
    return out;
}

StringMap ask_gce(const EngineClient& client) {
    StringMap out;
    const std::map<std::string, std::string> headers{{"Metadata-Flavor", "Google"}};
    const std::string base = "/computeMetadata/v1/instance/";
    const std::string id = ask(client, base + "id", headers);
    if (id.empty()) {
        return out;
    }
    put(out, "unique.platform.gce.id", id);
    put(out, "unique.platform.gce.hostname", ask(client, base + "hostname", headers));
    put(out, "platform.gce.zone", last_part(ask(client, base + "zone", headers)));
    put(out, "platform.gce.machine-type", last_part(ask(client, base + "machine-type", headers)));
    put(out,
        "platform.gce.scheduling.preemptible",
        ask(client, base + "scheduling/preemptible", headers));
    put(out,
        "unique.platform.gce.network.default.ip",
        ask(client, base + "network-interfaces/0/ip", headers));
    return out;
}

StringMap ask_azure(const EngineClient& client) {
    StringMap out;
    const auto get = [&](const std::string& key) {
        return ask(
            client,
            "/metadata/instance/compute/" + key + "?api-version=2019-06-04&format=text",
            {{"Metadata", "true"}}
        );
    };
    const std::string id = get("vmId");
    if (id.empty()) {
        return out;
    }
    put(out, "unique.platform.azure.id", id);
    put(out, "unique.platform.azure.hostname", get("name"));
    put(out, "platform.azure.location", get("location"));
    put(out, "platform.azure.vm-size", get("vmSize"));
    put(out, "platform.azure.resource-group", get("resourceGroupName"));
    put(out, "platform.azure.scale-set", get("vmScaleSetName"));
    put(out, "platform.azure.zone", get("zone"));
    return out;
}

StringMap ask_digitalocean(const EngineClient& client) {
    StringMap out;
    const std::string base = "/metadata/v1/";
    const std::string id = ask(client, base + "id", {});
    if (id.empty()) {
        return out;
    }
    put(out, "unique.platform.digitalocean.id", id);
    put(out, "unique.platform.digitalocean.hostname", ask(client, base + "hostname", {}));
    put(out, "platform.digitalocean.region", ask(client, base + "region", {}));
    put(out,
        "unique.platform.digitalocean.private-ipv4",
        ask(client, base + "interfaces/private/0/ipv4/address", {}));
    put(out,
        "unique.platform.digitalocean.public-ipv4",
        ask(client, base + "interfaces/public/0/ipv4/address", {}));
    return out;
}

}  // namespace

std::vector<model::NodeDeviceResource> find_nvidia_devices() {
    std::map<std::string, model::NodeDeviceResource> by_name;
    const Nvml nvml;
    const auto count_of = nvml.find<int (*)(unsigned*)>("nvmlDeviceGetCount_v2");
    const auto device_of =
        nvml.find<int (*)(unsigned, NvmlDevice*)>("nvmlDeviceGetHandleByIndex_v2");
    unsigned count = 0;
    if (!nvml.ready() || count_of == nullptr || device_of == nullptr ||
        count_of(&count) != kNvmlSuccess) {
        return {};
    }
    const std::string driver = nvml.driver_version();
    for (unsigned i = 0; i < count; ++i) {
        NvmlDevice device = nullptr;
        if (device_of(i, &device) != kNvmlSuccess) {
            continue;
        }
        const std::string uuid = nvml.text("nvmlDeviceGetUUID", device);
        std::string name = nvml.text("nvmlDeviceGetName", device);
        if (uuid.empty()) {
            continue;
        }
        name = name.empty() ? "unknown" : name;
        model::NodeDeviceResource& group = by_name[name];
        if (group.instances.empty()) {
            group.vendor = "nvidia";
            group.type = "gpu";
            group.name = name;
            NvmlMemory memory{};
            const auto get = nvml.find<int (*)(NvmlDevice, NvmlMemory*)>("nvmlDeviceGetMemoryInfo");
            if (get != nullptr && get(device, &memory) == kNvmlSuccess) {
                group.attributes["memory"] =
                    amount(static_cast<std::int64_t>(memory.total >> 20), "MiB");
            }
            if (const unsigned mw = nvml.number("nvmlDeviceGetPowerManagementLimit", device);
                mw > 0) {
                group.attributes["power"] = amount(mw / 1000, "W");
            }
            if (const unsigned mhz = nvml.clock(device, kGraphicsClock); mhz > 0) {
                group.attributes["cores_clock"] = amount(mhz, "MHz");
            }
            if (const unsigned mhz = nvml.clock(device, kMemoryClock); mhz > 0) {
                group.attributes["memory_clock"] = amount(mhz, "MHz");
            }
            const auto text = [](const std::string& value) {
                model::Attribute out;
                out.string = value;
                return out;
            };
            group.attributes["driver_version"] = text(driver);
        }
        model::NodeDevice instance;
        instance.id = uuid;
        instance.healthy = true;
        NvmlPci pci{};
        const auto get_pci = nvml.find<int (*)(NvmlDevice, NvmlPci*)>("nvmlDeviceGetPciInfo_v3");
        if (get_pci != nullptr && get_pci(device, &pci) == kNvmlSuccess) {
            instance.locality.ensure().pci_bus_id = pci.bus_id;
        }
        group.instances.push_back(std::move(instance));
    }
    std::vector<model::NodeDeviceResource> out;
    for (auto& [name, group] : by_name) {
        out.push_back(std::move(group));
    }
    return out;
}

Result<std::vector<model::NodeDeviceResource>> configured_devices(const ValueMap& block) {
    NL_TRY(const DevicesBlock config, read_config<DevicesBlock>("plugin \"devices\"", block));
    std::vector<model::NodeDeviceResource> out;
    for (const DeviceBlock& device : config.device) {
        model::NodeDeviceResource group;
        group.vendor = device.vendor;
        group.type = device.type;
        group.name = device.name;
        for (const std::string& path : device.paths) {
            if (!path.starts_with("/dev/")) {
                return fail(
                    ErrorCode::InvalidArgument,
                    "plugin \"devices\": paths must lie below /dev, got \"{}\"",
                    path
                );
            }
            model::NodeDevice instance;
            instance.id = path;
            instance.healthy = ::access(path.c_str(), F_OK) == 0;
            instance.health_description = instance.healthy ? "" : path + " is not there";
            group.instances.push_back(std::move(instance));
        }
        for (const auto& [key, value] : device.attributes) {
            model::Attribute attribute;
            attribute.string = value;
            group.attributes.emplace(key, std::move(attribute));
        }
        out.push_back(std::move(group));
    }
    return out;
}

StringMap cloud_attributes(
    const std::vector<std::string>& wanted, const std::vector<std::string>& refused
) {
    const std::string vendor = firmware("sys_vendor");
    const std::string product = firmware("product_name");
    const std::string chassis = firmware("chassis_asset_tag");
    const std::string version = firmware("product_version");
    const auto is = [&](const char* name, bool told) {
        const bool asked = std::ranges::find(wanted, name) != wanted.end();
        return (told || asked) && std::ranges::find(refused, name) == refused.end();
    };
    const EngineClient client(kMetadata);
    if (is("env_aws",
           vendor.find("Amazon") != std::string::npos || version.find("amazon") != std::string::npos
        )) {
        if (StringMap out = ask_aws(client); !out.empty()) {
            return out;
        }
    }
    if (is("env_gce", vendor == "Google" || product.find("Google Compute") != std::string::npos)) {
        if (StringMap out = ask_gce(client); !out.empty()) {
            return out;
        }
    }
    // Azure's machines all carry this tag.
    if (is("env_azure", chassis == "7783-7084-3265-9085-8269-3286-77")) {
        if (StringMap out = ask_azure(client); !out.empty()) {
            return out;
        }
    }
    if (is("env_digitalocean", vendor == "DigitalOcean")) {
        return ask_digitalocean(client);
    }
    return {};
}

}  // namespace nl::drivers
