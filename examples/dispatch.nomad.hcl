# A template for work: `nomad-lite job dispatch -meta who=world dispatch payload.txt`. At most two run at once; the others
# wait, the most urgent first.
job "dispatch" {
  type = "batch"
  parameterized {
    payload       = "optional"
    meta_required = ["who"]
    meta_optional = ["loud"]
    max_parallel  = 2
  }
  group "greet" {
    task "greet" {
      driver = "raw_exec"
      dispatch_payload {
        file = "payload.txt"
      }
      config {
        command = "/bin/sh"
        args    = ["-c", "echo hello $NOMAD_META_who; test ! -s local/payload.txt || wc -c < local/payload.txt"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
