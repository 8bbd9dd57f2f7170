# One allocation on every node, updated one node after the other; the next node follows when this one's has been healthy for
# a second.
job "per-node" {
  type = "system"
  update {
    max_parallel     = 1
    health_check     = "task_states"
    min_healthy_time = "1s"
    healthy_deadline = "30s"
  }
  group "agent" {
    task "run" {
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
