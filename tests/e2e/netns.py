"""Servers that each live in a network namespace of their own, joined by a bridge: partitions are iptables rules between their addresses.

Everything made here is removed again: namespaces take their links with them. Needs root, ip and iptables; `why_not()` says what is missing.
"""
import ctypes
import http.client
import itertools
import os
import random
import shutil
import signal
import subprocess
import threading
import time

import harness
from harness import BINARY, POLL, Cluster, Process, until

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
HTTP_PORT, RPC_PORT, SERF_PORT = 4646, 4647, 4648
SIM = os.environ.get("NL_SIM") or os.path.join(os.path.dirname(BINARY), "sim")


def why_not():
    """Why namespaces cannot be made here; None if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "iptables"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    name = f"nl-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"no network namespace can be made: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=False)
    return None


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.stderr.strip()}")


def enter(namespace):
    """Moves the calling thread into a namespace; its sockets are made there from now on."""
    with open(f"/run/netns/{namespace}", "rb") as f:
        if LIBC.setns(f.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


class Server(Process):
    """A server agent in its namespace. Its HTTP API listens on the namespace's loopback."""

    def __init__(self, cluster, number, count, extra=""):
        self.number = number
        self.namespace = f"nl{cluster.tag}-{number}"
        self.address = f"{cluster.subnet}.{number}"
        self.name = f"server{number}"
        self.data_dir = os.path.join(cluster.folder, self.name)
        path = os.path.join(cluster.folder, self.name + ".hcl")
        join = ", ".join(f'"{cluster.subnet}.{i + 1}:{SERF_PORT}"' for i in range(count))
        with open(path, "w", encoding="utf-8") as f:
            f.write(f'data_dir = "{self.data_dir}"\nname = "{self.name}"\nbind_addr = "{self.address}"\n'
                    f'addresses {{\n  http = "127.0.0.1"\n}}\nadvertise {{\n  rpc = "{self.address}:{RPC_PORT}"\n}}\n'
                    f'server {{\n  enabled = true\n  bootstrap_expect = {count}\n  server_join {{\n    retry_join = [{join}]\n  }}\n}}\n{extra}')
        super().__init__(["agent", "-config", path], cluster.folder, self.name)
        self.stopped = False

    def start(self):
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(["ip", "netns", "exec", self.namespace, *self.arguments],
                                          stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.stopped = False

    def pause(self):
        self.popen.send_signal(signal.SIGSTOP)
        self.stopped = True

    def resume(self):
        self.popen.send_signal(signal.SIGCONT)
        self.stopped = False


class Connection:
    """One HTTP connection of a thread that lives in the server's namespace."""

    def __init__(self, timeout):
        self.timeout = timeout
        self.link = None

    def call(self, method, path, body=None):
        if self.link is None:
            self.link = http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=self.timeout)
        try:
            self.link.request(method, path, body=body)
            answer = self.link.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.link.close()
            self.link = None
            raise


class NetCluster(Cluster):
    """Servers in namespaces. Use as a context manager."""

    numbers = itertools.count(1)

    def __init__(self):
        super().__init__()
        self.tag = f"{os.getpid() % 10000}{next(self.numbers)}"
        self.subnet = f"10.{70 + os.getpid() % 100}.{random.randrange(256)}"
        self.namespaces = []

    def start_servers(self, count, extra=""):
        hub = f"nl{self.tag}-hub"
        run("ip", "netns", "add", hub)
        self.namespaces.append(hub)
        run("ip", "-n", hub, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", hub, "link", "set", "br0", "up")
        for number in range(1, count + 1):
            name = f"nl{self.tag}-{number}"
            run("ip", "netns", "add", name)
            self.namespaces.append(name)
            run("ip", "link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", f"v{number}", "netns", hub)
            run("ip", "-n", hub, "link", "set", f"v{number}", "master", "br0", "up")
            run("ip", "-n", name, "addr", "add", f"{self.subnet}.{number}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        for number in range(1, count + 1):
            self.servers.append(Server(self, number, count, extra))
        return self.servers

    def __exit__(self, kind, value, trace):
        for server in self.servers:
            if server.stopped and server.alive():
                server.resume()
        try:
            super().__exit__(kind, value, trace)
        finally:
            for name in self.namespaces:
                subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    # ---- the network
    def cut(self, to, source):
        """Nothing from `source` arrives at `to` any more."""
        run("ip", "netns", "exec", to.namespace, "iptables", "-w", "-A", "INPUT", "-s", source.address, "-j", "DROP")

    def heal(self):
        for server in self.servers:
            run("ip", "netns", "exec", server.namespace, "iptables", "-w", "-F", "INPUT")

    def part(self, one, other):
        for a in one:
            for b in other:
                self.cut(a, b)
                self.cut(b, a)

    # ---- looking in, from inside a server's namespace
    def ask(self, server, path, timeout=2.0):
        """What the server answers to a GET, or None."""
        out = []

        def look():
            enter(server.namespace)
            try:
                status, body = Connection(timeout).call("GET", path)
                if status == 200:
                    out.append(body.decode())
            except (OSError, http.client.HTTPException):
                pass
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return out[0] if out else None

    def leader(self, among=None):
        among = [s for s in (among or self.servers) if s.alive() and not s.stopped]

        def look():
            for server in among:
                answer = self.ask(server, "/v1/status/leader?stale", 1.0)
                for candidate in among:
                    if answer and answer.strip().strip('"') == f"{candidate.address}:{RPC_PORT}":
                        return candidate
            return None
        return until("a leader among the living servers", look, 60)


class History:
    """What the clients of a test saw, in the form that `sim --check` reads (src/sim/history.h)."""

    def __init__(self):
        self.lines = []
        self.lock = threading.Lock()
        self.counter = itertools.count(1)
        self.acknowledged = 0

    def add(self, client, kind, key, a, begin, end, result=""):
        line = f"{client} {kind} {key} {a or '-'} - {begin} {end if end is not None else '-'} {result or '-'}"
        with self.lock:
            self.lines.append(line)
            self.acknowledged += end is not None

    def check(self, folder):
        path = os.path.join(folder, "history.txt")
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(self.lines) + "\n")
        done = subprocess.run([SIM, "--check", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout[-4000:]}{done.stderr}"
        return done.stdout.strip()


class Clients:
    """Threads that write and read small values (the description of a namespace) through each server."""

    def __init__(self, cluster, history, keys=4, per_server=2, timeout=3.0):
        self.cluster, self.history, self.keys, self.timeout = cluster, history, keys, timeout
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(server, n * 100 + server.number))
                        for server in cluster.servers for n in range(per_server)]
        for thread in self.threads:
            thread.start()

    def work(self, server, client):
        enter(server.namespace)
        link = Connection(self.timeout)
        chance = random.Random(client)
        while not self.stop.is_set():
            key = f"k{chance.randrange(self.keys)}"
            begin = time.monotonic_ns()
            try:
                if chance.random() < 0.5:
                    value = f"v{next(self.history.counter)}"
                    try:
                        status, _ = link.call("PUT", "/v1/namespace", f'{{"Name":"{key}","Description":"{value}"}}')
                    except (OSError, http.client.HTTPException):
                        status = 0
                    end = time.monotonic_ns() if status == 200 else None
                    self.history.add(client, "put", key, value, begin, end)
                    if status != 200:
                        self.stop.wait(0.05)
                else:
                    status, body = link.call("GET", f"/v1/namespace/{key}")
                    end = time.monotonic_ns()
                    if status == 200:
                        self.history.add(client, "get", key, "", begin, end, harness.json.loads(body)["Description"])
                    elif status == 404:
                        self.history.add(client, "get", key, "", begin, end)
                    else:
                        self.stop.wait(0.05)
            except (OSError, http.client.HTTPException):
                self.stop.wait(0.05)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


__all__ = ["POLL", "Clients", "History", "NetCluster", "Server", "enter", "why_not", "SIM"]
