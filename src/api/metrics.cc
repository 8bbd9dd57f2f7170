#include "api/metrics.h"

#include "api/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace nl::api {
namespace {

std::string labels_json(const StringMap& labels) {
    std::string out = "{";
    for (const auto& [name, value] : labels) {
        if (out.size() > 1) {
            out += ',';
        }
        out += json_quote(name) + ":" + json_quote(value);
    }
    return out + "}";
}

/// JSON has no infinities.
std::string number(double value) {
    return std::isfinite(value) ? fmt::format("{}", value) : "0";
}

struct Figures {
    std::string_view name;
    const StringMap* labels;
    std::uint64_t count;
    double sum, min, max, mean, deviation, rate;
};

std::string figures_json(const Figures& f) {
    return fmt::format(
        "{{\"Name\":{},\"Count\":{},\"Rate\":{},\"Sum\":{},\"Min\":{},\"Max\":{},\"Mean\":{},"
        "\"Stddev\":{},\"Labels\":{}}}",
        json_quote(f.name),
        f.count,
        number(f.rate),
        number(f.sum),
        number(f.min),
        number(f.max),
        number(f.mean),
        number(f.deviation),
        labels_json(*f.labels)
    );
}

double divided(double a, double b) {
    return b > 0 ? a / b : 0;
}

double deviation(const Sample& s) {
    if (s.count < 2) {
        return 0;
    }
    const auto n = static_cast<double>(s.count);
    return std::sqrt(std::max(0.0, (n * s.sum_of_squares - s.sum * s.sum) / (n * (n - 1))));
}

/// "[a-zA-Z_:][a-zA-Z0-9_:]*".
std::string prometheus_name(std::string_view name) {
    std::string out;
    for (const char c : name) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        const bool digit = c >= '0' && c <= '9';
        out.push_back(letter || (digit && !out.empty()) ? c : '_');
    }
    return out;
}

std::string prometheus_labels(const StringMap& labels) {
    if (labels.empty()) {
        return "";
    }
    std::string out = "{";
    for (const auto& [name, value] : labels) {
        if (out.size() > 1) {
            out += ',';
        }
        out += prometheus_name(name) + "=\"";
        for (const char c : value) {
            if (c == '\\' || c == '"') {
                out += '\\';
            }
            out += c == '\n' ? std::string("\\n") : std::string(1, c);
        }
        out += '"';
    }
    return out + "}";
}

std::string prometheus_number(double value) {
    if (std::isnan(value)) {
        return "NaN";
    }
    if (std::isinf(value)) {
        return value > 0 ? "+Inf" : "-Inf";
    }
    return fmt::format("{}", value);
}

template <class T>
std::vector<const T*> by_name(const std::vector<T>& list) {
    std::vector<const T*> out;
    for (const T& item : list) {
        out.push_back(&item);
    }
    std::ranges::stable_sort(out, {}, [](const T* item) -> const std::string& {
        return item->name;
    });
    return out;
}

/// One TYPE line for each name, before its first line.
void type_line(std::string& out, std::string& last, const std::string& name, const char* type) {
    if (last != name) {
        out += fmt::format("# HELP {0} {0}\n# TYPE {0} {1}\n", name, type);
        last = name;
    }
}

}  // namespace

std::string metrics_json(const Metrics& metrics, WallTime now) {
    const CivilTime t = to_civil(now);
    std::string out = fmt::format(
        "{{\"Timestamp\":\"{:04}-{:02}-{:02} {:02}:{:02}:{:02} +0000 UTC\",\"Gauges\":[",
        t.year,
        t.month,
        t.day,
        t.hour,
        t.minute,
        t.second
    );
    const auto separate = [&out] {
        if (!out.ends_with('[')) {
            out += ',';
        }
    };
    for (const Gauge* gauge : by_name(metrics.gauges)) {
        separate();
        out += fmt::format(
            "{{\"Name\":{},\"Value\":{},\"Labels\":{}}}",
            json_quote(gauge->name),
            number(gauge->value),
            labels_json(gauge->labels)
        );
    }
    out += "],\"Points\":[],\"PrecisionGauges\":[],\"Counters\":[";
    const double interval = std::max(1e-9, metrics.interval.seconds());
    for (const Counter* c : by_name(metrics.counters)) {
        separate();
        const double mean = divided(c->sum, static_cast<double>(c->count));
        out += figures_json(
            {c->name, &c->labels, c->count, c->sum, mean, mean, mean, 0, c->sum / interval}
        );
    }
    out += "],\"Samples\":[";
    for (const Sample* s : by_name(metrics.samples)) {
        separate();
        const double mean = divided(s->sum, static_cast<double>(s->count));
        out += figures_json(
            {s->name,
             &s->labels,
             s->count,
             s->sum,
             s->min,
             s->max,
             mean,
             deviation(*s),
             s->sum / interval}
        );
    }
    return out + "]}";
}

std::string metrics_prometheus(const Metrics& metrics) {
    std::string out;
    std::string last;
    for (const Gauge* gauge : by_name(metrics.gauges)) {
        const std::string name = prometheus_name(gauge->name);
        type_line(out, last, name, "gauge");
        out += fmt::format(
            "{}{} {}\n", name, prometheus_labels(gauge->labels), prometheus_number(gauge->value)
        );
    }
    for (const Counter* counter : by_name(metrics.counters)) {
        const std::string name = prometheus_name(counter->name) + "_total";
        type_line(out, last, name, "counter");
        out += fmt::format(
            "{}{} {}\n", name, prometheus_labels(counter->labels), prometheus_number(counter->sum)
        );
    }
    for (const Sample* sample : by_name(metrics.samples)) {
        const std::string name = prometheus_name(sample->name);
        type_line(out, last, name, "summary");
        const std::string labels = prometheus_labels(sample->labels);
        out += fmt::format("{}_sum{} {}\n", name, labels, prometheus_number(sample->sum));
        out += fmt::format("{}_count{} {}\n", name, labels, sample->count);
    }
    return out;
}

}  // namespace nl::api
