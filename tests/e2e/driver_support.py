"""What the tests of drivers share: an agent with plugins configured, jobs of one task, and the contract that every driver keeps.

The contract (start, output, exit code, signal, stop, statistics, restart of the agent, clean-up) is checked against the real engine.
"""
import os
import re
import signal
import subprocess

from harness import RAW_EXEC, Agent, ApiError, until

NS = 1_000_000_000


def start_agent(cluster, extra="", client="", name="node1", raw_exec=RAW_EXEC):
    """One agent, server and client, ready; `client` goes into its client block."""
    agent = Agent(cluster, name, "ports {\n  http = 0\n  rpc = 0\n  serf = 0\n}\n"
                  "server {\n  enabled = true\n  bootstrap_expect = 1\n}\nclient {\n  enabled = true\n" + client + "}\n" + raw_exec + extra)
    cluster.servers.append(agent)
    wait_ready(agent)
    return agent


def wait_ready(agent):
    agent.api().wait_leader()
    agent.api().wait("a ready node", "/v1/nodes", lambda nodes: [n for n in nodes if n["Status"] == "ready"])

    def session():
        try:
            node = agent.api().get("/v1/nodes")[0]["ID"]
            return agent.api().get(f"/v1/client/stats?node_id={node}")
        except (ApiError, OSError):
            return False
    until("the node's session", session)


def wait_driver(agent, driver):
    """The driver's entry once it is healthy."""
    def look(nodes):
        return nodes and nodes[0]["Drivers"].get(driver, {}).get("Healthy") and nodes[0]["Drivers"][driver]
    return agent.api().wait(f"driver {driver} to be healthy", "/v1/nodes", look)


def job(name, driver, config, kind="batch", user="", group=None, **task):
    body = {"Name": "t", "Driver": driver, "Config": config, "Resources": {"CPU": 50, "MemoryMB": 64}, "KillTimeout": 5 * NS, **task}
    if user:
        body["User"] = user
    return {"Job": {"ID": name, "Name": name, "Type": kind, "Datacenters": ["*"], "TaskGroups": [{
        "Name": "g", "Count": 1,
        "RestartPolicy": {"Attempts": 0, "Interval": 60 * NS, "Delay": NS // 10, "Mode": "fail"},
        "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
        "EphemeralDisk": {"SizeMB": 300},
        **(group or {}),
        "Tasks": [body]}]}}


def run(agent, request):
    agent.api().put("/v1/jobs", request)
    return request["Job"]["ID"]


def finished(agent, name, deadline=60):
    """The allocation of a batch job and its task's state, once it has ended."""
    alloc = agent.api().wait_allocs(
        name, lambda a: a and a[0]["ClientStatus"] in ("complete", "failed") and a[0], deadline)
    return alloc, agent.api().get(f"/v1/allocation/{alloc['ID']}")["TaskStates"]["t"]


def running(agent, name, deadline=60):
    def look(allocs):
        if allocs and allocs[0]["ClientStatus"] == "failed":
            raise AssertionError(f"{name} failed: {events(agent, allocs[0]['ID'])}")
        return allocs and allocs[0]["ClientStatus"] == "running" and allocs[0]
    return agent.api().wait_allocs(name, look, deadline)


def events(agent, alloc, task="t"):
    state = agent.api().get(f"/v1/allocation/{alloc}")["TaskStates"][task]
    return [(e["Type"], words_of(e)) for e in state["Events"]]


def words_of(event):
    """What an event says, wherever it says it."""
    said = [event.get("DisplayMessage") or ""] + [str(v) for v in (event.get("Details") or {}).values()]
    said += [str(event.get(key) or "") for key in ("DriverError", "DriverMessage", "ValidationError", "SetupError", "Message", "KillError")]
    return " ".join(x for x in said if x)


def refusal(agent, request, deadline=60):
    """Runs a job that the node must refuse; what it says."""
    alloc, state = finished(agent, run(agent, request), deadline)
    agent.api().delete(f"/v1/job/{request['Job']['ID']}?purge=true")
    assert state["Failed"], (alloc, state)
    assert "Started" not in [e["Type"] for e in state["Events"]], state["Events"]
    return " | ".join(words_of(e) for e in state["Events"])


def output(agent, alloc, kind="stdout", task="t"):
    try:
        return agent.api().logs(alloc, task, kind)
    except ApiError:
        return ""


def wait_output(agent, alloc, wanted, kind="stdout", deadline=30):
    return until(f"output with {wanted!r}", lambda: (lambda text: text if re.search(wanted, text) else None)(output(agent, alloc, kind)),
                 deadline)


def stop(agent, name, deadline=60):
    agent.api().delete(f"/v1/job/{name}")
    return agent.api().wait_allocs(name, lambda a: a[0]["ClientStatus"] in ("complete", "failed") and a[0], deadline)


def purge(agent, name):
    agent.api().delete(f"/v1/job/{name}?purge=true")
    agent.api().put("/v1/system/gc")


def restart(agent):
    agent.kill()
    agent.start()
    wait_ready(agent)


def contract(agent, driver, config, prefix=None, stop_signal="SIGTERM", **task):
    """`config(script)` is the driver's block that runs a shell script."""
    prefix = prefix or driver
    api = agent.api()
    # start, output, exit code
    alloc, state = finished(agent, run(agent, job(f"{prefix}-out", driver, config("echo to out; echo to err >&2; exit 7"), **task)))
    assert state["Failed"] and not state["Restarts"], state
    ends = [e for e in state["Events"] if e["Type"] == "Terminated"]
    assert [e["ExitCode"] for e in ends] == [7], state["Events"]
    assert output(agent, alloc["ID"]) == "to out\n"
    assert output(agent, alloc["ID"], "stderr") == "to err\n"
    purge(agent, f"{prefix}-out")
    # signal and statistics
    name = run(agent, job(f"{prefix}-sig", driver, config(
        "trap 'echo got usr1' USR1; trap 'echo bye; exit 3' TERM; echo ready; i=0; while true; do i=$((i+1)); sleep 0.1; done"),
        kind="service", KillSignal=stop_signal, **task))
    alloc = running(agent, name)
    wait_output(agent, alloc["ID"], "ready")
    api.put(f"/v1/client/allocation/{alloc['ID']}/signal", {"Signal": "SIGUSR1", "TaskName": "t"})
    wait_output(agent, alloc["ID"], "got usr1")
    usage = api.get(f"/v1/client/allocation/{alloc['ID']}/stats")["Tasks"]["t"]["ResourceUsage"]
    assert usage["MemoryStats"]["RSS"] > 0 or usage["MemoryStats"]["Usage"] > 0, usage
    # the agent dies and comes back: the same task, all of its output
    before = len(output(agent, alloc["ID"]))
    restart(agent)
    assert running(agent, name)["ID"] == alloc["ID"]
    api = agent.api()
    api.put(f"/v1/client/allocation/{alloc['ID']}/signal", {"Signal": "SIGUSR1", "TaskName": "t"})
    text = wait_output(agent, alloc["ID"], "(?s)got usr1.*got usr1")
    assert text.count("ready") == 1 and len(text) > before, text
    # stop: its own words, its own exit code
    stop(agent, name)
    assert "bye" in output(agent, alloc["ID"])
    ends = [e for e in api.get(f"/v1/allocation/{alloc['ID']}")["TaskStates"]["t"]["Events"] if e["Type"] == "Terminated"]
    assert [e["ExitCode"] for e in ends] == [3], ends
    purge(agent, name)
    return alloc["ID"]


def ends_while_the_agent_is_away(agent, driver, config, prefix=None, **task):
    """The exit code and the last words of a task that ends while nobody looks."""
    name = run(agent, job(f"{prefix or driver}-away", driver, config("echo up; sleep 3; echo down; exit 5"), **task))
    alloc = running(agent, name)
    wait_output(agent, alloc["ID"], "up")
    agent.kill()
    subprocess.run(["sleep", "4"], check=True)
    agent.start()
    wait_ready(agent)
    alloc, state = finished(agent, name)
    assert [e["ExitCode"] for e in state["Events"] if e["Type"] == "Terminated"] == [5], state["Events"]
    assert output(agent, alloc["ID"]) == "up\ndown\n"
    purge(agent, name)


def control_groups(text):
    """Control groups whose path holds `text`."""
    found = []
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(root, f) for f in folders if text in f]
    return found


def nothing_left(agent, alloc):
    """No control group, mount, network namespace or process names the allocation."""
    until("control groups to go", lambda: not control_groups(alloc))

    def mounts():
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            return [line for line in f if alloc in line]
    until("mounts to go", lambda: not mounts())
    until("the network namespace to go", lambda: not os.path.exists(f"/run/netns/{alloc}"))

    def processes():
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/cmdline", "rb") as f:
                        line = f.read().decode(errors="replace")
                except OSError:
                    continue
                if alloc in line:
                    found.append((entry, line))
        return found
    until("processes to go", lambda: not processes())
    for folder in ("exec/bundles", "exec/runtime", "java/bundles", "docker", "podman", "qemu", "network"):
        path = os.path.join(agent.data_dir, "client", folder)
        if os.path.isdir(path):
            until(f"{path} to be empty of it", lambda p=path: not [n for n in os.listdir(p) if alloc in n])


def kill_process(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
