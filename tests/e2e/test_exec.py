"""Programs run beside tasks: over a WebSocket of our own, through followers and clients, and with the command line on a terminal."""
import base64
import json
import os
import pty
import select
import subprocess
import time
import urllib.parse

import pytest
from harness import BINARY, Cluster, until
from ws import WebSocket, outputs

JOB = {"Job": {"ID": "web", "Name": "web", "Type": "service", "Datacenters": ["*"], "TaskGroups": [{
    "Name": "grp", "Count": 1, "Tasks": [{
        "Name": "main", "Driver": "raw_exec", "Config": {"command": "/bin/sh", "args": ["-c", "exec sleep 600"]},
        "Env": {"GREETING": "hello"}, "Resources": {"CPU": 20, "MemoryMB": 16},
        "Actions": [{"Name": "greet", "Command": "/bin/sh", "Args": ["-c", "echo $GREETING from an action; exit 4"]}]}]}]}}


def running(api):
    api.put("/v1/jobs", JOB)
    return api.wait_allocs("web", lambda allocs: next((a["ID"] for a in allocs if a["ClientStatus"] == "running"), None))


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        agent = cluster.single()
        agent.api().wait_leader()
        yield agent


@pytest.fixture(scope="module")
def alloc(agent):
    return running(agent.api())


def exec_path(alloc, command, task="main", tty=False, **more):
    query = {"task": task, "tty": "true" if tty else "false", "command": json.dumps(command), **more}
    return f"/v1/client/allocation/{alloc}/exec?{urllib.parse.urlencode(query)}"


def stdin(text):
    return {"stdin": {"data": base64.b64encode(text.encode()).decode()}}


def run(address, path, *messages):
    with WebSocket(address, path) as ws:
        assert ws.status == 101, ws.body()
        for message in messages:
            ws.send(message)
        got, code, reason = ws.until_close()
    return *outputs(got), code, reason, got


def test_output_environment_and_exit_code(agent, alloc):
    out, err, exit_code, close, reason, messages = run(
        agent.addresses()["http"], exec_path(alloc, ["/bin/sh", "-c", "echo $GREETING $NOMAD_TASK_NAME; pwd; echo oops >&2; exit 7"]))
    assert out.splitlines()[0] == "hello main"
    assert out.splitlines()[1].endswith(f"{alloc}/main")
    assert (err, exit_code, close, reason) == ("oops\n", 7, 1000, "")
    # The exit comes last, after both outputs were closed.
    assert messages[-1] == {"exited": True, "result": {"exit_code": 7}}
    assert {"stdout": {"close": True}} in messages and {"stderr": {"close": True}} in messages


def test_standard_input_and_its_end(agent, alloc):
    out, _, exit_code, close, _, _ = run(agent.addresses()["http"], exec_path(alloc, ["cat"]), {}, stdin("one\n"), stdin("two\n"), {"stdin": {"close": True}})
    assert (out, exit_code, close) == ("one\ntwo\n", 0, 1000)


def test_large_output_is_whole(agent, alloc):
    out, _, exit_code, _, _, _ = run(agent.addresses()["http"], exec_path(alloc, ["/bin/sh", "-c", "seq 1 300000"]))
    assert exit_code == 0
    assert out == "".join(f"{n}\n" for n in range(1, 300001))


def test_terminal_with_its_size(agent, alloc):
    with WebSocket(agent.addresses()["http"], exec_path(alloc, ["/bin/sh"], tty=True)) as ws:
        ws.send({"tty_size": {"height": 41, "width": 133}})
        ws.send(stdin("stty size; tty\nexit 5\n"))
        messages, close, _ = ws.until_close()
    out, err, exit_code = outputs(messages)
    assert "41 133" in out and "/dev/pts/" in out
    assert (err, exit_code, close) == ("", 5, 1000)


def test_a_signal_is_an_exit_code(agent, alloc):
    _, _, exit_code, _, _, _ = run(agent.addresses()["http"], exec_path(alloc, ["/bin/sh", "-c", "kill -9 $$"]))
    assert exit_code == 137


def test_leaving_ends_the_program(agent, alloc, tmp_path):
    mark = tmp_path / "pid"
    with WebSocket(agent.addresses()["http"], exec_path(alloc, ["/bin/sh", "-c", f"echo $$ > {mark}.new; mv {mark}.new {mark}; exec sleep 500"])):
        pid = until("the program to start", lambda: mark.exists() and mark.read_text().strip())
    until("the program to end with its session", lambda: not os.path.exists(f"/proc/{pid}"))


@pytest.mark.parametrize("command,task,code,reason", [
    (["/no/such/program"], "main", 1008, "executable file not found"),
    (["true"], "nope", 1008, 'unknown task name "nope"'),
    ([], "main", 1008, "command is not present"),
])
def test_refusals_are_closes(agent, alloc, command, task, code, reason):
    _, _, exit_code, close, text, _ = run(agent.addresses()["http"], exec_path(alloc, command, task=task))
    assert exit_code is None
    assert close == code and reason in text


def test_unknown_allocation(agent, alloc):
    missing = "11111111-2222-3333-4444-555555555555"
    _, _, _, close, text, _ = run(agent.addresses()["http"], exec_path(missing, ["true"]))
    assert (close, text) == (1008, f'Unknown allocation "{missing}"')


def test_bad_queries_are_refused_before_the_handshake(agent, alloc):
    for query in ("command=nope&task=main", "command=[%22true%22]&task=main&tty=perhaps"):
        with WebSocket(agent.addresses()["http"], f"/v1/client/allocation/{alloc}/exec?{query}") as ws:
            assert ws.status == 500, ws.head


def test_no_handshake_is_a_bad_request(agent, alloc):
    with pytest.raises(Exception) as refused:
        agent.api().get(exec_path(alloc, ["true"]))
    assert refused.value.status == 400


def test_handshake_message(agent, alloc):
    address = agent.addresses()["http"]
    path = exec_path(alloc, ["echo", "in"], ws_handshake="true")
    out, _, exit_code, close, _, _ = run(address, path, {"version": 1, "auth_token": ""})
    assert (out, exit_code, close) == ("in\n", 0, 1000)
    _, _, _, close, text, _ = run(address, path, {"version": 2})
    assert (close, text) == (1008, "unexpected handshake value: 2")
    _, _, _, close, _, _ = run(address, path, "nope")
    assert close == 1008


def test_broken_messages_end_the_session(agent, alloc):
    for message in ("{", "[]", {"stdin": {"data": "no base64!"}}):
        _, _, exit_code, close, _, _ = run(agent.addresses()["http"], exec_path(alloc, ["sleep", "500"]), message)
        assert exit_code is None and close == 1008


def test_action(agent, alloc):
    query = urllib.parse.urlencode({"action": "greet", "task": "main", "allocID": alloc, "tty": "false", "command": "[]"})
    out, _, exit_code, close, _, _ = run(agent.addresses()["http"], f"/v1/job/web/action?{query}")
    assert (out, exit_code, close) == ("hello from an action\n", 4, 1000)
    query = urllib.parse.urlencode({"action": "none", "task": "main", "group": "grp"})
    _, _, _, close, text, _ = run(agent.addresses()["http"], f"/v1/job/web/action?{query}")
    assert close == 1008 and "none" in text


def test_command_line(agent, alloc):
    done = agent.cli("alloc", "exec", "-t=false", alloc[:8], "/bin/sh", "-c", "cat; echo err >&2; exit 9", check=False, input="piped\n")
    assert (done.returncode, done.stdout, done.stderr) == (9, "piped\n", "err\n")
    done = agent.cli("job", "action", "-t=false", "-job", "web", "-group", "grp", "-task", "main", "greet", check=False, input="")
    assert (done.returncode, done.stdout) == (4, "hello from an action\n")
    done = agent.cli("alloc", "exec", "-t=false", "-job", "web", "/no/such", check=False, input="")
    assert done.returncode == 1 and "failed to exec into task" in done.stderr


def read_terminal(fd, wanted, deadline=30):
    text, end = b"", time.monotonic() + deadline
    while wanted not in text:
        assert time.monotonic() < end, text
        if select.select([fd], [], [], 0.2)[0]:
            text += os.read(fd, 65536)
    return text


def test_command_line_on_a_terminal(agent, alloc):
    environment = dict(os.environ, NOMAD_ADDR="http://" + agent.addresses()["http"])
    master, slave = pty.openpty()
    process = subprocess.Popen([BINARY, "alloc", "exec", alloc, "/bin/sh"], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True)
    os.close(slave)
    try:
        os.write(master, b"echo sum=$((40+2))\n")
        read_terminal(master, b"sum=42")
        # The escape leaves without a word to the program.
        os.write(master, b"\r~.")
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_through_followers_and_clients():
    with Cluster() as cluster:
        cluster.start_servers(3)
        cluster.start_clients(1)
        leader = cluster.leader()
        alloc = running(leader.api())
        follower = next(s for s in cluster.servers if s is not leader)
        for agent in (leader, follower, cluster.clients[0]):
            address = agent.addresses()["http"]
            out, _, exit_code, close, reason, _ = run(address, exec_path(alloc, ["/bin/sh", "-c", "seq 1 200000; exit 3"]))
            assert (exit_code, close) == (3, 1000), reason
            assert out == "".join(f"{n}\n" for n in range(1, 200001))
            out, _, exit_code, _, _, _ = run(address, exec_path(alloc, ["cat"]), *[stdin(f"line {n}\n") for n in range(50)], {"stdin": {"close": True}})
            assert exit_code == 0 and out == "".join(f"line {n}\n" for n in range(50))
