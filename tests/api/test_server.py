"""The services as a user starts them: a process of its own, on a real port, with a real cluster behind it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

import labkit
from api.app import create_app
from api.predictor import PROMOTED_EVERY_S
from api.settings import Settings
from labkit.errors import UnknownName
from labkit.lab import Lab
from labkit.parallel.head import start_head, stop_head
from labkit.parallel.service import free_port, outliving
from tests.api.served import Served
from tests.cli.conftest import shell_at
from tests.costs import give_costs

SMALL = {"days": 12, "recipes": ["hgb-small", "logistic-numeric"]}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with a model and a running head."""
    lab = labkit.start(home=give_costs(tmp_path_factory.mktemp("serve") / "lab ñ"), lang="en")
    start_head(lab.folder, port=0, n_cpus=4, with_parent=True)
    try:
        lab.train(lab.prepare(days=12), recipes=["hgb-small"], engine="sequential")
        yield lab
    finally:
        stop_head(lab.folder)


@pytest.fixture(scope="module")
def served(lab: Lab) -> Iterator[Served]:
    server = Served(lab.folder.root, "--lab")
    yield server
    server.end()


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[labkit.Client]:
    with labkit.Client(served.url) as client:
        yield client


def test_all_is_ready_where_a_cluster_runs_and_a_model_is_promoted(served: Served) -> None:
    until = time.monotonic() + 30
    while (answer := httpx.get(f"http://127.0.0.1:{served.port}/health/ready")).status_code != 200:
        assert time.monotonic() < until, answer.text
        time.sleep(0.1)
    assert {part["name"] for part in answer.json()["parts"]} == {"database", "cluster", "model", "disk"}


def test_the_address_is_printed_when_it_answers(lab: Lab) -> None:
    with shell_at(lab.folder.root).start("serve", "--port", str(free_port())) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "Services …\n"  # at once
        url = server.stdout.readline().split()[-1]
        try:
            assert httpx.get(url).status_code == 303  # the token leads to a cookie
        finally:
            server.terminate()


def test_a_training_is_carried_out_by_the_cluster_and_followed_to_its_end(client: labkit.Client) -> None:
    run = client.train(**SMALL)
    assert run["status"] == "waiting"
    events = list(client.follow(run))
    assert [kind for kind, _ in events].count("task") == 2 and events[-1] == ("end", {"status": "finished"})
    record = client.run(run["id"])
    assert record["results"]["scores"]["roc_auc"] > 0.5 and record["parameters"]["recipes"] == SMALL["recipes"]
    assert record["results"]["model"] in {model["id"] for model in client.ask("GET", "/models")}


def test_a_benchmark_gives_its_table_laws_and_a_page_without_scripts(client: labkit.Client, served: Served) -> None:
    run = client.benchmark("04", **SMALL, workers=[1], rounds=1, engine="threads")
    record = client.wait(run)
    assert record["status"] == "finished", record["error"]
    assert [row["n_workers"] for row in client.ask("GET", f"/benchmark/{run['id']}/table")["threads"]] == [1]
    assert set(client.ask("GET", f"/benchmark/{run['id']}/laws")["laws"]) == {"threads"}
    page = client._http.get(f"/benchmark/{run['id']}/notebook")
    assert "sandbox" in page.headers["content-security-policy"] and "Speedup" in page.text
    compared = client.ask("GET", "/runs/compare", params={"id": [run["id"], run["id"]]})
    assert compared["same_digest"] and len(compared["tables"]) == 2


def test_a_killed_server_loses_no_training_and_the_next_one_shows_it_whole(lab: Lab) -> None:
    first = Served(lab.folder.root)
    with labkit.Client(first.url) as client:
        run = client.train(days=15, recipes=["forest-20", "hgb-small", "logistic-numeric"])
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    second = Served(lab.folder.root)
    try:
        with labkit.Client(second.url) as client:
            assert client.wait(run)["status"] == "finished"
            assert [kind for kind, _ in client.follow(run)].count("task") == 3
    finally:
        second.end()


def test_a_training_whose_driver_is_killed_ends_with_its_reason(client: labkit.Client, lab: Lab) -> None:
    run = client.train(days=60, recipes=["forest-60", "hgb-slow"], engine="processes", n_workers=1)
    until = time.monotonic() + 60
    while lab.runs.get(run["id"]).status == "waiting":
        assert time.monotonic() < until
        time.sleep(0.05)
    psutil.Process(lab.runs.get(run["id"]).owner["pid"]).kill()
    assert client.wait(run)["status"] == "interrupted" and client.run(run["id"])["error"]


def test_a_training_that_is_cancelled_is_interrupted_and_leaves_no_process(client: labkit.Client, lab: Lab) -> None:
    run = client.train(days=60, recipes=["forest-60", "hgb-slow"], engine="processes", n_workers=1)
    until = time.monotonic() + 60
    while lab.runs.get(run["id"]).status == "waiting":
        assert time.monotonic() < until
        time.sleep(0.05)
    driver = psutil.Process(lab.runs.get(run["id"]).owner["pid"])
    family = [driver, *driver.children(recursive=True)]
    client.ask("DELETE", f"/train/{run['id']}")
    assert client.wait(run)["status"] == "interrupted"
    assert outliving(family, 10.0) == []


def test_errors_of_the_services_are_labkits_own(client: labkit.Client, served: Served) -> None:
    with pytest.raises(UnknownName, match="No run begins with"):
        client.run("ffff")
    with (
        pytest.raises(labkit.LabError, match="A token is needed"),
        labkit.Client(f"http://127.0.0.1:{served.port}") as other,
    ):
        other.sample()
    with (
        pytest.raises(labkit.LabError, match="labkit serve"),
        labkit.Client(f"http://127.0.0.1:{free_port()}") as nobody,
    ):
        nobody.sample()


def test_the_cluster_is_shown_with_actors_and_tasks_and_an_actor_can_be_killed(client: labkit.Client, lab: Lab) -> None:
    shown = client.ask("GET", "/cluster")
    assert shown["nodes"][0]["cpus"] == 4.0
    with pytest.raises(UnknownName, match="No actor"):
        client.ask("POST", "/cluster/actors/none/kill")
    program = (  # apart: this process may be attached to another cluster
        f"import labkit, os, ray, time\nlabkit.start(home={str(lab.folder.root)!r}).attach()\n"
        "class Sitter:\n    def pid(self): return os.getpid()\n"
        "sitter = ray.remote(num_cpus=0)(Sitter).remote()\n"
        "print(ray.get(sitter.pid.remote()), flush=True)\ntime.sleep(100)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment) as owner:
        try:
            assert owner.stdout is not None
            pid = int(owner.stdout.readline())
            (found,) = [each for each in client.ask("GET", "/cluster")["actors"] if each["pid"] == pid]
            assert client.ask("POST", f"/cluster/actors/{found['actor']}/kill")["pid"] == pid
            assert outliving([psutil.Process(pid)] if psutil.pid_exists(pid) else [], 10.0) == []
        finally:
            owner.kill()


@pytest.mark.parametrize("lab_mode", [False, True])
def test_only_a_lab_lets_actors_be_killed(lab: Lab, lab_mode: bool) -> None:
    paths = create_app(lab, Settings(lab_mode=lab_mode)).openapi()["paths"]
    assert ("/cluster/actors/{actor_id}/kill" in paths) is lab_mode


def differences(said: dict[str, set[tuple[float, ...]]]) -> dict[str, list[float]]:
    """Return by how much each flight's answers of one model differ."""
    return {model: [max(each) - min(each) for each in zip(*values, strict=True)] for model, values in said.items()}


def test_many_promotions_fail_no_request_and_mix_no_models(client: labkit.Client, lab: Lab, served: Served) -> None:
    lab.train(lab.prepare(days=12), recipes=["logistic-numeric"], engine="sequential")
    models = [record.id for record in lab.models.list()[:2]]
    flights, stop = client.sample(20), threading.Event()

    def ask() -> list[tuple[str, tuple[float, ...]]]:
        found = []
        with labkit.Client(served.url) as own:
            while not stop.is_set():
                answer = own.predict(flights)
                found.append((answer["model"], tuple(each["probability"] for each in answer["predictions"])))
        return found

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        for turn in range(6):
            lab.models.promote(models[turn % 2])
            time.sleep(1.5 * PROMOTED_EVERY_S)  # each answers for a while
        stop.set()
        answers = [answer for each in asked for answer in each.result()]
    said = {model: {values for name, values in answers if name == model} for model in models}
    assert len(answers) > 50 and [len(values) for values in said.values()] == [1, 1], differences(said)


def test_prometheus_text_tells_requests_predictions_and_nodes(client: labkit.Client) -> None:
    client.predict(client.sample(3))
    text = client._http.get("/metrics").text
    assert 'labkit_request_seconds_count{method="POST",route="/predict",status="200"}' in text
    assert "labkit_predictions_total{model=" in text and "labkit_ray_nodes 1.0" in text
    assert 'labkit_host_ratio{resource="cpu"}' in text and 'labkit_runs{kind="training",status="finished"}' in text
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_logs_are_followed_by_level_service_and_run(client: labkit.Client) -> None:
    def lines(**asked: Any) -> list[dict[str, str]]:
        text = client._http.get("/logs", params={"follow": False, **asked}).text
        return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]

    assert any("uvicorn" in line["text"] for line in lines(service="api"))
    assert {line["service"] for line in lines(service="api")} == {"api"}
    assert {line["level"] for line in lines(level="WARNING")} <= {"WARNING", "ERROR"}
    run = client.ask("GET", "/train")[-1]["id"]
    assert isinstance(lines(run=run), list)


def test_open_streams_and_a_slow_client_do_not_keep_a_server_from_ending(lab: Lab) -> None:
    server = Served(lab.folder.root)
    with labkit.Client(server.url) as client, Streams(client, 200) as streams:
        assert all(next(lines).startswith(("event", "id", "data", ":")) for lines in streams)
        slow = socket.create_connection(("127.0.0.1", server.port))
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le")
        begun = time.monotonic()
        assert server.end() == 130  # as all commands that a signal ends
        assert time.monotonic() - begun < 8.0
        slow.close()


class Streams:
    """Open event streams, and close them at the end."""

    def __init__(self, client: labkit.Client, n: int) -> None:
        self._client, self._n, self._opened = client, n, []

    def __enter__(self) -> list[Iterator[str]]:
        limits = httpx.Limits(max_connections=None)
        self._http = httpx.Client(
            base_url=self._client.url, headers=self._client._http.headers, limits=limits, timeout=30
        )
        self._opened = [self._http.stream("GET", "/metrics/live") for _ in range(self._n)]
        return [stream.__enter__().iter_lines() for stream in self._opened]

    def __exit__(self, *_: object) -> None:
        self._http.close()


def test_clients_that_never_end_their_requests_are_left(served: Served) -> None:
    parts = (b"POST /pre", b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n[")
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=30)) for _ in parts]
        for slow, part in zip(opened, parts, strict=True):
            slow.sendall(part)
        for slow in opened:
            while slow.recv(1000):  # an answer may come before: there is no token
                pass


def test_a_port_in_use_and_an_open_address_without_a_token_are_refused(served: Served, tmp_path: Path) -> None:
    shell = shell_at(tmp_path / "lab")
    said = shell.run("serve", "--port", str(served.port), status=5)
    assert "The services needs port" in said or f"port {served.port}" in said
    assert "labkit token new" in shell.run("serve", "--host", "0.0.0.0", "--port", str(free_port()), status=2)
    assert "LABKIT_SERVICES knows" in shell.run("serve", status=2, LABKIT_SERVICES="everything")


def test_one_service_alone_answers_for_itself_only(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_SERVICES", "prediction")
    paths = set(create_app(lab, Settings.read()).openapi()["paths"])
    assert {"/health", "/predict"} <= paths and not {"/train", "/metrics", "/runs"} & paths


def test_tokens_are_made_listed_and_revoked_by_the_command(lab: Lab, served: Served) -> None:
    shell = shell_at(lab.folder.root)
    token = shell.run("token", "new", "class", "--scopes", "read", "--days", "1").strip()
    with labkit.Client(f"http://127.0.0.1:{served.port}", token) as client:
        assert client.sample(1)
        with pytest.raises(labkit.LabError, match="scope predict"):
            client.predict(client.sample(1))
        key = token.partition(".")[0]
        assert next(each for each in shell.json("token", "list") if each["id"] == key)["scopes"] == ["read"]
        shell.run("token", "revoke", key)
        time.sleep(2.0)
        with pytest.raises(labkit.LabError, match="revoked"):
            client.sample(1)
