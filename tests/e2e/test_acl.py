"""ACLs, variables and the keyring with real processes: three servers, rotation, restarts, and nothing readable on disk."""
import base64
import json
import os
import urllib.error
import urllib.request

from harness import Agent, Api, ApiError, Cluster, free_port, until

ACL = "acl {\n  enabled = true\n}\n"
SECRET = "correct-horse-battery-staple"


class TokenApi(Api):
    """Calls with a token."""

    def __init__(self, address, token):
        super().__init__(address)
        self.token = token

    def call(self, method, path, body=None, timeout=30.0):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}{path}", data=data, method=method, headers={"X-Nomad-Token": self.token})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text, index = answer.read(), int(answer.headers.get("X-Nomad-Index") or 0)
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, error.read().decode(errors="replace")) from None
        return (json.loads(text) if text else None), index


def start_servers(cluster, count):
    ports = [free_port() for _ in range(count)]
    join = ", ".join(f'"127.0.0.1:{p}"' for p in ports)
    for i, port in enumerate(ports):
        cluster.servers.append(Agent(
            cluster, f"server{i + 1}",
            f"ports {{\n  http = 0\n  rpc = {port}\n  serf = {port}\n}}\nserver {{\n  enabled = true\n  bootstrap_expect = {count}\n"
            f"  server_join {{\n    retry_join = [{join}]\n  }}\n}}\n{ACL}"))
    cluster.rpc_ports = ports
    return cluster.servers


def refused(look):
    try:
        look()
    except ApiError as error:
        return error.status
    return 0


def bootstrap(api):
    api.wait_leader()
    return until("the bootstrap to be accepted", lambda: answered(lambda: api.put("/v1/acl/bootstrap")))


def answered(look):
    try:
        return look()
    except (ApiError, OSError):
        return None


def files_of(agent):
    for folder, _, names in os.walk(agent.data_dir):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                yield os.path.join(folder, name), f.read()


def test_variables_survive_leaders_and_rotation_and_nothing_readable_is_on_disk():
    with Cluster() as cluster:
        servers = start_servers(cluster, 3)
        token = bootstrap(cluster.leader().api())["SecretID"]

        def api(agent):
            return TokenApi(agent.addresses()["http"], token)

        made = api(cluster.leader()).put("/v1/var/app/db", {"Items": {"password": SECRET}})
        assert made["Items"]["password"] == SECRET
        # A key is there for every server, so that each of them can lead.
        leader = cluster.leader()
        leader.kill()
        others = [s for s in servers if s is not leader]
        second = cluster.leader(others)
        assert api(second).get("/v1/var/app/db")["Items"]["password"] == SECRET
        until("a write to the new leader", lambda: answered(lambda: api(second).put("/v1/var/app/more", {"Items": {"k": SECRET}})))
        before = api(second).get("/v1/operator/keyring/keys")
        turned = api(second).put("/v1/operator/keyring/rotate?full=true")
        assert turned["Key"]["State"] == "active"
        old = before[0]["KeyID"]
        api(second).wait("the old key to be out of use", "/v1/operator/keyring/keys",
                         lambda keys: {k["KeyID"]: k["State"] for k in keys}.get(old) == "inactive")
        assert api(second).get("/v1/var/app/db")["Items"]["password"] == SECRET
        assert refused(lambda: api(second).delete(f"/v1/operator/keyring/key/{turned['Key']['KeyID']}")) == 500
        api(second).delete(f"/v1/operator/keyring/key/{old}")

        leader.start()
        rejoined = api(leader)
        rejoined.wait("the old leader to know the new key", "/v1/operator/keyring/keys?stale",
                      lambda keys: turned["Key"]["KeyID"] in {k["KeyID"] for k in keys} and old not in {k["KeyID"] for k in keys})
        assert rejoined.get("/v1/var/app/db?stale")["Items"]["password"] == SECRET
        for agent in servers:
            assert agent.terminate() == 0
        for agent in servers:
            keystore = os.path.join(agent.data_dir, "server", "keystore")
            assert os.stat(keystore).st_mode & 0o077 == 0
            assert os.stat(os.path.join(keystore, "server.key")).st_mode & 0o077 == 0
            for path, content in files_of(agent):
                assert SECRET.encode() not in content, path
            log = agent.log()
            assert SECRET not in log and token not in log
        for agent in servers:
            agent.start()
        assert api(cluster.leader()).get("/v1/var/app/db")["Items"]["password"] == SECRET


def test_tokens_on_a_server_and_on_an_agent_without_one():
    with Cluster() as cluster:
        start_servers(cluster, 1)
        server = cluster.servers[0]
        made = bootstrap(server.api())
        manager = TokenApi(server.addresses()["http"], made["SecretID"])
        client = Agent(cluster, "client1", f"ports {{\n  http = 0\n  rpc = 0\n  serf = 0\n}}\nclient {{\n  enabled = true\n"
                                           f"  servers = [\"127.0.0.1:{cluster.rpc_ports[0]}\"]\n}}\n{ACL}")
        cluster.clients.append(client)
        manager.wait("the node", "/v1/nodes", lambda nodes: [n for n in nodes if n["Status"] == "ready"])
        manager.put("/v1/acl/policy/agents", {"Name": "agents", "Rules": 'agent {\n  policy = "read"\n}'})
        reader = manager.put("/v1/acl/token", {"Name": "a", "Type": "client", "Policies": ["agents"]})["SecretID"]
        for agent in (server, client):
            address = agent.addresses()["http"]
            nobody = Api(address)
            for path in ("/v1/jobs", "/v1/agent/self", "/v1/nodes", "/v1/acl/tokens", "/v1/vars", "/v1/metrics"):
                status = refused(lambda path=path: nobody.get(path))
                assert status == (0 if path == "/v1/metrics" else 403), (agent.name, path, status)
                wrong = TokenApi(address, "c0000000-0000-0000-0000-000000000009")
                assert refused(lambda path=path, wrong=wrong: wrong.get(path)) == status, path
            assert TokenApi(address, made["SecretID"]).get("/v1/jobs") == []
            assert TokenApi(address, reader).get("/v1/agent/self")["config"]["ACL"]["Enabled"] is True
            assert refused(lambda address=address: TokenApi(address, reader).get("/v1/jobs")) == 403
            assert refused(lambda address=address: TokenApi(address, reader).get("/v1/nodes")) == 403


def test_a_program_beside_a_task_that_is_not_isolated_needs_a_right_of_its_own():
    with Cluster() as cluster:
        agent = cluster.single(ACL)
        manager = TokenApi(agent.addresses()["http"], bootstrap(agent.api())["SecretID"])
        manager.wait("a ready node", "/v1/nodes", lambda nodes: [n for n in nodes if n["Status"] == "ready"])
        manager.put("/v1/jobs", {"Job": {"ID": "raw", "Name": "raw", "Type": "service", "Datacenters": ["*"], "TaskGroups": [{
            "Name": "g", "Tasks": [{"Name": "t", "Driver": "raw_exec", "Config": {"command": "/bin/sleep", "args": ["600"]}}]}]}})
        alloc = manager.wait_allocs("raw", lambda found: [a for a in found if a["ClientStatus"] == "running"])[0]["ID"]
        manager.put("/v1/acl/policy/writer", {"Name": "writer", "Rules": 'namespace "default" {\n  policy = "write"\n}'})
        manager.put("/v1/acl/policy/node-exec", {"Name": "node-exec", "Rules": 'namespace "default" {\n  capabilities = ["alloc-node-exec"]\n}'})

        def run(*policies):
            token = manager.put("/v1/acl/token", {"Name": "x", "Type": "client", "Policies": list(policies)})["SecretID"]
            return agent.cli("alloc", "exec", "-token", token, "-task", "t", alloc, "/bin/echo", "inside", check=False)
        denied = run("writer")
        assert denied.returncode != 0 and "Permission denied" in denied.stderr, (denied.stdout, denied.stderr)
        allowed = run("writer", "node-exec")
        assert (allowed.returncode, allowed.stdout) == (0, "inside\n"), allowed.stderr


def test_bootstrap_reset_and_commands():
    with Cluster() as cluster:
        start_servers(cluster, 1)
        server = cluster.servers[0]
        server.api().wait_leader()
        out = until("acl bootstrap", lambda: server.cli("acl", "bootstrap", check=False).stdout)
        first = dict(line.split(" = ") for line in out.splitlines() if " = " in line)
        secret = {key.strip(): value.strip() for key, value in first.items()}["Secret ID"]
        again = server.cli("acl", "bootstrap", check=False)
        assert again.returncode == 1
        index = again.stderr.split("reset index: ")[1].split(")")[0]
        with open(os.path.join(server.data_dir, "server", "acl-bootstrap-reset"), "w", encoding="utf-8") as f:
            f.write(index)
        reset = json.loads(server.cli("acl", "bootstrap", "-json").stdout)
        assert reset["SecretID"] != secret

        token = ["-token", reset["SecretID"]]
        rules = os.path.join(cluster.folder, "p.hcl")
        with open(rules, "w", encoding="utf-8") as f:
            f.write('namespace "default" {\n  policy = "read"\n  variables {\n    path "app/*" {\n      capabilities = ["read", "write"]\n    }\n  }\n}\n')
        assert 'Successfully wrote "dev" ACL policy!' in server.cli("acl", "policy", "apply", *token, "dev", rules).stdout
        made = json.loads(server.cli("acl", "token", "create", *token, "-name", "dev", "-policy", "dev", "-ttl", "1h", "-json").stdout)
        dev = ["-token", made["SecretID"]]
        assert "Created variable" in server.cli("var", "put", *dev, "-out", "none", "app/a", "k=v").stdout
        assert server.cli("var", "get", *dev, "-item", "k", "app/a").stdout == "v\n"
        assert json.loads(server.cli("var", "get", *dev, "app/a").stdout)["Items"] == {"k": "v"}
        conflict = server.cli("var", "put", *dev, "app/a", "k=w", check=False)
        assert conflict.returncode == 1 and "Check-and-Set conflict" in conflict.stderr
        server.cli("var", "put", *dev, "-force", "app/a", "k=w")
        denied = server.cli("var", "put", *dev, "other", "k=w", check=False)
        assert denied.returncode == 1 and "Permission denied" in denied.stderr
        assert "app/a" in server.cli("var", "list", *dev, "-out", "terse").stdout
        ran = server.cli("var", "lock", *dev, "app/lock", "echo held; exit 3", check=False)
        assert ran.returncode == 3 and "held" in ran.stdout
        assert "Lock" not in json.loads(server.cli("var", "get", *dev, "app/lock").stdout)
        assert "Successfully purged" in server.cli("var", "purge", *token, "app/a").stdout
        key = server.cli("operator", "root", "keyring", "rotate", *token).stdout
        assert "active" in key
        assert len(server.cli("operator", "root", "keyring", "list", *token).stdout.splitlines()) == 3
        gossip = server.cli("operator", "gossip", "keyring", "generate").stdout.strip()
        assert len(base64.b64decode(gossip)) == 32
        server.cli("operator", "gossip", "keyring", "install", *token, gossip)
        assert gossip in server.cli("operator", "gossip", "keyring", "list", *token).stdout
