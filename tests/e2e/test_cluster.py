"""Three servers with durable directories and two clients: the leader dies, then everybody; nothing acknowledged is lost."""
import threading
import time

from harness import Api, ApiError, Cluster, until


def service(name, count):
    return {"Job": {"ID": name, "Name": name, "Type": "service", "Datacenters": ["*"], "TaskGroups": [{
        "Name": "g", "Count": count,
        "Tasks": [{"Name": "t", "Driver": "raw_exec", "Config": {"command": "/bin/sleep", "args": ["600"]},
                   "Resources": {"CPU": 20, "MemoryMB": 16}}]}]}}


def running(count):
    return lambda allocs: len([a for a in allocs if a["ClientStatus"] == "running"]) == count and allocs


def put_until_accepted(servers, path, body, deadline=20.0):
    """Submits to whichever living server accepts; the time it took."""
    start = time.monotonic()

    def look():
        for server in servers:
            if not server.alive():
                continue
            try:
                Api(server.addresses()["http"]).call("PUT", path, body, timeout=2)
                return True
            except (ApiError, OSError):
                continue
        return False
    until("a server to accept the job", look, deadline)
    return time.monotonic() - start


def test_leader_dies_then_all_die_and_nothing_is_lost():
    with Cluster() as cluster:
        servers = cluster.start_servers(3)
        leader = cluster.leader()
        clients = cluster.start_clients(2)
        api = leader.api()
        api.wait("two ready nodes", "/v1/nodes", lambda n: len([x for x in n if x["Status"] == "ready"]) == 2)
        api.put("/v1/jobs", service("web", 4))
        before = api.wait_allocs("web", running(4))
        assert len({a["NodeID"] for a in before}) == 2

        leader.kill()
        others = [s for s in servers if s is not leader]
        took = put_until_accepted(others, "/v1/jobs", service("after", 1))
        print(f"accepted {took * 1000:.0f} ms after the leader's death")
        # The goal is 1 s at most (p50 is near 0.3); a loaded machine that misses an election round gets one more.
        assert took < 2.0
        api = cluster.leader(others).api()
        api.wait_allocs("after", running(1))
        now = api.wait_allocs("web", running(4))
        assert {a["ID"] for a in now} == {a["ID"] for a in before}

        leader.start()
        leader.api().wait("the old leader to catch up", "/v1/jobs?stale", lambda jobs: {"web", "after"} <= {j["ID"] for j in jobs})

        # Writers submit while all servers are killed at once: what was answered must be there afterwards.
        acknowledged = []
        stop = threading.Event()

        def write(worker):
            number = 0
            while not stop.is_set():
                name = f"load-{worker}-{number}"
                number += 1
                for server in servers:
                    try:
                        body = service(name, 1)
                        body["Job"]["TaskGroups"][0]["Constraints"] = [
                            {"LTarget": "${meta.nowhere}", "RTarget": "x", "Operand": "="}]
                        Api(server.addresses()["http"]).call("PUT", "/v1/jobs", body, timeout=2)
                        acknowledged.append(name)
                        break
                    except (ApiError, OSError, AssertionError):
                        if stop.is_set():
                            return
        writers = [threading.Thread(target=write, args=(w,)) for w in range(4)]
        for writer in writers:
            writer.start()
        until("a hundred acknowledged jobs", lambda: len(acknowledged) >= 100)
        for server in servers:
            server.popen.kill()
        stop.set()
        for writer in writers:
            writer.join()
        for server in servers:
            server.kill()
        for server in servers:
            server.start()
        api = cluster.leader().api()
        names = {j["ID"] for j in api.get("/v1/jobs")}
        assert not set(acknowledged) - names
        assert {"web", "after"} <= names
        api.wait_allocs("web", running(4))
        assert {a["ID"] for a in api.get("/v1/job/web/allocations")} == {a["ID"] for a in before}
        assert all(c.alive() for c in clients)


def test_a_lost_node_is_replaced():
    with Cluster() as cluster:
        cluster.start_servers(1)
        leader = cluster.leader()
        first, second = cluster.start_clients(2)
        api = leader.api()
        nodes = api.wait("two ready nodes", "/v1/nodes", lambda n: len([x for x in n if x["Status"] == "ready"]) == 2 and n)
        ids = {n["Name"]: n["ID"] for n in nodes}
        api.put("/v1/jobs", service("web", 4))
        api.wait_allocs("web", running(4))
        first.kill()
        api.wait("the node to be down", "/v1/nodes", lambda n: any(x["ID"] == ids["client1"] and x["Status"] == "down" for x in n), 60)
        allocs = api.wait_allocs("web", lambda a: len(
            [x for x in a if x["ClientStatus"] == "running" and x["NodeID"] == ids["client2"]]) == 4 and a)
        assert any(a["ClientStatus"] == "lost" for a in allocs)
        assert second.alive()
