"""One agent that is server and client: the first job of a new user, through every room."""
import json
import os
import signal
import subprocess
import time

import pytest
from harness import BINARY, ApiError, Cluster, until

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples")


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        node = cluster.single()
        node.api().wait_leader()
        node.api().wait("a ready node", "/v1/nodes", lambda nodes: [n for n in nodes if n["Status"] == "ready"])
        yield node


def test_hello_runs_and_its_output_comes_back(agent):
    done = agent.cli("job", "run", os.path.join(EXAMPLES, "hello.nomad.hcl"))
    assert "Evaluation" in done.stdout
    api = agent.api()
    alloc = api.wait_allocs("hello", lambda a: a and a[0]["ClientStatus"] == "complete" and a[0])
    assert "Hello from hello" in api.logs(alloc["ID"], "say")
    assert "Hello from hello" in agent.cli("alloc", "logs", alloc["ID"]).stdout
    assert api.wait("hello to be dead", "/v1/job/hello", lambda j: j["Status"] == "dead" and j)["Version"] == 0
    state = api.get(f"/v1/allocation/{alloc['ID']}")["TaskStates"]["say"]
    assert [e["Type"] for e in state["Events"]][-2:] == ["Started", "Terminated"]
    assert state["Events"][-1]["ExitCode"] == 0


def test_batch_of_five_each_with_its_index(agent):
    agent.cli("job", "run", "-detach", os.path.join(EXAMPLES, "batch.nomad.hcl"))
    api = agent.api()
    allocs = api.wait_allocs("count", lambda a: len([x for x in a if x["ClientStatus"] == "complete"]) == 5 and a)
    said = sorted(api.logs(a["ID"], "work").strip() for a in allocs)
    assert said == [f"worker {i} of count" for i in range(5)]


def job(name, script, **task):
    return {"Job": {"ID": name, "Name": name, "Type": "batch", "Datacenters": ["*"], "TaskGroups": [{
        "Name": "g", "Count": 1,
        "RestartPolicy": {"Attempts": 2, "Interval": 60_000_000_000, "Delay": 10_000_000, "Mode": "fail"},
        "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
        "Tasks": [{"Name": "t", "Driver": "raw_exec", "Config": {"command": "/bin/sh", "args": ["-c", script]},
                   "Resources": {"CPU": 20, "MemoryMB": 16}, **task}]}]}}


def test_a_failing_task_is_restarted_and_then_fails(agent):
    api = agent.api()
    api.put("/v1/jobs", job("fails", "echo try; exit 3"))
    alloc = api.wait_allocs("fails", lambda a: a and a[0]["ClientStatus"] == "failed" and a[0])
    state = api.get(f"/v1/allocation/{alloc['ID']}")["TaskStates"]["t"]
    assert state["Restarts"] == 2 and state["Failed"]
    assert api.logs(alloc["ID"], "t") == "try\n" * 3
    ends = [e for e in state["Events"] if e["Type"] == "Terminated"]
    assert {e["ExitCode"] for e in ends} == {3}


def test_stop_ends_a_running_task(agent):
    api = agent.api()
    api.put("/v1/jobs", job("sleeper", "exec sleep 600"))
    api.wait_allocs("sleeper", lambda a: a and a[0]["ClientStatus"] == "running")
    done = agent.cli("job", "stop", "sleeper")
    assert "sleeper" in done.stdout or "Evaluation" in done.stdout
    api.wait_allocs("sleeper", lambda a: a[0]["ClientStatus"] in ("complete", "failed"))
    assert api.get("/v1/job/sleeper")["Stop"] is True


def test_service_can_be_changed_and_scaled_down(agent):
    api = agent.api()
    request = job("svc", "exec sleep 600")
    request["Job"]["Type"] = "service"
    request["Job"]["TaskGroups"][0]["Count"] = 3
    request["Job"]["TaskGroups"][0].pop("ReschedulePolicy")
    request["Job"]["TaskGroups"][0]["Update"] = {"MaxParallel": 0}
    api.put("/v1/jobs", request)
    api.wait_allocs("svc", lambda a: len([x for x in a if x["ClientStatus"] == "running"]) == 3)
    request["Job"]["TaskGroups"][0]["Count"] = 1
    api.put("/v1/jobs", request)
    api.wait_allocs("svc", lambda a: len([x for x in a if x["ClientStatus"] == "running"]) == 1)
    assert api.get("/v1/job/svc")["Version"] == 1
    api.delete("/v1/job/svc?purge=true")
    with pytest.raises(ApiError) as error:
        api.get("/v1/job/svc")
    assert error.value.status == 404


def test_a_job_that_fits_nowhere_waits_and_says_why(agent):
    api = agent.api()
    request = job("giant", "true")
    request["Job"]["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"] = 100_000_000
    api.put("/v1/jobs", request)
    evals = api.wait("a blocked evaluation", "/v1/job/giant/evaluations",
                     lambda e: any(x["Status"] == "blocked" for x in e) and e)
    failed = [e for e in evals if e.get("FailedTGAllocs")]
    assert failed[0]["FailedTGAllocs"]["g"]["DimensionExhausted"] == {"memory": 1}
    api.delete("/v1/job/giant?purge=true")


def test_follow_shows_lines_as_they_come(agent):
    api = agent.api()
    api.put("/v1/jobs", job("ticker", "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo line $i; sleep 0.05; done"))
    alloc = api.wait_allocs("ticker", lambda a: a and a[0]["ClientStatus"] == "running" and a[0])
    environment = dict(os.environ, NOMAD_ADDR="http://" + agent.addresses()["http"])
    follower = subprocess.Popen([BINARY, "alloc", "logs", "-f", alloc["ID"]], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert [follower.stdout.readline() for _ in range(5)] == [f"line {i}\n" for i in range(1, 6)]
    finally:
        follower.send_signal(signal.SIGINT)
        follower.wait(timeout=10)
        follower.stdout.close()
    api.delete("/v1/job/ticker")


def test_health_and_metrics(agent):
    api = agent.api()
    health = api.get("/v1/agent/health")
    assert health["server"]["ok"] and health["client"]["ok"]
    assert {"Gauges", "Counters", "Samples"} <= set(api.get("/v1/metrics"))
    text = api.get("/v1/metrics?format=prometheus")
    assert "# TYPE" in text
    assert api.get("/v1/agent/self")["config"]["Region"] == "global"
    members = api.get("/v1/agent/members")
    assert [m["Status"] for m in members["Members"]] == ["alive"]


def test_blocking_query_wakes_at_a_change(agent):
    api = agent.api()
    _, index = api.call("GET", "/v1/jobs")
    api.put("/v1/jobs", job("wakes", "true"))
    start = time.monotonic()
    jobs, later = api.call("GET", f"/v1/jobs?index={index}&wait=20s")
    assert later > index and any(j["ID"] == "wakes" for j in jobs)
    assert time.monotonic() - start < 10


def test_the_agent_restarts_and_its_task_lives_on(agent):
    api = agent.api()
    api.put("/v1/jobs", job("survivor", "echo $$ ; exec sleep 600"))
    alloc = api.wait_allocs("survivor", lambda a: a and a[0]["ClientStatus"] == "running" and a[0])
    pid = int(until("the pid", lambda: api.logs(alloc["ID"], "t").strip()))
    agent.kill()
    os.kill(pid, 0)
    agent.start()
    api = agent.api()
    api.wait_leader()
    again = api.wait_allocs("survivor", lambda a: a and a[0]["ClientStatus"] == "running" and a)
    assert len(again) == 1 and again[0]["ID"] == alloc["ID"]
    os.kill(pid, 0)
    api.delete("/v1/job/survivor")
    api.wait_allocs("survivor", lambda a: a[0]["ClientStatus"] == "complete")
    until("the task to be gone", lambda: not os.path.exists(f"/proc/{pid}"))


def test_json_output_is_json(agent):
    assert json.loads(agent.cli("job", "status", "-json", "hello").stdout)
