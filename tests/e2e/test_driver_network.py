"""Networks of allocations: none, bridge and cni/* with real plugins; ports, names, and that nothing of them stays."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request

import pytest
from driver_support import (finished, job, nothing_left, output, purge, refusal, restart, run, running, start_agent, stop, wait_output)
from harness import Cluster, until

PLUGINS = "/usr/lib/cni"
SUBNET = "172.30.200.0/24"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="networks are made by root"),
    pytest.mark.skipif(not shutil.which("runc") and not shutil.which("crun"), reason="no OCI runtime is installed"),
]
needs_plugins = pytest.mark.skipif(
    not os.path.exists(PLUGINS + "/bridge") or not shutil.which("iptables"), reason="containernetworking-plugins or iptables is not installed")


def sh(script):
    return {"command": "/bin/sh", "args": ["-c", script]}


def network(mode, **more):
    return {"Networks": [{"Mode": mode, **more}]}


@pytest.fixture(scope="module")
def place():
    config = tempfile.mkdtemp(prefix="nomad-lite-cni-")
    bridge = f"nltest{os.getpid() % 100000}"
    with open(config + "/lan.conflist", "w", encoding="utf-8") as f:
        json.dump({"cniVersion": "0.4.0", "name": "lan", "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": {"type": "host-local", "subnet": "172.30.201.0/24", "dataDir": config + "/ipam"}}]}, f)
    try:
        with Cluster() as cluster:
            yield start_agent(cluster, client=f'  cni_config_dir = "{config}"\n  cni_path = "{PLUGINS}"\n  bridge_network_name = "{bridge}"\n'
                              f'  bridge_network_subnet = "{SUBNET}"\n')
    finally:
        subprocess.run(["ip", "link", "del", bridge], check=False, capture_output=True)
        shutil.rmtree("/var/lib/cni/networks/nomad", ignore_errors=True)
        shutil.rmtree(config, ignore_errors=True)


@pytest.mark.parametrize("driver", ["exec", "raw_exec"])
def test_none_has_loopback_and_nothing_else(place, driver):
    alloc, state = finished(place, run(place, job(f"none-{driver}", driver, sh(
        "cat /proc/net/dev | tail -n +3 | cut -d: -f1; cat /proc/net/route | wc -l"), group=network("none"))))
    assert output(place, alloc["ID"]).split() == ["lo", "1"], (output(place, alloc["ID"]), state["Events"])
    purge(place, f"none-{driver}")
    nothing_left(place, alloc["ID"])


@needs_plugins
def test_the_node_says_what_it_has(place):
    node = place.api().get("/v1/node/" + place.api().get("/v1/nodes")[0]["ID"])
    modes = [n["Mode"] for n in node["NodeResources"]["NodeNetworks"]]
    assert "bridge" in modes and "cni/lan" in modes
    node = place.api().wait("plugin versions", "/v1/node/" + node["ID"], lambda n: "plugins.cni.version.bridge" in n["Attributes"] and n)
    assert re.fullmatch(r"v\d+\.\d+\.\d+", node["Attributes"]["plugins.cni.version.portmap"]), node["Attributes"]


@needs_plugins
def test_bridge_maps_ports_names_hosts_and_reports_its_address(place):
    name = run(place, job("bridged", "exec", sh(
        "echo $NOMAD_PORT_web $NOMAD_ALLOC_ADDR_web $NOMAD_HOST_PORT_web; cat /etc/hosts; cat /etc/resolv.conf; hostname; "
        "cd /local; echo from inside > index.html; exec python3 -m http.server 8080"),
        kind="service", group=network("bridge", Hostname="web-box", DynamicPorts=[{"Label": "web", "To": 8080}],
                                      DNS={"Servers": ["192.0.2.53"], "Searches": ["example.test"]})))
    alloc = running(place, name)
    text = wait_output(place, alloc["ID"], "(?s)web-box\n.*web-box\n")
    whole = place.api().wait("the network's status", f"/v1/allocation/{alloc['ID']}", lambda a: a.get("NetworkStatus") and a)
    address = whole["NetworkStatus"]["Address"]
    assert address.startswith("172.30.200.") and whole["NetworkStatus"]["InterfaceName"] == "eth0"
    port = whole["AllocatedResources"]["Shared"]["Ports"][0]["Value"]
    first = text.split("\n")[0].split()
    assert first == ["8080", f"{address}:8080", str(port)], text
    assert f"{address} web-box" in text and "nameserver 192.0.2.53" in text and "search example.test" in text

    def fetch(url):
        try:
            return urllib.request.urlopen(url, timeout=2).read()
        except OSError:
            return None
    assert until("the page inside", lambda: fetch(f"http://{address}:8080/index.html")) == b"from inside\n"
    host = whole["AllocatedResources"]["Shared"]["Ports"][0]["HostIP"]
    if not host.startswith("127."):
        assert until("the page by the mapped port", lambda: fetch(f"http://{host}:{port}/index.html")) == b"from inside\n"
    rules = subprocess.run(["iptables-save"], check=True, capture_output=True, text=True).stdout
    assert f"--dport {port}" in rules and f"{address}:8080" in rules
    # the agent dies and comes back: the same network, and its end still cleans up
    restart(place)
    assert running(place, name)["ID"] == alloc["ID"]
    assert until("the page inside", lambda: fetch(f"http://{address}:8080/index.html")) == b"from inside\n"
    stop(place, name)
    purge(place, name)
    nothing_left(place, alloc["ID"])
    rules = subprocess.run(["iptables-save"], check=True, capture_output=True, text=True).stdout
    assert f"--dport {port}" not in rules and address not in rules


@needs_plugins
def test_two_tasks_of_a_group_share_the_namespace(place):
    request = job("shared", "exec", sh("until nc -z 127.0.0.1 7777; do sleep 0.1; done; echo met") if shutil.which("nc") else sh(
        "until python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 7777), 1)' 2>/dev/null; do sleep 0.1; done; echo met"),
        group=network("bridge"))
    request["Job"]["TaskGroups"][0]["Tasks"].append({
        "Name": "listener", "Driver": "raw_exec", "Lifecycle": {"Hook": "prestart", "Sidecar": True}, "Resources": {"CPU": 20, "MemoryMB": 32},
        "Config": {"command": "python3", "args": ["-c", "import socket; s = socket.create_server(('127.0.0.1', 7777)); s.accept(); import time; time.sleep(60)"]}})
    alloc, state = finished(place, run(place, request))
    assert output(place, alloc["ID"]) == "met\n", state["Events"]
    purge(place, "shared")
    nothing_left(place, alloc["ID"])


@needs_plugins
def test_cni_network_of_the_nodes_own(place):
    alloc, state = finished(place, run(place, job("lan", "exec", sh("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort"), group=network("cni/lan"))))
    assert output(place, alloc["ID"]) == "eth0\nlo\n", (output(place, alloc["ID"]), state["Events"])
    purge(place, "lan")
    nothing_left(place, alloc["ID"])


@needs_plugins
def test_nothing_stays_of_a_network_whose_record_was_lost(place):
    name = run(place, job("forgotten", "exec", sh("sleep 600"), kind="service", group=network("bridge")))
    alloc = running(place, name)
    place.kill()
    state = os.path.join(place.data_dir, "client", "state")
    for record in os.listdir(state):
        if alloc["ID"] in record:
            os.unlink(os.path.join(state, record))
    place.start()
    place.api().wait_leader()
    stop(place, name)
    purge(place, name)
    until("the namespace to go", lambda: not os.path.exists(f"/run/netns/{alloc['ID']}"))


def test_a_mode_that_is_not_there_is_told(place):
    request = job("nowhere", "exec", sh("true"), group=network("cni/missing"))
    place.api().put("/v1/jobs", request)
    answer = place.api().wait("an end", "/v1/job/nowhere/evaluations", lambda e: any(x["Status"] in ("blocked", "complete") for x in e) and e)
    allocs = place.api().get("/v1/job/nowhere/allocations")
    assert allocs == [] or "missing" in str(place.api().get(f"/v1/allocation/{allocs[0]['ID']}")), answer
    place.api().delete("/v1/job/nowhere?purge=true")


def test_refusals_name_the_task(place):
    assert "must be an absolute path" in refusal(place, job("cwd", "exec", {**sh("true"), "work_dir": "local"}))
