"""Real nomad-lite processes on loopback, port 0, and HTTP that waits on indexes instead of sleeping.

Every wait has a deadline and says what it waited for. Processes are ended by id when the test ends, whatever happens.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

BINARY = os.environ.get("NOMAD_LITE") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "release", "bin", "nomad-lite")
DEADLINE = 30.0
POLL = 0.02  # between looks at things that have no index: a file that appears, a process that ends


class ApiError(Exception):
    def __init__(self, status, text):
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text


def until(what, look, deadline=DEADLINE):
    """The first true answer of look(); for things without an index."""
    end = time.monotonic() + deadline
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:.0f} s in vain for {what}")
        time.sleep(POLL)


class Api:
    def __init__(self, address):
        self.address = address

    def call(self, method, path, body=None, timeout=DEADLINE):
        data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
        request = urllib.request.Request(f"http://{self.address}{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text = answer.read()
                index = int(answer.headers.get("X-Nomad-Index") or 0)
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, error.read().decode(errors="replace")) from None
        try:
            return (json.loads(text) if text else None), index
        except ValueError:
            return text.decode(errors="replace"), index

    def get(self, path):
        return self.call("GET", path)[0]

    def put(self, path, body=None):
        return self.call("PUT", path, {} if body is None else body)[0]

    def delete(self, path):
        return self.call("DELETE", path)[0]

    def wait(self, what, path, wanted, deadline=DEADLINE):
        """Blocking reads of `path` until wanted(answer) is true."""
        end = time.monotonic() + deadline
        index = 0
        answer = None
        while time.monotonic() < end:
            separator = "&" if "?" in path else "?"
            try:
                answer, index = self.call("GET", f"{path}{separator}index={index}&wait=2s")
            except (ApiError, OSError) as error:
                # No leader just now, or the object is not there yet.
                answer, index = error, 0
                time.sleep(POLL)
                continue
            got = wanted(answer)
            if got:
                return got
        raise AssertionError(f"waited {deadline:.0f} s in vain for {what}; last answer: {answer}")

    def wait_leader(self):
        return self.wait("a leader", "/v1/status/leader", lambda a: a)

    def wait_allocs(self, job, wanted, deadline=DEADLINE):
        return self.wait(f"allocations of {job}", f"/v1/job/{urllib.parse.quote(job, safe='')}/allocations", wanted, deadline)

    def logs(self, alloc, task, kind="stdout"):
        path = f"/v1/client/fs/logs/{alloc}?task={task}&type={kind}&plain=true"
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=DEADLINE) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, error.read().decode(errors="replace")) from None

    def register_hcl(self, path):
        with open(path, encoding="utf-8") as f:
            job = self.put("/v1/jobs/parse", {"JobHCL": f.read(), "Canonicalize": True})
        return job, self.put("/v1/jobs", {"Job": job})


class Process:
    """One nomad-lite process; its output is kept in a file."""

    def __init__(self, arguments, folder, name):
        self.arguments = [BINARY, *arguments]
        self.log_path = os.path.join(folder, name + ".log")
        self.popen = None
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(self.arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def alive(self):
        return self.popen.poll() is None

    def kill(self):
        if self.alive():
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def terminate(self, deadline=DEADLINE):
        if self.alive():
            self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout=deadline)


def free_port():
    """A port that was free a moment ago; only for what must know its port before it starts."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Agent(Process):
    """`nomad-lite agent -config FILE` with a data directory of its own."""

    def __init__(self, cluster, name, config):
        self.name = name
        self.data_dir = os.path.join(cluster.folder, name)
        self.config_path = os.path.join(cluster.folder, name + ".hcl")
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(f'data_dir = "{self.data_dir}"\nname = "{name}"\nbind_addr = "127.0.0.1"\n{config}')
        super().__init__(["agent", "-config", self.config_path], cluster.folder, name)

    def start(self):
        try:
            os.unlink(os.path.join(self.data_dir, "addresses.json"))
        except OSError:
            pass
        super().start()

    def addresses(self):
        path = os.path.join(self.data_dir, "addresses.json")

        def look():
            if not self.alive():
                raise AssertionError(f"{self.name} ended with {self.popen.returncode}:\n{self.log()[-3000:]}")
            try:
                with open(path, encoding="utf-8") as f:
                    return json.load(f)
            except (OSError, ValueError):
                return None
        return until(f"{self.name} to listen", look)

    def api(self):
        return Api(self.addresses()["http"])

    def cli(self, *arguments, check=True, **kwargs):
        environment = dict(os.environ, NOMAD_ADDR="http://" + self.addresses()["http"])
        done = subprocess.run([BINARY, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False, **kwargs)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments} exited {done.returncode}:\n{done.stdout}{done.stderr}")
        return done


RAW_EXEC = 'plugin "raw_exec" {\n  config {\n    enabled = true\n  }\n}\n'


class Cluster:
    """Servers and clients in a temporary folder. Use as a context manager."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="nomad-lite-e2e-")
        self.servers = []
        self.clients = []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for process in self.clients + self.servers:
            if kind is not None:
                print(f"--- {process.name}\n{process.log()[-4000:]}")
            process.terminate() if kind is None and process.alive() else process.kill()
        stop_leftovers(self.folder)
        unmount_leftovers(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def single(self, more="", client=""):
        """One agent, server and client; `more` is added to its configuration, `client` to its client block."""
        agent = Agent(self, "node1", "ports {\n  http = 0\n  rpc = 0\n  serf = 0\n}\n"
                      "server {\n  enabled = true\n  bootstrap_expect = 1\n}\nclient {\n  enabled = true\n" + client + "}\n" + RAW_EXEC + more)
        self.servers.append(agent)
        return agent

    def start_servers(self, count):
        ports = [free_port() for _ in range(count)]
        join = ", ".join(f'"127.0.0.1:{p}"' for p in ports)
        for i, port in enumerate(ports):
            self.servers.append(Agent(
                self, f"server{i + 1}",
                f"ports {{\n  http = 0\n  rpc = {port}\n  serf = {port}\n}}\nserver {{\n  enabled = true\n  bootstrap_expect = {count}\n"
                f"  server_join {{\n    retry_join = [{join}]\n  }}\n}}\n"))
        self.rpc_ports = ports
        return self.servers

    def start_clients(self, count):
        servers = ", ".join(f'"127.0.0.1:{p}"' for p in self.rpc_ports)
        for i in range(count):
            self.clients.append(Agent(
                self, f"client{len(self.clients) + 1}",
                f"ports {{\n  http = 0\n  rpc = 0\n  serf = 0\n}}\nclient {{\n  enabled = true\n  servers = [{servers}]\n}}\n" + RAW_EXEC))
        return self.clients

    def leader(self, among=None):
        """The server that leads now, as the others see it."""
        servers = [s for s in (among or self.servers) if s.alive()]

        def look():
            for server in servers:
                try:
                    address = server.api().get("/v1/status/leader")
                except (ApiError, OSError, AssertionError):
                    continue
                for candidate in servers:
                    if candidate.alive() and candidate.addresses()["rpc"] == address:
                        return candidate
            return None
        return until("a leader among the living servers", look)


def unmount_leftovers(folder):
    """Lets go of what killed agents had mounted in `folder` (the memory of secrets, volumes)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
        points = [line.split(" ")[4] for line in f]
    for point in sorted((p for p in points if p.startswith(folder + "/")), key=len, reverse=True):
        subprocess.run(["umount", "-l", point], check=False)


def stop_leftovers(folder):
    """Ends processes that still work in `folder`: tasks and supervisors outlive a killed agent on purpose, and replace each other."""
    until(f"the processes in {folder} to end", lambda: not any([end_if_inside(entry, folder) for entry in os.listdir("/proc")]))


def end_if_inside(entry, folder):
    """Whether process `entry` works in the folder; it is ended then."""
    if not entry.isdigit() or int(entry) == os.getpid():
        return False
    try:
        with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
            if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                return False
        with open(f"/proc/{entry}/cmdline", "rb") as f:
            words = f.read()
        with open(f"/proc/{entry}/environ", "rb") as f:
            words += f.read()
        inside = folder in words.decode(errors="replace") or os.readlink(f"/proc/{entry}/cwd").startswith(folder)
        if inside:
            os.kill(int(entry), signal.SIGKILL)
        return inside
    except OSError:
        return False
