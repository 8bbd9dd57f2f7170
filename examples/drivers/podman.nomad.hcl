# podman needs no daemon that holds the containers; its service only answers requests (systemctl start podman.socket).
job "podman" {
  type = "batch"

  group "g" {
    task "t" {
      driver = "podman"

      config {
        image        = "nomad-lite-example/busybox:1"
        command      = "/bin/sh"
        args         = ["-c", "echo in a container of $NOMAD_JOB_NAME"]
        network_mode = "none"

        ulimit = {
          nofile = "1024:4096"
          nproc  = "4096:4096"
        }
      }
    }
  }
}
