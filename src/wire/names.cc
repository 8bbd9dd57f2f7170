#include "wire/names.h"

#include <algorithm>
#include <array>
#include <utility>

namespace nl::wire {
namespace {

struct Word {
    std::string_view plain;
    std::string_view written;
};

constexpr std::array<Word, 41> kAcronyms{{
    {"id", "ID"},           {"ids", "IDs"},   {"cpu", "CPU"},   {"mb", "MB"},
    {"dns", "DNS"},         {"cidr", "CIDR"}, {"ip", "IP"},     {"mbits", "MBits"},
    {"numa", "NUMA"},       {"cni", "CNI"},   {"iops", "IOPS"}, {"ui", "UI"},
    {"ttl", "TTL"},         {"tls", "TLS"},   {"csi", "CSI"},   {"grpc", "GRPC"},
    {"http", "HTTP"},       {"fs", "FS"},     {"rpc", "RPC"},   {"acl", "ACL"},
    {"jwks", "JWKS"},       {"oidc", "OIDC"}, {"pkce", "PKCE"}, {"url", "URL"},
    {"sni", "SNI"},         {"sds", "SDS"},   {"uid", "UID"},   {"uids", "UIDs"},
    {"dc", "DC"},           {"jwt", "JWT"},   {"json", "JSON"}, {"rss", "RSS"},
    {"selinux", "SELinux"}, {"tcp", "TCP"},   {"ca", "CA"},     {"uris", "URIs"},
    {"cidrs", "CIDRs"},     {"tg", "TG"},     {"gc", "GC"},     {"ipv6", "IPv6"},
    {"rtt", "RTT"},
}};

struct Exception {
    std::string_view type;
    std::string_view field;
    std::string_view written;
};

constexpr std::array<Exception, 17> kIrregular{{
    {"JobUILink", "url", "Url"},
    {"Template", "uid", "Uid"},
    {"LegacyNodeCpuResources", "cpu_shares", "CpuShares"},
    {"LegacyNodeCpuResources", "total_cpu_cores", "TotalCpuCores"},
    {"LegacyNodeCpuResources", "reservable_cpu_cores", "ReservableCpuCores"},
    {"NodeResources", "cpu", "Cpu"},
    {"NodeReservedCpuResources", "cpu_shares", "CpuShares"},
    {"NodeReservedCpuResources", "reserved_cpu_cores", "ReservedCpuCores"},
    {"NodeReservedResources", "cpu", "Cpu"},
    {"AllocatedCpuResources", "cpu_shares", "CpuShares"},
    {"AllocatedTaskResources", "cpu", "Cpu"},
    {"ACLAuthMethodConfig", "jwksurl", "JWKSURL"},
    {"ACLAuthMethodConfig", "discovery_ca_pem", "DiscoveryCaPem"},
    {"ResourceUsage", "cpu_stats", "CpuStats"},
    {"Allocation", "failed_tg_allocs", "FailedTGAllocs"},
    {"Secret", "secrets_mb", "SecretsMB"},
    {"OIDCClientAssertionKey", "pem_key", "PemKey"},
}};

using Field = std::pair<std::string_view, std::string_view>;

// A whole type that leaves out every zero field has an empty field name here.
constexpr std::array<Field, 36> kOmitEmpty{{
    {"Allocation", ""},
    {"Evaluation", ""},
    {"NetworkResource", ""},
    {"Port", ""},
    {"AllocatedPortMapping", ""},
    {"StatValue", ""},
    {"Attribute", ""},
    {"JobListStub", "namespace_"},
    {"JobListStub", "meta"},
    {"NodeListStub", "attributes"},
    {"NodeListStub", "node_resources"},
    {"NodeListStub", "reserved_resources"},
    {"CSIInfo", "controller_info"},
    {"CSIInfo", "node_info"},
    {"AllocListStub", "allocated_resources"},
    {"VariableMetadata", "lock"},
    {"VariableDecrypted", "lock"},
    {"VariableDecrypted", "items"},
    {"CheckQueryResult", "status_code"},
    {"CheckQueryResult", "task"},
    {"HostVolume", "constraints"},
    {"HostVolume", "parameters"},
    {"HostVolume", "allocations"},
    {"OperatorHealthReply", "read_replicas"},
    {"OperatorHealthReply", "redundancy_zones"},
    {"OperatorHealthReply", "upgrade"},
    {"OperatorHealthReply", "optimistic_failure_tolerance"},
    {"FuzzyMatch", "scope"},
    {"AllocFileInfo", "content_type"},
    {"StreamFrame", ""},
    {"EventPayload", ""},
    {"JobEvent", "deleted"},
    {"ExecFrame", ""},
    {"ExecStream", ""},
    {"ExecResult", ""},
    {"SeedJob", "image"},
}};

// What Nomad does not have; left out while it has no value, so that Nomad's clients see what they
// know.
constexpr std::array<Field, 6> kAddition{{
    {"PeriodicConfig", "missed"},
    {"ParameterizedJobConfig", "max_parallel"},
    {"Job", "retain"},
    {"Job", "ttl"},
    {"Job", "max_run_duration"},
    {"Task", "max_run_duration"},
}};

constexpr std::array<Field, 7> kOnlyAsWritten{{
    {"Job", "reschedule"},
    {"Job", "migrate"},
    {"Vault", "policies"},
    {"LogConfig", "enabled"},
    {"ScalingPolicy", "namespace_"},
    {"ServiceCheck", "advertise"},
    {"Service", "check_restart"},
}};

constexpr std::array<Field, 10> kDurationText{{
    {"ACLToken", "expiration_ttl"},
    {"ACLAuthMethod", "max_token_ttl"},
    {"ACLAuthMethodConfig", "expiration_leeway"},
    {"ACLAuthMethodConfig", "not_before_leeway"},
    {"ACLAuthMethodConfig", "clock_skew_leeway"},
    {"VariableLock", "ttl"},
    {"VariableLock", "lock_delay"},
    {"AutopilotConfiguration", "last_contact_threshold"},
    {"AutopilotConfiguration", "server_stabilization_time"},
    {"ServerHealth", "last_contact"},
}};

constexpr std::array<Field, 1> kNumberAsBool{{
    {"TopologyCore", "grade"},
}};

constexpr std::array<Field, 9> kEmptyNotNull{{
    {"RaftConfigurationResponse", "servers"},
    {"ServerMembersResponse", "members"},
    {"JobVersionsResponse", "versions"},
    {"JobSummary", "summary"},
    {"JobListStub", "datacenters"},
    {"ServiceRegistrationListStub", "services"},
    {"ACLRole", "policies"},
    {"JobScaleStatus", "task_groups"},
    {"PeriodicConfig", "specs"},
}};

template <std::size_t N>
bool contains(const std::array<Field, N>& list, std::string_view type, std::string_view field) {
    return std::any_of(list.begin(), list.end(), [&](const Field& f) {
        return f.first == type && f.second == field;
    });
}

std::string capitalised(std::string_view word) {
    for (const Word& w : kAcronyms) {
        if (w.plain == word) {
            return std::string(w.written);
        }
    }
    std::string out(word);
    if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') {
        out[0] = static_cast<char>(out[0] - 'a' + 'A');
    }
    return out;
}

}  // namespace

std::string json_name(std::string_view type, std::string_view field) {
    for (const Exception& e : kIrregular) {
        if (e.type == type && e.field == field) {
            return std::string(e.written);
        }
    }
    // A trailing underscore only keeps a field's name apart from a C++ keyword.
    while (field.ends_with('_')) {
        field.remove_suffix(1);
    }
    std::string out;
    while (!field.empty()) {
        const std::size_t end = std::min(field.find('_'), field.size());
        out += capitalised(field.substr(0, end));
        field.remove_prefix(std::min(end + 1, field.size()));
    }
    return out;
}

bool omits_empty(std::string_view type, std::string_view field) {
    return contains(kOmitEmpty, type, "") || contains(kOmitEmpty, type, field);
}
bool is_addition(std::string_view type, std::string_view field) {
    return contains(kAddition, type, field);
}
bool only_as_written(std::string_view type, std::string_view field) {
    return contains(kOnlyAsWritten, type, field);
}
bool duration_as_text(std::string_view type, std::string_view field) {
    return contains(kDurationText, type, field);
}
bool number_as_bool(std::string_view type, std::string_view field) {
    return contains(kNumberAsBool, type, field);
}
bool empty_not_null(std::string_view type, std::string_view field) {
    return contains(kEmptyNotNull, type, field);
}

}  // namespace nl::wire
