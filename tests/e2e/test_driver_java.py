"""java on the machine's runtime, isolated as exec (whose tests hold for it too): a class, a jar, options of the machine."""
import base64
import os
import shutil
import subprocess

import pytest
from driver_support import (finished, job, nothing_left, output, purge, refusal, restart, run, running, start_agent, stop, wait_driver,
                            wait_output)
from harness import Cluster

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="containers are made by root"),
    pytest.mark.skipif(not shutil.which("java"), reason="no Java runtime is installed"),
    pytest.mark.skipif(not (shutil.which("runc") or shutil.which("crun")), reason="no OCI runtime is installed"),
]

# Compiled from Main.java below, so that a runtime is enough to test with (class file version 61, Java 17).
SOURCE = """
public class Main {
    public static void main(String[] args) throws Exception {
        if (args.length > 0 && args[0].equals("serve")) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("bye")));
            System.out.println("ready " + System.getProperty("who"));
            Thread.sleep(600000);
        }
        System.out.println("out " + args.length + " " + System.getProperty("who"));
        System.err.println("err");
        System.exit(args.length);
    }
}
"""
CLASS = base64.b64decode(
    "yv66vgAAAD0AcwoAAgADBwAEDAAFAAYBABBqYXZhL2xhbmcvT2JqZWN0AQAGPGluaXQ+AQADKClWCAAIAQAFc2VydmUKAAoACwcADAwADQAOAQAQamF2YS9sYW5nL1N0cm"
    "luZwEABmVxdWFscwEAFShMamF2YS9sYW5nL09iamVjdDspWgoAEAARBwASDAATABQBABFqYXZhL2xhbmcvUnVudGltZQEACmdldFJ1bnRpbWUBABUoKUxqYXZhL2xhbmcv"
    "UnVudGltZTsHABYBABBqYXZhL2xhbmcvVGhyZWFkEgAAABgMABkAGgEAA3J1bgEAFigpTGphdmEvbGFuZy9SdW5uYWJsZTsKABUAHAwABQAdAQAXKExqYXZhL2xhbmcvUn"
    "VubmFibGU7KVYKABAAHwwAIAAhAQAPYWRkU2h1dGRvd25Ib29rAQAVKExqYXZhL2xhbmcvVGhyZWFkOylWCQAjACQHACUMACYAJwEAEGphdmEvbGFuZy9TeXN0ZW0BAANv"
    "dXQBABVMamF2YS9pby9QcmludFN0cmVhbTsIACkBAAN3aG8KACMAKwwALAAtAQALZ2V0UHJvcGVydHkBACYoTGphdmEvbGFuZy9TdHJpbmc7KUxqYXZhL2xhbmcvU3RyaW"
    "5nOxIAAQAvDAAwAC0BABdtYWtlQ29uY2F0V2l0aENvbnN0YW50cwoAMgAzBwA0DAA1ADYBABNqYXZhL2lvL1ByaW50U3RyZWFtAQAHcHJpbnRsbgEAFShMamF2YS9sYW5n"
    "L1N0cmluZzspVgUAAAAAAAknwAoAFQA6DAA7ADwBAAVzbGVlcAEABChKKVYSAAIAPgwAMAA/AQAnKElMamF2YS9sYW5nL1N0cmluZzspTGphdmEvbGFuZy9TdHJpbmc7CQ"
    "AjAEEMAEIAJwEAA2VycggAQgoAIwBFDABGAEcBAARleGl0AQAEKEkpVggASQEAA2J5ZQcASwEABE1haW4BAARDb2RlAQAPTGluZU51bWJlclRhYmxlAQAEbWFpbgEAFihb"
    "TGphdmEvbGFuZy9TdHJpbmc7KVYBAA1TdGFja01hcFRhYmxlAQAKRXhjZXB0aW9ucwcAUwEAE2phdmEvbGFuZy9FeGNlcHRpb24BAA1sYW1iZGEkbWFpbiQwAQAKU291cm"
    "NlRmlsZQEACU1haW4uamF2YQEAEEJvb3RzdHJhcE1ldGhvZHMPBgBZCgBaAFsHAFwMAF0AXgEAImphdmEvbGFuZy9pbnZva2UvTGFtYmRhTWV0YWZhY3RvcnkBAAttZXRh"
    "ZmFjdG9yeQEAzChMamF2YS9sYW5nL2ludm9rZS9NZXRob2RIYW5kbGVzJExvb2t1cDtMamF2YS9sYW5nL1N0cmluZztMamF2YS9sYW5nL2ludm9rZS9NZXRob2RUeXBlO0"
    "xqYXZhL2xhbmcvaW52b2tlL01ldGhvZFR5cGU7TGphdmEvbGFuZy9pbnZva2UvTWV0aG9kSGFuZGxlO0xqYXZhL2xhbmcvaW52b2tlL01ldGhvZFR5cGU7KUxqYXZhL2xh"
    "bmcvaW52b2tlL0NhbGxTaXRlOxAABg8GAGEKAEoAYgwAVAAGDwYAZAoAZQBmBwBnDAAwAGgBACRqYXZhL2xhbmcvaW52b2tlL1N0cmluZ0NvbmNhdEZhY3RvcnkBAJgoTG"
    "phdmEvbGFuZy9pbnZva2UvTWV0aG9kSGFuZGxlcyRMb29rdXA7TGphdmEvbGFuZy9TdHJpbmc7TGphdmEvbGFuZy9pbnZva2UvTWV0aG9kVHlwZTtMamF2YS9sYW5nL1N0"
    "cmluZztbTGphdmEvbGFuZy9PYmplY3Q7KUxqYXZhL2xhbmcvaW52b2tlL0NhbGxTaXRlOwgAagEAB3JlYWR5IAEIAGwBAAdvdXQgASABAQAMSW5uZXJDbGFzc2VzBwBvAQ"
    "AlamF2YS9sYW5nL2ludm9rZS9NZXRob2RIYW5kbGVzJExvb2t1cAcAcQEAHmphdmEvbGFuZy9pbnZva2UvTWV0aG9kSGFuZGxlcwEABkxvb2t1cAAhAEoAAgAAAAAAAwAB"
    "AAUABgABAEwAAAAdAAEAAQAAAAUqtwABsQAAAAEATQAAAAYAAQAAAAEACQBOAE8AAgBMAAAAlQAEAAEAAABYKr6eADYqAzISB7YACZkAK7gAD7sAFVm6ABcAALcAG7YAHr"
    "IAIhIouAAqugAuAAC2ADEUADe4ADmyACIqvhIouAAqugA9AAC2ADGyAEASQ7YAMSq+uABEsQAAAAIATQAAACIACAAAAAMAEAAEACIABQAyAAYAOAAIAEoACQBSAAoAVwAL"
    "AFAAAAADAAE4AFEAAAAEAAEAUhAKAFQABgABAEwAAAAhAAIAAAAAAAmyACISSLYAMbEAAAABAE0AAAAGAAEAAAAEAAMAVQAAAAIAVgBXAAAAGAADAFgAAwBfAGAAXwBjAA"
    "EAaQBjAAEAawBtAAAACgABAG4AcAByABk=")
RESOURCES = {"CPU": 100, "MemoryMB": 256}


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        node = start_agent(cluster)
        wait_driver(node, "java")
        yield node


def test_the_version_is_told(agent):
    found = agent.api().wait("the version", "/v1/nodes", lambda n: n and n[0]["Drivers"]["java"]["Attributes"].get("driver.java.version") and n[0])
    said = subprocess.run(["java", "-version"], check=True, capture_output=True, text=True).stderr
    assert f'"{found["Drivers"]["java"]["Attributes"]["driver.java.version"]}"' in said


def test_one_of_class_and_jar_is_needed(agent):
    assert "one of jar_path or class must be specified" in refusal(agent, job("java-none", "java", {"args": ["x"]}))
    assert "one of jar_path or class must be specified" in refusal(agent, job("java-both", "java", {"class": "A", "jar_path": "b.jar"}))


def with_class(tmp_path, name, config, **more):
    """A job whose prestart task puts Main.class into local/ of the Java task."""
    (tmp_path / "Main.class").write_bytes(CLASS)
    request = job(name, "java", {"class": "Main", "class_path": "/local", **config}, Resources=RESOURCES, **more)
    request["Job"]["TaskGroups"][0]["Tasks"].insert(0, {
        "Name": "copy", "Driver": "raw_exec", "Lifecycle": {"Hook": "prestart"}, "Resources": {"CPU": 20, "MemoryMB": 16},
        "Config": {"command": "/bin/sh", "args": ["-c", f"mkdir -p ../t/local && cp {tmp_path}/Main.class ../t/local/"]}})
    return request


def test_options_and_a_missing_class(agent):
    alloc, state = finished(agent, run(agent, job("java-version", "java", {
        "class": "Missing", "class_path": "/local", "jvm_options": ["-Xmx64m", "-showversion"]}, Resources=RESOURCES)))
    assert [e["ExitCode"] for e in state["Events"] if e["Type"] == "Terminated"] == [1]
    text = output(agent, alloc["ID"], "stderr")
    assert "Missing" in text and "Runtime Environment" in text, text
    purge(agent, "java-version")
    nothing_left(agent, alloc["ID"])


def test_output_arguments_and_exit_code(agent, tmp_path):
    name = run(agent, with_class(tmp_path, "java-out", {"args": ["a", "b", "c"], "jvm_options": ["-Dwho=me", "-Xmx64m"]}))
    alloc, state = finished(agent, name)
    assert output(agent, alloc["ID"]) == "out 3 me\n", state["Events"]
    assert output(agent, alloc["ID"], "stderr") == "err\n"
    assert [e["ExitCode"] for e in state["Events"] if e["Type"] == "Terminated"] == [3]
    purge(agent, name)


def test_serves_over_a_restart_of_the_agent_and_ends_in_its_own_way(agent, tmp_path):
    name = run(agent, with_class(tmp_path, "java-serve", {"args": ["serve"], "jvm_options": ["-Xmx64m"]}, kind="service", KillSignal="SIGTERM"))
    alloc = running(agent, name)
    wait_output(agent, alloc["ID"], "ready")
    usage = agent.api().get(f"/v1/client/allocation/{alloc['ID']}/stats")["Tasks"]["t"]["ResourceUsage"]
    assert usage["MemoryStats"]["RSS"] > 1 << 20
    agent.api().put(f"/v1/client/allocation/{alloc['ID']}/signal", {"Signal": "SIGQUIT", "TaskName": "t"})
    wait_output(agent, alloc["ID"], "Full thread dump")
    restart(agent)
    assert running(agent, name)["ID"] == alloc["ID"]
    stop(agent, name)
    assert "bye" in output(agent, alloc["ID"])
    purge(agent, name)
    nothing_left(agent, alloc["ID"])
