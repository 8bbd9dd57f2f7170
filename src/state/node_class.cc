#include "state/node_class.h"

#include "base/codec.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

namespace nl::state {
namespace {

/// FNV-1a over length-prefixed parts, so that "ab","c" and "a","bc" differ.
class Hash {
public:
    void add(std::string_view text) {
        add_number(text.size());
        for (const char c : text) {
            byte(static_cast<std::uint8_t>(c));
        }
    }
    void add_number(std::uint64_t number) {
        for (int i = 0; i < 8; ++i) {
            byte(static_cast<std::uint8_t>(number >> (8 * i)));
        }
    }
    std::uint64_t value() const { return value_; }

private:
    void byte(std::uint8_t b) { value_ = (value_ ^ b) * 1099511628211ULL; }

    std::uint64_t value_ = 14695981039346656037ULL;
};

bool is_unique(std::string_view key) {
    return key.starts_with("unique.");
}

void add_map(Hash& hash, const StringMap& map) {
    for (const auto& [key, value] : map) {
        if (!is_unique(key)) {
            hash.add(key);
            hash.add(value);
        }
    }
    hash.add("");
}

}  // namespace

std::string computed_class(const model::Node& node) {
    Hash hash;
    hash.add(node.datacenter);
    hash.add(node.node_class);
    hash.add(node.node_pool);
    add_map(hash, node.attributes);
    add_map(hash, node.meta);
    for (const auto& [name, driver] : node.drivers) {
        hash.add(name);
        hash.add_number(driver.detected && driver.healthy ? 1 : 0);
    }
    hash.add("");
    if (node.node_resources) {
        for (const model::NodeDeviceResource& device : node.node_resources->devices) {
            hash.add(device.vendor);
            hash.add(device.type);
            hash.add(device.name);
            for (const auto& [name, attribute] : device.attributes) {
                if (!is_unique(name)) {
                    hash.add(name);
                    hash.add(encode(attribute));
                }
            }
        }
    }
    hash.add("");
    for (const auto& [name, volume] : node.host_volumes) {
        hash.add(name);
        hash.add_number(volume.read_only ? 1 : 0);
    }
    hash.add("");
    for (const auto& [name, network] : node.host_networks) {
        hash.add(name);
    }
    hash.add("");
    for (const auto& [name, plugin] : node.csi_node_plugins) {
        hash.add(name);
        hash.add_number(plugin.healthy ? 1 : 0);
    }
    hash.add("");
    if (node.node_resources) {
        // What a group's network block may ask for: modes and host networks.
        for (const model::NodeNetworkResource& network : node.node_resources->node_networks) {
            hash.add(network.mode);
            for (const model::NodeNetworkAddress& address : network.addresses) {
                hash.add(address.alias);
            }
        }
    }
    return fmt::format("v1:{:016x}", hash.value());
}

}  // namespace nl::state
