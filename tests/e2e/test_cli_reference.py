"""The command line against the reference of Nomad's: every command has a help page that names every flag, and the commands that gather or check things do."""
import os
import re
import signal
import subprocess
import tarfile

import pytest
from harness import BINARY, Cluster, until

REFERENCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "reference", "cli.md")
# Commands that are not there yet; a name leaves this set when it comes.
MISSING = {
    "monitor export", "node identity get", "node identity renew", "operator client-state", "operator raft info", "operator raft logs",
    "operator raft migrate-backend", "operator raft state", "operator snapshot redact", "setup consul", "setup vault",
}
# Flags that are not there, or are taken and not shown because they do nothing here.
MISSING_FLAGS = {
    "alloc status": {"ui"}, "deployment status": {"ui"}, "eval list": {"ui"}, "eval status": {"ui"}, "job dispatch": {"ui"},
    "job run": {"ui"}, "job status": {"ui"}, "login": {"oidc-callback-addr"},
    "node status": {"ui"}, "operator debug": {"event-index", "event-topic", "log-lookback", "log-file-export", "pprof-duration", "pprof-interval"},
    "operator snapshot save": {"redact"}, "server members": {"ui"}, "var get": {"ui"}, "var list": {"ui"}, "var lock": {"backoff", "out"},
    "var put": {"ui"},
}
# Words in the reference's cell that are part of a default value, not flags; and what belongs to Consul and Vault.
NO_FLAG = re.compile(r"^(agent-ca|agent-ca-key|consul-.*|vault-.*|tls-.*)$")


def documented():
    with open(REFERENCE, encoding="utf-8") as f:
        for line in f:
            row = re.match(r"\| ([a-z][a-z0-9 -]*?) \| (.*?) \| (.*?) \| (.*) \|$", line.rstrip("\n"))
            if row and row[1] not in ("command", "flag"):
                yield row[1], set(re.findall(r"(?<![\w-])-([a-z][a-z0-9-]*)", row[3]))


@pytest.mark.skipif(not os.path.exists(REFERENCE), reason="the reference is not beside this checkout")
def test_every_documented_command_and_flag():
    missing, flags = set(), {}
    commands = dict(documented())
    assert len(commands) > 150
    for command, wanted in commands.items():
        text = subprocess.run([BINARY, *command.split(), "-help"], capture_output=True, text=True, timeout=20, check=False).stdout
        first = text.split("\n", 1)[0]
        if not re.match(rf"Usage: \S+ {re.escape(command)}(\s|$)", first):
            missing.add(command)
            continue
        shown = set(re.findall(r"(?<![\w-])--?([a-z][a-z0-9-]*)", text))
        kept = "vault-namespace", "consul-namespace"
        lacking = {f for f in wanted - shown if f in kept or not NO_FLAG.match(f)}
        if lacking:
            flags[command] = lacking
    assert missing == MISSING
    assert flags == MISSING_FLAGS


def test_debug_bundle(tmp_path):
    with Cluster() as cluster:
        agent = cluster.single()
        agent.api().wait_leader()
        agent.api().wait("a ready node", "/v1/nodes", lambda n: [x for x in n if x["Status"] == "ready"])
        done = agent.cli("operator", "debug", "-duration", "3s", "-interval", "1s", "-output", str(tmp_path))
        made = re.search(r"Created debug archive: (\S+)", done.stdout)
        assert made, done.stdout
        node = agent.api().get("/v1/nodes")[0]["ID"]
    with tarfile.open(made[1]) as bundle:
        names = {m.name.split("/", 1)[1]: bundle.extractfile(m).read() for m in bundle.getmembers()}
    assert b'"ID"' in names["nomad/0000/nodes.json"] and "nomad/0001/jobs.json" in names
    assert b"AgentID" in names[f"client/{node}/agent-host.json"]
    assert b"AgentID" in names["server/node1.global/agent-host.json"]
    # What the agent logged while it was asked.
    assert names[f"client/{node}/monitor.log"] is not None and f"server/node1.global/monitor.log" in names


def test_monitor_of_another_node():
    with Cluster() as cluster:
        servers = cluster.start_servers(3)
        leader = cluster.leader()
        client = cluster.start_clients(1)[0]
        # Asked of a follower: the node's session is the leader's.
        follower = next(s for s in servers if s is not leader)
        api = follower.api()
        node = api.wait("a ready node", "/v1/nodes", lambda n: [x for x in n if x["Status"] == "ready"])[0]["ID"]
        environment = dict(os.environ, NOMAD_ADDR="http://" + follower.addresses()["http"])
        path = os.path.join(cluster.folder, "monitor.log")
        with open(path, "wb") as log:
            process = subprocess.Popen([BINARY, "monitor", "-log-level", "TRACE", "-node-id", node[:8]], env=environment, stdout=log, stderr=log)
        try:
            def said():
                # Read the configuration again: the client logs that.
                client.popen.send_signal(signal.SIGHUP)
                with open(path, encoding="utf-8") as f:
                    return "configuration reloaded" in f.read()
            until("the client's log to be followed", said)
        finally:
            process.kill()
            process.wait()
        host = api.get(f"/v1/agent/host?node_id={node}")
        assert host["AgentID"] == node and host["HostData"]["OS"]
        for asked in (*servers, client):
            for name in ("server1.global", "server2", "leader"):
                assert asked.api().get(f"/v1/agent/host?server_id={name}")["AgentID"] == name


def test_small_commands(tmp_path):
    config = tmp_path / "agent.hcl"
    config.write_text('data_dir = "/var/lib/x"\nserver {\n  enabled = true\n}\n')
    done = subprocess.run([BINARY, "config", "validate", str(config)], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (0, "Configuration is valid!\n")
    config.write_text('data_dir = "/var/lib/x"\nsrver {\n}\n')
    done = subprocess.run([BINARY, "config", "validate", str(config)], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "srver" in done.stderr
    config.write_text("server {\n  enabled = true\n}\n")
    done = subprocess.run([BINARY, "config", "validate", str(config)], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "data_dir" in done.stderr
    done = subprocess.run([BINARY, "quota", "init"], capture_output=True, text=True, timeout=20, check=False, cwd=tmp_path)
    assert done.returncode == 0 and "region_limit" in (tmp_path / "spec.hcl").read_text()
    with Cluster() as cluster:
        agent = cluster.single("acl {\n  enabled = true\n}\n")
        agent.api().wait_leader()
        token = until("the bootstrap", lambda: agent.cli("acl", "bootstrap", "-json", check=False).stdout)
        secret = re.search(r'"SecretID": "([^"]+)"', token)[1]
        environment = dict(os.environ, NOMAD_ADDR="http://" + agent.addresses()["http"], NOMAD_TOKEN=secret)

        def run(*words):
            return subprocess.run([BINARY, *words], env=environment, capture_output=True, text=True, timeout=30, check=False)
        made = run("node", "intro", "create", "-ttl", "5m")
        assert made.returncode == 0 and made.stdout.count(".") >= 2, made.stderr
        refused = run("login", "-method", "ci", "-login-token", "x")
        assert refused.returncode == 1 and "method ci not found" in refused.stderr
        snapshots = run("volume", "snapshot", "list")
        assert snapshots.returncode == 1 and "No plugins" in snapshots.stderr
        snapshots = run("volume", "snapshot", "create", "data", "name")
        assert snapshots.returncode == 1 and "no such volume: data" in snapshots.stderr
