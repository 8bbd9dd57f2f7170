# mock_driver runs nothing: it says what it is told, waits, and ends as it is told.
job "mock" {
  type = "batch"

  group "g" {
    task "t" {
      driver = "mock_driver"

      config {
        run_for       = "200ms"
        exit_code     = 0
        stdout_string = "nothing was run\n"
      }
    }
  }
}
