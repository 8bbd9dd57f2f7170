# `nomad-lite job scale scaling web 4` works between 1 and 5 and is refused beyond; an autoscaler reads the policy from
# /v1/scaling/policies.
job "scaling" {
  group "web" {
    count = 2
    update {
      max_parallel = 0
    }
    scaling {
      min = 1
      max = 5
      policy {
        cooldown = "1m"
      }
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
