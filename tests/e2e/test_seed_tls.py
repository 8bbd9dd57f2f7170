"""The seed's TLS flags: servers and commands with certificates, strangers refused, and what happens when a certificate is missing."""
import json
import os
import re
import shutil
import subprocess
import tempfile

import pytest
from harness import BINARY, Process, free_port, stop_leftovers, until


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make_authority(folder, name):
    key, cert = os.path.join(folder, name + ".key"), os.path.join(folder, name + ".pem")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", key, "-out", cert)
    return key, cert


def make_certificate(folder, name, authority):
    """Signed by the authority, for the common name that the seed's commands expect."""
    ca_key, ca_cert = authority
    key, cert, request = (os.path.join(folder, name + end) for end in (".key", ".pem", ".csr"))
    extensions = os.path.join(folder, name + ".ext")
    with open(extensions, "w", encoding="utf-8") as f:
        f.write("subjectAltName=DNS:nomad-lite-cluster,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=nomad-lite-cluster", "-keyout", key,
            "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", ca_cert, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions,
            "-out", cert)
    return key, cert


class TlsCluster:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="nomad-lite-tls-")
        self.authority = make_authority(self.folder, "ca")
        self.key, self.cert = make_certificate(self.folder, "node", self.authority)
        self.ports = [free_port() for _ in range(3)]
        self.processes = []
        for i, port in enumerate(self.ports):
            peers = ",".join(f"{j + 1}:127.0.0.1:{p}" for j, p in enumerate(self.ports) if j != i)
            self.processes.append(Process(
                ["server", "--node-id", str(i + 1), "--port", str(port), "--peers", peers, "--data-dir",
                 os.path.join(self.folder, f"data{i + 1}"), "--tls", "--ca-cert", self.authority[1], "--cert", self.cert, "--key", self.key],
                self.folder, f"server{i + 1}"))

    def command(self, *arguments, flags=None, scheme="https", node=1):
        group, rest = arguments[0], arguments[1:]
        flags = ["--ca-cert", self.authority[1], "--cert", self.cert, "--key", self.key] if flags is None else flags
        return subprocess.run([BINARY, group, "-a", f"{scheme}://127.0.0.1:{self.ports[node - 1]}", *flags, *rest], capture_output=True,
                              text=True, timeout=60, check=False)

    def close(self):
        for process in self.processes:
            process.kill()
        stop_leftovers(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster():
    tls = TlsCluster()
    try:
        def look():
            for process in tls.processes:
                if not process.alive():
                    raise AssertionError(f"a server ended with {process.popen.returncode}:\n{process.log()[-3000:]}")
            done = tls.command("cluster", "-o", "json", "status")
            return done.returncode == 0 and json.loads(done.stdout)["leader_id"]
        until("a leader over TLS", look)
        yield tls
    except BaseException:
        for process in tls.processes:
            print(process.log()[-2000:])
        raise
    finally:
        tls.close()


def test_every_server_runs_jobs_over_tls(cluster):
    # Through each server: a follower sends the command on to the leader, over TLS as well.
    for node in (1, 2, 3):
        done = cluster.command("job", "submit", f"echo by {node}", node=node)
        assert done.returncode == 0, done.stderr
        job = re.search(r"Job ID: ([0-9a-f-]{36})", done.stdout).group(1)
        text = until("the job to complete", lambda j=job, n=node: (lambda t: "COMPLETED" in t.upper() and t)(
            cluster.command("job", "status", j, node=n % 3 + 1).stdout))
        assert f"by {node}" in text.split("Output:")[1]


def test_strangers_are_refused(cluster):
    other = make_authority(cluster.folder, "other")
    key, cert = make_certificate(cluster.folder, "stranger", other)
    refused = {
        "a certificate of another authority": (["--ca-cert", cluster.authority[1], "--cert", cert, "--key", key], "https"),
        "an authority that did not sign the server": (["--ca-cert", other[1], "--cert", cluster.cert, "--key", cluster.key], "https"),
        "no certificate": (["--ca-cert", cluster.authority[1]], "https"),
        "plain text": ([], "http"),
    }
    for what, (flags, scheme) in refused.items():
        done = cluster.command("job", "submit", "true", flags=flags, scheme=scheme)
        assert done.returncode == 1, f"{what}: {done.stdout}"
        assert done.stderr.strip(), what


def test_a_missing_certificate_stops_the_start_unless_insecure_is_allowed():
    folder = tempfile.mkdtemp(prefix="nomad-lite-tls-")
    try:
        port = free_port()
        arguments = ["server", "--port", str(port), "--tls", "--ca-cert", os.path.join(folder, "none.pem"), "--cert",
                     os.path.join(folder, "none.pem"), "--key", os.path.join(folder, "none.key")]
        done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode != 0 and "none.pem" in done.stderr + done.stdout
        process = Process([*arguments, "--allow-insecure"], folder, "insecure")
        try:
            done = until("the server without TLS", lambda: (lambda d: d.returncode == 0 and d)(subprocess.run(
                [BINARY, "cluster", "-a", f"http://127.0.0.1:{port}", "status"], capture_output=True, text=True, timeout=30, check=False)))
            assert "127.0.0.1" in done.stdout
            assert "TLS" in process.log()
        finally:
            process.kill()
    finally:
        stop_leftovers(folder)
        shutil.rmtree(folder, ignore_errors=True)
