# Client 2 of 2: runs tasks, and may run plain processes.
name      = "client2"
data_dir  = "@FOLDER@/client2"
bind_addr = "127.0.0.1"

ports {
  http = 4686
  rpc  = 4687
  serf = 4688
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
