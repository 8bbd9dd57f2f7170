"""What Nomad answers to requests that cannot be served: status and words, for every noun of the API."""
import http.client
import json

import pytest
from harness import Cluster

U = "11111111-2222-3333-4444-555555555555"


def job(**more):
    return {"Job": dict({"ID": "j", "Name": "j", "Type": "batch", "Datacenters": ["*"], "TaskGroups": [
        {"Name": "g", "Tasks": [{"Name": "t", "Driver": "raw_exec", "Config": {"command": "/bin/true"}}]}]}, **more)}


# Method, path, body, status, and a part of the text.
CASES = [
    ("GET", "/v1/jobs?stale=perhaps", None, 400, "Expect `true` or `false` for `stale` query string parameter, got"),
    ("GET", "/v1/jobs?index=x", None, 400, "Invalid index"),
    ("GET", "/v1/jobs?wait=x&index=1", None, 400, "Invalid wait time"),
    ("GET", "/v1/jobs?per_page=x", None, 400, "Expect a number for `per_page` query string parameter"),
    ("GET", "/v1/allocations?prefix=abc", None, 500, "Invalid UUID: encoding/hex: odd length hex string"),
    ("GET", "/v1/allocations?prefix=zz", None, 500, "invalid byte"),
    ("GET", "/v1/node/foo", None, 500, "UUID must be 36 characters"),
    ("GET", "/v1/nodes?resources=maybe", None, 400, "Failed to parse value of"),
    ("GET", "/v1/allocations?resources=maybe", None, 500, "Failed to parse value of"),
    ("GET", "/v1/job/j/submission", None, 400, "Unable to parse job submission version parameter"),
    ("GET", "/v1/job/none/versions", None, 404, "job versions not found"),
    ("GET", "/v1/job/none/submission?version=0", None, 404, "job source not found"),
    ("GET", "/v1/job/none/services", None, 404, "job not found"),
    ("GET", "/v1/job/none/scale", None, 404, "job not found"),
    ("GET", "/v1/job/none/deployment", None, 200, "null"),
    ("GET", "/v1/job/none/allocations", None, 200, "[]"),
    ("PUT", "/v1/job/other", job(), 400, "Job ID does not match name"),
    ("PUT", "/v1/job/other/plan", job(), 400, "Job ID does not match"),
    ("PUT", "/v1/job/j/evaluate", {"JobID": "x"}, 400, "JobID not same as job name"),
    ("PUT", "/v1/job/cron/evaluate", {"JobID": "cron"}, 500, "can't evaluate periodic job"),
    ("PUT", "/v1/job/par/evaluate", {"JobID": "par"}, 500, "can't evaluate parameterized job"),
    ("PUT", "/v1/job/none/evaluate", {"JobID": "none"}, 500, "job not found"),
    ("PUT", "/v1/job/j/dispatch", {}, 500, 'Specified job "j" is not a parameterized job'),
    ("PUT", "/v1/job/none/dispatch", {}, 500, "parameterized job not found"),
    ("PUT", "/v1/job/par/dispatch", {"Payload": "eA=="}, 500, "Payload provided but forbidden by parameterized job"),
    ("PUT", "/v1/job/par/dispatch", {}, 500, "Dispatch did not provide required meta keys: [a]"),
    ("PUT", "/v1/job/par/dispatch", {"Meta": {"a": "1", "z": "2"}}, 500, "Dispatch request included unpermitted metadata keys: [z]"),
    ("PUT", "/v1/job/j/periodic/force", None, 500, "can't force launch non-periodic job"),
    ("PUT", "/v1/job/j/revert", {"JobID": "j", "JobVersion": 0}, 500, "can't revert to current version"),
    ("PUT", "/v1/job/j/revert", {"JobVersion": 0}, 400, "JobID must be specified"),
    ("PUT", "/v1/job/j/revert", {"JobID": "j", "JobVersion": 7}, 500, 'job "j" in namespace "default" at version 7 not found'),
    ("PUT", "/v1/job/j/stable", {"JobID": "x", "JobVersion": 0}, 400, "Job ID does not match"),
    ("PUT", "/v1/job/j/scale", {"Count": 1, "Target": {}}, 400, ""),
    ("PUT", "/v1/job/j/scale", {"Count": 1, "Target": {"Group": "zz"}}, 400, 'task group "zz" specified for scaling does not exist in job'),
    ("PUT", "/v1/job/j/scale", {"Count": 1, "Error": True, "Target": {"Group": "g"}}, 400, "scaling action should not contain count if error=true"),
    ("PUT", "/v1/job/none/scale", {"Count": 1, "Target": {"Group": "g"}}, 404, 'job "none" not found'),
    ("PUT", "/v1/jobs", {"Job": job()["Job"], "EvalPriority": 1000}, 400, "Eval priority must be between 1 and 100 inclusively"),
    ("PUT", "/v1/jobs", {"Job": job()["Job"], "EnforceIndex": True, "JobModifyIndex": 0}, 500, "Enforcing job modify index 0: job already exists"),
    ("PUT", "/v1/jobs", job(Type="service"), 500, 'cannot update job from type "batch" to "service"'),
    ("PUT", "/v1/jobs/parse", {"JobHCL": ""}, 400, "Job spec is empty"),
    ("PUT", "/v1/validate/job", {}, 400, "Job must be specified"),
    ("GET", "/v1/node/"+U, None, 404, "node not found"),
    ("GET", "/v1/node/"+U+"/allocations", None, 200, "[]"),
    ("PUT", "/v1/node/"+U+"/drain", b"", 400, "Request body is empty"),
    ("PUT", "/v1/node/pool/all", {"Name": "all"}, 400, 'modifying node pool "all" is not allowed'),
    ("PUT", "/v1/node/pool/x", {"Name": "y"}, 400, "Node pool name does not match request path"),
    ("GET", "/v1/node/pool/none", None, 404, "node pool not found"),
    ("GET", "/v1/node/pool/default/nodes?prefix=a", None, 400, "prefix argument not allowed"),
    ("GET", "/v1/allocation/"+U, None, 404, "alloc not found"),
    ("PUT", "/v1/allocation/"+U+"/stop", None, 404, "allocation not found"),
    ("GET", "/v1/allocation/"+U+"/services", None, 404, "allocation not found"),
    ("GET", "/v1/allocation/"+U+"/what", None, 404, "resource not found"),
    ("GET", "/v1/evaluations?job=j&filter=Status==x", None, 400, "Filter expression cannot be used with other filter parameters"),
    ("DELETE", "/v1/evaluations", {"EvalIDs": [U]}, 500, "eval broker is enabled; eval broker must be paused to delete evals"),
    ("DELETE", "/v1/evaluations", {}, 400, "evals must be deleted by either ID or filter"),
    ("GET", "/v1/evaluation/"+U, None, 404, "eval not found"),
    ("GET", "/v1/deployment/"+U, None, 404, "deployment not found"),
    ("PUT", "/v1/deployment/fail/"+U, None, 404, "deployment not found"),
    ("PUT", "/v1/deployment/pause/"+U, {"DeploymentID": "x", "Pause": True}, 400, "Deployment ID does not match"),
    ("PUT", "/v1/deployment/pause/"+U, {"Pause": True}, 400, "DeploymentID must be specified"),
    ("GET", "/v1/volumes", None, 200, "[]"),
    ("GET", "/v1/volumes?type=x", None, 404, "resource not found"),
    ("GET", "/v1/volume/host/"+U, None, 404, "volume not found"),
    ("DELETE", "/v1/volume/host/"+U, None, 500, "no such volume: "+U),
    ("DELETE", "/v1/volume/host/"+U+"?force=x", None, 400, "invalid force value"),
    ("GET", "/v1/service/none", None, 200, "[]"),
    ("GET", "/v1/service/none?choose=x", None, 400, "failed to choose services"),
    ("DELETE", "/v1/service/none", None, 400, "missing service id"),
    ("GET", "/v1/var/none", None, 404, "variable not found"),
    ("PUT", "/v1/var/x", {"Items": {}}, 400, "variable missing required Items object"),
    ("PUT", "/v1/var/x?cas=z", {"Items": {"a": "b"}}, 400, "can not parse cas"),
    ("PUT", "/v1/var/nomad/x", {"Items": {"a": "b"}}, 400, ""),
    ("GET", "/v1/var/", None, 400, "missing variable path"),
    ("PUT", "/v1/var/x?lock-release", {"Lock": {}}, 400, "missing lock information"),
    ("PUT", "/v1/var/x?lock-renew", {"Lock": {"ID": U}}, 404, "variable doesn't exist"),
    ("PUT", "/v1/var/x?lock-acquire&cas=1", {"Items": {"a": "b"}}, 400, "CAS can't be used with lock operations"),
    ("GET", "/v1/namespace/none", None, 404, "Namespace not found"),
    ("PUT", "/v1/namespace/x", {"Name": "y"}, 400, "Namespace name does not match request path"),
    ("DELETE", "/v1/namespace/default", None, 500, "can not delete default namespace"),
    ("GET", "/v1/acl/tokens", None, 400, "ACL support disabled"),
    ("GET", "/v1/client/fs/ls/", None, 400, "must provide a valid alloc id"),
    ("GET", "/v1/client/fs/logs/"+U, None, 404, "Unknown allocation"),
    ("GET", "/v1/client/allocation/"+U+"/what", None, 404, "resource not found"),
    ("GET", "/v1/client/stats?node_id="+U, None, 404, 'Unknown node "'+U+'"'),
    ("PUT", "/v1/agent/join", None, 400, "missing address to join"),
    ("GET", "/v1/agent/host?node_id=a&server_id=b", None, 400, ""),
    ("GET", "/v1/agent/monitor?log_level=what", None, 400, "Unknown log level"),
    ("GET", "/v1/event/stream?topic=a:", None, 400, "Invalid topic query: error parsing topics: Invalid key value pair for topic, topic: a:"),
    ("GET", "/v1/event/stream?index=x", None, 400, "Unable to parse index"),
    ("PUT", "/v1/search", {"Prefix": "a", "Context": "what"}, 500, "context must be one of"),
    ("PUT", "/v1/search/fuzzy", {"Text": "a", "Context": "jobs"}, 500, "fuzzy search query must be at least 2 characters, got 1"),
    ("GET", "/v1/scaling/policy/none", None, 404, "policy not found"),
    ("DELETE", "/v1/operator/raft/peer", None, 400, "Must specify the peer's ID to remove"),
    ("DELETE", "/v1/operator/raft/peer?address=x", None, 400, "Removing a peer by address is not supported in the current raft protocol version"),
    ("PUT", "/v1/operator/raft/transfer-leadership", None, 400, "must specify id or address"),
    ("DELETE", "/v1/operator/keyring/key/x?force=maybe", None, 422, ""),
    ("PUT", "/v1/operator/scheduler/configuration", {"SchedulerAlgorithm": "what"}, 400, ""),
    ("GET", "/v1/sentinel/policies", None, 501, "Nomad Enterprise only endpoint"),
    ("GET", "/.well-known/openid-configuration", None, 404, "OIDC Discovery endpoint disabled"),
    ("POST", "/v1/nodes", None, 405, "Invalid method"),
    ("PATCH", "/v1/jobs", None, 405, "Invalid method"),
]


@pytest.fixture(scope="module")
def address():
    with Cluster() as cluster:
        agent = cluster.single()
        api = agent.api()
        api.wait_leader()
        api.put("/v1/jobs", job())
        api.put("/v1/jobs", job(ID="par", Name="par", ParameterizedJob={"MetaRequired": ["a"], "Payload": "forbidden"}))
        api.put("/v1/jobs", job(ID="cron", Name="cron", Periodic={"Enabled": True, "SpecType": "cron", "Spec": "0 3 1 1 *"}))
        yield agent.addresses()["http"]


@pytest.mark.parametrize("method,path,body,status,text", CASES, ids=[f"{c[0]} {c[1]} {i}" for i, c in enumerate(CASES)])
def test_refusal(address, method, path, body, status, text):
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        connection.request(method, path, body=body if body is None or isinstance(body, bytes) else json.dumps(body))
        answer = connection.getresponse()
        got = answer.read().decode()
    finally:
        connection.close()
    assert (answer.status, text in got) == (status, True), got
