"""The scenario recorded from a real Nomad, played against an agent and compared by shape: every exchange must agree."""
import os
import subprocess
import sys

import pytest
from harness import Cluster

WIRE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "wire")


@pytest.mark.skipif(not os.path.exists(os.path.join(WIRE, "compare.py")), reason="the recordings are not beside this checkout")
def test_recorded_scenario(tmp_path):
    with Cluster() as cluster:
        agent = cluster.single("acl {\n  enabled = true\n}\n")
        agent.api().wait_leader()
        ours = tmp_path / "ours.json"
        done = subprocess.run([sys.executable, os.path.join(WIRE, "record.py"), "http://" + agent.addresses()["http"], str(ours), "--acl"],
                              capture_output=True, text=True, timeout=600, check=False)
        print(done.stdout, done.stderr)
        assert done.returncode == 0, done.stderr
        compared = subprocess.run([sys.executable, os.path.join(WIRE, "compare.py"), os.path.join(WIRE, "nomad-2.0.6.json"), str(ours), "-v"],
                                  capture_output=True, text=True, timeout=60, check=True)
        print(compared.stdout)
    lines = compared.stdout.splitlines()
    agreed, total = lines[-1].split("/")
    assert int(total) == 241
    assert agreed == total, compared.stdout
