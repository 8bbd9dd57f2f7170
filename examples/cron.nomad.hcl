# Runs every two seconds (seven fields begin with seconds), and once on the last working day of a month at 18:00 in Berlin.
# A launch that came due while no server led is made up for once; the last five runs are kept.
job "cron" {
  type = "batch"
  periodic {
    crons            = ["*/2 * * * * * *", "0 18 LW * *"]
    time_zone        = "Europe/Berlin"
    prohibit_overlap = true
    missed           = "run_once"
  }
  retain {
    runs = 5
  }
  group "tick" {
    task "tick" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "date"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
