"""What changes, told before and after: plan, versions, history, and the example a new user begins with."""
import json
import os
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from harness import BINARY, ApiError, Cluster

RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "wire", "nomad-2.0.6.json")


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        node = cluster.single()
        node.api().wait_leader()
        node.api().wait("a ready node", "/v1/nodes", lambda nodes: [n for n in nodes if n["Status"] == "ready"])
        yield node


def job(count=1, env="1", **group):
    return {"Job": {"ID": "web", "Name": "web", "Type": "service", "Datacenters": ["*"], "TaskGroups": [{
        "Name": "g", "Count": count, "EphemeralDisk": {"SizeMB": 10}, **group,
        "Tasks": [{"Name": "t", "Driver": "raw_exec", "Config": {"command": "/bin/sleep", "args": ["600"]}, "Env": {"A": env},
                   "Resources": {"CPU": 20, "MemoryMB": 16}, "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1}}]}]}}


def plain(diff):
    """Without what is null or empty, so that nil and [] agree."""
    if isinstance(diff, dict):
        return {k: plain(v) for k, v in diff.items() if v not in (None, [], {})}
    return [plain(v) for v in diff] if isinstance(diff, list) else diff


def test_a_new_job_is_planned_as_nomad_plans_it(agent):
    if not os.path.exists(RECORDED):
        pytest.skip("the recorded answers are not beside this checkout")
    with open(RECORDED, encoding="utf-8") as f:
        recorded = {e["name"]: e for e in json.load(f)}["plan-new"]
    answer = agent.api().put("/v1/job/svc/plan", recorded["request"])
    assert plain(answer["Diff"]) == plain(recorded["response"]["Diff"])
    assert answer["Annotations"]["DesiredTGUpdates"]["grp"]["Place"] == 1
    with pytest.raises(ApiError):
        agent.api().get("/v1/job/svc")


def test_a_change_is_planned_and_then_found_in_the_versions(agent):
    api = agent.api()
    api.put("/v1/jobs", job())
    api.wait_allocs("web", lambda a: a and a[0]["ClientStatus"] == "running")
    same = api.put("/v1/job/web/plan", dict(job(), Diff=True))
    assert same["Diff"]["Type"] == "None"
    assert same["Annotations"]["DesiredTGUpdates"]["g"]["Ignore"] == 1

    plan = api.put("/v1/job/web/plan", dict(job(count=3, env="2"), Diff=True))
    group = plan["Diff"]["TaskGroups"][0]
    assert group["Fields"] == [{"Type": "Edited", "Name": "Count", "Old": "1", "New": "3", "Annotations": ["forces create"]}]
    assert group["Tasks"][0]["Annotations"] == ["forces create/destroy update"]
    assert plan["JobModifyIndex"] == api.get("/v1/job/web")["JobModifyIndex"]
    assert api.get("/v1/job/web")["Version"] == 0

    api.put("/v1/jobs", job(count=3, env="2"))
    found = api.get("/v1/job/web/versions?diffs=true")
    assert [v["Version"] for v in found["Versions"]] == [1, 0]
    assert len(found["Diffs"]) == 1 and found["Diffs"][0]["Type"] == "Edited"
    both = api.get("/v1/job/web/versions?diffs=true&diff_version=0")["Diffs"]
    assert [d["Type"] for d in both] == ["Edited", "None"]
    with pytest.raises(ApiError, match="version 7 not found"):
        api.get("/v1/job/web/versions?diffs=true&diff_version=7")
    with pytest.raises(ApiError, match='tag "x" not found'):
        api.get("/v1/job/web/versions?diffs=true&diff_tag=x")


def test_the_command_line_tells_versions_apart(agent):
    assert agent.cli("job", "tag", "apply", "-name", "golden", "-version", "0", "web").stdout == 'Job version 0 tagged with name "golden"\n'
    shown = agent.cli("job", "history", "-p", "-diff-tag", "golden", "web").stdout
    assert 'Count: "1" => "3"' in shown and "Tag Name" in shown
    agent.cli("job", "tag", "unset", "-name", "golden", "web")


def test_a_periodic_job_is_planned_as_one_run_of_it(agent, tmp_path):
    path = tmp_path / "p.nomad.hcl"
    path.write_text('job "p" {\n type = "batch"\n periodic {\n  crons = ["@daily"]\n }\n group "g" {\n  task "t" {\n   driver = "raw_exec"\n'
                    '   config {\n    command = "/bin/true"\n   }\n  }\n }\n}\n')
    done = agent.cli("job", "plan", str(path), check=False)
    assert done.returncode == 1
    assert '+ Task Group: "g" (1 create)' in done.stdout and "All tasks successfully allocated" in done.stdout
    assert "If submitted now, next periodic launch would be at" in done.stdout


def test_the_first_launch_of_a_periodic_job_is_in_its_plan(agent):
    midnight = (datetime.now(timezone.utc) + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
    periodic = job()
    periodic["Job"].update(ID="nightly", Name="nightly", Type="batch", Periodic={"Enabled": True, "SpecType": "cron", "Specs": ["@daily", "0 0 1 1 *"], "TimeZone": "UTC"})
    found = agent.api().put("/v1/job/nightly/plan", periodic)["NextPeriodicLaunch"]
    assert found in (midnight, (datetime.now(timezone.utc) + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z"))
    periodic["Job"]["Periodic"]["Enabled"] = False
    assert agent.api().put("/v1/job/nightly/plan", periodic)["NextPeriodicLaunch"] == "0001-01-01T00:00:00Z"


def test_mistakes_come_all_at_once(agent):
    bad = job(count=-1, RestartPolicy={"Mode": "sometimes", "Attempts": 1, "Interval": 1})
    found = agent.api().put("/v1/validate/job", bad)
    assert "Task group count can't be negative" in found["Error"] and 'Unsupported restart mode: "sometimes"' in found["Error"]
    with pytest.raises(ApiError, match="Unsupported restart mode"):
        agent.api().put("/v1/job/web/plan", dict(bad, Diff=True))


@pytest.mark.parametrize("flags", [[], ["-short"]])
def test_the_example_runs_as_it_is(agent, tmp_path, flags):
    agent.cli("job", "init", *flags, str(tmp_path / "e.nomad.hcl"))
    path = str(tmp_path / "e.nomad.hcl")
    assert subprocess.run([BINARY, "fmt", "-check", path], check=False).returncode == 0
    assert "Job validation successful" in agent.cli("job", "validate", path).stdout
    agent.cli("job", "run", "-detach", path)
    agent.api().wait_allocs("example", lambda a: a and a[0]["ClientStatus"] == "running")
    agent.cli("job", "stop", "-purge", "-detach", "-yes", "example")
