"""docker and podman against real engines, started by the test with directories and sockets of their own.

The image is made from Debian's busybox-static by `import`: no registry is needed. Numbers in names are those of the malicious-tenant cases.
"""
import http.client
import json
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile

import pytest
from driver_support import (contract, ends_while_the_agent_is_away, events, finished, job, kill_process, nothing_left, output, purge, refusal,
                            restart, run, running, start_agent, stop, wait_driver, wait_output)
from harness import Cluster, until

IMAGE = "nomad-lite-test/busybox:1"
BRIDGE = f"nleng{os.getpid() % 100000}"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class RealEngine:
    """A dockerd or a podman service on a socket in `folder`."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.socket = os.path.join(folder, name + ".sock")
        self.process = None
        self.start()

    def start(self):
        log = open(os.path.join(self.folder, self.name + ".log"), "ab")
        if self.name == "docker":
            command = ["dockerd", "--data-root", self.folder + "/data", "--exec-root", self.folder + "/exec", "--pidfile", self.folder + "/pid",
                       "-H", "unix://" + self.socket, "--bridge", "none", "--iptables=false", "--storage-driver", "vfs"]
        else:
            command = ["podman", "--root", self.folder + "/data", "--runroot", self.folder + "/run", "--cgroup-manager", "cgroupfs",
                       "--runtime", "runc", "system", "service", "--time=0", "unix://" + self.socket]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        until(f"{self.name} to answer", self.answers, 60)

    def answers(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.folder, self.name + ".log"), encoding="utf-8", errors="replace") as f:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{f.read()[-2000:]}")
        try:
            return self.call("GET", "/version")
        except OSError:
            return None

    def call(self, method, path, body=None, content="application/json"):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, body=body, headers={"Content-Type": content})
            text = connection.getresponse().read()
        finally:
            connection.close()
        try:
            return json.loads(text) if text else None
        except ValueError:
            return text.decode(errors="replace")

    def load_image(self):
        with tempfile.TemporaryDirectory() as folder:
            tar = os.path.join(folder, "image.tar")
            root = os.path.join(folder, "root")
            os.makedirs(root + "/bin")
            os.makedirs(root + "/tmp")
            shutil.copy(shutil.which("busybox"), root + "/bin/busybox")
            for tool in ("sh", "sleep", "cat", "echo", "id", "grep", "ls", "hostname", "wget", "nc", "httpd", "true", "mount", "touch", "tail"):
                os.symlink("busybox", f"{root}/bin/{tool}")
            with tarfile.open(tar, "w") as t:
                t.add(root, arcname=".")
            if self.name == "docker":
                with open(tar, "rb") as f:
                    self.call("POST", "/images/create?fromSrc=-&repo=nomad-lite-test/busybox&tag=1", f.read(), "application/x-tar")
            else:
                subprocess.run(["podman", "--root", self.folder + "/data", "--runroot", self.folder + "/run", "--cgroup-manager", "cgroupfs",
                                "import", tar, IMAGE], check=True, capture_output=True)

    def containers(self):
        return self.call("GET", "/containers/json?all=1")

    def stop(self):
        for one in self.containers() or []:
            self.call("DELETE", f"/containers/{one['Id']}?force=true")
        kill_process(self.process)


def usable(name):
    """Why the engine cannot be tested here, or ''."""
    program = "dockerd" if name == "docker" else "podman"
    if os.geteuid() != 0:
        return "engines are started by root"
    if not shutil.which(program):
        return f"{program} is not installed"
    if not shutil.which("busybox"):
        return "busybox-static is not installed"
    return ""


@pytest.fixture(scope="module", params=["docker", "podman"])
def place(request):
    """(engine, agent, driver, config of a script)"""
    name = request.param
    why = usable(name)
    if why:
        pytest.skip(why)
    folder = tempfile.mkdtemp(prefix="nomad-lite-engine-")
    engine = None
    try:
        try:
            engine = RealEngine(name, folder)
        except (AssertionError, OSError) as error:
            pytest.skip(f"{name} does not start here: {error}")
        engine.load_image()
        limits = {"ulimit": {"nofile": "1024:4096", "nproc": "4096:4096"}} if name == "podman" else {}

        def config(script, **more):
            block = {"image": IMAGE, "command": "/bin/sh", "args": ["-c", script], **limits, **more}
            # The engine is started without a bridge: it would need one of the machine's.
            block.setdefault("network_mode", "none")
            return block
        with Cluster() as cluster:
            agent = start_agent(cluster, f'plugin "{name}" {{\n  config {{\n    endpoint = "unix://{engine.socket}"\n'
                                '    extra_labels = ["job_name", "task_name"]\n  }\n}\n',
                                client=f'  bridge_network_name = "{BRIDGE}"\n  bridge_network_subnet = "172.30.202.0/24"\n')
            wait_driver(agent, name)
            yield engine, agent, name, config
    finally:
        if engine:
            engine.stop()
        subprocess.run(f"grep {folder} /proc/self/mounts | cut -d' ' -f2 | sort -r | xargs -r -n1 umount -l", shell=True, check=False)
        subprocess.run(["ip", "link", "del", BRIDGE], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_contract(place):
    engine, agent, driver, config = place
    alloc = contract(agent, driver, config)
    until("the containers to go", lambda: not engine.containers())
    nothing_left(agent, alloc)


def test_ends_while_the_agent_is_away(place):
    _, agent, driver, config = place
    ends_while_the_agent_is_away(agent, driver, config)


def test_every_line_once_though_the_agent_is_killed_again_and_again(place):
    _, agent, driver, config = place
    name = run(agent, job(f"{driver}-lines", driver, config("i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; sleep 0.02; done"),
                          kind="batch"))
    alloc = running(agent, name)
    for _ in range(3):
        wait_output(agent, alloc["ID"], "line")
        restart(agent)
    alloc, state = finished(agent, name, 90)
    assert not state["Failed"], state["Events"]
    assert output(agent, alloc["ID"]).split("\n") == [f"line {i}" for i in range(1, 401)] + [""]
    purge(agent, name)


def test_what_the_container_is_told(place):
    engine, agent, driver, config = place
    name = run(agent, job(f"{driver}-shape", driver, config(
        "echo $NOMAD_TASK_DIR $NOMAD_ALLOC_DIR; id -u; touch /local/x /alloc/x && echo writable; sleep 600",
        labels={"team": "blue"}, readonly_rootfs=True, cap_drop=["all"], work_dir="/tmp", pids_limit=64, shm_size=1 << 20,
        security_opt=["no-new-privileges"], hostname="box"), kind="service", user="65534"))
    alloc = running(agent, name)
    wait_output(agent, alloc["ID"], "(?s)/local /alloc\n65534\nwritable\n")
    inside = engine.call("GET", f"/containers/{engine.containers()[0]['Id']}/json")
    labels = inside["Config"]["Labels"]
    assert labels["team"] == "blue" and labels["com.hashicorp.nomad.alloc_id"] == alloc["ID"]
    assert labels["com.hashicorp.nomad.job_name"] == name and "com.hashicorp.nomad.node_name" not in labels
    host = inside["HostConfig"]
    assert host["Memory"] == 64 << 20 and host["CpuShares"] == 50 and host["PidsLimit"] == 64 and host["ReadonlyRootfs"]
    assert not host.get("CapAdd") and inside["Config"]["WorkingDir"] == "/tmp"
    stop(agent, name)
    purge(agent, name)


@pytest.mark.parametrize("what,words", [
    ({"privileged": True}, "privileged mode is disabled"),
    ({"pid_mode": "host"}, "pid_mode"),
    ({"ipc_mode": "host"}, "ipc_mode"),
    ({"uts_mode": "host"}, "uts_mode"),
    ({"userns_mode": "host"}, "userns_mode"),
    ({"network_mode": "host"}, "allow_host_network"),
    ({"network_mode": "container:victim"}, "network_mode"),
    ({"cap_add": ["sys_admin"]}, "does not allow the following capabilities: sys_admin"),
    ({"cap_add": ["NET_RAW"]}, "does not allow the following capabilities: net_raw"),
    ({"devices": [{"host_path": "/dev/kmsg"}]}, "allow_devices"),
    ({"security_opt": ["seccomp=unconfined"]}, "allow_security_opts"),
    ({"runtime": "kata"}, "is not allowed"),
    ({"volumes": ["/:/host"]}, "volumes are not enabled"),
    ({"volumes": ["/var/run/docker.sock:/d.sock"]}, "volumes are not enabled"),
    ({"mount": [{"type": "bind", "source": "/etc", "target": "/x"}]}, "volumes are not enabled"),
    ({"mount": [{"type": "bind", "source": "../../../../etc", "target": "/x"}]}, "volumes are not enabled"),
    ({"mount": [{"type": "volume", "source": "v", "target": "/x", "volume_options": [{"driver_config": [{
        "name": "local", "options": {"type": "none", "o": "bind", "device": "/"}}]}]}]}, "volume driver"),
    ({"volume_driver": "local", "volumes": ["v:/x"]}, "volumes are not enabled"),
    ({"image": None}, "missing required argument"),
    ({"imag": "x"}, 'is "image" meant?'),
    ({"ulimit": {"nofile": "many"}}, "ulimit"),
])
def test_22_23_refusals(place, what, words):
    engine, agent, driver, config = place
    message = refusal(agent, job(f"{driver}-no", driver, config("true", **what)))
    assert words in message, message
    assert not [c for c in engine.containers() if f"{driver}-no" in str(c["Labels"]) or f"{driver}-link" in str(c["Labels"])]


def test_23_a_link_in_the_allocation_that_leads_outside(place):
    engine, agent, driver, config = place
    request = job(f"{driver}-link", driver, config("true", volumes=["local/out:/x"]))
    request["Job"]["TaskGroups"][0]["Tasks"].insert(0, {
        "Name": "link", "Driver": "raw_exec", "Lifecycle": {"Hook": "prestart"}, "Resources": {"CPU": 20, "MemoryMB": 16},
        "Config": {"command": "/bin/sh", "args": ["-c", "mkdir -p ../t/local && ln -s /etc ../t/local/out"]}})
    assert "volumes are not enabled" in refusal(agent, request)
    assert not [c for c in engine.containers() if f"{driver}-no" in str(c["Labels"]) or f"{driver}-link" in str(c["Labels"])]


def test_mounts_of_the_allocation_are_allowed(place):
    _, agent, driver, config = place
    request = job(f"{driver}-mounts", driver, config(
        "cat /data/word; mount | grep -c ' /scratch '", volumes=["local:/data:ro"],
        mount=[{"type": "tmpfs", "target": "/scratch", "tmpfs_options": [{"size": 1 << 20}]}]))
    request["Job"]["TaskGroups"][0]["Tasks"].insert(0, {
        "Name": "word", "Driver": "raw_exec", "Lifecycle": {"Hook": "prestart"}, "Resources": {"CPU": 20, "MemoryMB": 16},
        "Config": {"command": "/bin/sh", "args": ["-c", "mkdir -p ../t/local && echo hello > ../t/local/word"]}})
    alloc, state = finished(agent, run(agent, request))
    assert output(agent, alloc["ID"]) == "hello\n1\n", (output(agent, alloc["ID"]), state["Events"])
    purge(agent, f"{driver}-mounts")


def test_memory_is_a_wall(place):
    _, agent, driver, config = place
    alloc, state = finished(agent, run(agent, job(f"{driver}-oom", driver, config("a=xxxxxxxx; while true; do a=$a$a; done"), Resources={"CPU": 50, "MemoryMB": 16})))
    end = [e for e in state["Events"] if e["Type"] == "Terminated"][0]
    assert end["ExitCode"] == 137 and state["Failed"], end
    if driver == "docker":
        assert end["Details"]["oom_killed"] == "true", end
    purge(agent, f"{driver}-oom")


def test_an_image_that_is_nowhere_is_told(place):
    _, agent, driver, config = place
    message = refusal(agent, job(f"{driver}-missing", driver, config("true", image="127.0.0.1:1/none:1")), 90)
    assert "Failed to pull `127.0.0.1:1/none:1`" in message and "Downloading image" in message, message


def test_nothing_stays_of_an_agent_that_was_killed(place):
    engine, agent, driver, config = place
    name = run(agent, job(f"{driver}-killed", driver, config("sleep 600"), kind="service"))
    alloc = running(agent, name)
    agent.kill()
    agent.start()
    assert running(agent, name)["ID"] == alloc["ID"]
    stop(agent, name)
    purge(agent, name)
    until("the containers to go", lambda: not engine.containers())
    nothing_left(agent, alloc["ID"])


def test_an_engine_that_goes_and_comes_is_told_and_keeps_its_tasks(place):
    engine, agent, driver, config = place
    if driver != "docker":
        pytest.skip("podman's service holds nothing: its containers do not need it")
    kill_process(engine.process)
    agent.api().wait("the driver to be unhealthy", "/v1/nodes",
                     lambda n: n and not n[0]["Drivers"][driver]["Healthy"] and n[0]["Drivers"][driver]["Detected"], 60)
    engine.start()
    wait_driver(agent, driver)
    alloc, state = finished(agent, run(agent, job("docker-again", driver, config("echo again"))))
    assert output(agent, alloc["ID"]) == "again\n", state["Events"]
    assert events(agent, alloc["ID"])
    purge(agent, "docker-again")


@pytest.mark.parametrize("mode", ["bridge", "none"])
def test_the_groups_network_is_joined(place, mode):
    engine, agent, driver, config = place
    if mode == "bridge" and not (os.path.exists("/usr/lib/cni/bridge") and shutil.which("iptables")):
        pytest.skip("containernetworking-plugins or iptables is not installed")
    name = run(agent, job(f"{driver}-{mode}", driver, config(
        "echo links $(ls /sys/class/net); echo at $NOMAD_ALLOC_ADDR_web; cat /etc/hosts; echo name $(hostname); sleep 600", network_mode=""), kind="service",
        group={"Networks": [{"Mode": mode, "Hostname": "box", "DynamicPorts": [{"Label": "web", "To": 80}] if mode == "bridge" else None}]}))
    alloc = running(agent, name, 120)
    text = wait_output(agent, alloc["ID"], "name ")
    if mode == "none":
        assert "links lo\n" in text
    else:
        address = agent.api().wait("its address", f"/v1/allocation/{alloc['ID']}", lambda a: a.get("NetworkStatus") and a["NetworkStatus"]["Address"])
        assert "links eth0 lo\n" in text and f"at {address}:80" in text and f"{address} box" in text, text
        if driver == "docker":
            assert "name box" in text, text
    restart(agent)
    assert running(agent, name)["ID"] == alloc["ID"]
    stop(agent, name)
    purge(agent, name)
    until("the containers to go", lambda: not [c for c in engine.containers() if alloc["ID"] in str(c)])
    nothing_left(agent, alloc["ID"])
