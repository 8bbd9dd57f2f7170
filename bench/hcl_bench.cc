// How long a job file of about 1 MB takes: its text to a tree, and all the way to a job. The fastest
// of the rounds, by the clock and by the processor's time, which other work on the machine does not
// change much.
// usage: hcl_bench [rounds]

#include "hcl/parser.h"
#include "jobspec/jobspec.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string>

namespace {

std::string big_job() {
    std::string out = "variable \"image\" {\n  default = \"web:1\"\n}\njob \"big\" {\n";
    for (int g = 0; out.size() < 1'000'000; ++g) {
        out += fmt::format(
            "  group \"group-{0}\" {{\n    count = {1}\n    network {{\n      port \"http\" {{\n"
            "        to = 8080\n      }}\n    }}\n    task \"task-{0}\" {{\n"
            "      driver = \"docker\"\n      config {{\n        image = \"${{var.image}}-{0}\"\n"
            "        args  = [\"-v\", \"${{NOMAD_PORT_http}}\", upper(\"x\")]\n      }}\n"
            "      env {{\n        A = \"value\"\n        B = \"${{node.class}}\"\n      }}\n"
            "      template {{\n        destination = \"local/x\"\n        data = <<EOT\n"
            "line one of a template\nline two ${{NOMAD_ALLOC_ID}}\nEOT\n      }}\n"
            "      resources {{\n        cpu    = 100\n        memory = {2}\n      }}\n"
            "    }}\n  }}\n",
            g,
            1 + g % 5,
            64 + g % 512
        );
    }
    return out + "}\n";
}

struct Took {
    double clock_ms{1e9};
    double processor_ms{1e9};
};

template <class Work>
Took fastest(int rounds, Work work) {
    Took best;
    for (int i = 0; i < rounds; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        const std::clock_t before = std::clock();
        work();
        const double spent = static_cast<double>(std::clock() - before) * 1000.0 / CLOCKS_PER_SEC;
        const std::chrono::duration<double, std::milli> took =
            std::chrono::steady_clock::now() - begin;
        best.clock_ms = std::min(best.clock_ms, took.count());
        best.processor_ms = std::min(best.processor_ms, spent);
    }
    return best;
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 10;
    const std::string text = big_job();
    bool fine = true;
    const Took tree = fastest(rounds, [&] {
        nl::hcl::Diagnostics diagnostics;
        nl::hcl::parse_document(text, 0, {}, diagnostics);
        fine = fine && !diagnostics.has_errors();
    });
    const Took job = fastest(rounds, [&] {
        const auto parsed = nl::jobspec::parse({.source = text});
        fine = fine && parsed.has_value();
    });
    if (!fine) {
        fmt::print(stderr, "the made job file is refused\n");
        return 1;
    }
    fmt::print(
        "bytes {}\ntree_ms {:.1f}\ntree_processor_ms {:.1f}\njob_ms {:.1f}\njob_processor_ms {:.1f}\n",
        text.size(),
        tree.clock_ms,
        tree.processor_ms,
        job.clock_ms,
        job.processor_ms
    );
    return 0;
}
