# A network of the group's own: an address behind the node's bridge, and a port of the node that leads to it.
job "bridge" {
  type = "service"

  group "g" {
    network {
      mode = "bridge"

      port "http" {
        to = 8080
      }

      dns {
        servers = ["192.0.2.53"]
      }
    }

    task "server" {
      driver = "exec"

      config {
        command = "python3"
        args    = ["-m", "http.server", "8080", "--directory", "/local"]
      }
    }
  }
}
