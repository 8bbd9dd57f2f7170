"""python-nomad, as published (2.1.0): every part of it that an open-source server answers."""
import base64
import uuid

import nomad
import pytest
from harness import Cluster, until
from nomad.api.exceptions import BadRequestNomadException, BaseNomadException, URLNotFoundNomadException


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        agent = cluster.single()
        agent.api().wait_leader()
        agent.api().wait("a ready node", "/v1/nodes", lambda n: [x for x in n if x["Status"] == "ready"])
        yield agent


@pytest.fixture(scope="module")
def client(agent):
    host, port = agent.addresses()["http"].rsplit(":", 1)
    return nomad.Nomad(host=host, port=int(port), timeout=10)


def job(name, script="echo hello from python-nomad; echo to stderr >&2; exec sleep 600", **more):
    out = {"ID": name, "Name": name, "Type": "service", "Datacenters": ["dc1"], "TaskGroups": [{
        "Name": "g", "Count": 1, "Tasks": [{
            "Name": "t", "Driver": "raw_exec", "Config": {"command": "/bin/sh", "args": ["-c", script]},
            "Resources": {"CPU": 20, "MemoryMB": 16}}]}]}
    out.update(more)
    return {"Job": out}


def running(client, name):
    return until("a running allocation", lambda: next(
        (a for a in client.job.get_allocations(name) if a["ClientStatus"] == "running"), None))


@pytest.fixture(scope="module")
def tailed(client):
    client.job.register_job("tailed", job("tailed"))
    return running(client, "tailed")


def test_jobs(client):
    answer = client.job.register_job("first", job("first"))
    assert answer["EvalID"]
    assert "first" in client.jobs and len(client.jobs) >= 1
    assert client.job["first"]["Type"] == "service"
    assert [j["ID"] for j in client.jobs.get_jobs(prefix="fir")] == ["first"]
    running(client, "first")
    assert client.job.get_summary("first")["Summary"]["g"]["Running"] == 1
    assert client.job.get_versions("first")["Versions"][0]["Version"] == 0
    assert client.job.get_evaluations("first")
    assert client.job.get_deployments("first")
    assert client.job.get_deployment("first")["JobID"] == "first"
    assert client.job.evaluate_job("first")["EvalID"]
    assert client.job.plan_job("first", job("first", "exec sleep 601"), diff=True)["Annotations"]["DesiredTGUpdates"]["g"]
    client.job.register_job("first", job("first", "exec sleep 602"))
    assert client.job.revert_job("first", 0)["EvalID"]
    assert client.job.stable_job("first", 0, True)
    assert client.evaluation.get_evaluation(answer["EvalID"])["Status"] == "complete"
    client.job.deregister_job("first")
    until("the job to be dead", lambda: client.job.get_job("first")["Status"] == "dead")
    client.job.deregister_job("first", purge=True)
    with pytest.raises(URLNotFoundNomadException):
        client.job.get_job("first")


def test_parse_validate_and_errors(client):
    parsed = client.jobs.parse('job "p" {\n group "g" {\n task "t" {\n driver = "raw_exec"\n }\n }\n}\n', canonicalize=True)
    assert parsed["ID"] == "p"
    assert client.validate.validate_job(job("planned")).status_code == 200
    assert "Annotations" in client.job.plan_job("planned", job("planned"))
    with pytest.raises(URLNotFoundNomadException):
        client.job.get_job("no-such-job")
    with pytest.raises(BaseNomadException):
        client.job.register_job("bad", {"Job": {"ID": "bad"}})
    with pytest.raises(BadRequestNomadException):
        client.job.register_job("other", job("this"))


def test_dispatch_and_periodic(client):
    client.job.register_job("par", job("par", "true", Type="batch", ParameterizedJob={"Payload": "optional", "MetaRequired": ["who"]}))
    sent = client.job.dispatch_job("par", meta={"who": "me"}, payload=base64.b64encode(b"x").decode())
    assert sent["DispatchedJobID"].startswith("par/dispatch-")
    assert client.job.get_job(sent["DispatchedJobID"])["ParentID"] == "par"
    client.job.register_job("cron", job("cron", "true", Type="batch", Periodic={"Enabled": True, "SpecType": "cron", "Spec": "0 3 1 1 *"}))
    assert client.job.periodic_job("cron")["EvalID"]


def test_logs_and_files(client, tailed):
    for kind, words in (("stdout", "hello from python-nomad"), ("stderr", "to stderr")):
        text = until("the log", lambda kind=kind: client.client.stream_logs.stream(tailed["ID"], "t", kind, origin="start", plain=True))
        assert words in text
    names = [f["Name"] for f in client.client.ls.list_files(tailed["ID"], path="/")]
    assert {"alloc", "t"} <= set(names)
    assert client.client.stat.stat_file(tailed["ID"], path="/alloc/logs/t.stdout.0")["Size"] > 0
    assert "hello" in client.client.cat.read_file(tailed["ID"], path="/alloc/logs/t.stdout.0")
    assert client.client.read_at.read_file_offset(tailed["ID"], offset=0, limit=5, path="/alloc/logs/t.stdout.0") == "hello"
    assert client.client.stats.read_stats()["Memory"]["Total"] > 0
    assert client.client.allocation.read_allocation_stats(tailed["ID"])["Tasks"]["t"]


def test_allocations(client, tailed):
    assert client.allocation.get_allocation(tailed["ID"])["JobID"] == "tailed"
    assert [a["ID"] for a in client.allocations.get_allocations(prefix=tailed["ID"][:4])] == [tailed["ID"]]
    assert tailed["ID"] in [a["ID"] for a in client.allocations.get_allocations(filter_='JobID == "tailed"')]
    client.allocation.signal_allocation(tailed["ID"], "SIGCONT", task="t") if hasattr(client.allocation, "signal_allocation") else None
    client.client.allocation.restart_allocation(tailed["ID"]) if hasattr(client.client.allocation, "restart_allocation") else None
    running(client, "tailed")


def test_nodes_and_pools(client):
    nodes = client.nodes.get_nodes()
    assert len(nodes) == 1 and len(client.nodes) == 1
    node = nodes[0]["ID"]
    assert client.node.get_node(node)["Attributes"]["kernel.name"] == "linux"
    assert client.node.get_allocations(node)
    assert client.node.evaluate_node(node)["EvalIDs"]
    assert client.node.eligible_node(node, ineligible=True)["NodeModifyIndex"]
    assert client.node.get_node(node)["SchedulingEligibility"] == "ineligible"
    assert client.node.eligible_node(node, eligible=True)["NodeModifyIndex"]
    assert client.node.get_node(node)["SchedulingEligibility"] == "eligible"
    with pytest.raises(URLNotFoundNomadException):
        client.node.get_node(str(uuid.uuid4()))


def test_agent_status_and_operator(client):
    assert client.agent.get_agent()["member"]["Name"]
    assert client.agent.get_members()["Members"]
    assert client.agent.get_servers()
    assert client.status.leader.get_leader() in client.status.peers.get_peers()
    assert client.regions.get_regions() == ["global"]
    assert client.metrics.get_metrics()["Gauges"]
    assert client.operator.get_configuration()["Servers"][0]["Leader"]
    client.system.initiate_garbage_collection()
    client.system.reconcile_summaries()


def test_evaluations_and_deployments(client, tailed):
    evals = client.evaluations.get_evaluations()
    assert evals and client.evaluation.get_allocations(tailed["EvalID"])
    assert client.deployments.get_deployments()
    deployment = client.job.get_deployment("tailed")
    assert client.deployment.get_deployment(deployment["ID"])["JobID"] == "tailed"
    assert client.deployment.get_deployment_allocations(deployment["ID"])


def test_namespaces(client):
    client.namespace.create_namespace({"Name": "dev", "Description": "d"})
    assert client.namespace.get_namespace("dev")["Description"] == "d"
    assert "dev" in [n["Name"] for n in client.namespaces.get_namespaces()]
    client.namespace.delete_namespace("dev")


def test_variables(client):
    client.variable.create_variable("app/db", {"Items": {"user": "u"}})
    assert client.variable.get_variable("app/db")["Items"] == {"user": "u"}
    assert [v["Path"] for v in client.variables.get_variables("app")] == ["app/db"]
    client.variable.delete_variable("app/db")


def test_search(client, tailed):
    assert client.search.search("tai", "jobs")["Matches"]["jobs"] == ["tailed"]
    assert client.search.fuzzy_search("tail", "jobs")["Matches"]["jobs"][0]["ID"] == "tailed"


def test_scaling(client):
    scaled = job("scaled")
    scaled["Job"]["TaskGroups"][0]["Scaling"] = {"Min": 1, "Max": 5, "Enabled": True, "Policy": {}}
    client.job.register_job("scaled", scaled)
    policies = client.scaling.get_scaling_policies(job="scaled")
    assert policies[0]["Target"]["Job"] == "scaled"
    assert client.scaling.get_scaling_policy(policies[0]["ID"])["Max"] == 5


def test_event_stream(client):
    thread, stop, events = client.event.stream.get_stream(topic={"Job": "evented"})
    thread.daemon = True
    thread.start()
    client.job.register_job("evented", job("evented"))
    try:
        found = until("the job's event", lambda: next(
            (e for _ in range(events.qsize()) for e in (events.get().get("Events") or []) if e["Key"] == "evented"), None))
        assert found["Topic"] == "Job" and found["Payload"]["Job"]["ID"] == "evented"
    finally:
        stop.set()
