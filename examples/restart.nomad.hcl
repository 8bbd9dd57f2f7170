# A task that fails is started again on its node, a second later, twice within ten minutes; a third failure fails the
# allocation, and with attempts = 0 in reschedule nothing takes its place.
job "restart" {
  group "flaky" {
    restart {
      attempts = 2
      interval = "10m"
      delay    = "1s"
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    task "fail" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "exit 3"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
