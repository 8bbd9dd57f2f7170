# One allocation of a new version runs beside the old ones until it is promoted: `nomad-lite deployment promote ID`, or by
# itself with auto_promote = true.
job "canary" {
  update {
    canary           = 1
    max_parallel     = 1
    health_check     = "task_states"
    min_healthy_time = "1s"
    healthy_deadline = "30s"
  }

  group "web" {
    count = 2
    task "serve" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "exec sleep 3600"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
