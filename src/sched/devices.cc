#include "sched/devices.h"

#include "sched/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace nl::sched {
namespace {

struct Unit {
    std::string_view name;
    double factor;
    std::string_view measure;
};

constexpr std::array<Unit, 27> kUnits{{
    {"", 1, ""},
    {"B", 1, "bytes"},
    {"kB", 1e3, "bytes"},
    {"MB", 1e6, "bytes"},
    {"GB", 1e9, "bytes"},
    {"TB", 1e12, "bytes"},
    {"KiB", 1024.0, "bytes"},
    {"MiB", 1048576.0, "bytes"},
    {"GiB", 1073741824.0, "bytes"},
    {"TiB", 1099511627776.0, "bytes"},
    {"B/s", 1, "rate"},
    {"kB/s", 1e3, "rate"},
    {"MB/s", 1e6, "rate"},
    {"GB/s", 1e9, "rate"},
    {"TB/s", 1e12, "rate"},
    {"KiB/s", 1024.0, "rate"},
    {"MiB/s", 1048576.0, "rate"},
    {"GiB/s", 1073741824.0, "rate"},
    {"TiB/s", 1099511627776.0, "rate"},
    {"Hz", 1, "frequency"},
    {"kHz", 1e3, "frequency"},
    {"MHz", 1e6, "frequency"},
    {"GHz", 1e9, "frequency"},
    {"mW", 1e-3, "power"},
    {"W", 1, "power"},
    {"kW", 1e3, "power"},
    {"MW", 1e6, "power"},
}};

std::string text_of(const model::Attribute& attribute) {
    std::string text;
    if (attribute.int_) {
        text = fmt::format("{}", *attribute.int_);
    } else if (attribute.float_) {
        text = fmt::format("{}", *attribute.float_);
    } else if (attribute.bool_) {
        text = *attribute.bool_ ? "true" : "false";
    } else {
        text = attribute.string.value_or("");
    }
    return attribute.unit.empty() ? text : text + " " + attribute.unit;
}

std::optional<std::string> resolve(
    std::string_view target, const model::NodeDeviceResource& device
) {
    if (!target.starts_with("${")) {
        return std::string(target);
    }
    if (target == "${device.vendor}") {
        return device.vendor;
    }
    if (target == "${device.type}") {
        return device.type;
    }
    if (target == "${device.model}") {
        return device.name;
    }
    if (target == "${device.ids}") {
        std::string ids;
        for (const auto& instance : device.instances) {
            ids += (ids.empty() ? "" : ",") + instance.id;
        }
        return ids;
    }
    constexpr std::string_view kAttribute = "${device.attr.";
    if (target.starts_with(kAttribute) && target.ends_with('}')) {
        const auto name = target.substr(kAttribute.size(), target.size() - kAttribute.size() - 1);
        const auto at = device.attributes.find(name);
        if (at != device.attributes.end()) {
            return text_of(at->second);
        }
    }
    return std::nullopt;
}

/// Quantities of one measure compare as numbers; everything else as node attributes do.
bool device_holds(
    std::string_view operand,
    const std::optional<std::string>& left,
    const std::optional<std::string>& right,
    RegexCache& regexes
) {
    if (left && right) {
        const auto a = parse_quantity(*left);
        const auto b = parse_quantity(*right);
        if (a && b) {
            const bool comparable = a->measure == b->measure;
            if (operand.empty() || operand == "=" || operand == "==" || operand == "is") {
                return comparable && a->value == b->value;
            }
            if (operand == "!=" || operand == "not") {
                return !comparable || a->value != b->value;
            }
            if (operand == "<") {
                return comparable && a->value < b->value;
            }
            if (operand == "<=") {
                return comparable && a->value <= b->value;
            }
            if (operand == ">") {
                return comparable && a->value > b->value;
            }
            if (operand == ">=") {
                return comparable && a->value >= b->value;
            }
        }
    }
    const auto view = [](const std::optional<std::string>& text) {
        return text ? std::optional<std::string_view>(*text) : std::nullopt;
    };
    return holds(operand, view(left), view(right), regexes);
}

}  // namespace

std::optional<Quantity> parse_quantity(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || !std::isfinite(value)) {
        return std::nullopt;
    }
    std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    while (unit.starts_with(' ')) {
        unit.remove_prefix(1);
    }
    const auto at = std::ranges::find(kUnits, unit, &Unit::name);
    if (at == kUnits.end()) {
        return std::nullopt;
    }
    return Quantity{value * at->factor, at->measure};
}

bool device_has_name(const model::NodeDeviceResource& device, std::string_view name) {
    const auto first = name.find('/');
    if (first == std::string_view::npos) {
        return name == device.type;
    }
    const auto second = name.find('/', first + 1);
    if (name.substr(0, first) != device.vendor) {
        return false;
    }
    if (second == std::string_view::npos) {
        return name.substr(first + 1) == device.type;
    }
    return name.substr(first + 1, second - first - 1) == device.type &&
           name.substr(second + 1) == device.name;
}

bool device_matches(
    const model::NodeDeviceResource& device,
    const model::RequestedDevice& request,
    RegexCache& regexes
) {
    return device_has_name(device, request.name) &&
           std::ranges::all_of(request.constraints, [&](const model::Constraint& c) {
               return device_holds(
                   c.operand, resolve(c.l_target, device), resolve(c.r_target, device), regexes
               );
           });
}

double device_affinity(
    const model::NodeDeviceResource& device,
    const model::RequestedDevice& request,
    RegexCache& regexes
) {
    double sum = 0;
    double total = 0;
    for (const model::Affinity& a : request.affinities) {
        const auto weight = static_cast<double>(a.weight);
        total += std::abs(weight);
        if (device_holds(
                a.operand, resolve(a.l_target, device), resolve(a.r_target, device), regexes
            )) {
            sum += weight;
        }
    }
    return total == 0 ? 0 : sum / total;
}

double best_device_affinity(
    const model::TaskGroup& group, const model::Node& node, RegexCache& regexes
) {
    double sum = 0;
    std::size_t requests = 0;
    for (const model::Task& task : group.tasks) {
        if (!task.resources || !node.node_resources) {
            continue;
        }
        for (const auto& request : task.resources->devices) {
            if (request.affinities.empty()) {
                continue;
            }
            ++requests;
            std::optional<double> best;
            for (const auto& device : node.node_resources->devices) {
                if (device_matches(device, request, regexes)) {
                    const double here = device_affinity(device, request, regexes);
                    best = std::max(best.value_or(here), here);
                }
            }
            sum += best.value_or(0);
        }
    }
    return requests == 0 ? 0 : sum / static_cast<double>(requests);
}

bool ranks_devices(const model::TaskGroup& group) {
    return std::ranges::any_of(group.tasks, [](const model::Task& task) {
        return task.resources &&
               std::ranges::any_of(task.resources->devices, [](const auto& request) {
                   return !request.affinities.empty();
               });
    });
}

}  // namespace nl::sched
