#pragma once
// A node's and its tasks' measurements and files.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct HostMemoryStats {
    std::int64_t total{};
    std::int64_t available{};
    std::int64_t used{};
    std::int64_t free{};

    NL_FIELDS(HostMemoryStats, (1, total), (2, available), (3, used), (4, free))
};

struct CPUStats {
    std::string cpu{};
    double user{};
    double system{};
    double idle{};
    double total_percent{};
    double total_ticks{};

    NL_FIELDS(
        CPUStats, (1, cpu), (2, user), (3, system), (4, idle), (5, total_percent), (6, total_ticks)
    )
};

struct DiskStats {
    std::string device{};
    std::string mountpoint{};
    std::int64_t size{};
    std::int64_t used{};
    std::int64_t available{};
    double used_percent{};
    double inodes_used_percent{};

    NL_FIELDS(
        DiskStats,
        (1, device),
        (2, mountpoint),
        (3, size),
        (4, used),
        (5, available),
        (6, used_percent),
        (7, inodes_used_percent)
    )
};

struct StatValue {
    std::optional<double> float_numerator_val{};
    std::optional<double> float_denominator_val{};
    std::optional<std::int64_t> int_numerator_val{};
    std::optional<std::int64_t> int_denominator_val{};
    std::optional<std::string> string_val{};
    std::optional<bool> bool_val{};
    std::string unit{};
    std::string desc{};

    NL_FIELDS(
        StatValue,
        (1, float_numerator_val),
        (2, float_denominator_val),
        (3, int_numerator_val),
        (4, int_denominator_val),
        (5, string_val),
        (6, bool_val),
        (7, unit),
        (8, desc)
    )
};

struct DeviceStats {
    Box<StatValue> summary{};
    Value stats{};
    WallTime timestamp{};

    NL_FIELDS(DeviceStats, (1, summary), (2, stats), (3, timestamp))
};

struct DeviceGroupStats {
    std::string vendor{};
    std::string type{};
    std::string name{};
    Map<DeviceStats> instance_stats{};

    NL_FIELDS(DeviceGroupStats, (1, vendor), (2, type), (3, name), (4, instance_stats))
};

struct HostStats {
    Box<HostMemoryStats> memory{};
    std::vector<CPUStats> cpu{};
    std::vector<DiskStats> disk_stats{};
    Box<DiskStats> alloc_dir_stats{};
    std::vector<DeviceGroupStats> device_stats{};
    std::int64_t uptime{};
    std::int64_t timestamp{};
    double cpu_ticks_consumed{};

    NL_FIELDS(
        HostStats,
        (1, memory),
        (2, cpu),
        (3, disk_stats),
        (4, alloc_dir_stats),
        (5, device_stats),
        (6, uptime),
        (7, timestamp),
        (8, cpu_ticks_consumed)
    )
};

struct MemoryStats {
    std::int64_t rss{};
    std::int64_t cache{};
    std::int64_t swap{};
    std::int64_t mapped_file{};
    std::int64_t usage{};
    std::int64_t max_usage{};
    std::int64_t kernel_usage{};
    std::int64_t kernel_max_usage{};
    std::vector<std::string> measured{};

    NL_FIELDS(
        MemoryStats,
        (1, rss),
        (2, cache),
        (3, swap),
        (4, mapped_file),
        (5, usage),
        (6, max_usage),
        (7, kernel_usage),
        (8, kernel_max_usage),
        (9, measured)
    )
};

struct AllocFileInfo {
    std::string name{};
    bool is_dir{};
    std::int64_t size{};
    std::string file_mode{};
    WallTime mod_time{};
    std::string content_type{};

    NL_FIELDS(
        AllocFileInfo,
        (1, name),
        (2, is_dir),
        (3, size),
        (4, file_mode),
        (5, mod_time),
        (6, content_type)
    )
};

struct CpuStats {
    double system_mode{};
    double user_mode{};
    double total_ticks{};
    std::int64_t throttled_periods{};
    std::int64_t throttled_time{};
    double percent{};
    std::vector<std::string> measured{};

    NL_FIELDS(
        CpuStats,
        (1, system_mode),
        (2, user_mode),
        (3, total_ticks),
        (4, throttled_periods),
        (5, throttled_time),
        (6, percent),
        (7, measured)
    )
};

struct ResourceUsage {
    Box<MemoryStats> memory_stats{};
    Box<CpuStats> cpu_stats{};
    std::vector<DeviceGroupStats> device_stats{};

    NL_FIELDS(ResourceUsage, (1, memory_stats), (2, cpu_stats), (3, device_stats))
};

struct TaskResourceUsage {
    Box<ResourceUsage> resource_usage{};
    std::int64_t timestamp{};
    Map<ResourceUsage> pids{};

    NL_FIELDS(TaskResourceUsage, (1, resource_usage), (2, timestamp), (3, pids))
};

struct AllocResourceUsage {
    Box<ResourceUsage> resource_usage{};
    Map<TaskResourceUsage> tasks{};
    std::int64_t timestamp{};

    NL_FIELDS(AllocResourceUsage, (1, resource_usage), (2, tasks), (3, timestamp))
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::HostMemoryStats>();
extern template const StructType& struct_type<model::CPUStats>();
extern template const StructType& struct_type<model::DiskStats>();
extern template const StructType& struct_type<model::StatValue>();
extern template const StructType& struct_type<model::DeviceStats>();
extern template const StructType& struct_type<model::DeviceGroupStats>();
extern template const StructType& struct_type<model::HostStats>();
extern template const StructType& struct_type<model::MemoryStats>();
extern template const StructType& struct_type<model::AllocFileInfo>();
extern template const StructType& struct_type<model::CpuStats>();
extern template const StructType& struct_type<model::ResourceUsage>();
extern template const StructType& struct_type<model::TaskResourceUsage>();
extern template const StructType& struct_type<model::AllocResourceUsage>();
}  // namespace nl::codec
