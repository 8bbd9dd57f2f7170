# Twenty pieces of work, each with its number in NOMAD_ALLOC_INDEX, from 0.
job "array" {
  type = "batch"
  group "work" {
    count = 20
    task "work" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "echo piece $NOMAD_ALLOC_INDEX"]
      }
      resources {
        cpu    = 10
        memory = 10
      }
    }
  }
}
