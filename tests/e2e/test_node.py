"""What surrounds a task on its node: services and checks, templates, artifacts, volumes, secrets, limits."""
import http.server
import io
import os
import tarfile
import threading
import time
import urllib.parse
import zipfile

import pytest
from harness import ApiError, Cluster, until

S = 1_000_000_000


class Files(http.server.BaseHTTPRequestHandler):
    content = {}
    status = {}

    def do_GET(self):
        path = urllib.parse.urlparse(self.path).path
        if path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()
            return
        body = self.content.get(path)
        self.send_response(self.status.get(path, 404 if body is None else 200))
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def files():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        shared = os.path.join(cluster.folder, "shared-data")
        os.mkdir(shared)
        node = cluster.single(client=
            f'  host_volume "fixed" {{\n    path = "{shared}"\n  }}\n'
            '  artifact {\n    egress_allow = ["127.0.0.0/8"]\n    decompression_file_count_limit = 50\n  }\n')
        node.shared = shared
        node.api().wait_leader()
        node.api().wait("a ready node", "/v1/nodes", lambda nodes: [n for n in nodes if n["Status"] == "ready"])
        yield node


def job(name, script, kind="batch", group=None, **task):
    restart = {"Attempts": 0, "Interval": 60 * S, "Delay": 10_000_000, "Mode": "fail"}
    return {"Job": {"ID": name, "Name": name, "Type": kind, "Datacenters": ["*"], "TaskGroups": [{
        "Name": "g", "Count": 1, "RestartPolicy": restart, "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
        **(group or {}),
        "Tasks": [{"Name": "t", "Driver": "raw_exec", "Config": {"command": "/bin/sh", "args": ["-c", script]},
                   "Resources": {"CPU": 20, "MemoryMB": 16}, **task}]}]}}


def ended(agent, name, status="complete"):
    api = agent.api()
    alloc = api.wait_allocs(name, lambda a: a and a[0]["ClientStatus"] in ("complete", "failed") and a[0])
    events = api.get(f"/v1/allocation/{alloc['ID']}")["TaskStates"]["t"]["Events"]
    assert alloc["ClientStatus"] == status, events
    return alloc, events


def running(agent, name):
    return agent.api().wait_allocs(name, lambda a: a and a[0]["ClientStatus"] == "running" and a[0])


def test_events_say_what_happened(agent):
    agent.api().put("/v1/jobs", job("words", "exit 3"))
    _, events = ended(agent, "words", "failed")
    assert [(e["Type"], e["DisplayMessage"]) for e in events] == [
        ("Received", "Task received by client"), ("Task Setup", "Building Task Directory"), ("Started", "Task started by client"),
        ("Terminated", "Exit Code: 3"), ("Not Restarting", "Policy allows no restarts")]
    assert events[3]["Details"] == {"exit_code": "3", "signal": "0", "oom_killed": "false"}


def test_secrets_are_in_memory_and_go_with_the_task(agent):
    script = 'echo x > $NOMAD_SECRETS_DIR/s; stat -f -c %T $NOMAD_SECRETS_DIR/; stat -L -c %a $NOMAD_SECRETS_DIR'
    agent.api().put("/v1/jobs", job("secret", script))
    alloc, _ = ended(agent, "secret")
    assert agent.api().logs(alloc["ID"], "t").split() == ["tmpfs", "700"]
    for path in ("/v1/client/fs/cat/{}?path=t/secrets/s", "/v1/client/fs/ls/{}?path=t/secrets"):
        with pytest.raises(ApiError):
            agent.api().get(path.format(alloc["ID"]))
    kept = os.path.join(agent.data_dir, "alloc", ".secrets")
    until("the secrets to go", lambda: not [n for n in os.listdir(kept) if n.startswith(alloc["ID"])])


def test_templates_render_env_and_follow_services(agent):
    api = agent.api()
    templates = [
        {"EmbeddedTmpl": "A={{ env \"NOMAD_ALLOC_INDEX\" }}\nB={{ \"x,y\" | split \",\" | join \"-\" }}\n",
         "DestPath": "local/e.env", "Envvars": True, "ChangeMode": "noop"},
        {"EmbeddedTmpl": "{{ range nomadService \"tmpl-db\" }}{{ .Address }}:{{ .Port }};{{ end }}", "DestPath": "local/db",
         "ChangeMode": "signal", "ChangeSignal": "SIGUSR1", "Splay": 0, "Perms": "0640"}]
    script = 'echo "$A $B"; trap "cat local/db; echo" USR1; stat -c %a local/db; while :; do sleep 0.05; done'
    api.put("/v1/jobs", job("tmpl", script, "service", Templates=templates))
    alloc = running(agent, "tmpl")
    until("the first output", lambda: api.logs(alloc["ID"], "t") == "0 x-y\n640\n")
    group = {"Services": [{"Name": "tmpl-db", "Provider": "nomad", "PortLabel": "5432", "AddressMode": "auto", "Address": "10.9.8.7"}]}
    api.put("/v1/jobs", job("tmpl-db", "exec sleep 300", "service", group))
    until("the signal", lambda: "10.9.8.7:5432;" in api.logs(alloc["ID"], "t"))
    api.delete("/v1/job/tmpl-db?purge=true")
    until("the service to be gone", lambda: api.logs(alloc["ID"], "t").count("\n") >= 4)
    api.delete("/v1/job/tmpl?purge=true")


@pytest.mark.parametrize("text,to,why", [
    ("{{ .x", "local/x", "Template failed"),
    ("{{ file \"/etc/passwd\" }}", "local/x", "No such file"), ("{{ plugin \"id\" }}", "local/x", "disabled"),
    ("{{ sprig_env \"HOME\" }}", "local/x", "disabled"), ("{{ executeTemplate \"x\" }}", "local/x", "disabled"),
    ("x", "${NOMAD_META_up}/escaped", "outside")])
def test_templates_stay_inside(agent, text, to, why):
    name = f"tmpl-{abs(hash((text, to))) % 100000}"
    body = job(name, "true", Templates=[{"EmbeddedTmpl": text, "DestPath": to}], Meta={"up": "../../../.."})
    agent.api().put("/v1/jobs", body)
    _, events = ended(agent, name, "failed")
    assert why in events[-1]["DisplayMessage"], events
    assert not os.path.exists("/tmp/escaped")


def test_a_template_that_leads_out_is_refused_on_registration(agent):
    body = job("tmpl-out", "true", Templates=[{"EmbeddedTmpl": "x", "DestPath": "../../../../tmp/escaped"}])
    with pytest.raises(ApiError, match="escapes allocation directory"):
        agent.api().put("/v1/jobs", body)


def tar_of(add):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        add(archive)
    return out.getvalue()


def entry(archive, name, content=b"", **more):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(content))


def fetch(agent, name, source, script="true", status="complete", **artifact):
    agent.api().put("/v1/jobs", job(name, script, Artifacts=[{"GetterSource": source, **artifact}]))
    return ended(agent, name, status)


def test_artifacts_arrive_as_the_job_wants_them(agent, files):
    Files.content["/plain.txt"] = b"hello"
    Files.content["/a.tgz"] = tar_of(lambda a: (entry(a, "bin/run", b"#!/bin/sh\necho ran\n", mode=0o4755), entry(a, "bin/link", type=tarfile.SYMTYPE, linkname="run")))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as z:
        z.writestr("d/f.txt", "zip")
    Files.content["/a.zip"] = zipped.getvalue()
    alloc, _ = fetch(agent, "art-plain", files + "/plain.txt", "cat local/plain.txt",
                     GetterOptions={"checksum": "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"})
    assert agent.api().logs(alloc["ID"], "t") == "hello"
    alloc, _ = fetch(agent, "art-file", files + "/plain.txt", "cat local/other", GetterMode="file", RelativeDest="local/other")
    assert agent.api().logs(alloc["ID"], "t") == "hello"
    alloc, _ = fetch(agent, "art-tgz", files + "/a.tgz", "stat -c %a local/x/bin/run; local/x/bin/link", RelativeDest="local/x")
    assert agent.api().logs(alloc["ID"], "t") == "755\nran\n"
    alloc, _ = fetch(agent, "art-zip", files + "/a.zip", "cat local/d/f.txt")
    assert agent.api().logs(alloc["ID"], "t") == "zip"
    alloc, _ = fetch(agent, "art-sub", files + "/a.tgz//bin", "cat local/run")
    assert "echo ran" in agent.api().logs(alloc["ID"], "t")


def test_artifacts_that_are_not_what_they_should_be_are_refused(agent, files):
    Files.content["/plain.txt"] = b"hello"
    cases = {
        "sum": (files + "/plain.txt", {"GetterOptions": {"checksum": "md5:00000000000000000000000000000000"}}, "checksums did not match"),
        "gone": (files + "/nothing", {}, "bad response code: 404"),
        "meta": ("http://169.254.169.254/x", {}, "egress policy"),
        "redirect": (files + "/elsewhere", {}, "egress policy"),
        "self": (f"http://{agent.addresses()['http']}/v1/jobs", {}, "egress policy"),
        "file": ("file:///etc/passwd", {}, "not supported"),
        "path": ("/etc/passwd", {}, "not supported"),
        "scheme": ("hg::http://127.0.0.1/x", {}, "not supported"),
        "gitopt": ("git::http://127.0.0.1/x?ref=--upload-pack=touch", {}, "reference"),
        "gitext": ("git::ext::sh -c touch", {}, ""),
    }
    for name, (source, more, why) in cases.items():
        _, events = fetch(agent, "art-bad-" + name, source, status="failed", **more)
        failure = [e for e in events if e["Type"] == "Failed Artifact Download"]
        assert failure and why in failure[0]["DisplayMessage"], (name, events)


def test_archives_cannot_leave_their_place(agent, files):
    def link_then_write(a):
        entry(a, "out", type=tarfile.SYMTYPE, linkname="/tmp")
        entry(a, "out/evil", b"x")

    bad = {
        "up": lambda a: entry(a, "../../evil", b"x"),
        "absolute": lambda a: entry(a, "/tmp/evil", b"x"),
        "link": link_then_write,
        "linkup": lambda a: entry(a, "d/l", type=tarfile.SYMTYPE, linkname="../../.."),
        "hard": lambda a: entry(a, "h", type=tarfile.LNKTYPE, linkname="../../../../etc/passwd"),
        "device": lambda a: entry(a, "dev", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        "pipe": lambda a: entry(a, "pipe", type=tarfile.FIFOTYPE),
        "many": lambda a: [entry(a, f"f{i}", b"x") for i in range(60)],
        "bomb": lambda a: entry(a, "zeros", b"\0" * (80 << 20)),
    }
    for name, add in bad.items():
        Files.content[f"/{name}.tgz"] = tar_of(add)
        _, events = fetch(agent, "arc-" + name, f"{files}/{name}.tgz", status="failed")
        assert any(e["Type"] == "Failed Artifact Download" and "archive" in e["DisplayMessage"] for e in events), (name, events)
    assert not os.path.exists("/tmp/evil")


def test_services_checks_and_their_restarts(agent):
    api = agent.api()
    script = ('python3 -u -c "import http.server,os\n'
              'class H(http.server.BaseHTTPRequestHandler):\n'
              '  def do_GET(self):\n    self.send_response(500 if os.path.exists(\'local/bad\') else 200); self.end_headers()\n'
              '  def log_message(self, *a): pass\n'
              'http.server.HTTPServer((os.environ[\'NOMAD_IP_web\'], int(os.environ[\'NOMAD_PORT_web\'])), H).serve_forever()"')
    check = {"Name": "alive", "Type": "http", "Path": "/", "Interval": S, "Timeout": S, "CheckRestart": {"Limit": 2, "Grace": 5 * S}}
    group = {"RestartPolicy": {"Attempts": 1, "Interval": 60 * S, "Delay": 10_000_000, "Mode": "fail"},
             "Networks": [{"DynamicPorts": [{"Label": "web"}]}],
             "Update": {"MaxParallel": 1, "HealthCheck": "checks", "MinHealthyTime": S // 10, "HealthyDeadline": 60 * S,
                        "ProgressDeadline": 120 * S},
             "Services": [{"Name": "svc-web", "Provider": "nomad", "PortLabel": "web", "Tags": ["a", "${NOMAD_ALLOC_INDEX}"],
                           "Checks": [check]}]}
    api.put("/v1/jobs", job("svc", script, "service", group))
    alloc = running(agent, "svc")
    rows = api.wait("the instance", "/v1/service/svc-web", lambda r: r)
    assert rows[0]["AllocID"] == alloc["ID"] and rows[0]["Tags"] == ["a", "0"] and rows[0]["Port"] > 0
    assert rows[0]["ID"] == f"_nomad-task-{alloc['ID']}-group-g-svc-web-web"
    api.wait("a healthy deployment", "/v1/job/svc/deployment", lambda d: d and d["Status"] == "successful")
    results = list(api.get(f"/v1/client/allocation/{alloc['ID']}/checks").values())
    assert [(r["Check"], r["Status"], r["StatusCode"], r["Output"]) for r in results] == [("alive", "success", 200, "nomad: http ok")]
    directory = os.path.join(agent.data_dir, "alloc", alloc["ID"], "t", "local", "bad")
    open(directory, "w", encoding="utf-8").close()
    api.wait_allocs("svc", lambda a: a[0]["ClientStatus"] == "failed")
    events = api.get(f"/v1/allocation/{alloc['ID']}")["TaskStates"]["t"]["Events"]
    assert any(e["DisplayMessage"] == 'healthcheck: check "alive" unhealthy' for e in events), events
    api.wait("the instance to be gone", "/v1/services", lambda r: not [s for n in r for s in n["Services"] if s["ServiceName"] == "svc-web"])
    api.delete("/v1/job/svc?purge=true")


def test_host_volumes_fixed_and_made(agent):
    api = agent.api()
    with open(os.path.join(agent.shared, "f"), "w", encoding="utf-8") as f:
        f.write("shared")
    made = api.put("/v1/volume/host/create", {"Volume": {"Name": "made", "PluginID": "mkdir", "Parameters": {"mode": "0750"},
                   "RequestedCapabilities": [{"AccessMode": "single-node-writer", "AttachmentMode": "file-system"}]}})["Volume"]
    assert made["State"] == "ready" and os.path.isdir(made["HostPath"])
    assert [v["ID"] for v in api.get("/v1/volumes?type=host")] == [made["ID"]]
    api.wait("the node to offer it", f"/v1/node/{made['NodeID']}", lambda n: "made" in n["HostVolumes"])
    group = {"Volumes": {"a": {"Name": "a", "Type": "host", "Source": "fixed", "ReadOnly": True},
                         "b": {"Name": "b", "Type": "host", "Source": "made"}}}
    mounts = [{"Volume": "a", "Destination": "/srv/a"}, {"Volume": "b", "Destination": "data"}]
    script = "cat srv/a/f; touch srv/a/no 2>/dev/null && echo wrote; echo kept > data/k; exec sleep 300"
    api.put("/v1/jobs", job("vols", script, "service", group, VolumeMounts=mounts))
    alloc = running(agent, "vols")
    until("the output", lambda: api.logs(alloc["ID"], "t") == "shared")
    until("the file", lambda: os.path.exists(os.path.join(made["HostPath"], "k")))
    with pytest.raises(ApiError, match="in use by allocations"):
        api.delete(f"/v1/volume/host/{made['ID']}")
    api.delete("/v1/job/vols?purge=true")
    api.wait("the end", f"/v1/allocation/{alloc['ID']}", lambda a: a["ClientStatus"] == "complete")
    until("no mount to be left", lambda: alloc["ID"] not in open("/proc/self/mountinfo", encoding="utf-8").read())
    assert os.path.exists(os.path.join(agent.shared, "f"))
    api.delete(f"/v1/volume/host/{made['ID']}")
    assert not os.path.exists(made["HostPath"])
    for bad in ("../../bin/true", "a/b", ""):
        with pytest.raises(ApiError, match="plugin ID"):
            api.put("/v1/volume/host/create", {"Volume": {"Name": "evil", "PluginID": bad,
                    "RequestedCapabilities": [{"AccessMode": "single-node-writer", "AttachmentMode": "file-system"}]}})


def test_a_task_that_fills_its_disk_is_ended(agent):
    group = {"EphemeralDisk": {"SizeMB": 12}}
    logs = {"MaxFiles": 1, "MaxFileSizeMB": 1}
    agent.api().put("/v1/jobs", job("hog", "head -c 30000000 /dev/zero > local/big; exec sleep 300", group=group, LogConfig=logs))
    _, events = ended(agent, "hog", "failed")
    assert any(e["Type"] == "Disk Resources Exceeded" and "12 MB" in e["DisplayMessage"] for e in events), events


def test_max_run_duration(agent):
    agent.api().put("/v1/jobs", job("long", "exec sleep 300", group={"MaxRunDuration": S}))
    alloc, events = ended(agent, "long", "failed")
    assert any("max_run_duration of 1s exceeded" in e["DisplayMessage"] for e in events), events


def test_a_log_file_that_became_a_link_is_not_followed(agent):
    api = agent.api()
    api.put("/v1/jobs", job("linker", "echo one; rm $NOMAD_ALLOC_DIR/logs/t.stdout.0; ln -s /etc/passwd $NOMAD_ALLOC_DIR/logs/t.stdout.0; sleep 0.2"))
    alloc, _ = ended(agent, "linker")
    try:
        assert "root:" not in api.logs(alloc["ID"], "t")
    except ApiError:
        pass
    for path in ("alloc/logs/t.stdout.0", "t/../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd"):
        try:
            assert "root:" not in str(api.get(f"/v1/client/fs/cat/{alloc['ID']}?path={path}"))
        except ApiError:
            pass


@pytest.mark.parametrize("name", ["alloc", "..", "a/b", "", "x\u0000y", "n" * 4096])
def test_names_that_would_be_paths_are_refused(agent, name):
    body = job("names", "true")
    body["Job"]["TaskGroups"][0]["Tasks"][0]["Name"] = name
    with pytest.raises(ApiError):
        agent.api().put("/v1/jobs", body)


def test_a_task_cannot_take_the_node_with_it(agent):
    """A bomb of files and descriptors hits its own allocation; the agent and its neighbours go on."""
    api = agent.api()
    api.put("/v1/jobs", job("neighbour", "while :; do date +%s%N; sleep 0.05; done", "service"))
    alloc = running(agent, "neighbour")
    api.put("/v1/jobs", job("bomb", "for i in $(seq 200); do (sleep 5) & done; for i in $(seq 5000); do echo x > local/f$i; done; wait"))
    ended(agent, "bomb")
    before = len(api.logs(alloc["ID"], "t"))
    until("the neighbour to go on", lambda: len(api.logs(alloc["ID"], "t")) > before)
    api.delete("/v1/job/neighbour?purge=true")
    assert time.monotonic() > 0
