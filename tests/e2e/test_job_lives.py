"""The lives of jobs on real processes: updates, failures, schedules, dispatch, drains, batches, scaling, the end.

The job files are those of examples/, so that every example is run.
"""
import base64
import calendar
import json
import os
import threading
import time

import pytest
from harness import ApiError, Cluster, until

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples")
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        node = cluster.single()
        node.api().wait_leader()
        node.api().wait("a ready node", "/v1/nodes", lambda nodes: [n for n in nodes if n["Status"] == "ready"])
        yield node


def example(api, name):
    with open(os.path.join(EXAMPLES, name + ".nomad.hcl"), encoding="utf-8") as f:
        return api.put("/v1/jobs/parse", {"JobHCL": f.read(), "Canonicalize": True})


def register(api, job, **more):
    return api.put("/v1/jobs", {"Job": job, **more})


def script(job, text):
    job["TaskGroups"][0]["Tasks"][0]["Config"]["args"] = ["-c", text]
    return job


def deployment(api, job, wanted, deadline=60.0):
    return api.wait(f"the deployment of {job}", f"/v1/job/{job}/deployment", wanted, deadline)


def running(allocs):
    return [a for a in allocs if a["ClientStatus"] == "running" and a["DesiredStatus"] == "run"]


# ---- updates

def test_updates_roll_and_a_bad_one_goes_back(agent):
    api = agent.api()
    job = example(api, "rolling-update")
    register(api, job)
    first = deployment(api, "rolling", lambda d: d and d["Status"] == "successful" and d)
    assert first["StatusDescription"] == "Deployment completed successfully"
    assert first["TaskGroups"]["web"]["HealthyAllocs"] == 4
    assert api.get("/v1/job/rolling")["Stable"] is True

    # A good version: two at a time, so never fewer than two of the old and new run.
    seen = []
    stop = threading.Event()

    def watch():
        while not stop.is_set():
            seen.append(len(running(api.get("/v1/job/rolling/allocations"))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    register(api, script(job, "sleep 3599"))
    second = deployment(api, "rolling", lambda d: d and d["JobVersion"] == 1 and d["Status"] == "successful" and d)
    stop.set()
    watcher.join()
    assert min(seen) >= 2, seen
    assert second["TaskGroups"]["web"]["PlacedAllocs"] == 4

    # A bad one: given up, and version 1 runs again as version 3.
    register(api, script(job, "exit 1"))
    bad = api.wait("the bad deployment to fail", "/v1/deployments",
                   lambda all_: [d for d in all_ if d["JobID"] == "rolling" and d["JobVersion"] == 2 and d["Status"] == "failed"])[0]
    assert bad["StatusDescription"] == "Failed due to unhealthy allocations - rolling back to job version 1"
    last = deployment(api, "rolling", lambda d: d and d["JobVersion"] == 3 and d["Status"] == "successful" and d)
    assert last["StatusDescription"] == "Deployment completed successfully"
    assert api.get("/v1/job/rolling")["TaskGroups"][0]["Tasks"][0]["Config"]["args"] == ["-c", "sleep 3599"]
    api.wait_allocs("rolling", lambda a: len([x for x in running(a) if x["JobVersion"] == 3]) == 4)

    versions = api.get("/v1/job/rolling/versions")["Versions"]
    assert [(v["Version"], v["Stable"]) for v in versions] == [(3, True), (2, False), (1, True), (0, True)]

    # Tags keep a version; revert goes back by number.
    api.call("PUT", "/v1/job/rolling/versions/golden/tag", {"Version": 0, "Description": "the first"})
    assert [v["VersionTag"]["Name"] for v in api.get("/v1/job/rolling/versions")["Versions"] if v["VersionTag"]] == ["golden"]
    api.put("/v1/job/rolling/revert", {"JobID": "rolling", "JobVersion": 0})
    deployment(api, "rolling", lambda d: d and d["JobVersion"] == 4 and d["Status"] == "successful" and d)
    assert api.get("/v1/job/rolling")["TaskGroups"][0]["Tasks"][0]["Config"]["args"] == ["-c", "exec sleep 3600"]
    api.delete("/v1/job/rolling?purge=true")


def test_a_canary_waits_for_its_promotion(agent):
    api = agent.api()
    job = example(api, "canary")
    register(api, job)
    deployment(api, "canary", lambda d: d and d["Status"] == "successful" and d)
    register(api, script(job, "sleep 3599"))
    waiting = deployment(api, "canary", lambda d: d and d["JobVersion"] == 1 and d["TaskGroups"]["web"]["HealthyAllocs"] == 1 and d)
    assert waiting["StatusDescription"] == "Deployment is running but requires manual promotion"
    group = waiting["TaskGroups"]["web"]
    assert (group["DesiredCanaries"], len(group["PlacedCanaries"]), group["Promoted"]) == (1, 1, False)
    assert len(running(api.get("/v1/job/canary/allocations"))) == 3

    paused = api.put(f"/v1/deployment/pause/{waiting['ID']}", {"DeploymentID": waiting["ID"], "Pause": True})
    assert paused["DeploymentModifyIndex"] > 0
    assert api.get(f"/v1/deployment/{waiting['ID']}")["StatusDescription"] == "Deployment is paused"
    api.put(f"/v1/deployment/pause/{waiting['ID']}", {"DeploymentID": waiting["ID"], "Pause": False})
    api.put(f"/v1/deployment/promote/{waiting['ID']}", {"DeploymentID": waiting["ID"], "All": True})
    done = deployment(api, "canary", lambda d: d and d["Status"] == "successful" and d)
    assert done["TaskGroups"]["web"]["Promoted"] is True
    api.wait_allocs("canary", lambda a: sorted(x["JobVersion"] for x in running(a)) == [1, 1])

    # A canary that is not wanted: the deployment is failed by hand and the old ones never went away.
    register(api, script(job, "sleep 3598"))
    third = deployment(api, "canary", lambda d: d and d["JobVersion"] == 2 and d["TaskGroups"]["web"]["PlacedAllocs"] == 1 and d)
    api.put(f"/v1/deployment/fail/{third['ID']}", {})
    assert api.get(f"/v1/deployment/{third['ID']}")["StatusDescription"] == "Deployment marked as failed"
    api.wait_allocs("canary", lambda a: sorted(x["JobVersion"] for x in running(a)) == [1, 1])
    api.delete("/v1/job/canary?purge=true")


# ---- failures

def test_failed_allocations_follow_each_other(agent):
    api = agent.api()
    register(api, example(api, "reschedule"))
    chain = api.wait_allocs("reschedule", lambda a: len(a) >= 3 and a, deadline=60)
    chain.sort(key=lambda a: a["CreateIndex"])
    first = api.get(f"/v1/allocation/{chain[0]['ID']}")
    second = api.get(f"/v1/allocation/{chain[1]['ID']}")
    third = api.get(f"/v1/allocation/{chain[2]['ID']}")
    assert first["NextAllocation"] == second["ID"] and second["PreviousAllocation"] == first["ID"]
    assert first["DesiredStatus"] == "stop" and first["DesiredDescription"] == "alloc was rescheduled because it failed"
    delays = [e["Delay"] for e in third["RescheduleTracker"]["Events"]]
    assert delays == [5 * SECOND, 5 * SECOND]
    assert third["RescheduleTracker"]["Events"][1]["PrevAllocID"] == second["ID"]
    evals = api.get("/v1/job/reschedule/evaluations")
    assert any(e["TriggeredBy"] == "alloc-failure" and e.get("WaitUntil") for e in evals)
    api.delete("/v1/job/reschedule?purge=true")


def test_an_allocation_is_stopped_with_and_without_another(agent):
    api = agent.api()
    register(api, example(api, "disconnect"))
    both = api.wait_allocs("disconnect", lambda a: len(running(a)) == 2 and running(a))
    api.put(f"/v1/allocation/{both[0]['ID']}/stop")
    api.wait_allocs("disconnect", lambda a: both[0]["ID"] not in [x["ID"] for x in running(a)] and len(running(a)) == 2)
    api.put(f"/v1/allocation/{both[1]['ID']}/stop?replace=false")
    api.wait_allocs("disconnect", lambda a: [x for x in a if x["ID"] == both[1]["ID"] and x["ClientStatus"] == "complete"])
    api.put("/v1/job/disconnect/evaluate", {"JobID": "disconnect"})
    api.wait("evaluations to end", "/v1/job/disconnect/evaluations", lambda e: all(x["Status"] == "complete" for x in e))
    assert len(running(api.get("/v1/job/disconnect/allocations"))) == 1
    api.delete("/v1/job/disconnect?purge=true")


# ---- schedules

def test_a_periodic_job_in_a_time_zone(agent):
    api = agent.api()
    register(api, example(api, "cron"))
    children = api.wait("three launches", "/v1/jobs?prefix=cron/", lambda j: len(j) >= 3 and j)
    times = sorted(int(c["ID"].rsplit("-", 1)[1]) for c in children)
    assert all(t % 2 == 0 for t in times)
    assert all(c["ParentID"] == "cron" for c in children)
    forced = api.put("/v1/job/cron/periodic/force")
    assert forced["EvalID"]
    bad = example(api, "cron")
    bad["Periodic"]["TimeZone"] = "Mars/Olympus"
    with pytest.raises(ApiError, match='Invalid time zone "Mars/Olympus"'):
        register(api, bad)
    bad["Periodic"].update(TimeZone="UTC", Specs=["61 * * * *"])
    with pytest.raises(ApiError, match='Invalid cron spec "61'):
        register(api, bad)
    api.delete("/v1/job/cron")
    launched = len(api.get("/v1/jobs?prefix=cron/"))
    now = time.time()
    until("three more seconds", lambda: time.time() > now + 3)
    assert len(api.get("/v1/jobs?prefix=cron/")) == launched, "a stopped job is not launched"
    api.delete("/v1/job/cron?purge=true")


def test_a_leader_falls_in_the_seconds_of_a_launch():
    with Cluster() as cluster:
        cluster.start_servers(3)
        cluster.start_clients(1)
        api = cluster.leader().api()
        api.wait("a ready node", "/v1/nodes", lambda nodes: [n for n in nodes if n["Status"] == "ready"])
        job = example(api, "cron")
        job["Periodic"].update(Specs=["*/2 * * * * * *"], ProhibitOverlap=False, Missed="run_all")
        job["Retain"] = None
        register(api, job)
        api.wait("a launch", "/v1/jobs?prefix=cron/", lambda j: j)
        for _ in range(2):
            fallen = cluster.leader()
            fallen.kill()
            others = [s for s in cluster.servers if s is not fallen]
            api = cluster.leader(others).api()
            before = len(api.get("/v1/jobs?prefix=cron/"))
            api.wait("launches go on", "/v1/jobs?prefix=cron/", lambda j, n=before: len(j) >= n + 3, deadline=60)
            fallen.start()
            until("the fallen one to be back", lambda f=fallen: f.api().get("/v1/status/leader"))
        times = sorted(int(c["ID"].rsplit("-", 1)[1]) for c in api.get("/v1/jobs?prefix=cron/"))
        assert times == list(range(times[0], times[-1] + 1, 2)), "each second second once, none left out"


# ---- dispatch

def test_dispatch(agent):
    api = agent.api()
    register(api, example(api, "dispatch"))
    with pytest.raises(ApiError, match=r"Dispatch did not provide required meta keys: \[who\]"):
        api.put("/v1/job/dispatch/dispatch", {})
    with pytest.raises(ApiError, match=r"unpermitted metadata keys: \[else\]"):
        api.put("/v1/job/dispatch/dispatch", {"Meta": {"who": "x", "else": "y"}})
    payload = os.urandom(200_000)
    done = api.put("/v1/job/dispatch/dispatch", {"Meta": {"who": "world"}, "Payload": base64.b64encode(payload).decode(),
                                                 "IdPrefixTemplate": "night"})
    child = done["DispatchedJobID"]
    assert child.startswith("dispatch/dispatch-night-")
    alloc = api.wait_allocs(child, lambda a: a and a[0]["ClientStatus"] == "complete" and a[0])
    assert api.logs(alloc["ID"], "greet") == "hello world\n200000\n"
    with pytest.raises(ApiError, match="Payload exceeds maximum size"):
        api.put("/v1/job/dispatch/dispatch", {"Meta": {"who": "x"}, "Payload": base64.b64encode(bytes(1_100_000)).decode()})

    # Racers with one token are all told the child that exists.
    answers = []

    def race():
        answers.append(api.put("/v1/job/dispatch/dispatch?idempotency_token=once", {"Meta": {"who": "racer"}})["DispatchedJobID"])

    racers = [threading.Thread(target=race) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(answers) == 8 and len(set(answers)) == 1
    assert api.get(f"/v1/job/{answers[0].replace('/', '%2F')}")["DispatchIdempotencyToken"] == "once"


def test_dispatch_hands_its_result_back(agent):
    api = agent.api()
    job = script(example(api, "dispatch"), "echo out $NOMAD_META_who; echo err >&2; exit 7")
    job["ID"] = job["Name"] = "result"
    job["TaskGroups"][0]["RestartPolicy"] = {"Attempts": 0, "Mode": "fail", "Interval": 60 * SECOND, "Delay": SECOND}
    job["TaskGroups"][0]["ReschedulePolicy"] = {"Attempts": 0, "Unlimited": False}
    job["TaskGroups"][0]["Tasks"][0]["RestartPolicy"] = None
    register(api, job)
    done = agent.cli("job", "dispatch", "-wait", "-meta", "who=me", "result", check=False)
    assert (done.returncode, done.stdout) == (7, "out me\n")
    assert "err" in done.stderr


def test_dispatched_children_wait_for_their_turn(agent):
    api = agent.api()
    job = script(example(api, "dispatch"), "while ! test -e $NOMAD_META_who; do sleep 0.05; done")
    job["ID"] = job["Name"] = "queue"
    job["TaskGroups"][0]["Tasks"][0].pop("DispatchPayload", None)
    register(api, job)
    gate = os.path.join(agent.data_dir, "gate")
    names = [api.put("/v1/job/queue/dispatch", {"Meta": {"who": gate}, "Priority": 50 + 10 * (n == 4)})["DispatchedJobID"] for n in range(5)]

    def states(children):
        return {c["ID"]: c["Status"] for c in children}
    first = api.wait("two to run", "/v1/jobs?prefix=queue/", lambda c: list(states(c).values()).count("running") == 2 and states(c))
    assert first[names[0]] == "running" and first[names[1]] == "running"
    assert list(first.values()).count("pending") == 3
    with open(gate, "w", encoding="utf-8"):
        pass
    api.wait("all to be done", "/v1/jobs?prefix=queue/", lambda c: all(s == "dead" for s in states(c).values()) and len(c) == 5, deadline=60)
    created = {n: api.get(f"/v1/job/{n.replace('/', '%2F')}/evaluations")[0]["CreateIndex"] for n in names}
    assert created[names[4]] < created[names[3]], "the most urgent first"
    os.unlink(gate)


# ---- many, counts, ends

def test_a_thousand_jobs_in_one_call(agent):
    api = agent.api()
    one = example(api, "array")
    jobs = []
    for n in range(1000):
        job = json.loads(json.dumps(one))
        job["ID"] = job["Name"] = f"many-{n:04}"
        job["TaskGroups"][0]["Count"] = 0 if n else 1
        jobs.append({"Job": job})
    jobs[500]["Job"]["Type"] = "nonsense"
    jobs[501]["Job"]["ID"] = ""
    jobs[502]["EnforceIndex"] = True
    jobs[502]["JobModifyIndex"] = 7
    results = api.put("/v1/jobs/batch", {"Jobs": jobs})["Results"]
    assert len(results) == 1000
    wrong = [i for i, r in enumerate(results) if r["Error"]]
    assert wrong == [500, 501, 502], [results[i] for i in wrong[:5]]
    assert 'Job type "nonsense"' in results[500]["Error"] or "nonsense" in results[500]["Error"]
    assert results[999]["JobID"] == "many-0999" and results[999]["EvalID"] and results[999]["JobModifyIndex"] > 0
    assert len(api.get("/v1/jobs?prefix=many-&per_page=2000")) == 997
    for n in range(0, 1000, 333):
        assert api.get(f"/v1/job/many-{n:04}")["Version"] == 0


def test_an_array_of_twenty(agent):
    api = agent.api()
    register(api, example(api, "array"))
    allocs = api.wait_allocs("array", lambda a: len([x for x in a if x["ClientStatus"] == "complete"]) == 20 and a, deadline=90)
    assert sorted(api.logs(a["ID"], "work") for a in allocs) == sorted(f"piece {n}\n" for n in range(20))


def test_scaling_within_its_bounds(agent):
    api = agent.api()
    register(api, example(api, "scaling"))
    api.wait_allocs("scaling", lambda a: len(running(a)) == 2)

    def scale(count, **more):
        return api.put("/v1/job/scaling/scale", {"Target": {"Group": "web"}, "Count": count, "Message": "by hand", **more})
    assert scale(4)["EvalID"]
    api.wait_allocs("scaling", lambda a: len(running(a)) == 4)
    with pytest.raises(ApiError, match="group count was greater than scaling policy maximum: 6 > 5"):
        scale(6)
    with pytest.raises(ApiError, match="group count was less than scaling policy minimum: 0 < 1"):
        scale(0)
    status = api.get("/v1/job/scaling/scale")["TaskGroups"]["web"]
    assert status["Desired"] == 4
    assert [(e["Count"], e["PreviousCount"], e["Message"]) for e in status["Events"]] == [(4, 2, "by hand")]
    policies = api.get("/v1/scaling/policies?job=scaling")
    assert len(policies) == 1 and policies[0]["Target"]["Group"] == "web" and policies[0]["Enabled"] is True
    policy = api.get(f"/v1/scaling/policy/{policies[0]['ID']}")
    assert (policy["Min"], policy["Max"]) == (1, 5)
    api.delete("/v1/job/scaling?purge=true")


def test_a_priority_is_changed_while_it_runs(agent):
    api = agent.api()
    job = example(api, "scaling")
    job["ID"] = job["Name"] = "priority"
    register(api, job)
    before = api.wait_allocs("priority", lambda a: len(running(a)) == 2 and running(a))
    job["Priority"] = 80
    register(api, job)
    api.wait_allocs("priority", lambda a: [x["JobVersion"] for x in running(a)] == [1, 1])
    after = running(api.get("/v1/job/priority/allocations"))
    assert sorted(a["ID"] for a in after) == sorted(b["ID"] for b in before), "nothing was replaced for it"
    api.delete("/v1/job/priority?purge=true")


def test_a_job_expires(agent):
    api = agent.api()
    job = example(api, "preview")
    assert job["TTL"] == 7200 * SECOND
    job["TTL"] = 3 * SECOND
    register(api, job)
    api.wait_allocs("preview", lambda a: len(running(a)) == 1)
    stopped = api.wait("the job to be stopped", "/v1/job/preview", lambda j: j["Stop"] and j)
    assert stopped["Status"] in ("running", "dead")
    api.wait_allocs("preview", lambda a: [x for x in a if x["ClientStatus"] == "complete"])


def test_garbage(agent):
    api = agent.api()
    job = script(example(api, "array"), "true")
    job["ID"] = job["Name"] = "garbage"
    job["TaskGroups"][0]["Count"] = 3
    register(api, job)
    api.wait("the job to be dead", "/v1/job/garbage", lambda j: j["Status"] == "dead")
    kept = script(example(api, "array"), "true")
    kept["ID"] = kept["Name"] = "kept"
    kept["Retain"] = {"Age": 3600 * SECOND}
    register(api, kept)
    api.wait("the job to be dead", "/v1/job/kept", lambda j: j["Status"] == "dead")
    api.put("/v1/system/gc")
    until("the job to be gone", lambda: gone(api, "/v1/job/garbage"))
    assert api.get("/v1/job/garbage/allocations") == []
    assert api.get("/v1/job/kept")["Status"] == "dead"
    assert len(api.get("/v1/job/kept/allocations")) == 20
    api.put("/v1/system/reconcile/summaries")


def gone(api, path):
    try:
        api.get(path)
        return False
    except ApiError as error:
        return error.status == 404


# ---- drains

def test_a_drain_moves_one_at_a_time():
    with Cluster() as cluster:
        cluster.start_servers(1)
        cluster.start_clients(2)
        api = cluster.leader().api()
        nodes = api.wait("two ready nodes", "/v1/nodes", lambda n: len([x for x in n if x["Status"] == "ready"]) == 2 and n)
        register(api, example(api, "drain"))
        everywhere = example(api, "drain")
        everywhere.update(ID="everywhere", Name="everywhere", Type="system")
        everywhere["TaskGroups"][0].update(Count=1, Migrate=None, ReschedulePolicy=None, Update=None)
        everywhere["Update"] = None
        register(api, everywhere)
        api.wait_allocs("drain", lambda a: len(running(a)) == 3)
        api.wait_allocs("everywhere", lambda a: len(running(a)) == 2)
        victim = max(nodes, key=lambda n: len([a for a in running(api.get("/v1/job/drain/allocations")) if a["NodeID"] == n["ID"]]))
        least = []
        stop = threading.Event()

        def watch():
            while not stop.is_set():
                least.append(len(running(api.get("/v1/job/drain/allocations"))))

        watcher = threading.Thread(target=watch)
        watcher.start()
        api.put(f"/v1/node/{victim['ID']}/drain",
                {"DrainSpec": {"Deadline": 600 * SECOND, "IgnoreSystemJobs": True}, "Meta": {"why": "test"}})
        drained = api.wait("the drain to end", f"/v1/node/{victim['ID']}", lambda n: n["DrainStrategy"] is None and n, deadline=60)
        stop.set()
        watcher.join()
        assert min(least) >= 2, least
        assert drained["SchedulingEligibility"] == "ineligible"
        assert drained["LastDrain"]["Status"] == "complete" and drained["LastDrain"]["Meta"] == {"why": "test"}
        assert "Node drain complete" in [e["Message"] for e in drained["Events"]]
        after = api.wait_allocs("drain", lambda a: len(running(a)) == 3 and running(a))
        assert victim["ID"] not in [a["NodeID"] for a in after]
        assert len(running(api.get("/v1/job/everywhere/allocations"))) == 2, "system jobs were to be left alone"
        moved = [a for a in api.get("/v1/job/drain/allocations") if a["NodeID"] == victim["ID"]]
        assert {a["DesiredDescription"] for a in moved} == {"alloc is being migrated"}
        api.put(f"/v1/node/{victim['ID']}/eligibility", {"Eligibility": "eligible"})
        assert api.get(f"/v1/node/{victim['ID']}")["SchedulingEligibility"] == "eligible"
        # By force: at once, system jobs too.
        api.put(f"/v1/node/{victim['ID']}/drain", {"DrainSpec": {"Deadline": -1}})
        api.wait("the drain to end", f"/v1/node/{victim['ID']}", lambda n: n["DrainStrategy"] is None, deadline=60)
        api.wait_allocs("everywhere", lambda a: len(running(a)) == 1)


def test_a_lost_node_and_its_return():
    with Cluster() as cluster:
        cluster.start_servers(1)
        cluster.start_clients(2)
        api = cluster.leader().api()
        api.wait("two ready nodes", "/v1/nodes", lambda n: len([x for x in n if x["Status"] == "ready"]) == 2)
        job = example(api, "disconnect")
        job["TaskGroups"][0]["Spreads"] = [{"Attribute": "${node.unique.id}", "Weight": 100}]
        register(api, job)
        before = api.wait_allocs("disconnect", lambda a: len(running(a)) == 2 and running(a))
        client = cluster.clients[0]
        node = next(n for n in api.get("/v1/nodes") if n["Name"] == client.name)
        mine = [a["ID"] for a in before if a["NodeID"] == node["ID"]]
        if not mine:
            pytest.skip("the scheduler put both on the other node")
        os.kill(client.popen.pid, 19)
        try:
            api.wait("unknown allocations", "/v1/job/disconnect/allocations",
                     lambda a: {x["ID"] for x in a if x["ClientStatus"] == "unknown"} == set(mine) and len(running(a)) == 2, deadline=90)
            assert api.get(f"/v1/node/{node['ID']}")["Status"] == "disconnected"
        finally:
            os.kill(client.popen.pid, 18)
        api.wait("the node to be back", f"/v1/node/{node['ID']}", lambda n: n["Status"] == "ready", deadline=60)
        after = api.wait_allocs("disconnect", lambda a: {x["ID"] for x in running(a)} == {b["ID"] for b in before} and
                                not [x for x in a if x["ClientStatus"] == "unknown"] and a, deadline=60)
        assert {a["DesiredDescription"] for a in after if a["DesiredStatus"] == "stop"} == {
            "alloc not needed due to disconnected client reconnect"}


def test_cron_texts_are_utc_by_default(agent):
    api = agent.api()
    job = example(api, "cron")
    job["ID"] = job["Name"] = "daily"
    job["Periodic"].update(Specs=["@daily"], TimeZone="")
    register(api, job)
    shown = api.get("/v1/job/daily")
    assert shown["Periodic"]["TimeZone"] == "UTC" and shown["Status"] == "running"
    midnight = calendar.timegm(time.gmtime()[:3] + (0, 0, 0))
    assert midnight % 86400 == 0
    api.delete("/v1/job/daily?purge=true")
