# An allocation that fails is placed anew, elsewhere if there is an elsewhere: after 5 seconds, then 5, 10, 15, 25 ... up to
# a minute, for ever. What becomes of it stands in its PreviousAllocation and RescheduleTracker.
job "reschedule" {
  group "flaky" {
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      delay          = "5s"
      delay_function = "fibonacci"
      max_delay      = "1m"
      unlimited      = true
    }
    task "fail" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "exit 1"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
