# Client 1 of 2: runs tasks, and may run plain processes.
name      = "client1"
data_dir  = "@FOLDER@/client1"
bind_addr = "127.0.0.1"

ports {
  http = 4676
  rpc  = 4677
  serf = 4678
}

client {
  enabled = true
  servers = ["127.0.0.1:4647", "127.0.0.1:4657", "127.0.0.1:4667"]
}

plugin "raw_exec" {
  config {
    enabled = true
  }
}
