"""qemu: a boot sector as the machine's disk, port forwards, the monitor, and what an image or an argument may reach."""
import os
import shutil
import socket

import pytest
from driver_support import (finished, job, nothing_left, output, purge, refusal, restart, run, running, start_agent, stop, wait_driver, wait_output)
from harness import Cluster, until

pytestmark = pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="qemu-system-x86 is not installed")

RESOURCES = {"CPU": 100, "MemoryMB": 128}


def boot_sector(text):
    """Sixteen-bit code that writes `text` to the first serial line and halts, for ever."""
    code = bytes([
        0xFA,                          # cli
        0x31, 0xC0, 0x8E, 0xD8,        # xor ax,ax; mov ds,ax
        0xBE, 0x1A, 0x7C,              # mov si, 0x7c1a
        0xBA, 0xF8, 0x03,              # mov dx, 0x3f8
        0xAC,                          # lodsb
        0x84, 0xC0,                    # test al,al
        0x74, 0x03,                    # jz +3
        0xEE,                          # out dx,al
        0xEB, 0xF8,                    # jmp lodsb
        0xFB,                          # sti
        0xF4,                          # hlt
        0xEB, 0xFD,                    # jmp hlt
    ])
    code += b"\x90" * (0x1A - len(code)) + text.encode() + b"\x00"
    return code + b"\x00" * (510 - len(code)) + b"\x55\xaa" + b"\x00" * (512 * 2047)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    images = tmp_path_factory.mktemp("images")
    (images / "boot.img").write_bytes(boot_sector("hello from the machine\r\n"))
    with Cluster() as cluster:
        agent = start_agent(cluster, f'plugin "qemu" {{\n  config {{\n    image_paths = ["{images}"]\n  }}\n}}\n')
        wait_driver(agent, "qemu")
        yield agent, str(images / "boot.img")


def test_boots_speaks_restarts_with_the_agent_and_stops(place):
    agent, image = place
    config = {"image_path": image, "args": ["-nodefaults", "-serial", "stdio"], "graceful_shutdown": True, "guest_agent": True,
              "drive_interface": "ide"}
    name = run(agent, job("qemu-boot", "qemu", config, kind="service", Resources=RESOURCES, KillTimeout=3_000_000_000))
    alloc = running(agent, name)
    wait_output(agent, alloc["ID"], "hello from the machine")
    task_dir = os.path.join(agent.data_dir, "alloc", alloc["ID"], "t")
    assert os.path.exists(task_dir + "/qemu-monitor.sock") and os.path.exists(task_dir + "/qemu-guest-agent.sock")
    usage = agent.api().get(f"/v1/client/allocation/{alloc['ID']}/stats")["Tasks"]["t"]["ResourceUsage"]
    assert usage["MemoryStats"]["RSS"] > 0
    restart(agent)
    assert running(agent, name)["ID"] == alloc["ID"]
    assert output(agent, alloc["ID"]).count("hello from the machine") == 1
    stop(agent, name)
    purge(agent, name)
    nothing_left(agent, alloc["ID"])


def test_kvm_is_used_where_it_is(place):
    agent, image = place
    config = {"image_path": image, "accelerator": "kvm", "args": ["-nodefaults", "-serial", "stdio"]}
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        assert "/dev/kvm is not usable" in refusal(agent, job("qemu-no-kvm", "qemu", config, Resources=RESOURCES))
        return
    name = run(agent, job("qemu-kvm", "qemu", config, kind="service", Resources=RESOURCES, KillTimeout=1_000_000_000))
    alloc = running(agent, name)
    wait_output(agent, alloc["ID"], "hello from the machine")
    stop(agent, name)
    purge(agent, name)


def test_ports_of_the_group_are_forwarded(place):
    agent, image = place
    name = run(agent, job("qemu-ports", "qemu", {"image_path": image, "args": ["-nodefaults", "-serial", "stdio"], "port_map": {"ssh": 22}}, kind="service",
                          Resources=RESOURCES, KillTimeout=1_000_000_000,
                          group={"Networks": [{"DynamicPorts": [{"Label": "ssh"}, {"Label": "web", "To": 80}]}]}))
    alloc = running(agent, name)
    ports = {p["Label"]: p for p in agent.api().get(f"/v1/allocation/{alloc['ID']}")["AllocatedResources"]["Shared"]["Ports"]}
    for label in ("ssh", "web"):
        def listens(port=ports[label]):
            try:
                socket.create_connection((port["HostIP"], port["Value"]), 2).close()
                return True
            except OSError:
                return False
        until(f"port {label} to be forwarded", listens)
    stop(agent, name)
    purge(agent, name)


@pytest.mark.parametrize("change,words", [
    ({"image_path": "/etc/passwd"}, "image_paths"),
    ({"image_path": "../../../../../../etc/passwd"}, "image_paths"),
    ({"args": ["-drive", "file=/etc/shadow"]}, "image_paths"),
    ({"args": ["-chardev", "file,id=x,path=/etc/x"]}, "not allowed"),
    ({"args": ["-fsdev", "local,path=/,id=x"]}, "not allowed"),
    ({"args": ["-virtfs", "local,path=/"]}, "not allowed"),
    ({"args": ["-device", "vfio-pci,host=0"]}, "not allowed"),
    ({"args": ["-netdev", "tap,script=/x"]}, "not allowed"),
    ({"args": ["-serial", "file:/etc/x"]}, "not allowed"),
    ({"args": ["-cdrom", "fat:/etc"]}, "not allowed"),
    ({"emulator": "bash"}, "emulator"),
    ({"machine_type": "pc,x=/etc"}, "machine_type"),
    ({"port_map": {"none": 1}}, "Unknown port label"),
])
def test_27_nothing_of_the_node_is_reached(place, change, words):
    agent, image = place
    message = refusal(agent, job("qemu-no", "qemu", {"image_path": image, **change}, Resources=RESOURCES))
    assert words in message, message


def test_too_little_memory_is_told(place):
    agent, image = place
    assert "memory assignment out of bounds" in refusal(
        agent, job("qemu-small", "qemu", {"image_path": image}, Resources={"CPU": 50, "MemoryMB": 64}))


def test_an_image_of_the_allocation_is_allowed(place):
    agent, image = place
    request = job("qemu-own", "qemu", {"image_path": "local/own.img", "args": ["-nodefaults", "-serial", "stdio"]}, kind="service",
                  Resources=RESOURCES, KillTimeout=1_000_000_000)
    request["Job"]["TaskGroups"][0]["Tasks"].insert(0, {
        "Name": "copy", "Driver": "raw_exec", "Lifecycle": {"Hook": "prestart"}, "Resources": {"CPU": 20, "MemoryMB": 16},
        "Config": {"command": "/bin/sh", "args": ["-c", f"mkdir -p ../t/local && cp {image} ../t/local/own.img"]}})
    name = run(agent, request)
    alloc = running(agent, name)
    wait_output(agent, alloc["ID"], "hello from the machine")
    stop(agent, name)
    alloc, _ = finished(agent, name)
    purge(agent, name)
