"""Servers as real processes in network namespaces, under partitions, kill -9 and SIGSTOP; what clients saw is judged by the simulator's
checker. The short form runs wherever namespaces can be made; NL_LONG=1 runs five servers under 200 faults.
"""
import http.client
import json
import os
import random
import shutil
import subprocess
import threading
import time

import pytest

from harness import until
from netns import SIM, Clients, Connection, History, NetCluster, enter, run, why_not

LONG = os.environ.get("NL_LONG") == "1"
MISSING = why_not() or (None if os.path.exists(SIM) else f"the checker {SIM} is not built")
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def founded(cluster, count):
    cluster.start_servers(count)
    return cluster.leader()


class Nemesis:
    """One fault after the other, each for a moment, by a seed."""

    def __init__(self, cluster, seed):
        self.cluster = cluster
        self.chance = random.Random(seed)

    def strike(self):
        cluster, chance = self.cluster, self.chance
        servers = list(cluster.servers)
        leader = cluster.leader()
        others = [s for s in servers if s is not leader]
        kind = chance.choice(["leader apart", "follower apart", "deaf leader", "mute leader", "bridge", "kill leader", "kill follower",
                              "stop leader", "stop all", "kill all"])
        span = chance.uniform(0.6, 2.0)
        if kind == "leader apart":
            cluster.part([leader], others)
        elif kind == "follower apart":
            cluster.part([others[0]], [s for s in servers if s is not others[0]])
        elif kind == "deaf leader":
            for other in others:
                cluster.cut(leader, other)
        elif kind == "mute leader":
            for other in others:
                cluster.cut(other, leader)
        elif kind == "bridge":
            half = len(others) // 2 or 1
            cluster.part(others[:half], others[half:])
        elif kind.startswith("kill"):
            victims = {"kill leader": [leader], "kill follower": [others[0]], "kill all": servers}[kind]
            for victim in victims:
                victim.popen.kill()
            for victim in victims:
                victim.kill()
            time.sleep(span if kind != "kill all" else 0)
            for victim in victims:
                victim.start()
            return kind
        else:
            victims = [leader] if kind == "stop leader" else servers
            for victim in victims:
                victim.pause()
            time.sleep(span)
            for victim in victims:
                victim.resume()
            return kind
        time.sleep(span)
        cluster.heal()
        return kind


def test_histories_under_faults_are_linearizable():
    count, rounds = (5, 200) if LONG else (3, 7)
    with NetCluster() as cluster:
        founded(cluster, count)
        history = History()
        clients = Clients(cluster, history)
        nemesis = Nemesis(cluster, int(os.environ.get("NL_SEED", "1")))
        struck = []
        for _ in range(rounds):
            struck.append(nemesis.strike())
            before = history.acknowledged
            until("writes to go on after " + struck[-1], lambda: history.acknowledged > before + 20, 60)
        clients.end()
        print(f"{struck}: {history.check(cluster.folder)}")
        assert history.acknowledged > 20 * rounds


def read_stale_after_stop(cluster, leader, path):
    """Wakes the stopped leader; the first answer of a default read on a connection that was open before."""
    answers = []
    opened = threading.Event()
    go = threading.Event()

    def reader():
        enter(leader.namespace)
        link = Connection(20.0)
        link.call("GET", path)
        opened.set()
        go.wait()
        try:
            answers.append(link.call("GET", path))
        except (OSError, http.client.HTTPException) as error:
            answers.append(error)
    thread = threading.Thread(target=reader)
    thread.start()
    opened.wait(20)
    return thread, go, answers


def test_a_leader_that_was_stopped_gives_no_stale_answer():
    with NetCluster() as cluster:
        leader = founded(cluster, 3)
        others = [s for s in cluster.servers if s is not leader]
        assert put(cluster, leader, "one", "before") == 200
        for round_ in range(5):
            thread, go, answers = read_stale_after_stop(cluster, leader, "/v1/namespace/one")
            leader.pause()
            second = cluster.leader(others)
            fresh = f"after{round_}"
            until("the others to take a write", lambda: put(cluster, second, "one", fresh) == 200)
            go.set()  # The request lies in the stopped leader's socket when it wakes.
            time.sleep(0.05)
            leader.resume()
            thread.join()
            status, body = answers[0]
            assert status != 200 or json.loads(body)["Description"] == fresh, f"stale after {round_}: {body}"
            leader = cluster.leader()
            others = [s for s in cluster.servers if s is not leader]


def put(cluster, server, key, value, timeout=6.0):
    out = []

    def work():
        enter(server.namespace)
        try:
            out.append(Connection(timeout).call("PUT", "/v1/namespace", json.dumps({"Name": key, "Description": value}))[0])
        except (OSError, http.client.HTTPException):
            out.append(0)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return out[0]


def test_nothing_acknowledged_is_lost_when_all_are_killed_under_load():
    rounds = 20
    with NetCluster() as cluster:
        founded(cluster, 3)
        history = History()
        for round_ in range(rounds):
            cluster.leader()
            clients = Clients(cluster, history, keys=16, per_server=3)
            goal = history.acknowledged + 300
            until("three hundred acknowledged operations", lambda: history.acknowledged >= goal, 60)
            for server in cluster.servers:
                server.popen.kill()
            for server in cluster.servers:
                server.kill()
            clients.end()
            for server in cluster.servers:
                server.start()
        leader = cluster.leader()
        # What is there now is the end of every history.
        for key in range(16):
            begin = time.monotonic_ns()
            body = until("a read", lambda k=key: cluster.ask(leader, f"/v1/namespace/k{k}"))
            history.add(9999, "get", f"k{key}", "", begin, time.monotonic_ns(), json.loads(body)["Description"])
        print(f"{rounds} rounds: {history.check(cluster.folder)}")


def test_a_full_disk_refuses_writes_and_recovers():
    with NetCluster() as cluster:
        disk = os.path.join(cluster.folder, "server1")
        os.makedirs(disk)
        run("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", disk)
        try:
            leader = founded(cluster, 1)
            assert put(cluster, leader, "a", "1") == 200
            ballast = os.path.join(disk, "ballast")
            subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=1M", "count=150"], capture_output=True, check=False)
            until("a write to be refused", lambda: put(cluster, leader, "b", "2") not in (0, 200), 30)
            # Reads go on, the server lives.
            assert cluster.ask(leader, "/v1/namespace/a") and leader.alive()
            os.unlink(ballast)
            until("writes to be taken again", lambda: put(cluster, leader, "c", "3") == 200, 30)
            leader.kill()
            leader.start()
            cluster.leader()
            assert cluster.ask(leader, "/v1/namespace/c")
        finally:
            for server in cluster.servers:
                server.kill()
            run("umount", disk)


def test_a_wiped_server_comes_back_as_a_new_member():
    with NetCluster() as cluster:
        leader = founded(cluster, 3)
        victim = next(s for s in cluster.servers if s is not leader)

        def members():
            answer = cluster.ask(cluster.leader(), "/v1/operator/raft/configuration")
            return {m["Address"]: m for m in json.loads(answer)["Servers"]} if answer else {}
        before = until("three members", lambda: members() if len(members()) == 3 else None)
        victim.kill()
        shutil.rmtree(victim.data_dir)
        victim.start()
        place = f"{victim.address}:4647"

        def replaced():
            now = members()
            return place in now and now[place]["ID"] != before[place]["ID"] and now[place]["Voter"] and len(now) == 3
        until("the wiped server to be a voter again, under a new id", replaced, 60)
        until("a write with the new member", lambda: put(cluster, cluster.leader(), "after", "wipe") == 200)
