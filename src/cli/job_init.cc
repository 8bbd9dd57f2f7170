#include "cli/context.h"

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

int run(Context& context) {
    const std::string path =
        context.arguments().empty() ? "example.nomad.hcl" : context.argument(0);
    if (context.env().file_exists(path)) {
        return context.fail("Job file '{}' already exists", path);
    }
    const auto written = context.env().write_file(path, context.on("short") ? kShort : kLong);
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
            "Writes example.nomad.hcl, or that file, into the present folder.\n\n"
            "Example:\n\n  $ nomad-lite job init -short",
        .flags = {{.name = "short", .kind = FlagKind::Bool, .help = "Without explanations."}},
        .arguments = {.least = 0, .most = 1, .words = "no arguments or one: <filename>"},
        .run = run,
        .family = Family::Local,
        .aliases = {"init"},
    };
}

}  // namespace nl::cli
