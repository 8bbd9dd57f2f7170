"""Prometheus, as Debian has it, discovers a service through nomad_sd_configs and scrapes it."""
import json
import os
import shutil
import subprocess
import urllib.request

import pytest
from harness import Cluster, free_port, until

PROMETHEUS = shutil.which("prometheus")
# A task that is a web server with one metric, on the port it was given.
SERVER = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"tasks_answer 42\\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["NOMAD_PORT_http"])), H).serve_forever()
"""


@pytest.mark.skipif(PROMETHEUS is None, reason="Debian's package prometheus is not installed")
def test_discovers_and_scrapes_a_service(tmp_path):
    with Cluster() as cluster:
        agent = cluster.single()
        api = agent.api()
        api.wait_leader()
        job = {"Job": {"ID": "web", "Name": "web", "Type": "service", "Datacenters": ["*"], "TaskGroups": [{
            "Name": "grp", "Count": 2,
            "Networks": [{"Mode": "host", "DynamicPorts": [{"Label": "http"}]}],
            "Services": [{"Name": "scraped", "PortLabel": "http", "Provider": "nomad", "Address": "127.0.0.1", "Tags": ["blue", "metrics"]}],
            "Tasks": [{"Name": "main", "Driver": "raw_exec", "Config": {"command": "/usr/bin/python3", "args": ["-c", SERVER]},
                       "Resources": {"CPU": 20, "MemoryMB": 64}}]}]}}
        api.put("/v1/jobs", job)
        services = api.wait("two instances", "/v1/service/scraped", lambda found: found if len(found) == 2 else None)
        port = free_port()
        config = tmp_path / "prometheus.yml"
        config.write_text(f"""
scrape_configs:
  - job_name: found
    scrape_interval: 1s
    nomad_sd_configs:
      - server: http://{agent.addresses()["http"]}
        refresh_interval: 1s
    relabel_configs:
      - source_labels: [__meta_nomad_service]
        regex: scraped
        action: keep
      - source_labels: [__meta_nomad_tags]
        target_label: tags
      - source_labels: [__meta_nomad_node_id]
        target_label: node
""")
        checked = subprocess.run(["promtool", "check", "config", str(config)], capture_output=True, text=True, check=False)
        if "nomad_sd_configs not found" in checked.stdout + checked.stderr:
            pytest.skip("this Prometheus was built without Nomad's service discovery")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        with open(tmp_path / "log", "wb") as log:
            process = subprocess.Popen(
                [PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"],
                stdout=log, stderr=log, env=dict(os.environ, GOMAXPROCS="1"))
        try:
            def ask(query):
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={query}", timeout=10) as answer:
                        return json.load(answer)["data"]["result"]
                except OSError:
                    return []
            rows = until("both instances to be scraped", lambda: (lambda r: r if len(r) == 2 else None)(ask("tasks_answer")), deadline=120)
        finally:
            process.kill()
            process.wait()
        assert {r["metric"]["instance"] for r in rows} == {f"{s['Address']}:{s['Port']}" for s in services}
        assert all(r["value"][1] == "42" and r["metric"]["tags"] == ",blue,metrics," for r in rows)
        assert {r["metric"]["node"] for r in rows} == {s["NodeID"] for s in services}
