"""What no good client sends: a corpus of broken requests, random ones, and broken WebSocket frames. The agent answers each with a status or closes, stays up,
keeps no connection and grows by little. The seed is printed; NL_FUZZ_SEED repeats a run and NL_FUZZ_ROUNDS makes it longer."""
import json
import os
import random
import socket
import time
import urllib.parse

import pytest
from harness import Cluster, until
from ws import CLOSE, WebSocket

SEED = int(os.environ.get("NL_FUZZ_SEED") or random.SystemRandom().randrange(1 << 32))
ROUNDS = int(os.environ.get("NL_FUZZ_ROUNDS", "1500"))
JOB = {"Job": {"ID": "web", "Name": "web", "Type": "service", "Datacenters": ["*"], "TaskGroups": [{
    "Name": "grp", "Count": 1, "Tasks": [{"Name": "main", "Driver": "raw_exec", "Config": {"command": "/bin/sleep", "args": ["600"]},
                                           "Resources": {"CPU": 20, "MemoryMB": 16}}]}]}}


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        agent = cluster.single()
        api = agent.api()
        api.wait_leader()
        api.put("/v1/jobs", JOB)
        api.wait_allocs("web", lambda allocs: [a for a in allocs if a["ClientStatus"] == "running"])
        yield agent


def memory(agent):
    with open(f"/proc/{agent.popen.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def descriptors(agent):
    return len(os.listdir(f"/proc/{agent.popen.pid}/fd"))


def send_raw(agent, data, timeout=20):
    """The status of the answer, 0 for a closed connection."""
    host, port = agent.addresses()["http"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=timeout) as s:
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            answer = b""
            while b"\r\n" not in answer:
                more = s.recv(65536)
                if not more:
                    break
                answer += more
        except (BrokenPipeError, ConnectionResetError):
            return 0
        except socket.timeout:
            raise AssertionError(f"no answer and no end to {data[:200]!r}") from None
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def request(method, target, headers=(), body=b""):
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    if body and not any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + body


CORPUS = [
    (b"\r\n\r\n\r\n", {0, 400}),
    (b"GET\r\n\r\n", {400}),
    (b"GET /v1/jobs\r\n\r\n", {400}),
    (b"GET /v1/jobs HTTP/9.9\r\nHost: a\r\n\r\n", {400, 0}),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {400, 0}),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 0}),
    (b"GET /v1/jobs HTTP/1.1\r\n\r\n", {400}),
    (b"GET /v1/jobs HTTP/1.1\r\nHost: a b\r\nX: \x00\r\n\r\n", {400, 421, 200}),
    (b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", {400}),
    (b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n", {400, 413}),
    (b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    (b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", {400}),
    (b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999999\r\n\r\n", {413}),
    (request("GET", "/v1/jobs", ["X: " + "a" * 100_000]), {431}),
    (request("GET", "/" + "a" * 100_000), {400, 404, 414, 431}),
    (request("GET", "/v1/job/%zz"), {400}),
    (request("GET", "/v1/job/%00"), {400, 404}),
    (request("GET", "/v1/job/../../etc/passwd"), {400, 404}),
    (request("GET", "/v1/jobs?%"), {400}),
    (request("GET", "/v1/jobs?per_page=-1"), {400}),
    (request("GET", "/v1/jobs?per_page=99999999999999999999"), {400}),
    (request("GET", "/v1/jobs?index=-1"), {400}),
    (request("GET", "/v1/jobs?wait=forever"), {400}),
    (request("GET", "/v1/jobs?filter=" + urllib.parse.quote("(" * 5000)), {400}),
    (request("GET", "/v1/jobs?filter=" + urllib.parse.quote("not " * 5000 + "ID == a")), {200, 400}),
    (request("GET", "/v1/allocations?prefix=xyz"), {500}),
    (request("GET", "/v1/allocation/zzz"), {500}),
    (request("BREW", "/v1/jobs"), {405, 501, 400}),
    (request("PUT", "/v1/jobs", body=b"{"), {400}),
    (request("PUT", "/v1/jobs", body=b"[" * 100_000), {400}),
    (request("PUT", "/v1/jobs", body=b'{"a":' * 50_000), {400}),
    (request("PUT", "/v1/jobs", body=b'{"Job":' + b"9" * 10_000 + b"}"), {400}),
    (request("PUT", "/v1/jobs", body=b'{"Job":{"ID":"\xff\xfe"}}'), {400}),
    (request("PUT", "/v1/jobs", body=b'{"Job":{"ID":"\\ud800"}}'), {400, 500}),
    (request("PUT", "/v1/jobs", body=b'{"Job":[]}'), {400}),
    (request("PUT", "/v1/jobs", body=b"null"), {400}),
    (request("PUT", "/v1/jobs/parse", body=json.dumps({"JobHCL": "job \"x\" {" + "a {" * 20_000}).encode()), {400}),
    (request("GET", "/v1/event/stream?topic=::"), {400}),
    (request("GET", "/v1/event/stream?index=x"), {400}),
]


@pytest.mark.parametrize("number", range(len(CORPUS)))
def test_corpus(agent, number):
    data, wanted = CORPUS[number]
    assert send_raw(agent, data) in wanted
    assert agent.alive()


def test_foreign_names_and_origins(agent):
    def status(*headers, method="GET"):
        return send_raw(agent, (f"{method} /v1/status/leader HTTP/1.1\r\n" + "\r\n".join(headers) + "\r\nConnection: close\r\n\r\n").encode())
    assert status("Host: 127.0.0.1:4646") == 200
    assert status("Host: localhost:4646") == 200
    assert status("Host: evil.example") == 421
    assert status("Host: 127.0.0.1", "Origin: http://evil.example") == 403
    assert status("Host: 127.0.0.1:1", "Origin: http://127.0.0.1:1") == 200
    assert status("Host: 127.0.0.1", "Origin: null", method="DELETE") == 403


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0 and data:
            del data[at:at + rng.randint(1, 8)]
        elif kind == 1:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
        elif kind == 2 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        else:
            data[at:at] = rng.choice([b"%", b"%00", b"..", b"//", b"\"", b"{", b"[", b"*", b"&", b"=", b"\r\n", b"null", b"-1", b"1e999"])
    return bytes(data)


def test_random_requests(agent):
    print("seed", SEED)
    rng = random.Random(SEED)
    paths = [p for p in agent.api().get("/v1/openapi.json")["paths"] if p not in (
        "/v1/agent/monitor", "/v1/event/stream", "/v1/system/gc", "/v1/agent/reload", "/v1/agent/force-leave", "/v1/agent/join", "/v1/agent/servers")
        and "drain" not in p and "purge" not in p and "raft" not in p and "eligibility" not in p]
    values = ["web", "default", "", "*", "a/b", "%2F", "11111111-2222-3333-4444-555555555555", "x" * 300, "..", "\u00e9"]
    names = ["namespace", "prefix", "filter", "per_page", "next_token", "reverse", "stale", "region", "pretty", "type", "task", "path", "offset", "limit", "command"]
    bodies = [json.dumps(b).encode() for b in (JOB, {}, {"Job": None}, {"JobID": "web"}, {"Prefix": "w", "Context": "all"}, {"Meta": {"a": None}},
                                               {"Count": 2, "Target": {"Group": "grp"}}, {"DeploymentID": "x"}, {"EvalIDs": ["x"]})]
    before = memory(agent)
    for round_ in range(ROUNDS):
        path = rng.choice(paths)
        while "{" in path:
            path = path[:path.index("{")] + urllib.parse.quote(rng.choice(values), safe="%/") + path[path.index("}") + 1:]
        query = "&".join(f"{rng.choice(names)}={urllib.parse.quote(rng.choice(values), safe='%')}" for _ in range(rng.randint(0, 4)))
        method = rng.choice(["GET", "GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS"])
        if method == "DELETE" and "/job" in path:
            method = "GET"
        data = request(method, path + ("?" + query if query else ""), body=rng.choice(bodies) if method in ("PUT", "POST") else b"")
        if rng.random() < 0.5:
            data = mutate(rng, data)
        try:
            send_raw(agent, data)
        except AssertionError as error:
            raise AssertionError(f"seed {SEED}, round {round_}: {error}") from None
        assert agent.alive(), f"seed {SEED}, round {round_}: {data[:300]!r}\n{agent.log()[-2000:]}"
    grown = memory(agent) - before
    assert grown < 64 * 1024, f"seed {SEED}: {grown} kB more after {ROUNDS} requests"
    assert agent.api().get("/v1/status/leader")


def test_broken_frames(agent):
    alloc = agent.api().get("/v1/job/web/allocations")[0]["ID"]
    address = agent.addresses()["http"]
    path = f"/v1/client/allocation/{alloc}/exec?task=main&command=%5B%22cat%22%5D"

    def end_of(action):
        with WebSocket(address, path) as ws:
            assert ws.status == 101
            action(ws)
            while True:
                try:
                    opcode, payload = ws.receive()
                except ConnectionError:
                    return None
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big")
    assert end_of(lambda ws: ws.send("{}", masked=False)) == 1002
    assert end_of(lambda ws: ws.send(b"\xff\xff")) == 1007
    assert end_of(lambda ws: ws.send("x", opcode=3)) == 1002
    assert end_of(lambda ws: ws.send("x" * 200, opcode=9)) == 1002
    assert end_of(lambda ws: ws.send("", opcode=1, length=1 << 40)) == 1009
    assert end_of(lambda ws: ws.send(b"\x00", opcode=CLOSE)) == 1002
    assert end_of(lambda ws: ws.send("x", opcode=0)) == 1002
    assert end_of(lambda ws: ws.send({"stdin": 7})) == 1008
    rng = random.Random(SEED)
    for _ in range(60):
        with WebSocket(address, path) as ws:
            ws.socket.settimeout(20)
            try:
                ws.socket.sendall(bytes(rng.randrange(256) for _ in range(rng.randint(1, 64))))
                ws.socket.shutdown(socket.SHUT_WR)
                while ws.socket.recv(65536):
                    pass
            except OSError as error:
                assert not isinstance(error, socket.timeout), f"seed {SEED}"
        assert agent.alive(), f"seed {SEED}\n{agent.log()[-2000:]}"
    # Every program that such a session began is gone with it, and so is every descriptor.
    until("the programs of ended sessions to be gone", lambda: not [
        p for p in os.listdir("/proc") if p.isdigit() and runs_cat_for(p, alloc)])
    settled = descriptors(agent)
    end = time.monotonic() + 5
    while time.monotonic() < end and settled > 200:
        settled = descriptors(agent)
    assert settled < 200


def runs_cat_for(pid, alloc):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            if f.read() != b"cat\0":
                return False
        with open(f"/proc/{pid}/environ", "rb") as f:
            return alloc.encode() in f.read()
    except OSError:
        return False
