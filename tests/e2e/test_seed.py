"""The seed's interfaces: three `nomad-lite server` processes, its commands, its gRPC API from a client generated here from our own copy of
the field numbers, its dashboard routes."""
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import uuid

import grpc
import pytest
from harness import BINARY, Api, ApiError, Process, free_port, stop_leftovers, until

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def pb():
    """Messages and stubs, made by protoc from seed.proto of this folder, not from the product's file."""
    out = tempfile.mkdtemp()
    plugin = shutil.which("grpc_python_plugin")
    subprocess.run(["protoc", f"-I{HERE}", f"--python_out={out}", f"--grpc_out={out}", f"--plugin=protoc-gen-grpc={plugin}",
                    os.path.join(HERE, "seed.proto")], check=True)
    sys.path.insert(0, out)
    try:
        yield importlib.import_module("seed_pb2"), importlib.import_module("seed_pb2_grpc")
    finally:
        sys.path.remove(out)
        shutil.rmtree(out)


class SeedCluster:
    def __init__(self, count=3):
        self.folder = tempfile.mkdtemp(prefix="nomad-lite-seed-")
        self.ports = [free_port() for _ in range(count)]
        self.dashboards = [free_port() for _ in range(count)]
        self.processes = []
        for i in range(count):
            peers = ",".join(f"{j + 1}:127.0.0.1:{p}" for j, p in enumerate(self.ports) if j != i)
            arguments = ["server", "--node-id", str(i + 1), "--port", str(self.ports[i]), "--dashboard-port", str(self.dashboards[i]),
                         "--data-dir", os.path.join(self.folder, f"data{i + 1}")]
            if peers:
                arguments += ["--peers", peers]
            self.processes.append(Process(arguments, self.folder, f"server{i + 1}"))

    def ready(self):
        def look():
            for i, process in enumerate(self.processes):
                if not process.alive():
                    if process.popen.returncode == -9:
                        continue
                    raise AssertionError(f"server {i + 1} ended with {process.popen.returncode}:\n{process.log()[-3000:]}")
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{self.dashboards[i]}/health/ready", timeout=2) as answer:
                        leader = json.loads(answer.read())["leader_id"]
                except OSError:
                    return None
            return leader
        return until("every server to know a leader", look)

    def cli(self, *arguments, node=1, check=True):
        group, rest = arguments[0], arguments[1:]
        done = subprocess.run([BINARY, group, "-a", f"http://127.0.0.1:{self.ports[node - 1]}", *rest],
                              capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments} exited {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def close(self):
        for process in self.processes:
            process.kill()
        stop_leftovers(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster():
    seed = SeedCluster()
    try:
        seed.ready()
        yield seed
    except BaseException:
        for process in seed.processes:
            print(process.log()[-3000:])
        raise
    finally:
        seed.close()


def follower_of(leader):
    return leader % 3 + 1


def test_submit_status_list_cancel_by_command(cluster):
    leader = cluster.ready()
    done = cluster.cli("job", "submit", "echo hello", node=follower_of(leader))
    assert done.stdout.startswith("Job submitted successfully!")
    job = re.search(r"Job ID: ([0-9a-f-]{36})", done.stdout).group(1)
    text = until("the job to complete", lambda: (lambda t: "COMPLETED" in t.upper() and t)(cluster.cli("job", "status", job).stdout))
    assert "hello" in text.split("Output:")[1]
    assert job in cluster.cli("job", "list").stdout
    again = cluster.cli("job", "cancel", job, check=False)
    assert again.returncode == 1 and "already" in again.stdout + again.stderr
    slow = re.search(r"Job ID: ([0-9a-f-]{36})", cluster.cli("job", "submit", "sleep 25").stdout).group(1)
    assert "cancelled" in cluster.cli("job", "cancel", slow).stdout
    rows = json.loads(cluster.cli("job", "-o", "json", "list").stdout)
    assert {"jobs", "has_more"} <= set(rows)


def test_cluster_commands(cluster):
    leader = cluster.ready()
    assert cluster.cli("cluster", "status").stdout.count("127.0.0.1") >= 3
    assert cluster.cli("log", "list", "--limit", "5").stdout
    target = follower_of(leader)
    cluster.cli("cluster", "transfer-leader", "--to", str(target))
    until("leadership to move", lambda: cluster.ready() == target)


def test_grpc_from_a_generated_client(cluster, pb):
    messages, stubs = pb
    leader = cluster.ready()
    with grpc.insecure_channel(f"127.0.0.1:{cluster.ports[leader - 1]}") as channel:
        stub = stubs.SchedulerServiceStub(channel)
        submitted = stub.SubmitJob(messages.SubmitJobRequest(command="echo from grpc; exit 4"))
        uuid.UUID(submitted.job_id)
        assert submitted.created_at_ms > 0
        status = until("the job to end", lambda: (lambda s: s.status >= 3 and s)(
            stub.GetJobStatus(messages.GetJobStatusRequest(job_id=submitted.job_id))))
        assert status.status == messages.JOB_STATUS_FAILED and status.exit_code == 4
        assert status.output.strip() == "from grpc"
        listed = stub.ListJobs(messages.ListJobsRequest(page_size=1))
        assert len(listed.jobs) == 1 and listed.total_count >= 1
        assert any(j.job_id == submitted.job_id for j in stub.StreamJobs(messages.StreamJobsRequest()))
        info = stub.GetClusterStatus(messages.GetClusterStatusRequest())
        assert info.leader_id == leader and len(info.nodes) == 3 and all(n.is_alive for n in info.nodes)
        entries = stub.GetRaftLogEntries(messages.GetRaftLogEntriesRequest(start_index=1, limit=10))
        assert entries.commit_index > 0 and entries.entries
        for request, code in [(messages.GetJobStatusRequest(job_id="nonsense"), grpc.StatusCode.INVALID_ARGUMENT),
                              (messages.GetJobStatusRequest(job_id=str(uuid.uuid4())), grpc.StatusCode.NOT_FOUND)]:
            with pytest.raises(grpc.RpcError) as error:
                stub.GetJobStatus(request)
            assert error.value.code() == code
        for command in ("", "   ", "x" * 1025):
            with pytest.raises(grpc.RpcError) as error:
                stub.SubmitJob(messages.SubmitJobRequest(command=command))
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.RpcError) as error:
            stub.CancelJob(messages.CancelJobRequest(job_id=submitted.job_id))
        assert error.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    with grpc.insecure_channel(f"127.0.0.1:{cluster.ports[follower_of(leader) - 1]}") as channel:
        with pytest.raises(grpc.RpcError) as error:
            stubs.SchedulerServiceStub(channel).SubmitJob(messages.SubmitJobRequest(command="true"))
        assert error.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert error.value.details() == f"Not the leader. Try 127.0.0.1:{cluster.ports[leader - 1]}"
        # A stranger can neither win votes nor depose a leader.
        raft = stubs.RaftServiceStub(channel)
        vote = raft.RequestVote(messages.VoteRequest(term=1 << 40, candidate_id=9, last_log_index=1 << 40, last_log_term=1 << 40))
        assert not vote.vote_granted and vote.term < 1 << 40
        assert not raft.AppendEntries(messages.AppendEntriesRequest(term=1 << 40, leader_id=9)).success
    assert cluster.ready() == leader


def test_thousands_of_jobs_in_one_grpc_call(pb):
    messages, stubs = pb
    alone = SeedCluster(1)
    try:
        alone.ready()
        with grpc.insecure_channel(f"127.0.0.1:{alone.ports[0]}") as channel:
            stub = stubs.SchedulerServiceStub(channel)
            few = stub.SubmitJobs(messages.SubmitJobsRequest(
                jobs=[messages.SubmitJobRequest(command=f"echo few {n}") for n in range(3)])).results
            for n, job in enumerate(few):
                ended = until("it to end", lambda j=job: (lambda s: s.status >= 3 and s)(
                    stub.GetJobStatus(messages.GetJobStatusRequest(job_id=j.job_id))))
                assert ended.status == messages.JOB_STATUS_COMPLETED and ended.output == f"few {n}\n"
            commands = [f"echo {n}" for n in range(3000)]
            wrong = {7: "", 700: "   ", 2999: "x" * 1025}
            for at, command in wrong.items():
                commands[at] = command
            results = stub.SubmitJobs(messages.SubmitJobsRequest(
                jobs=[messages.SubmitJobRequest(command=c) for c in commands]), timeout=120).results
            assert len(results) == 3000
            assert {i for i, r in enumerate(results) if r.error} == set(wrong)
            # Each refusal in the words one job alone gets.
            for at, command in wrong.items():
                assert not results[at].job_id and results[at].created_at_ms == 0
                with pytest.raises(grpc.RpcError) as error:
                    stub.SubmitJob(messages.SubmitJobRequest(command=command))
                assert error.value.details() == results[at].error
            taken = [r for r in results if not r.error]
            assert len({uuid.UUID(r.job_id) for r in taken}) == 2997 and all(r.created_at_ms > 0 for r in taken)
            assert stub.ListJobs(messages.ListJobsRequest(page_size=1)).total_count == 3000
            for at in (0, 1234, 2998):
                assert stub.GetJobStatus(messages.GetJobStatusRequest(job_id=results[at].job_id)).created_at_ms > 0
            # They wait for room and go on when there is some; far more are ended than fit at once.
            until("many jobs to end", lambda: stub.ListJobs(messages.ListJobsRequest(
                page_size=1, status_filter=messages.JOB_STATUS_COMPLETED)).total_count > 150, deadline=180)
            assert len(stub.SubmitJobs(messages.SubmitJobsRequest()).results) == 0
            with pytest.raises(grpc.RpcError) as error:
                stub.SubmitJobs(messages.SubmitJobsRequest(jobs=[messages.SubmitJobRequest(command="true")] * 10_001))
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert error.value.details() == "10001 jobs in one call exceed the limit of 10000"
    finally:
        alone.close()


def test_dashboard_routes(cluster):
    leader = cluster.ready()
    api = Api(f"127.0.0.1:{cluster.dashboards[leader - 1]}")
    info = api.get("/api/cluster")
    assert info["leader_id"] == leader and info["role"].lower() == "leader" and len(info["nodes"]) == 3
    made = api.call("POST", "/api/jobs", {"command": "echo dash"})[0]
    assert made["success"] and made["error"] is None
    row = until("the job in the list", lambda: next(
        (j for j in api.get("/api/jobs") if j["id"] == made["job_id"] and j["status"].upper() == "COMPLETED"), None))
    assert row["output"].strip() == "dash"
    with pytest.raises(ApiError) as error:
        api.delete(f"/api/jobs/{made['job_id']}")
    assert error.value.status == 400
    with pytest.raises(ApiError) as error:
        api.delete(f"/api/jobs/{uuid.uuid4()}")
    assert error.value.status == 404
    assert api.get("/health/live") == {"status": "ok"}
    assert "<html" in api.get("/").lower()


def test_killing_all_keeps_the_jobs(cluster):
    cluster.ready()
    job = re.search(r"Job ID: ([0-9a-f-]{36})", cluster.cli("job", "submit", "echo kept").stdout).group(1)
    for process in cluster.processes:
        process.kill()
    for process in cluster.processes:
        process.start()
    cluster.ready()
    until("the job after the restart", lambda: job in cluster.cli("job", "list", "--all").stdout)


def test_in_memory_and_alone():
    alone = SeedCluster(1)
    try:
        alone.ready()
        assert "submitted" in alone.cli("job", "submit", "true").stdout
        assert alone.processes[0].terminate() == 0
    finally:
        alone.close()
