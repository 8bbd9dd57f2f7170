# A test environment that goes by itself: it is stopped two hours after it was registered, or last changed.
job "preview" {
  ttl = "2h"
  group "web" {
    task "serve" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "exec sleep 36000"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
