"""exec against a real OCI runtime: the contract, the limits, and what a hostile task is refused.

Numbers in names are those of the malicious-tenant cases: 21 disabled drivers, 24 users, 40 isolation, 43 exhaustion.
"""
import os
import shutil
import subprocess

import pytest
from driver_support import (contract, ends_while_the_agent_is_away, events, finished, job, nothing_left, output, purge, refusal, restart, run,
                            running, start_agent, stop, wait_output)
from harness import Cluster, until

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="containers are made by root"),
    pytest.mark.skipif(not (shutil.which("runc") or shutil.which("crun")), reason="no OCI runtime (runc or crun) is installed"),
]


def sh(script):
    return {"command": "/bin/sh", "args": ["-c", script]}


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        yield start_agent(cluster)


def said(agent, name, script, config=None, **more):
    """What a script says from inside."""
    alloc, state = finished(agent, run(agent, job(name, "exec", {**sh(script), **(config or {})}, **more)))
    text = output(agent, alloc["ID"])
    assert [e for e in state["Events"] if e["Type"] == "Started"], state["Events"]
    purge(agent, name)
    return text


def test_contract(agent):
    alloc = contract(agent, "exec", sh)
    nothing_left(agent, alloc)


def test_ends_while_the_agent_is_away(agent):
    ends_while_the_agent_is_away(agent, "exec", sh)


def test_own_directories_and_nothing_else(agent):
    text = said(agent, "exec-dirs", "pwd; echo $NOMAD_TASK_DIR $NOMAD_ALLOC_DIR $NOMAD_SECRETS_DIR; touch /local/x /alloc/data/x /secrets/x /tmp/x "
                "&& echo writable; touch /etc/x /usr/x /x 2>/dev/null || echo read-only; ls -d /root /home /var 2>/dev/null || echo bare")
    assert text == "/\n/local /alloc /secrets\nwritable\nread-only\nbare\n"


def test_nobody_without_rights_by_default(agent):
    text = said(agent, "exec-caps", "id -u; id -G; grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'")
    assert text == "65534\n65534\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n"


def test_capabilities_are_had_only_when_asked_for_and_allowed(agent):
    text = said(agent, "exec-cap-add", "grep CapEff /proc/self/status | tr -d '\\t'", {"cap_add": ["net_bind_service"]})
    assert text == "CapEff:0000000000000400\n"
    message = refusal(agent, job("exec-cap-no", "exec", {**sh("true"), "cap_add": ["net_raw", "SYS_ADMIN"]}))
    assert "driver does not allow the following capabilities: net_raw, sys_admin" in message


@pytest.mark.parametrize("user", ["root", "0", "0:0"])
def test_24_root_is_refused_by_any_name(agent, user):
    assert f'is disallowed' in refusal(agent, job("exec-root", "exec", sh("id"), user=user))


def test_24_an_unknown_user_is_refused(agent):
    assert "does not exist on this node" in refusal(agent, job("exec-who", "exec", sh("id"), user="no-such-user"))


def test_40_from_inside_nothing_of_the_node_or_of_others(agent):
    victim = running(agent, run(agent, job("exec-victim", "exec", sh("echo hidden > /secrets/s; sleep 600"), kind="service")))
    text = said(agent, "exec-hostile", f"""
ps() {{ ls /proc | grep -c '^[0-9]'; }}
[ $(ps) -le 4 ] && echo few processes
ls {agent.data_dir} 2>/dev/null || echo no data dir
ls /alloc/../../{victim['ID']} 2>/dev/null || echo no neighbour
kill -9 {agent.popen.pid} 2>/dev/null || echo no kill
cat /proc/{agent.popen.pid}/environ 2>/dev/null || echo no environ
mount -t tmpfs none /tmp 2>/dev/null || echo no mount
unshare -U true 2>/dev/null || echo no unshare
cat /proc/kcore >/dev/null 2>&1 || echo no kcore
echo x > /proc/sysrq-trigger 2>/dev/null || echo no sysrq
echo 1 > /proc/sys/kernel/panic 2>/dev/null || echo no sysctl
mknod /tmp/sda b 8 0 2>/dev/null || echo no mknod
ls /sys/fs/cgroup/*/nomad >/dev/null 2>&1 || echo no cgroups
mkdir /sys/fs/cgroup/x 2>/dev/null || echo no new cgroup
""")
    assert text.split("\n")[:-1] == [
        "few processes", "no data dir", "no neighbour", "no kill", "no environ", "no mount", "no unshare", "no kcore", "no sysrq", "no sysctl",
        "no mknod", "no cgroups", "no new cgroup"]
    stop(agent, "exec-victim")
    purge(agent, "exec-victim")


def test_40_system_calls_that_are_refused(agent):
    python = shutil.which("python3")
    if not python or not os.path.realpath(python).startswith("/usr/"):
        pytest.skip("python3 below /usr is needed inside")
    script = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for name, number, *args in [("ptrace", 101, 0, 0, 0, 0), ("keyctl", 250, 0, -3, 1), ("unshare", 272, 0x10000000), ("mount", 165, 0, 0, 0, 0, 0),
                            ("bpf", 321, 0, 0, 0), ("setns", 308, 0, 0), ("clone-newuser", 56, 0x10000000 | 17, 0, 0, 0, 0)]:
    if libc.syscall(number, *args) == -1:
        print(name, ctypes.get_errno())
    else:
        print(name, "allowed"); os._exit(1)
"""
    alloc, state = finished(agent, run(agent, job("exec-calls", "exec", {"command": "python3", "args": ["-c", script]})))
    text = output(agent, alloc["ID"])
    assert text == "ptrace 1\nkeyctl 1\nunshare 1\nmount 1\nbpf 1\nsetns 1\nclone-newuser 1\n", (text, output(agent, alloc["ID"], "stderr"))
    purge(agent, "exec-calls")


def test_43_memory_is_a_wall_and_its_end_is_told(agent):
    name = run(agent, job("exec-oom", "exec", sh("a=xxxxxxxx; while true; do a=$a$a; done"), Resources={"CPU": 50, "MemoryMB": 32}))
    alloc, state = finished(agent, name)
    end = [e for e in state["Events"] if e["Type"] == "Terminated"][0]
    assert (end["ExitCode"], end["Signal"], end["Details"]["oom_killed"]) == (137, 9, "true"), end
    purge(agent, name)


def test_43_a_fork_bomb_stays_in_its_box():
    with Cluster() as cluster:
        small = start_agent(cluster, 'plugin "exec" {\n  config {\n    pids_limit = 32\n  }\n}\n')
        name = run(small, job("exec-bomb", "exec", sh("b() { b | b & }; b; sleep 2; echo survived"), kind="service"))
        alloc = running(small, name)
        until("the limit to be hit", lambda: "fork" in output(small, alloc["ID"], "stderr").lower() or "survived" in output(small, alloc["ID"]))
        assert small.api().get("/v1/agent/health")["client"]["ok"]
        stop(small, name)
        nothing_left(small, alloc["ID"])


def test_cpu_and_memory_limits_are_the_jobs(agent):
    name = run(agent, job("exec-limits", "exec", sh("sleep 600"), kind="service", Resources={"CPU": 77, "MemoryMB": 33}))
    alloc = running(agent, name)
    if os.path.isdir("/sys/fs/cgroup/memory"):
        with open(f"/sys/fs/cgroup/memory/nomad/{alloc['ID']}.t.1/memory.limit_in_bytes", encoding="utf-8") as f:
            assert int(f.read()) == 33 << 20
        with open(f"/sys/fs/cgroup/cpu/nomad/{alloc['ID']}.t.1/cpu.shares", encoding="utf-8") as f:
            assert int(f.read()) == 77
    else:
        with open(f"/sys/fs/cgroup/nomad.slice/share.slice/{alloc['ID']}.t.1.scope/memory.max", encoding="utf-8") as f:
            assert int(f.read()) == 33 << 20
    stop(agent, name)
    purge(agent, name)


def test_pid_mode_work_dir_and_mistakes(agent):
    text = said(agent, "exec-host-pid", "ls /proc | grep -c '^[0-9]'; readlink /proc/self/ns/pid", {"pid_mode": "host"})
    assert text.split()[1] == os.readlink("/proc/self/ns/pid")
    assert said(agent, "exec-cwd", "pwd", {"work_dir": "/local"}) == "/local\n"
    assert 'pid_mode must be "private" or "host"' in refusal(agent, job("exec-mode", "exec", {**sh("true"), "pid_mode": "shared"}))
    assert "no-such-command" in refusal(agent, job("exec-missing", "exec", {"command": "no-such-command"}))
    assert 'missing required argument "command"' in refusal(agent, job("exec-empty", "exec", {}))


def test_image_directory_is_the_root(agent):
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("busybox-static is not installed")
    raw = finished(agent, run(agent, job("exec-image", "raw_exec", {"command": "/bin/sh", "args": [
        "-c", f"mkdir -p local/root/bin && cp {busybox} local/root/bin/sh"]})))[0]
    purge(agent, "exec-image")
    assert raw["ClientStatus"] == "complete"
    group = job("exec-own-root", "exec", {"command": "/bin/sh", "args": ["-c", "echo *"], "image": "local/root"})
    prestart = {"Name": "fill", "Driver": "raw_exec", "Lifecycle": {"Hook": "prestart"}, "Resources": {"CPU": 20, "MemoryMB": 16},
                "Config": {"command": "/bin/sh", "args": ["-c", f"mkdir -p ../t/local/root/bin && cp {busybox} ../t/local/root/bin/sh"]}}
    group["Job"]["TaskGroups"][0]["Tasks"].insert(0, prestart)
    alloc, state = finished(agent, run(agent, group))
    assert "bin" in output(agent, alloc["ID"]) and "usr" not in output(agent, alloc["ID"]), (output(agent, alloc["ID"]), state["Events"])
    purge(agent, "exec-own-root")


def test_21_raw_exec_is_off_unless_it_is_turned_on():
    with Cluster() as cluster:
        off = start_agent(cluster, raw_exec="")
        for driver in ("raw_exec", "RAW_EXEC", "raw_exec "):
            off.api().put("/v1/jobs", job("raw-off", driver, sh("true")))
            off.api().wait("a blocked evaluation", "/v1/job/raw-off/evaluations",
                           lambda e: any(x["Status"] == "blocked" for x in e))
            assert not off.api().get("/v1/job/raw-off/allocations")
            off.api().delete("/v1/job/raw-off?purge=true")


def test_nothing_stays_after_kill_of_agent_and_supervisor():
    with Cluster() as cluster:
        agent = start_agent(cluster)
        name = run(agent, job("exec-killed", "exec", sh("sleep 600"), kind="service"))
        alloc = running(agent, name)
        restart(agent)
        assert running(agent, name)["ID"] == alloc["ID"]
        stop(agent, name)
        purge(agent, name)
        nothing_left(agent, alloc["ID"])
        assert not subprocess.run(["pgrep", "-f", alloc["ID"]], check=False, capture_output=True).stdout


def test_a_device_of_the_node_is_there_only_for_those_who_were_given_it():
    with Cluster() as cluster:
        agent = start_agent(cluster, 'plugin "devices" {\n  config {\n    device {\n      vendor = "acme"\n      type = "probe"\n'
                            '      name = "one"\n      paths = ["/dev/kmsg", "/dev/not-there"]\n    }\n  }\n}\n')
        node = agent.api().get("/v1/node/" + agent.api().get("/v1/nodes")[0]["ID"])
        device = node["NodeResources"]["Devices"][0]
        assert (device["Vendor"], device["Type"], device["Name"]) == ("acme", "probe", "one")
        assert {i["ID"]: i["Healthy"] for i in device["Instances"]} == {"/dev/kmsg": True, "/dev/not-there": False}
        look = sh("test -c /dev/kmsg && echo there || echo none")
        assert said(agent, "dev-without", look["args"][1]) == "none\n"
        text = said(agent, "dev-with", look["args"][1], Resources={"CPU": 50, "MemoryMB": 64, "Devices": [{"Name": "acme/probe", "Count": 1}]})
        assert text == "there\n"
