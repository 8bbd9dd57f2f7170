# java runs a class or a jar on the node's runtime, isolated as exec. Without a program of our own this only shows the version and ends with 1.
job "java" {
  type = "batch"

  group "g" {
    restart {
      attempts = 0
    }

    task "t" {
      driver = "java"

      config {
        class       = "Main"
        class_path  = "/local"
        jvm_options = ["-Xmx64m", "-showversion"]
      }

      resources {
        cpu    = 200
        memory = 256
      }
    }
  }
}
