"""What operators do to servers: membership, leadership, snapshots, recovery from a lost quorum."""
import json
import os
import shutil
import tarfile
import threading
import time

import pytest

from harness import ApiError, Cluster, until


def names(api):
    return {n["Name"] for n in api.get("/v1/namespaces")}


def put_namespace(api, name):
    api.put("/v1/namespace", {"Name": name})


def index_of(api):
    return api.call("GET", "/v1/namespaces")[1]


def test_a_saved_state_comes_back():
    with Cluster() as cluster:
        agent = cluster.single()
        api = agent.api()
        api.wait_leader()
        put_namespace(api, "kept")
        file = os.path.join(cluster.folder, "a.snap")
        assert f"State file written to {file}" in agent.cli("operator", "snapshot", "save", file).stdout
        with tarfile.open(file, "r:gz") as archive:
            assert sorted(archive.getnames()) == ["SHA256SUMS", "meta.json", "state.bin"]
        shown = agent.cli("operator", "snapshot", "inspect", file).stdout
        assert "Index" in shown and "namespaces" in shown
        state = json.loads(agent.cli("operator", "snapshot", "state", file).stdout)
        assert {n["Name"] for n in state["Namespaces"]} == {"default", "kept"}
        assert [n["Name"] for n in state["Nodes"]] == ["node1"] and state["SnapshotMeta"][0]["Index"] > 0
        some = json.loads(agent.cli("operator", "snapshot", "state", "-filter", 'Name == "kept"', file).stdout)
        assert [n["Name"] for n in some["Namespaces"]] == ["kept"] and some["Nodes"] == []
        assert agent.cli("operator", "snapshot", "state", "-filter", "Name ==", file, check=False).returncode == 1
        put_namespace(api, "later")
        before = index_of(api)
        assert "Snapshot Restored" in agent.cli("operator", "snapshot", "restore", file).stdout
        assert names(api) == {"default", "kept"}
        # It works on with indexes that nobody has seen yet, and it is what a restart finds.
        put_namespace(api, "after")
        assert index_of(api) > before
        agent.kill()
        agent.start()
        api = agent.api()
        api.wait_leader()
        assert names(api) == {"default", "kept", "after"}


def test_a_server_without_its_disk_joins_again():
    with Cluster() as cluster:
        cluster.start_servers(3)
        leader = cluster.leader()
        put_namespace(leader.api(), "before")
        victim = next(s for s in cluster.servers if s is not leader)
        place = victim.addresses()["rpc"]

        def members():
            try:
                return {m["Address"]: m for m in leader.api().get("/v1/operator/raft/configuration")["Servers"]}
            except (ApiError, OSError):
                return {}
        old = members()[place]["ID"]
        victim.kill()
        shutil.rmtree(victim.data_dir)
        victim.start()

        def has_its_vote():
            now = members()
            return len(now) == 3 and place in now and now[place]["ID"] != old and now[place]["Voter"]
        until("the server to have a vote under a new id", has_its_vote, 60)
        assert "before" in until("the state on it", lambda: names_stale(victim.api()))


def names_stale(api):
    try:
        return {n["Name"] for n in api.get("/v1/namespaces?stale")}
    except (ApiError, OSError):
        return set()


def test_who_waits_for_a_change_hears_of_a_restore():
    with Cluster() as cluster:
        agent = cluster.single()
        api = agent.api()
        api.wait_leader()
        put_namespace(api, "one")
        file = os.path.join(cluster.folder, "a.snap")
        agent.cli("operator", "snapshot", "save", file)
        for i in range(5):
            put_namespace(api, f"more{i}")
        api.put("/v1/namespace", {"Name": "one", "Description": "later"})
        seen = {path: api.call("GET", path)[1] for path in ("/v1/namespaces", "/v1/namespace/one", "/v1/jobs")}
        answers = {}

        def wait(path):
            answers[path] = api.call("GET", f"{path}?index={seen[path]}&wait=20s")
        threads = [threading.Thread(target=wait, args=(path,)) for path in seen]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        assert not answers
        begin = time.monotonic()
        agent.cli("operator", "snapshot", "restore", file)
        for thread in threads:
            thread.join()
        assert time.monotonic() - begin < 10
        for path, (_, index) in answers.items():
            assert index > seen[path], path
        assert {n["Name"] for n in answers["/v1/namespaces"][0]} == {"default", "one"}
        assert answers["/v1/namespace/one"][0]["Description"] == ""
        # Nor does one hang that asks only now, with what it saw before.
        begin = time.monotonic()
        for path, index in seen.items():
            assert api.call("GET", f"{path}?index={index}&wait=20s")[1] > index
        assert time.monotonic() - begin < 10


def test_a_fresh_cluster_takes_the_state_of_another():
    with Cluster() as old, Cluster() as new:
        agent = old.single()
        api = agent.api()
        api.wait_leader()
        for i in range(40):
            put_namespace(api, f"n{i}")
        file = os.path.join(old.folder, "a.snap")
        agent.cli("operator", "snapshot", "save", file)
        index = index_of(api)
        new.start_servers(3)
        leader = new.leader()
        leader.cli("operator", "snapshot", "restore", file)
        fresh = leader.api()
        assert len(names(fresh)) == 41
        put_namespace(fresh, "more")
        assert index_of(fresh) > index
        # The others took it too, and go on from it when the leader is gone.
        leader.kill()
        others = [s for s in new.servers if s is not leader]
        api = new.leader(others).api()
        assert "more" in until("the state on the new leader", lambda: names(api))


def test_what_is_no_snapshot_is_refused():
    with Cluster() as cluster:
        agent = cluster.single()
        api = agent.api()
        api.wait_leader()
        with pytest.raises(ApiError) as refused:
            api.call("PUT", "/v1/operator/snapshot", b"nonsense")
        assert refused.value.status == 400
        file = os.path.join(cluster.folder, "bad.snap")
        agent.cli("operator", "snapshot", "save", file)
        with open(file, "r+b") as f:
            f.seek(200)
            byte = f.read(1)
            f.seek(200)
            f.write(bytes([byte[0] ^ 0x41]))
        assert agent.cli("operator", "snapshot", "inspect", file, check=False).returncode != 0
        assert agent.cli("operator", "snapshot", "restore", file, check=False).returncode != 0


def test_leadership_is_handed_over_and_a_peer_removed():
    with Cluster() as cluster:
        cluster.start_servers(3)
        leader = cluster.leader()
        api = leader.api()
        peers = until("three peers", lambda: (lambda p: p if len(p) == 3 else None)(api.get("/v1/operator/raft/configuration")["Servers"]))
        other = next(p for p in peers if not p["Leader"])
        assert "Transferred leadership" in leader.cli("operator", "raft", "transfer-leadership", f"-peer-id={other['ID']}").stdout
        until("the other to lead", lambda: cluster.leader().addresses()["rpc"] == other["Address"])
        assert leader.cli("operator", "raft", "list-peers").stdout.count("follower") == 2
        heir = cluster.leader()
        gone = next(p for p in peers if p["ID"] != other["ID"])
        victim = next(s for s in cluster.servers if s.addresses()["rpc"] == gone["Address"])
        victim.kill()
        assert "Removed peer" in heir.cli("operator", "raft", "remove-peer", f"-peer-id={gone['ID']}").stdout
        until("two peers", lambda: len(heir.api().get("/v1/operator/raft/configuration")["Servers"]) == 2)
        put_namespace(heir.api(), "two")
        # A server that was removed while it was away asks to be let in again when it is back.
        victim.start()
        until("three voters again", lambda: [p["Voter"] for p in heir.api().get("/v1/operator/raft/configuration")["Servers"]] == [True] * 3, 60)


def test_a_lost_quorum_is_recovered_by_peers_json():
    with Cluster() as cluster:
        cluster.start_servers(3)
        leader = cluster.leader()
        api = leader.api()
        put_namespace(api, "precious")
        peers = api.get("/v1/operator/raft/configuration")["Servers"]
        mine = next(p for p in peers if p["Address"] == leader.addresses()["rpc"])
        for server in cluster.servers:
            server.kill()
        folder = os.path.join(leader.data_dir, "server", "raft")
        with open(os.path.join(folder, "peers.json"), "w", encoding="utf-8") as f:
            json.dump([{"id": mine["ID"], "address": mine["Address"], "non_voter": False}], f)
        leader.start()
        api = leader.api()
        api.wait_leader()
        assert "precious" in names(api)
        put_namespace(api, "alone")
        assert len(api.get("/v1/operator/raft/configuration")["Servers"]) == 1
        until("the file to be taken", lambda: os.path.exists(os.path.join(folder, "peers.info")))
        leader.kill()
        leader.start()
        api = leader.api()
        api.wait_leader()
        assert {"precious", "alone"} <= names(api)


def test_autopilot_is_shown_and_changed():
    with Cluster() as cluster:
        cluster.start_servers(3)
        leader = cluster.leader()
        assert "CleanupDeadServers = true" in leader.cli("operator", "autopilot", "get-config").stdout
        assert "Configuration updated!" in leader.cli("operator", "autopilot", "set-config", "-cleanup-dead-servers=false",
                                                      "-server-stabilization-time=3s").stdout
        shown = leader.cli("operator", "autopilot", "get-config").stdout
        assert "CleanupDeadServers = false" in shown and "ServerStabilizationTime = 3s" in shown
        until("a healthy cluster", lambda: "Healthy" in leader.cli("operator", "autopilot", "health", check=False).stdout)
