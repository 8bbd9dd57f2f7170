# A node that loses the servers keeps its work for ten minutes. Meanwhile a replacement runs elsewhere; when the node is
# back, the one that has run longest stays.
job "disconnect" {
  group "web" {
    count = 2
    disconnect {
      lost_after = "10m"
      replace    = true
      reconcile  = "longest_running"
    }
    task "serve" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "exec sleep 3600"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
