# No run of the task takes longer than two seconds, no allocation longer than an hour: what does is ended as failed, and the
# restart and reschedule blocks say whether it is tried again.
job "timeouts" {
  type             = "batch"
  max_run_duration = "1h"
  group "work" {
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    task "stuck" {
      driver           = "raw_exec"
      max_run_duration = "2s"
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
