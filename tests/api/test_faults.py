"""The services when what they need is held, gone, full or killed: told at once, and well again by itself."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import text

import labkit
from labkit.lab import Lab
from labkit.parallel.head import find_head, start_head, stop_head
from labkit.parallel.service import outliving
from labkit.store.database import open_database
from tests import postgresql
from tests.api.served import Served
from tests.costs import give_costs
from tests.files.test_disk import may_unshare


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A lab with a model."""
    lab = labkit.start(home=give_costs(tmp_path_factory.mktemp("faults") / "lab"), lang="en")
    lab.train(lab.prepare(days=12), recipes=["logistic-numeric"], engine="sequential")
    return lab


@pytest.fixture
def served(lab: Lab) -> Iterator[Served]:
    server = Served(lab.folder.root)
    yield server
    server.end()


def problem(client: labkit.Client, method: str, path: str, **asked: Any) -> dict[str, Any]:
    answer = client._http.request(method, path, timeout=30, **asked)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return dict(answer.json())


def test_a_locked_database_is_told_soon_and_holds_up_nobody_who_only_reads(lab: Lab, served: Served) -> None:
    with labkit.Client(served.url) as client:
        flights, path = client.sample(1), f"/models/{lab.models.get().id}/promote"
        holder = sqlite3.connect(lab.folder.root / "lab.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            begun = time.monotonic()
            said = problem(client, "POST", path)
            assert (said["status"], said["code"]) == (503, "busy") and time.monotonic() - begun < 10.0
            assert client.predict(flights)["predictions"]
        finally:
            holder.close()
        assert client.ask("POST", path)
        until = time.monotonic() + 20
        while not client.ask("GET", "/predictions"):  # what was predicted meanwhile is kept now
            assert time.monotonic() < until
            time.sleep(0.2)


def test_a_database_that_is_gone_is_told_and_reached_again(
    lab: Lab, postgresql_server: str, postgresql_url: str
) -> None:
    own = Lab(labkit.lab.Settings(lab.folder.root, database=postgresql_url))
    own.train(own.prepare(days=12), recipes=["logistic-numeric"], engine="sequential")
    name = postgresql_url.partition("?")[0].rpartition("/")[2]
    admin = open_database(postgresql_server.format(name="postgres"))
    server = Served(lab.folder.root, LABKIT_DATABASE_URL=postgresql_url)
    try:
        with (
            labkit.Client(server.url) as client,
            admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        ):
            flights = client.sample(1)
            assert client.predict(flights)["model"] == own.models.get().id
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            connection.execute(text(ended))
            server.wait_until("database", False)
            said = problem(client, "GET", "/models")
            assert (said["status"], said["code"]) == (503, "storage-unavailable")
            assert postgresql.PASSWORD not in str(said)
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
            server.wait_until("database", True)
            assert client.predict(flights)["model"] == own.models.get().id
    finally:
        server.end()


@pytest.mark.skipif(not may_unshare(), reason="needs unshare: mounts of one's own (see user namespaces)")
def test_a_full_disk_is_told_and_predictions_go_on(lab: Lab, tmp_path: Path) -> None:
    program = """
import pathlib, shutil, sys
import labkit
from tests.api.served import Served
source, home = sys.argv[1:]
shutil.copytree(source, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.lock", "token", "url"))
server = Served(pathlib.Path(home))
try:
    with labkit.Client(server.url) as client:
        flights = client.sample(1)
        assert server.parts()["disk"] is False  # 100 MB are less than it asks for
        with open(home + "/filler", "wb", buffering=0) as file:
            try:
                while file.write(bytes(65536)):
                    pass
            except OSError:
                pass
        for _ in range(200):
            assert client.predict(flights)["predictions"]
        answer = client._http.post("/train", json={"days": 12})
        assert answer.status_code == 503 and answer.json()["code"] != "unexpected", answer.text
        answer = client._http.post("/models/" + client.ask("GET", "/models")[0]["id"] + "/promote")
        assert answer.status_code == 200 or answer.json()["code"] == "storage-unavailable", answer.text
        pathlib.Path(home, "filler").unlink()
        assert client._http.post("/models/" + client.ask("GET", "/models")[0]["id"] + "/promote").status_code == 200
finally:
    server.end()
"""
    script = 'mount -t tmpfs -o size=100m lab "$1" && exec "$2" -c "$3" "$4" "$1"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(tmp_path)]
    found = subprocess.run(
        [*command, sys.executable, program, str(lab.folder.root)], capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_lost_head_ends_no_server_its_training_is_told_and_a_new_head_is_found(lab: Lab) -> None:
    start_head(lab.folder, port=0, n_cpus=4, with_parent=True)
    server = Served(lab.folder.root, "--lab")
    try:
        with labkit.Client(server.url) as client:
            server.wait_until("cluster", True)
            killed_actor = client.train(
                days=60, recipes=["hgb-slow", "forest-60", "extra-60"], engine="ray", n_workers=2
            )
            actor = wait_for_actor(client)
            client.ask("POST", f"/cluster/actors/{actor}/kill")
            assert client.wait(killed_actor)["status"] == "finished"  # its task was given to another
            run = client.train(days=60, recipes=["forest-60", "hgb-slow", "extra-60"], engine="ray", n_workers=1)
            wait_for_actor(client)
            head = find_head(lab.folder)
            assert head is not None
            family = [psutil.Process(head.pid), *psutil.Process(head.pid).children(recursive=True)]
            (gcs,) = [each for each in family if each.name() == "gcs_server"]
            gcs.send_signal(signal.SIGSTOP)  # what asks it now is never answered
            httpx.get(f"http://127.0.0.1:{server.port}/cluster", headers=client._http.headers, timeout=30)
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
            outliving(family, 10.0)
            assert client.wait(run)["status"] in ("failed", "interrupted") and client.run(run["id"])["error"]
            said = problem(client, "GET", "/cluster")
            assert (said["status"], said["code"]) == (503, "cluster-unavailable")
            assert server.parts()["cluster"] is False
            start_head(lab.folder, port=0, n_cpus=4, with_parent=True)
            server.wait_until("cluster", True)
            assert client.ask("GET", "/cluster")["nodes"]
        begun = time.monotonic()
        assert server.end() == 130 and time.monotonic() - begun < 8.0
    finally:
        server.end()
        stop_head(lab.folder)


def wait_for_actor(client: labkit.Client) -> str:
    until = time.monotonic() + 90
    while True:
        found = [
            each
            for each in client.ask("GET", "/cluster")["actors"]
            if each["name"] in ("DataProcessor", "ModelTrainer")
        ]
        alive = [each["actor"] for each in found if each["state"] == "ALIVE"]
        if alive:
            return str(alive[0])
        assert time.monotonic() < until, found
        time.sleep(0.1)
