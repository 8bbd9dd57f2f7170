# When a node is drained, one allocation moves at a time, the next when the new one has run for two seconds:
# `nomad-lite node drain -enable -deadline 10m NODE`.
job "drain" {
  group "web" {
    count = 3
    migrate {
      max_parallel     = 1
      health_check     = "task_states"
      min_healthy_time = "2s"
      healthy_deadline = "1m"
    }
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
