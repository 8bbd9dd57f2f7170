#include "cli/context.h"

#include <algorithm>
#include <optional>

namespace nl::cli {

namespace {

constexpr std::string_view kShort = R"(job "example" {
  type = "service"

  group "web" {
    count = 1

    network {
      port "http" {}
    }

    task "server" {
      driver = "raw_exec"

      config {
        command = "/usr/bin/python3"
        args    = ["-m", "http.server", "${NOMAD_PORT_http}"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
)";

constexpr std::string_view kLong =
    R"(# A job says what shall run; the servers choose where and keep it so.
# Submit it with: nomad-lite job run example.nomad.hcl
job "example" {
  # service: runs on and is kept alive. batch: runs to its end. system: one on every node.
  type = "service"

  # Nodes of any datacenter will do.
  datacenters = ["*"]

  # How a new version replaces the old one: one allocation at a time, each healthy for ten seconds.
  update {
    max_parallel     = 1
    min_healthy_time = "10s"
    healthy_deadline = "3m"
    auto_revert      = true
  }

  # The tasks of a group run together on one node.
  group "web" {
    count = 1

    # A port of the node, chosen by the scheduler; the task finds it in NOMAD_PORT_http.
    network {
      port "http" {}
    }

    # The server answers under this name in the service catalogue while its check passes.
    service {
      name     = "example"
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/"
        interval = "10s"
        timeout  = "2s"
      }
    }

    # A task that fails is restarted twice within half an hour, then placed elsewhere.
    restart {
      attempts = 2
      interval = "30m"
      delay    = "15s"
      mode     = "fail"
    }

    task "server" {
      # raw_exec runs a program of the node as it is, exec isolates it, docker runs an image.
      driver = "raw_exec"

      config {
        command = "/usr/bin/python3"
        args    = ["-m", "http.server", "${NOMAD_PORT_http}"]
      }

      # What the scheduler sets aside: MHz and MiB.
      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
)";

constexpr std::string_view kConnect =
    R"(# Two services that talk through a Consul service mesh: each has a proxy beside it, and only the
# proxies talk to each other, encrypted. Needs Consul and Docker on the nodes.
job "mesh" {
  group "api" {
    network {
      mode = "bridge"
    }

    # The proxy takes what comes for this service and hands it to port 9001 inside the group.
    service {
      name = "count-api"
      port = "9001"

      connect {
        sidecar_service {}
      }
    }

    task "web" {
      driver = "docker"

      config {
        image = "hashicorpdev/counter-api:v3"
      }
    }
  }

  group "dashboard" {
    network {
      mode = "bridge"

      # From outside the mesh the dashboard is reached on port 9002 of its node.
      port "http" {
        static = 9002
        to     = 9002
      }
    }

    service {
      name = "count-dashboard"
      port = "http"

      connect {
        sidecar_service {
          proxy {
            # Inside the group the other service answers on this port.
            upstreams {
              destination_name = "count-api"
              local_bind_port  = 8080
            }
          }
        }
      }
    }

    task "dashboard" {
      driver = "docker"

      env {
        COUNTING_SERVICE_URL = "http://${NOMAD_UPSTREAM_ADDR_count_api}"
      }

      config {
        image = "hashicorpdev/counter-dashboard:v3"
      }
    }
  }
}
)";

constexpr std::string_view kTemplates = "nomad/job-templates/";

/// A text without lines that are comments only.
std::string without_comments(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1);
        const std::string_view line = text.substr(0, end + 1);
        text.remove_prefix(end + 1);
        const std::size_t first = line.find_first_not_of(' ');
        if (first == line.npos || line[first] != '#') {
            out += line;
        }
    }
    return out;
}

int list_templates(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto found = api->get(api_path({"vars"}), {{"prefix", std::string(kTemplates)}});
    if (!found) {
        return context.fail(
            "Error retrieving job templates from the server; unable to read variables at path {}. "
            "Error: {}",
            kTemplates,
            found.error().message
        );
    }
    if (Doc(*found).list().empty()) {
        return context.fail("No variables in nomad/job-templates");
    }
    context.line(
        "Use {} job init -template=<template> with any of the following:", context.program()
    );
    for (const Value& item : Doc(*found).list()) {
        context.line("  {}", Doc(item)["Path"].text().substr(kTemplates.size()));
    }
    return 0;
}

/// The text of a template kept as a variable; nothing after a failure, which is printed.
std::optional<std::string> read_template(Context& context, const std::string& name) {
    Api* api = context.api();
    if (api == nullptr) {
        return std::nullopt;
    }
    std::string path = "/v1/var/";
    path += kTemplates;
    const auto found = api->get(path + percent_encode(name));
    if (!found) {
        context.fail("Error retrieving variable: {}", found.error().message);
        return std::nullopt;
    }
    const Doc text = Doc(*found)["Items"]["template"];
    if (text.is_null()) {
        context.fail("Job template \"{}\" is malformed and is missing a template field", name);
        return std::nullopt;
    }
    context.line("Initializing a job template from {}", name);
    return text.text();
}

int run(Context& context) {
    if (context.on("list-templates")) {
        return list_templates(context);
    }
    const std::string path =
        context.arguments().empty() ? "example.nomad.hcl" : context.argument(0);
    if (context.env().file_exists(path)) {
        return context.fail("Job '{}' already exists", path);
    }
    std::string text(context.on("connect") ? kConnect : context.on("short") ? kShort : kLong);
    if (context.on("connect") && context.on("short")) {
        text = without_comments(text);
    }
    if (const std::string name = context.text("template"); !name.empty()) {
        auto kept = read_template(context, name);
        if (!kept) {
            return 1;
        }
        text = std::move(*kept);
    }
    const auto written = context.env().write_file(path, text);
    if (!written) {
        return context.fail("Failed to write '{}': {}", path, written.error().message);
    }
    context.line("Example job file written to {}", path);
    return 0;
}

}  // namespace

Command job_init_command() {
    return {
        .path = "job init",
        .usage = "[options] [<filename>]",
        .synopsis = "Write an example job file",
        .help =
            "Writes example.nomad.hcl, or that file, into the present folder. The example runs as "
            "it is.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite job init -short\n"
            "  $ nomad-lite job init -template=web web.nomad.hcl",
        .flags =
            {{.name = "short", .kind = FlagKind::Bool, .help = "Without explanations."},
             {.name = "connect",
              .kind = FlagKind::Bool,
              .help = "Two services in a Consul service mesh."},
             {.name = "template",
              .kind = FlagKind::Text,
              .help = "A template kept in the variable nomad/job-templates/<name>."},
             {.name = "list-templates",
              .kind = FlagKind::Bool,
              .help = "Name the templates that are kept."}},
        .arguments = {.least = 0, .most = 1, .words = "no arguments or one: <filename>"},
        .run = run,
        .aliases = {"init"},
    };
}

}  // namespace nl::cli
