# Server 1 of 3.
name      = "server1"
data_dir  = "@FOLDER@/server1"
bind_addr = "127.0.0.1"

ports {
  http = 4646
  rpc  = 4647
  serf = 4648
}

server {
  enabled          = true
  bootstrap_expect = 3

  server_join {
    retry_join = ["127.0.0.1:4647", "127.0.0.1:4657", "127.0.0.1:4667"]
  }
}
