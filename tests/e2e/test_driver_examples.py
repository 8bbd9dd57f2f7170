"""The examples of docs/drivers.md, each run where its engine is (docker and podman have their own test, which makes the image)."""
import os

import pytest
from driver_support import output, purge, start_agent, stop
from harness import Cluster

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "drivers")


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        yield start_agent(cluster)


@pytest.mark.parametrize("name,driver,words,kind", [
    ("mock", "mock_driver", "nothing was run", "stdout"),
    ("raw_exec", "raw_exec", "raw in /", "stdout"),
    ("exec", "exec", "user 65534, files in /local", "stdout"),
    ("java", "java", "Runtime Environment", "stderr"),
])
def test_batch_example(agent, name, driver, words, kind):
    if not agent.api().get("/v1/nodes")[0]["Drivers"].get(driver, {}).get("Healthy"):
        pytest.skip(f"driver {driver} is not there: {agent.api().get('/v1/nodes')[0]['Drivers'][driver]['HealthDescription']}")
    job, _ = agent.api().register_hcl(os.path.join(FOLDER, name + ".nomad.hcl"))
    alloc = agent.api().wait_allocs(job["ID"], lambda a: a and a[0]["ClientStatus"] in ("complete", "failed") and a[0], 60)
    assert words in output(agent, alloc["ID"], kind), agent.api().get(f"/v1/allocation/{alloc['ID']}")["TaskStates"]
    purge(agent, job["ID"])


def test_the_machine(agent):
    if not agent.api().get("/v1/nodes")[0]["Drivers"]["qemu"]["Healthy"]:
        pytest.skip("qemu-system-x86 is not installed")
    job, _ = agent.api().register_hcl(os.path.join(FOLDER, "qemu.nomad.hcl"))
    alloc = agent.api().wait_allocs(job["ID"], lambda a: a and a[0]["ClientStatus"] == "running" and a[0], 60)
    agent.api().wait("the machine to run", f"/v1/allocation/{alloc['ID']}", lambda a: a["TaskStates"].get("vm", {}).get("State") == "running")
    stop(agent, job["ID"])
    purge(agent, job["ID"])


def test_bridge(agent):
    modes = [n["Mode"] for n in agent.api().get("/v1/node/" + agent.api().get("/v1/nodes")[0]["ID"])["NodeResources"]["NodeNetworks"]]
    if "bridge" not in modes:
        pytest.skip("bridge networks need root, containernetworking-plugins and iptables")
    job, _ = agent.api().register_hcl(os.path.join(FOLDER, "bridge.nomad.hcl"))
    alloc = agent.api().wait_allocs(job["ID"], lambda a: a and a[0]["ClientStatus"] == "running" and a[0], 60)
    stop(agent, job["ID"])
    purge(agent, job["ID"])
