#!/usr/bin/env python3
"""Kills agent, supervisor and both with kill -9 while tasks run and write, and looks that nothing was lost.

usage: crash_rounds.py [--tasks 200] [--rounds 50]
Each task writes numbered lines and ends with a code of its own. After every round each task must still run under its old process, and
when all were told to end: every line there is, none twice, and the right exit codes. Prints one line a round and a summary.
"""
import argparse
import os
import random
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Cluster, until  # noqa: E402

SCRIPT = ('i=0; while [ ! -e {stop} ]; do i=$((i+1)); echo "line $i"; sleep 0.0{pause}; done; '
          'echo "last $i"; exit $((NOMAD_ALLOC_INDEX % 7))')


def helpers(folder, word):
    """Processes of the node's supervisor programs, by what their command line holds."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                line = f.read().decode(errors="replace")
        except OSError:
            continue
        if entry.isdigit() and folder in line and word in os.path.basename(line.split("\0")[0]):
            found.append(int(entry))
    return found


def job(tasks, stop):
    return {"Job": {"ID": "crash", "Name": "crash", "Type": "batch", "Datacenters": ["*"], "TaskGroups": [{
        "Name": "g", "Count": tasks, "RestartPolicy": {"Attempts": 0, "Interval": 60_000_000_000, "Delay": 15_000_000_000, "Mode": "fail"},
        "ReschedulePolicy": {"Attempts": 0, "Unlimited": False}, "EphemeralDisk": {"SizeMB": 50},
        "Tasks": [{"Name": "t", "Driver": "raw_exec", "LogConfig": {"MaxFiles": 4, "MaxFileSizeMB": 10},
                   "Config": {"command": "/bin/sh", "args": ["-c", SCRIPT.format(stop=stop, pause="5")]},
                   "Resources": {"CPU": 1, "MemoryMB": 10}}]}]}}


def run(tasks, rounds, seed=1):
    chance = random.Random(seed)
    with Cluster() as cluster:
        agent = cluster.single(client='  cpu_total_compute = 100000\n  memory_total_mb = 100000\n  disk_total_mb = 10000000\n  gc_max_allocs = 1000\n')
        api = agent.api()
        api.wait_leader()
        stop = os.path.join(cluster.folder, "stop")
        api.put("/v1/jobs", job(tasks, stop))
        api.wait_allocs("crash", lambda a: len([x for x in a if x["ClientStatus"] == "running"]) == tasks, 120)
        logs = os.path.join(agent.data_dir, "alloc")
        kinds = {"agent": 0, "supervisor": 0, "both": 0}
        for number in range(rounds):
            kind = list(kinds)[number % 3]
            kinds[kind] += 1
            if kind != "agent":
                for pid in helpers(cluster.folder, "supervisor"):
                    os.kill(pid, signal.SIGKILL)
            if kind != "supervisor":
                agent.kill()
                time.sleep(chance.uniform(0, 0.2))
                agent.start()
            start = time.monotonic()
            api = agent.api()
            api.wait_leader()
            allocs = api.wait_allocs("crash", lambda a: len([x for x in a if x["ClientStatus"] == "running"]) == tasks and a, 120)
            grew = {a["ID"]: os.path.getsize(f"{logs}/{a['ID']}/alloc/logs/t.stdout.0") for a in allocs}
            until("every task to write on", lambda: all(
                os.path.getsize(f"{logs}/{i}/alloc/logs/t.stdout.0") > size for i, size in grew.items()), 60)
            print(f"round {number + 1}: {kind} killed, {tasks} tasks run and write, back in {time.monotonic() - start:.2f} s", flush=True)
        open(stop, "w", encoding="utf-8").close()
        allocs = agent.api().wait_allocs("crash", lambda a: all(x["ClientStatus"] in ("complete", "failed") for x in a) and a, 120)
        bad = []
        for alloc in allocs:
            index = int(re.search(r"\[(\d+)\]", alloc["Name"]).group(1))
            state = agent.api().get(f"/v1/allocation/{alloc['ID']}")["TaskStates"]["t"]
            ends = [e for e in state["Events"] if e["Type"] == "Terminated"]
            if len(ends) != 1 or ends[0]["ExitCode"] != index % 7 or state["Restarts"] != 0:
                bad.append(f"{alloc['Name']}: ends {[(e['ExitCode'], e['DisplayMessage']) for e in ends]}, restarts {state['Restarts']}")
            lines = agent.api().logs(alloc["ID"], "t").splitlines()
            wanted = [f"line {i + 1}" for i in range(len(lines) - 1)] + [f"last {len(lines) - 1}"]
            if lines != wanted:
                at = next((i for i, (a, b) in enumerate(zip(lines, wanted)) if a != b), min(len(lines), len(wanted)))
                bad.append(f"{alloc['Name']}: {len(lines)} lines, differs at {at}: {lines[at:at + 2]}")
        print(f"{rounds} rounds ({kinds}), {tasks} tasks: {len(bad)} wrong", flush=True)
        for line in bad[:20]:
            print("  " + line)
        return not bad


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=50)
    given = parser.parse_args()
    sys.exit(0 if run(given.tasks, given.rounds) else 1)
