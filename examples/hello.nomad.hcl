# The smallest useful job: one task that runs once, says something, and ends.
job "hello" {
  type = "batch"

  group "greeting" {
    task "say" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "echo \"Hello from $NOMAD_JOB_NAME on $(hostname), allocation $NOMAD_SHORT_ALLOC_ID\""]
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
