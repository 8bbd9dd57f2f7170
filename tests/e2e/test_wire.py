"""The scenario recorded from a real Nomad, played against an agent and compared by shape. Prints agree/total and what disagrees."""
import os
import re
import subprocess
import sys

import pytest
from harness import Cluster

WIRE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "wire")
# Exchanges that need what is not there yet, or a driver that this machine lacks; a name leaves this list when it agrees.
MISSING = set("""
alloc alloc-checks alloc-signal bat-evaluations evaluation evaluations fail-evaluations huge-evaluations job-evaluations jwks keys mars-evaluations
metrics node node-after-drain node-allocations nodes nodes-list nodes-res nodrv-evaluations pool-nodes sys-evaluations sysb-evaluations
var-put var-put-cas-conflict var-get var-missing var-bad-path vars var-delete
""".split())


@pytest.mark.skipif(not os.path.exists(os.path.join(WIRE, "compare.py")), reason="the recordings are not beside this checkout")
def test_recorded_scenario(tmp_path):
    with Cluster() as cluster:
        agent = cluster.single()
        agent.api().wait_leader()
        agent.api().wait("a ready node", "/v1/nodes", lambda n: [x for x in n if x["Status"] == "ready"])
        ours = tmp_path / "ours.json"
        done = subprocess.run([sys.executable, os.path.join(WIRE, "record.py"), "http://" + agent.addresses()["http"], str(ours)],
                              capture_output=True, text=True, timeout=600, check=False)
        print(done.stdout, done.stderr)
        assert ours.exists(), done.stderr
        compared = subprocess.run([sys.executable, os.path.join(WIRE, "compare.py"), os.path.join(WIRE, "nomad-2.0.6.json"), str(ours), "-v"],
                                  capture_output=True, text=True, timeout=60, check=True)
        print(compared.stdout)
    lines = compared.stdout.splitlines()
    assert re.fullmatch(r"\d+/\d+", lines[-1])
    # Without ACLs the recording's ACL exchanges are not played.
    wrong = {line.split(" | ")[0]: line for line in lines[:-1] if " | " in line and not line.startswith("acl-")}
    unexpected = [line for name, line in wrong.items() if name not in MISSING]
    assert not unexpected, "\n".join(unexpected)
