"""python-nomad, as published, registers, reads and stops a job and tails its log."""
import nomad
import pytest
from harness import Cluster, until
from nomad.api.exceptions import URLNotFoundNomadException


@pytest.fixture(scope="module")
def client():
    with Cluster() as cluster:
        agent = cluster.single()
        agent.api().wait_leader()
        agent.api().wait("a ready node", "/v1/nodes", lambda n: [x for x in n if x["Status"] == "ready"])
        host, port = agent.addresses()["http"].rsplit(":", 1)
        yield nomad.Nomad(host=host, port=int(port), timeout=10)


def job(name):
    return {"Job": {"ID": name, "Name": name, "Type": "service", "Datacenters": ["dc1"], "TaskGroups": [{
        "Name": "g", "Count": 1, "Tasks": [{
            "Name": "t", "Driver": "raw_exec",
            "Config": {"command": "/bin/sh", "args": ["-c", "echo hello from python-nomad; exec sleep 600"]},
            "Resources": {"CPU": 20, "MemoryMB": 16}}]}]}}


def test_register_read_tail_stop(client):
    answer = client.job.register_job("tailed", job("tailed"))
    assert answer["EvalID"]
    assert "tailed" in client.jobs
    assert client.job["tailed"]["Type"] == "service"
    alloc = until("a running allocation", lambda: next(
        (a for a in client.job.get_allocations("tailed") if a["ClientStatus"] == "running"), None))
    text = until("the log", lambda: client.client.stream_logs.stream(alloc["ID"], "t", "stdout", origin="start", plain=True))
    assert "hello from python-nomad" in text
    assert client.allocation.get_allocation(alloc["ID"])["JobID"] == "tailed"
    assert client.evaluation.get_evaluation(answer["EvalID"])["Status"] == "complete"
    client.job.deregister_job("tailed")
    until("the job to be dead", lambda: client.job.get_job("tailed")["Status"] == "dead")


def test_nodes_agent_and_errors(client):
    nodes = client.nodes.get_nodes()
    assert len(nodes) == 1
    assert client.node.get_node(nodes[0]["ID"])["Attributes"]["kernel.name"] == "linux"
    assert client.agent.get_agent()["member"]["Name"]
    assert client.status.leader.get_leader()
    with pytest.raises(URLNotFoundNomadException):
        client.job.get_job("no-such-job")


def test_validate_and_plan(client):
    assert client.validate.validate_job(job("planned")).status_code == 200
    plan = client.job.plan_job("planned", job("planned"))
    assert "Annotations" in plan
