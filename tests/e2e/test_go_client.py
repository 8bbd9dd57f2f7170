"""Nomad's own Go client, as published, used widely (go_client/main.go). Skips where no recent Go or no module proxy is at hand."""
import json
import os
import re
import shutil
import subprocess

import pytest
from harness import Cluster

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "go_client")
GO = shutil.which("go") or "/usr/local/go/bin/go"
SECTIONS = ["jobs", "plan", "batch", "allocations", "checks", "exec", "nodes", "events", "variables", "deployments", "search", "evaluations", "operator", "acl"]


def go_version():
    try:
        text = subprocess.run([GO, "env", "GOVERSION"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return (0, 0)
    found = re.match(r"go(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if go_version() < (1, 26):
        pytest.skip("no Go 1.26 or newer is installed")
    binary = str(tmp_path_factory.mktemp("go") / "goclient")
    built = subprocess.run([GO, "build", "-o", binary, "."], cwd=HERE, capture_output=True, text=True, timeout=600, check=False)
    if built.returncode != 0 and re.search(r"dial tcp|no such host|proxyconnect|i/o timeout", built.stderr):
        pytest.skip("the Go module proxy is out of reach")
    assert built.returncode == 0, built.stderr
    return binary


def run(program, agent, *arguments):
    environment = dict(os.environ, NOMAD_ADDR="http://" + agent.addresses()["http"])
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False)
    results = {}
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        results[entry["section"]] = entry["error"]
    return results, done.stderr


@pytest.fixture(scope="module")
def results(program):
    with Cluster() as cluster:
        agent = cluster.single()
        agent.api().wait_leader()
        agent.api().wait("a ready node", "/v1/nodes", lambda n: [x for x in n if x["Status"] == "ready"])
        yield run(program, agent)


@pytest.mark.parametrize("section", SECTIONS)
def test_section(results, section):
    found, errors = results
    assert section in found, errors
    assert found[section] == ""


def test_access_control(program):
    with Cluster() as cluster:
        agent = cluster.single("acl {\n  enabled = true\n}\n")
        agent.api().wait_leader()
        found, errors = run(program, agent, "secured")
    assert found.get("secured") == "", (found, errors)
