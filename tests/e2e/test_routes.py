"""Every route and method of the reference of Nomad's HTTP API is asked of an agent: none is unknown, and what is no method of a path is refused as such.

What a route answers is looked at elsewhere; here none may fall through to the router's own 404, hang, or answer with a server's mistake.
"""
import http.client
import json
import os
import re
import urllib.parse
import urllib.request

import pytest
from harness import Cluster

REFERENCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "reference", "http_api.md")
# Of Nomad's other edition or between its own agents; named so that a route which falls out is noticed.
MISSING = {
    ("GET", "/v1/client/allocation/ALLOC/snapshot"),  # a node's disk for another node of Nomad's
    ("GET", "/v1/client/identity"),
    ("PUT", "/v1/client/identity/renew"),
    ("POST", "/v1/client/identity/renew"),
    ("GET", "/v1/agent/monitor/export"),
}
UUID = "11111111-2222-3333-4444-555555555555"
NAMES = {"ID": UUID, "ALLOC": UUID, "ACCESSOR": UUID, "NAME": "some-name", "PATH": "some/path", "<lookup>": "goroutine", "*": ""}
# These follow, or take a while on purpose.
STREAMS = {"/v1/event/stream", "/v1/agent/monitor", "/v1/agent/pprof/profile", "/v1/agent/pprof/trace"}


def documented():
    with open(REFERENCE, encoding="utf-8") as f:
        text = f.read()
    for line in text.splitlines():
        row = re.match(r"\| ((?:GET|PUT|POST|DELETE|WS)(?:[/,](?:GET|PUT|POST|DELETE))*) \| (/[^|]*?) \|", line)
        if not row:
            continue
        for path in re.split(r" ?, (?=/)", row[2]):
            path = path.strip().split("?")[0]
            several = re.search(r"\{([^}]+)\}", path)
            for one in [path.replace(several[0], word) for word in several[1].split(",")] if several else [path]:
                for method in re.split("[/,]", row[1]):
                    yield ("GET" if method == "WS" else method), one


def ask(address, method, path, body=b"", query=""):
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        connection.request(method, path + query, body=body or None)
        answer = connection.getresponse()
        return answer.status, (b"" if path in STREAMS else answer.read()).decode(errors="replace")
    finally:
        connection.close()


def filled(path):
    return "/".join(NAMES.get(word, word) for word in path.split("/"))


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        agent = cluster.single()
        agent.api().wait_leader()
        agent.api().wait("a ready node", "/v1/nodes", lambda n: [x for x in n if x["Status"] == "ready"])
        yield agent


@pytest.mark.skipif(not os.path.exists(REFERENCE), reason="the reference is not beside this checkout")
def test_every_documented_route_answers(agent):
    address = agent.addresses()["http"]
    asked, unknown, broken = 0, [], []
    # Not what would end the agent's leadership, its members or its configuration's validity for the rest of this test.
    for method, path in sorted(set(documented())):
        if path in ("/v1/operator/raft/transfer-leadership", "/v1/agent/reload", "/ui/*"):
            continue
        # One row of the reference for two paths, of which only the configuration can be written.
        if (method, path) == ("PUT", "/v1/agent/schedulers"):
            continue
        asked += 1
        status, text = ask(address, method, filled(path), b"{}" if method in ("PUT", "POST") else b"")
        unknown_text = "resource not found" if path.startswith("/v1/client/allocation/") else "404 page not found\n"
        fell_through = status == 405 or (status == 404 and text == unknown_text and "pprof" not in path)
        if fell_through != ((method, path) in MISSING):
            unknown.append(f"{method} {path}: {status} {text!r}")
        if status >= 500 and ("panic" in text or "assert" in text.lower()):
            broken.append(f"{method} {path}: {status} {text!r}")
    assert asked > 150
    assert not unknown, "\n".join(unknown)
    assert not broken, "\n".join(broken)


def test_the_region_is_looked_at(agent):
    address = agent.addresses()["http"]
    for path in ("/v1/jobs", "/v1/status/leader", "/v1/nodes", "/v1/operator/scheduler/configuration", "/v1/services"):
        assert ask(address, "GET", path, query="?region=global")[0] == 200
        assert ask(address, "GET", path, query="?region=")[0] == 200
        assert ask(address, "GET", path, query="?region=elsewhere") == (500, "No path to region")
    # Of the agent itself, whatever the region.
    assert ask(address, "GET", "/v1/agent/self", query="?region=elsewhere")[0] == 200
    job = b'{"Job": {"ID": "far", "Name": "far", "Type": "batch", "Region": "elsewhere", "Datacenters": ["*"], "TaskGroups": []}}'
    assert ask(address, "PUT", "/v1/jobs", job) == (500, "No path to region")
    assert ask(address, "PUT", "/v1/job/far/plan", job) == (500, "No path to region")


def test_csi_without_plugins_answers_as_nomad_does(agent):
    address = agent.addresses()["http"]
    volume = b'{"Volumes": [{"ID": "data", "Name": "data", "PluginID": "ebs", "RequestedCapabilities": [{"AccessMode": "single-node-writer", "AttachmentMode": "file-system"}]}]}'
    assert ask(address, "PUT", "/v1/volumes", volume) == (500, "no CSI plugin named: ebs could be found")
    assert ask(address, "PUT", "/v1/volume/csi/data/create", volume) == (500, "no CSI plugin named: ebs could be found")
    assert ask(address, "PUT", "/v1/volumes", b'{"Volumes": [{"ID": "data"}]}')[1].startswith("validation: missing plugin id")
    assert ask(address, "GET", "/v1/volume/csi/data") == (404, "volume not found")
    assert ask(address, "GET", "/v1/plugin/csi/ebs") == (404, "plugin not found")
    assert ask(address, "GET", "/v1/plugins", query="?type=csi") == (200, "[]")
    assert ask(address, "GET", "/v1/plugins", query="?type=what") == (404, "resource not found")
    assert ask(address, "DELETE", "/v1/volume/csi/data/detach") == (400, "detach requires node ID")


def test_states_of_named_jobs(agent):
    address = agent.addresses()["http"]
    for name in ("one", "two"):
        agent.api().put("/v1/jobs", {"Job": {
            "ID": name, "Name": name, "Type": "batch", "Datacenters": ["*"], "ParameterizedJob": {}, "TaskGroups": [
                {"Name": "g", "Tasks": [{"Name": "t", "Driver": "raw_exec", "Config": {"command": "true"}}]}]}})
    named = agent.api().call("POST", "/v1/jobs/statuses", {"Jobs": [{"ID": "two", "Namespace": "default"}, {"ID": "none"}]})[0]
    assert [job["ID"] for job in named] == ["two"]
    assert {job["ID"] for job in agent.api().get("/v1/jobs/statuses")} >= {"one", "two"}
    assert ask(address, "POST", "/v1/jobs/statuses") == (400, "Request body is empty")


def test_pages_of_allocations_lose_nothing_and_repeat_nothing(agent):
    api, address = agent.api(), agent.addresses()["http"]
    for i in range(4):
        api.put("/v1/jobs", {"Job": {
            "ID": f"many-{i}", "Name": "many", "Type": "batch", "Datacenters": ["*"], "TaskGroups": [{
                "Name": "g", "Count": 13, "EphemeralDisk": {"SizeMB": 10}, "Tasks": [{
                    "Name": "t", "Driver": "mock_driver", "Config": {"run_for": "1h"}, "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
                    "Resources": {"CPU": 1, "MemoryMB": 10}}]}]}})
    api.wait("the allocations", "/v1/allocations", lambda found: len(found) >= 52)

    def page(query):
        with urllib.request.urlopen(f"http://{address}/v1/allocations?{query}", timeout=20) as answer:
            return [a["ID"] for a in json.load(answer)], answer.headers.get("X-Nomad-NextToken")
    for query in ("task_states=false", "reverse=true", "filter=" + urllib.parse.quote('JobID == "many-1"')):
        whole, _ = page(query)
        for size in (1, 7, len(whole), len(whole) + 50):
            got, token = [], ""
            while token is not None:
                part, token = page(f"{query}&per_page={size}" + (f"&next_token={token}" if token else ""))
                assert len(part) <= size
                got += part
            assert got == whole, (query, size)
