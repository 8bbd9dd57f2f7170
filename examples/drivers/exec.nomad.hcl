# exec isolates: the node's programs, read-only, and the allocation's directories are all the task sees.
job "exec" {
  type = "batch"

  group "g" {
    task "t" {
      driver = "exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "echo user $(id -u), files in $NOMAD_TASK_DIR, $(ls /proc | grep -c '^[0-9]') processes"]
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
