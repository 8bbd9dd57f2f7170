# A batch job: five runs of the same task, each told its own index.
job "count" {
  type = "batch"

  group "workers" {
    count = 5

    task "work" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "echo worker $NOMAD_ALLOC_INDEX of $NOMAD_JOB_NAME"]
      }

      resources {
        cpu    = 50
        memory = 16
      }
    }
  }
}
