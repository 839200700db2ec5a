"""A real Prometheus scrapes the services and finds them up."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from labkit.parallel.service import free_port
from tests.cli.conftest import shell_at

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Prometheus: make system-deps")
CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: labkit
    authorization: {{credentials_file: {token}}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def test_prometheus_finds_every_target_up(tmp_path: Path) -> None:
    from tests.api.test_server import Served

    home = tmp_path / "lab"
    shell = shell_at(home)
    (tmp_path / "token").write_text(shell.run("token", "new", "prometheus", "--scopes", "read").strip())
    server, port = Served(home), free_port()
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(token=tmp_path / "token", port=server.port))
    command = [
        "prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    scraper = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until, found = time.monotonic() + 30, [{"health": "unknown"}]
        while {target["health"] for target in found} != {"up"}:
            assert time.monotonic() < until, found
            time.sleep(0.3)
            try:
                with urlopen(f"http://127.0.0.1:{port}/api/v1/targets") as answer:
                    found = json.load(answer)["data"]["activeTargets"] or found
            except OSError:
                continue
    finally:
        scraper.terminate()
        scraper.wait(10)
        server.end()
