# Two groups are one deployment: if an update of either fails, both go back to the last version that was healthy.
job "groups" {
  update {
    max_parallel      = 1
    health_check      = "task_states"
    min_healthy_time  = "1s"
    healthy_deadline  = "30s"
    progress_deadline = "1m"
    auto_revert       = true
  }
  reschedule {
    attempts  = 0
    unlimited = false
  }

  group "web" {
    restart {
      attempts = 0
      mode     = "fail"
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

  group "queue" {
    restart {
      attempts = 0
      mode     = "fail"
    }
    task "work" {
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
