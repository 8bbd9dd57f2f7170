# Server 3 of 3.
name      = "server3"
data_dir  = "@FOLDER@/server3"
bind_addr = "127.0.0.1"

ports {
  http = 4666
  rpc  = 4667
  serf = 4668
}

server {
  enabled          = true
  bootstrap_expect = 3

  server_join {
    retry_join = ["127.0.0.1:4647", "127.0.0.1:4657", "127.0.0.1:4667"]
  }
}
