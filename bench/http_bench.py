#!/usr/bin/env python3
"""R1 and Q1 of the HTTP API against one agent of its own: parked blocking queries, event-stream readers, lists of jobs and allocations.

usage: http_bench.py [BINARY] [--parked N] [--readers N] [--jobs N] [--allocs N] [--only r1|q1]
R1 prints memory of the agent (VmRSS) for each parked query and each reader, and the time from sending a write to each wake-up. Q1 prints the
latency of GET /v1/jobs and GET /v1/allocations, whole, in pages and filtered; the allocations run on simulated nodes (`bench nodes`).
"""
import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser()
parser.add_argument("binary", nargs="?", default=os.path.join(HERE, "..", "build", "release", "bin", "nomad-lite"))
parser.add_argument("--parked", type=int, default=10_000)
parser.add_argument("--readers", type=int, default=1_000)
parser.add_argument("--jobs", type=int, default=100_000)
parser.add_argument("--allocs", type=int, default=100_000)
parser.add_argument("--only", choices=("r1", "q1"))
args = parser.parse_args()


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def cpu_ms(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        user, system = f.read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) * 1000 / os.sysconf("SC_CLK_TCK")


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def call(address, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"http://{address}{path}", data=data, method=method), timeout=300) as answer:
        return answer.read(), answer.headers


def job(name):
    # Parameterized: registered, listed, and never scheduled.
    return {"Job": {"ID": name, "Name": name, "Type": "batch", "Datacenters": ["*"], "ParameterizedJob": {}, "TaskGroups": [{
        "Name": "g", "Count": 1, "Tasks": [{"Name": "t", "Driver": "raw_exec", "Config": {"command": "true"}, "Resources": {"CPU": 20, "MemoryMB": 16}}]}]}}


async def open_request(host, port, target, first):
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 16)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    await writer.drain()
    if first:
        await reader.readuntil(first)
    return reader, writer


async def wake_ups(address, pid, count, target, first, name):
    host, port = address.rsplit(":", 1)
    before = rss_kb(pid)
    open_ = []
    for start in range(0, count, 200):
        open_ += await asyncio.gather(*[open_request(host, int(port), target, first) for _ in range(min(200, count - start))])
    # Every request has reached the agent when one sent after it is answered.
    await asyncio.to_thread(call, address, "GET", "/v1/status/leader")
    await asyncio.sleep(1)
    held = rss_kb(pid) - before

    async def wait(reader):
        await reader.readuntil(name.encode())
        return time.perf_counter()
    waits = [asyncio.ensure_future(wait(reader)) for reader, _ in open_]
    await asyncio.sleep(0)
    spent = cpu_ms(pid)
    begin = time.perf_counter()
    await asyncio.to_thread(call, address, "PUT", "/v1/node/pools", {"Name": name, "Description": "w"})
    written = time.perf_counter()
    ends = await asyncio.gather(*waits)
    spent = cpu_ms(pid) - spent
    for _, writer in open_:
        writer.close()
    delays = [(end - begin) * 1000 for end in ends]
    return held / count, (written - begin) * 1000, delays, spent


def timed_reads(address, path, rounds):
    times, size = [], 0
    for _ in range(rounds):
        begin = time.perf_counter()
        body, _ = call(address, "GET", path)
        times.append((time.perf_counter() - begin) * 1000)
        size = len(body)
    return times, size


async def register_all(address, count):
    host, port = address.rsplit(":", 1)

    async def worker(first, step):
        reader, writer = await asyncio.open_connection(host, int(port))
        for n in range(first, count, step):
            body = json.dumps(job(f"job-{n:06}")).encode()
            writer.write(f"PUT /v1/jobs HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            size = next(int(l.split(b":")[1]) for l in head.split(b"\r\n") if l.lower().startswith(b"content-length"))
            await reader.readexactly(size)
        writer.close()
    begin = time.perf_counter()
    await asyncio.gather(*[worker(i, 64) for i in range(64)])
    return time.perf_counter() - begin


def show_reads(address, noun, cases):
    for name, target, rounds in cases:
        times, size = timed_reads(address, target, rounds)
        print(f"Q1 GET {noun}, {name}: {size / 1e6:.2f} MB, p50 {percentile(times, .5):.1f} ms, p99 {percentile(times, .99):.1f} ms ({rounds} reads)", flush=True)


def parked_and_readers(address, pid):
    each, wrote, delays, spent = asyncio.run(wake_ups(address, pid, args.readers, "/v1/event/stream?topic=NodePool", b"{}\n", "for-readers"))
    print(f"R1 event-stream readers: {args.readers}, {each:.1f} kB each; a write takes {wrote:.1f} ms; from its sending to the event p50 "
          f"{percentile(delays, .5):.0f} ms, p99 {percentile(delays, .99):.0f} ms, last {max(delays):.0f} ms; the agent used {spent:.0f} ms of cpu for it", flush=True)
    _, headers = call(address, "GET", "/v1/node/pools")
    each, wrote, delays, spent = asyncio.run(wake_ups(
        address, pid, args.parked, f"/v1/node/pools?index={headers['X-Nomad-Index']}&wait=300s", None, "for-parked"))
    print(f"R1 parked blocking queries: {args.parked}, {each:.1f} kB each; a write takes {wrote:.1f} ms; from its sending to the wake-ups p50 "
          f"{percentile(delays, .5):.0f} ms, p99 {percentile(delays, .99):.0f} ms, last {max(delays):.0f} ms; the agent used {spent:.0f} ms of cpu for it", flush=True)


def lists_of_jobs(address, pid):
    before = rss_kb(pid)
    took = asyncio.run(register_all(address, args.jobs))
    print(f"Q1 jobs registered: {args.jobs} in {took:.1f} s, {args.jobs / took:.0f} a second; memory {(rss_kb(pid) - before) / args.jobs:.2f} kB each", flush=True)
    show_reads(address, "/v1/jobs", (
        ("whole", "/v1/jobs", 20), ("page of 100", "/v1/jobs?per_page=100", 300),
        ("page of 100 in the middle", f"/v1/jobs?per_page=100&next_token=default.job-{args.jobs // 2:06}", 300),
        ("filtered", "/v1/jobs?filter=" + urllib.request.quote('ID == "job-000007"'), 20)))


def lists_of_allocations(address, rpc, pid, folder):
    before, nodes = rss_kb(pid), 100
    with open(os.path.join(folder, "nodes.log"), "wb") as log:
        simulated = subprocess.Popen([args.binary, "bench", "nodes", "-count", str(nodes), "-servers", rpc], stdout=log, stderr=log)
    try:
        while len([n for n in json.loads(call(address, "GET", "/v1/nodes")[0]) if n["Status"] == "ready"]) < nodes:
            time.sleep(0.2)
        begin, step = time.perf_counter(), 10_000
        for first in range(0, args.allocs, step):
            call(address, "PUT", "/v1/jobs", {"Job": {
                "ID": f"many-{first}", "Name": "many", "Type": "batch", "Datacenters": ["*"], "TaskGroups": [{
                    "Name": "g", "Count": min(step, args.allocs - first), "EphemeralDisk": {"SizeMB": 10}, "Tasks": [{
                        "Name": "t", "Driver": "mock_driver", "Config": {"run_for": "1h"}, "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1}, "Resources": {"CPU": 20, "MemoryMB": 16}}]}]}})
        while sum(json.loads(call(address, "GET", f"/v1/job/many-{first}/summary")[0])["Summary"]["g"]["Running"]
                  for first in range(0, args.allocs, step)) < args.allocs:
            time.sleep(0.5)
        took = time.perf_counter() - begin
        print(f"Q1 allocations running: {args.allocs} after {took:.1f} s; memory {(rss_kb(pid) - before) / args.allocs:.2f} kB each", flush=True)
        page = json.loads(call(address, "GET", "/v1/allocations?per_page=1")[0])[0]
        quoted = urllib.request.quote(f'ID == "{page["ID"]}"')
        middle = call(address, "GET", f"/v1/allocations?per_page={args.allocs // 2}")[1]["X-Nomad-NextToken"]
        show_reads(address, "/v1/allocations", (
            ("whole", "/v1/allocations", 20), ("whole without task states", "/v1/allocations?task_states=false", 20),
            ("page of 100", "/v1/allocations?per_page=100", 100), ("page of 100 in the middle", f"/v1/allocations?per_page=100&next_token={middle}", 100),
            ("filtered", f"/v1/allocations?filter={quoted}", 20)))
    finally:
        simulated.terminate()
        simulated.wait()


def main():
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = tempfile.mkdtemp(prefix="nomad-lite-bench-")
    config = os.path.join(folder, "agent.hcl")
    with open(config, "w", encoding="utf-8") as f:
        f.write(f'data_dir = "{folder}/data"\nbind_addr = "127.0.0.1"\nports {{\n  http = 0\n  rpc = 0\n  serf = 0\n}}\n'
                "server {\n  enabled = true\n  bootstrap_expect = 1\n}\nlimits {\n  http_max_conns_per_client = 0\n}\n")
    with open(os.path.join(folder, "log"), "wb") as log:
        agent = subprocess.Popen([args.binary, "agent", "-config", config], stdout=log, stderr=log)
    try:
        path = os.path.join(folder, "data", "addresses.json")
        while not os.path.exists(path):
            time.sleep(0.05)
        with open(path, encoding="utf-8") as f:
            addresses = json.load(f)
        address = addresses["http"]
        while call(address, "GET", "/v1/status/leader")[0] == b'""':
            time.sleep(0.05)
        if args.only != "q1":
            parked_and_readers(address, agent.pid)
        if args.only != "r1":
            lists_of_jobs(address, agent.pid)
            lists_of_allocations(address, addresses["rpc"], agent.pid, folder)
    finally:
        agent.terminate()
        agent.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()
