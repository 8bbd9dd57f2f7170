# Server 2 of 3.
name      = "server2"
data_dir  = "@FOLDER@/server2"
bind_addr = "127.0.0.1"

ports {
  http = 4656
  rpc  = 4657
  serf = 4658
}

server {
  enabled          = true
  bootstrap_expect = 3

  server_join {
    retry_join = ["127.0.0.1:4647", "127.0.0.1:4657", "127.0.0.1:4667"]
  }
}
