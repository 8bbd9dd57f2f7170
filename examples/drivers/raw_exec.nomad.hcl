# raw_exec runs a command as the agent's user, without isolation. It is off unless the agent turns it on.
job "raw" {
  type = "batch"

  group "g" {
    task "t" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "echo raw in $PWD"]
      }
    }
  }
}
