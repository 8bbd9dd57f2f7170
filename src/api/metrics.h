#pragma once
// Measurements as values: the agent collects them and hands them to the metrics route, which writes
// them as go-metrics' JSON summary or as Prometheus' text exposition. Names are Nomad's, with dots
// ("nomad.broker.total_ready"). Source: JSON conventions, section 6; Prometheus exposition 0.0.4.

#include "base/fields.h"
#include "base/time.h"
#include "base/value.h"

#include <cstdint>
#include <string>
#include <vector>

namespace nl::api {

struct Gauge {
    std::string name;
    StringMap labels;
    double value{};
};

/// A sum since the start.
struct Counter {
    std::string name;
    StringMap labels;
    std::uint64_t count{};
    double sum{};
};

/// How long or how large things were: milliseconds for times, as in Nomad.
struct Sample {
    std::string name;
    StringMap labels;
    std::uint64_t count{};
    double sum{};
    double sum_of_squares{};
    double min{};
    double max{};
};

struct Metrics {
    std::vector<Gauge> gauges;
    std::vector<Counter> counters;
    std::vector<Sample> samples;
    /// What rates are over.
    Duration interval = seconds(1);
};

/// `{"Timestamp":...,"Gauges":[...],"Points":[],"Counters":[...],"Samples":[...]}`.
std::string metrics_json(const Metrics& metrics, WallTime now);
/// Dots become underscores; counters end in _total, samples become summaries.
std::string metrics_prometheus(const Metrics& metrics);

}  // namespace nl::api
