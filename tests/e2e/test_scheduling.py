"""Simulated nodes on a real server: placement, explanation, eviction, loss of nodes; every name exactly once."""
from harness import Cluster, Process, until

NODES = 40


def job(name, count, priority=50, cpu=100, constraints=()):
    return {"Job": {"ID": name, "Name": name, "Type": "service", "Priority": priority, "Datacenters": ["*"],
                    "Constraints": [{"LTarget": left, "Operand": operand, "RTarget": right} for left, operand, right in constraints],
                    "TaskGroups": [{"Name": "g", "Count": count, "EphemeralDisk": {"SizeMB": 120},
                                    "Tasks": [{"Name": "t", "Driver": "mock_driver", "Config": {"run_for": "1h"},
                                               "Resources": {"CPU": cpu, "MemoryMB": 16}}]}]}}


def running(count):
    return lambda allocs: len([a for a in allocs if a["ClientStatus"] == "running" and a["DesiredStatus"] == "run"]) == count and allocs


def simulated(cluster, server, name, count, *more):
    process = Process(["bench", "nodes", f"-count={count}", f"-servers={server.addresses()['rpc']}", "-cpu=1000", "-memory=4096", *more],
                      cluster.folder, name)
    process.name = name
    cluster.clients.append(process)
    return process


def test_placed_explained_evicted_and_moved():
    with Cluster() as cluster:
        server = cluster.start_servers(1)[0]
        api = server.api()
        api.wait_leader()
        simulated(cluster, server, "nodes", NODES)
        nodes = api.wait("all nodes to be ready", "/v1/nodes", lambda n: len([x for x in n if x["Status"] == "ready"]) == NODES and n)
        assert len({n["ID"] for n in nodes}) == NODES

        # Ten a node is all the room there is.
        api.put("/v1/jobs", job("low", NODES * 10, priority=20))
        allocs = [a for a in api.wait_allocs("low", running(NODES * 10)) if a["DesiredStatus"] == "run"]
        assert len({a["Name"] for a in allocs}) == NODES * 10

        # Another one waits, and says why.
        api.put("/v1/jobs", job("late", 1, priority=25))
        api.wait("the blocked evaluation", "/v1/job/late/evaluations", lambda evals: [e for e in evals if e["Status"] == "blocked"])
        why = api.get("/v1/job/late/explain")["Groups"][0]
        assert why["NodesTotal"] == NODES and why["NodesFitting"] == 0
        assert [c["NodesRemoved"] for c in why["Conditions"] if c["Name"].endswith("of cpu")] == [NODES]
        said = server.cli("job", "status", "-explain", "late").stdout
        assert 'Group "g" waits for 1 place; 0 nodes of 40 would take one now.' in said
        assert "The smallest change" in said

        # What is important enough makes room, and whoever loses its place is told and looks for another.
        api.put("/v1/operator/scheduler/configuration", {"PreemptionConfig": {"SystemSchedulerEnabled": True, "ServiceSchedulerEnabled": True}})
        plan = api.put("/v1/job/high/plan", dict(job("high", 5, priority=80), Diff=False))
        assert len(plan["Annotations"]["PreemptedAllocs"]) == 5
        api.put("/v1/jobs", job("high", 5, priority=80))
        api.wait_allocs("high", running(5))
        evicted = api.wait_allocs("low", lambda allocs: len([a for a in allocs if a["DesiredStatus"] == "evict"]) == 5 and allocs)
        assert all(a["JobID"] == "low" for a in evicted)
        api.wait("evaluations of the job that lost", "/v1/job/low/evaluations", lambda evals: [e for e in evals if e["TriggeredBy"] == "preemption"])

        # More nodes: everything that waited is placed, each name once.
        simulated(cluster, server, "more", 2)
        allocs = [a for a in api.wait_allocs("low", running(NODES * 10)) if a["DesiredStatus"] == "run"]
        assert len({a["Name"] for a in allocs}) == NODES * 10
        api.wait_allocs("late", running(1))


def test_nodes_that_go_are_replaced_exactly():
    with Cluster() as cluster:
        server = cluster.start_servers(1)[0]
        api = server.api()
        api.wait_leader()
        first = simulated(cluster, server, "first", 5)
        simulated(cluster, server, "second", 5)
        api.wait("all nodes to be ready", "/v1/nodes", lambda n: len([x for x in n if x["Status"] == "ready"]) == 10)
        api.put("/v1/jobs", job("web", 40))
        before = api.wait_allocs("web", running(40))
        assert len({a["NodeID"] for a in before}) > 5
        first.kill()

        def moved():
            live = [a for a in api.get("/v1/job/web/allocations") if a["DesiredStatus"] == "run" and a["ClientStatus"] == "running"]
            return len(live) == 40 and len({a["Name"] for a in live}) == 40 and len({a["NodeID"] for a in live}) <= 5 and live
        until("everything to run on the nodes that are left", moved, 90)
