# qemu runs a virtual machine. The image lies in the allocation's directory, or below one of the node's image_paths.
job "machine" {
  type = "service"

  group "g" {
    network {
      port "ssh" {
        to = 22
      }
    }

    task "make-disk" {
      driver = "raw_exec"

      lifecycle {
        hook = "prestart"
      }

      config {
        command = "/bin/sh"
        args    = ["-c", "mkdir -p ../vm/local && truncate -s 1M ../vm/local/disk.img"]
      }
    }

    task "vm" {
      driver       = "qemu"
      kill_timeout = "5s"

      config {
        image_path        = "local/disk.img"
        graceful_shutdown = true
        args              = ["-nodefaults", "-serial", "stdio"]
      }

      resources {
        cpu    = 200
        memory = 128
      }
    }
  }
}
