# docker runs a container of an image; this one is made from Debian's busybox-static:
#   mkdir -p /tmp/box/bin && cp /bin/busybox /tmp/box/bin/sh && tar -C /tmp/box -c . | docker import - nomad-lite-example/busybox:1
job "docker" {
  type = "batch"

  group "g" {
    task "t" {
      driver = "docker"

      config {
        image           = "nomad-lite-example/busybox:1"
        command         = "/bin/sh"
        args            = ["-c", "echo in a container of $NOMAD_JOB_NAME"]
        network_mode    = "none"
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]

        labels = {
          team = "example"
        }
      }
    }
  }
}
