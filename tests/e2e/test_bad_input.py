"""Every mistake of a user gets one clear sentence and a proper exit code."""
import os
import socket
import subprocess

import pytest
from harness import BINARY, Cluster, free_port


def run(*arguments, **environment):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=30, check=False,
                          env=dict(os.environ, **environment))
    return done.returncode, done.stdout + done.stderr


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_unknown_command_names_the_nearest():
    status, text = run("jbo", "run")
    assert status != 0 and "job" in text


def test_unknown_flag_names_the_nearest():
    status, text = run("job", "run", "-detahc", "x.hcl")
    assert status == 1 and "detach" in text


def test_seed_usage_errors_exit_2():
    assert run("server", "--prot", "1")[0] == 2
    assert run("cluster", "nonsense")[0] == 2


def test_missing_job_file():
    status, text = run("job", "run", "/no/such/file.hcl")
    assert status == 1 and "/no/such/file.hcl" in text


def test_job_file_with_errors_gives_line_and_column(tmp_path):
    path = write(tmp_path / "bad.hcl", 'job "x" {\n  group "g" {\n    cuont = 3\n  }\n}\n')
    status, text = run("job", "run", path)
    assert status == 1 and "bad.hcl:3,5" in text and "cuont" in text


def test_unreachable_server():
    status, text = run("job", "status", NOMAD_ADDR=f"http://127.0.0.1:{free_port()}")
    assert status == 1 and "127.0.0.1" in text and "refused" in text


@pytest.mark.parametrize("text,wanted", [
    ("server {\n  enabled = \n}\n", "agent.hcl:2"),
    ("serverr {\n  enabled = true\n}\n", "server"),
    ("ports {\n  htpp = 1\n}\n", "http"),
    ('server {\n  enabled = "maybe"\n}\n', "enabled"),
    ("", "server"),
])
def test_malformed_configuration(tmp_path, text, wanted):
    path = write(tmp_path / "agent.hcl", text)
    status, output = run("agent", "-config", path)
    assert status == 1 and wanted in output


def test_unreadable_configuration():
    status, text = run("agent", "-config", "/no/such/agent.hcl")
    assert status == 1 and "/no/such/agent.hcl" in text


def test_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        path = write(tmp_path / "agent.hcl", f'data_dir = "{tmp_path}/data"\nbind_addr = "127.0.0.1"\nports {{\n  http = {port}\n  rpc = 0\n'
                     "  serf = 0\n}\nserver {\n  enabled = true\n  bootstrap_expect = 1\n}\n")
        status, text = run("agent", "-config", path)
        assert status == 1 and str(port) in text and "in use" in text


def test_open_to_everyone_is_refused_without_tls_or_acl(tmp_path):
    path = write(tmp_path / "agent.hcl", f'data_dir = "{tmp_path}/data"\nbind_addr = "0.0.0.0"\nserver {{\n  enabled = true\n}}\n')
    status, text = run("agent", "-config", path)
    assert status == 1 and "0.0.0.0" in text


def test_a_server_without_leader_says_so():
    with Cluster() as cluster:
        cluster.start_servers(3)
        for server in cluster.servers[1:]:
            server.kill()
        done = cluster.servers[0].cli("job", "status", check=False)
        assert done.returncode == 1 and "No cluster leader" in done.stdout + done.stderr


def test_missing_binary_of_a_task_is_told():
    with Cluster() as cluster:
        api = cluster.single().api()
        api.wait_leader()
        api.put("/v1/jobs", {"Job": {"ID": "nobin", "Name": "nobin", "Type": "batch", "Datacenters": ["*"], "TaskGroups": [{
            "Name": "g", "Count": 1, "RestartPolicy": {"Attempts": 0, "Interval": 60_000_000_000, "Delay": 1_000_000_000, "Mode": "fail"},
            "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
            "Tasks": [{"Name": "t", "Driver": "raw_exec", "Config": {"command": "/no/such/program"}}]}]}})
        alloc = api.wait_allocs("nobin", lambda a: a and a[0]["ClientStatus"] == "failed" and a[0])
        events = api.get(f"/v1/allocation/{alloc['ID']}")["TaskStates"]["t"]["Events"]
        assert any(e["Type"] == "Driver Failure" and "/no/such/program" in e["DriverError"] + e["DisplayMessage"] for e in events)
