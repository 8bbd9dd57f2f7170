"""Lives of jobs as their operator sees them: commands and what they print, timeouts, several groups, system jobs, restarts, garbage."""
import json
import os
import re
import subprocess

import pytest
from harness import BINARY, ApiError, Cluster, until
from test_job_lives import EXAMPLES, SECOND, deployment, example, register, running, script


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        node = cluster.single()
        node.api().wait_leader()
        node.api().wait("a ready node", "/v1/nodes", lambda nodes: [n for n in nodes if n["Status"] == "ready"])
        yield node


def events(alloc, task):
    return [e["Type"] for e in alloc["TaskStates"][task]["Events"]]


# ---- ends

def test_a_task_that_runs_too_long(agent):
    api = agent.api()
    job = example(api, "timeouts")
    assert job["TaskGroups"][0]["Tasks"][0]["MaxRunDuration"] == 2 * SECOND and job["MaxRunDuration"] == 3600 * SECOND
    register(api, job)
    alloc = api.wait_allocs("timeouts", lambda a: a and a[0]["ClientStatus"] == "failed" and a[0])
    assert alloc["ClientDescription"] == 'task "stuck": max_run_duration of 2s exceeded'
    state = alloc["TaskStates"]["stuck"]
    assert state["Failed"] and "max_run_duration of 2s exceeded" in json.dumps(state["Events"])
    api.wait("the job to be dead", "/v1/job/timeouts", lambda j: j["Status"] == "dead")


def test_a_group_and_a_job_that_run_too_long(agent):
    api = agent.api()
    for name, change in (("group", lambda j: j["TaskGroups"][0].update(MaxRunDuration=2 * SECOND)),
                         ("job", lambda j: j.update(MaxRunDuration=2 * SECOND))):
        job = example(api, "timeouts")
        job["ID"] = job["Name"] = "timeouts-" + name
        job["TaskGroups"][0]["Tasks"][0].pop("MaxRunDuration")
        job["TaskGroups"][0].pop("MaxRunDuration", None)
        job.pop("MaxRunDuration")
        change(job)
        register(api, job)
        alloc = api.wait_allocs(job["ID"], lambda a: a and a[0]["ClientStatus"] == "failed" and a[0])
        assert alloc["ClientDescription"] == "max_run_duration of 2s exceeded"


def test_restarts_on_the_node_and_then_no_more(agent):
    api = agent.api()
    register(api, example(api, "restart"))
    alloc = api.wait_allocs("restart", lambda a: a and a[0]["ClientStatus"] == "failed" and a[0])
    assert alloc["TaskStates"]["fail"]["Restarts"] == 2
    assert events(alloc, "fail").count("Started") == 3 and "Not Restarting" in events(alloc, "fail")
    api.wait("evaluations to end", "/v1/job/restart/evaluations", lambda e: all(x["Status"] == "complete" for x in e))
    assert len(api.get("/v1/job/restart/allocations")) == 1, "never is never"
    # A new version gives what failed another chance, even one that changes nothing for the group.
    job = example(api, "restart")
    job["Meta"] = None
    job["Priority"] = 60
    register(api, job)
    api.wait_allocs("restart", lambda a: len(a) == 2)
    api.delete("/v1/job/restart?purge=true")


# ---- several groups, system jobs

def test_two_groups_go_back_together(agent):
    api = agent.api()
    register(api, example(api, "groups"))
    deployment(api, "groups", lambda d: d and d["Status"] == "successful" and set(d["TaskGroups"]) == {"web", "queue"})
    job = script(example(api, "groups"), "exec sleep 3599")
    job["TaskGroups"][1]["Tasks"][0]["Config"]["args"] = ["-c", "exit 1"]
    register(api, job)
    last = deployment(api, "groups", lambda d: d and d["JobVersion"] == 2 and d["Status"] == "successful" and d)
    assert last["StatusDescription"] == "Deployment completed successfully"
    shown = api.get("/v1/job/groups")
    assert [g["Tasks"][0]["Config"]["args"][1] for g in shown["TaskGroups"]] == ["exec sleep 3600"] * 2 and shown["Stable"]
    api.wait_allocs("groups", lambda a: sorted(x["TaskGroup"] for x in running(a)) == ["queue", "web"])
    # Back to any version by command, with what changes.
    done = agent.cli("job", "history", "-p", "groups")
    assert "Version     = 1" in done.stdout and "exit 1" in done.stdout
    agent.cli("job", "revert", "-detach", "groups", "0")
    deployment(api, "groups", lambda d: d and d["JobVersion"] >= 2 and d["Status"] == "successful")
    api.delete("/v1/job/groups?purge=true")


def test_a_system_job_is_updated_node_by_node():
    with Cluster() as cluster:
        cluster.start_servers(1)
        cluster.start_clients(2)
        api = cluster.leader().api()
        api.wait("two ready nodes", "/v1/nodes", lambda n: len([x for x in n if x["Status"] == "ready"]) == 2)
        register(api, example(api, "per-node"))
        deployment(api, "per-node", lambda d: d and d["Status"] == "successful")
        job = script(example(api, "per-node"), "exec sleep 3599")
        register(api, job)
        done = deployment(api, "per-node", lambda d: d and d["JobVersion"] == 1 and d["Status"] == "successful" and d)
        assert done["TaskGroups"]["agent"]["HealthyAllocs"] == 2
        allocs = api.wait_allocs("per-node", lambda a: len([x for x in running(a) if x["JobVersion"] == 1]) == 2 and running(a))
        assert len({a["NodeID"] for a in allocs}) == 2
        # Drained with -monitor: the command follows until the node is empty.
        victim = allocs[0]["NodeID"]
        out = cluster.clients[0].cli("node", "drain", "-enable", "-deadline", "1m", "-yes", "-m", "kernel", victim).stdout
        assert f'Drain complete for node "{victim}"' in out or "Drain complete for node" in out
        assert "All allocations on node" in out
        assert len(running(api.get("/v1/job/per-node/allocations"))) == 1
        status = cluster.clients[0].cli("node", "status", victim).stdout
        assert re.search(r"Drain\s+= false", status) and re.search(r"Eligibility\s+= ineligible", status)
        cluster.clients[0].cli("node", "eligibility", "-enable", victim)
        api.wait_allocs("per-node", lambda a: len(running(a)) == 2)


def test_a_drain_with_nowhere_to_go_ends_at_its_deadline():
    with Cluster() as cluster:
        agent = cluster.single()
        api = agent.api()
        api.wait("a ready node", "/v1/nodes", lambda nodes: [n for n in nodes if n["Status"] == "ready"])
        register(api, example(api, "drain"))
        api.wait_allocs("drain", lambda a: len(running(a)) == 3)
        node = api.get("/v1/nodes")[0]["ID"]
        out = agent.cli("node", "drain", "-enable", "-deadline", "3s", "-yes", node[:8]).stdout
        assert "Drain complete for node" in out, out
        api.wait_allocs("drain", lambda a: not running(a) and all(x["ClientStatus"] == "complete" for x in a))
        agent.cli("node", "eligibility", "-enable", node)
        api.wait_allocs("drain", lambda a: len(running(a)) == 3)


# ---- commands

def test_deployment_commands(agent):
    api = agent.api()
    register(api, example(api, "canary"))
    deployment(api, "canary", lambda d: d and d["Status"] == "successful")
    register(api, script(example(api, "canary"), "sleep 3599"))
    waiting = deployment(api, "canary", lambda d: d and d["JobVersion"] == 1 and d["TaskGroups"]["web"]["HealthyAllocs"] == 1 and d)
    short = waiting["ID"][:8]
    assert short in agent.cli("deployment", "list").stdout
    assert "Deployment \"" in agent.cli("deployment", "pause", short).stdout
    shown = agent.cli("deployment", "status", short).stdout
    assert re.search(r"Status\s+= paused", shown) and re.search(r"Promoted", shown)
    assert "resumed" in agent.cli("deployment", "resume", "-detach", short).stdout
    agent.cli("deployment", "promote", "-detach", short)
    deployment(api, "canary", lambda d: d and d["Status"] == "successful" and d["JobVersion"] == 1)
    refused = agent.cli("deployment", "fail", "-detach", short, check=False)
    assert refused.returncode == 1 and "terminal" in refused.stderr + refused.stdout
    api.delete("/v1/job/canary?purge=true")


def test_scale_restart_and_stop_commands(agent):
    api = agent.api()
    register(api, example(api, "scaling"))
    before = api.wait_allocs("scaling", lambda a: len(running(a)) == 2 and running(a))
    agent.cli("job", "scale", "-detach", "scaling", "web", "4")
    four = api.wait_allocs("scaling", lambda a: len(running(a)) == 4 and running(a))
    assert {b["ID"] for b in before} <= {a["ID"] for a in four}
    refused = agent.cli("job", "scale", "-detach", "scaling", "web", "9", check=False)
    assert refused.returncode == 1 and "greater than scaling policy maximum: 9 > 5" in refused.stderr + refused.stdout
    assert "4" in agent.cli("job", "scaling-events", "scaling").stdout
    agent.cli("job", "restart", "-yes", "-batch-size", "2", "-batch-wait", "1s", "scaling")
    after = api.wait_allocs("scaling", lambda a: len([x for x in running(a) if x["TaskStates"]["serve"]["Restarts"] == 1]) == 4 and running(a))
    assert {a["ID"] for a in after} == {a["ID"] for a in four}, "restarted in place"
    agent.cli("alloc", "stop", "-detach", after[0]["ID"])
    api.wait_allocs("scaling", lambda a: len(running(a)) == 4 and after[0]["ID"] not in [x["ID"] for x in running(a)])
    agent.cli("alloc", "stop", "-no-replacement", after[1]["ID"])
    api.wait_allocs("scaling", lambda a: [x for x in a if x["ID"] == after[1]["ID"] and x["ClientStatus"] == "complete"])
    assert len(running(api.get("/v1/job/scaling/allocations"))) == 3
    agent.cli("job", "stop", "-purge", "-detach", "scaling")


def test_force_and_prohibited_overlap(agent):
    api = agent.api()
    job = script(example(api, "cron"), "sleep 3600")
    job["ID"] = job["Name"] = "overlap"
    job["Periodic"].update(Specs=["0 0 1 1 *"], ProhibitOverlap=True)
    register(api, job)
    out = agent.cli("job", "periodic", "force", "-detach", "overlap").stdout
    assert "Evaluation ID" in out or "evaluation" in out.lower()
    api.wait("the child to run", "/v1/jobs?prefix=overlap/", lambda j: len(j) == 1 and j[0]["Status"] == "running")
    # By its own schedule now, every second: not while the forced one runs.
    job["Periodic"].update(Specs=["* * * * * * *"])
    register(api, job)
    api.wait("the next launch to be known", "/v1/job/overlap", lambda j: j["Version"] == 1)
    child = api.get("/v1/jobs?prefix=overlap/")[0]["ID"]
    seen = api.get("/v1/jobs?prefix=overlap/")
    assert len(seen) == 1
    agent.cli("job", "stop", "-detach", child)
    api.wait("one more, when it has ended", "/v1/jobs?prefix=overlap/", lambda j: len([c for c in j if c["Status"] == "running"]) == 1 and len(j) == 2)
    api.delete("/v1/job/overlap?purge=true")


# ---- many, garbage

def test_the_example_of_many_jobs(agent):
    api = agent.api()
    with open(os.path.join(EXAMPLES, "many-jobs.json"), encoding="utf-8") as f:
        results = api.put("/v1/jobs/batch", json.load(f))["Results"]
    assert [(r["JobID"], r["Error"]) for r in results] == [("many-a", ""), ("many-b", "")]
    for name in ("a", "b"):
        alloc = api.wait_allocs("many-" + name, lambda a: a and a[0]["ClientStatus"] == "complete" and a[0])
        assert api.logs(alloc["ID"], "t") == name + "\n"


def test_one_collection_takes_all_there_is(agent):
    api = agent.api()
    one = example(api, "array")
    one["TaskGroups"][0]["Count"] = 0
    jobs = []
    for n in range(5000):
        job = dict(one, ID=f"old-{n:04}", Name=f"old-{n:04}")
        jobs.append({"Job": job})
    results = api.call("PUT", "/v1/jobs/batch", {"Jobs": jobs}, timeout=120)[0]["Results"]
    assert not [r for r in results if r["Error"]]
    until("all to be dead", lambda: all(j["Status"] == "dead" for j in api.get("/v1/jobs?prefix=old-")), deadline=90)
    done = subprocess.run([BINARY, "system", "gc"], env=dict(os.environ, NOMAD_ADDR="http://" + agent.addresses()["http"]),
                          capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # The answer comes when it is done: more than one entry of 4,096 ids.
    assert api.get("/v1/jobs?prefix=old-") == []
    with pytest.raises(ApiError, match="job not found"):
        api.get("/v1/job/old-4999")
