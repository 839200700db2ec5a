"""Three copies of the services and a JupyterLab behind the gateway: what a class sees while one of them is killed."""

from __future__ import annotations

import itertools
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

import labkit
from api.rows import EXAMPLE
from labkit.parallel.service import die_with_parent, free_port
from tests.cli.conftest import LABKIT, Shell, shell_at
from tests.costs import give_costs
from tests.deploy.gateway import Gateway, needs_nginx, running
from tests.deploy.kernels import answer_of, channel

pytestmark = [needs_nginx, pytest.mark.timeout(500)]  # four servers start, on a machine that may be busy
COPIES = ("127.0.0.2", "127.0.0.3", "127.0.0.4")  # each an address of its own and one port, as containers have
N_REQUESTS = 240


class Copy:
    """One copy of the services, as its container starts it."""

    def __init__(self, shell: Shell, host: str, port: int) -> None:
        self.url = f"http://{host}:{port}"
        self.popen = subprocess.Popen(
            [LABKIT, "serve", "--host", host, "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=shell.environment | {"FORWARDED_ALLOW_IPS": "*", "LABKIT_JUPYTER_URL": "/jupyter/"}, text=True,
            preexec_fn=die_with_parent,
        )  # fmt: skip

    def wait(self) -> None:
        """Wait until it answers."""
        wait_for(f"{self.url}/health", self.popen)

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        self.popen.send_signal(number)
        self.popen.communicate(timeout=60)


def wait_for(url: str, popen: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 200
    while True:
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            assert popen.poll() is None, popen.communicate()[0]
            assert time.monotonic() < until, url
            time.sleep(0.1)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, postgresql_server: str) -> Iterator[Shell]:
    """A lab with a model, its records in PostgreSQL, the password in a file as in the stack."""
    from tests import postgresql

    home = tmp_path_factory.mktemp("copies") / "lab"
    with postgresql.database(postgresql_server) as url:
        pgpass = home.parent / "pgpass"
        pgpass.write_text(f"*:*:*:labkit:{postgresql.PASSWORD.replace(':', chr(92) + ':')}\n")
        pgpass.chmod(0o600)
        place = url.replace(url[url.index("://labkit") + 9 : url.index("@")], "") + f"&passfile={pgpass}"
        assert postgresql.PASSWORD not in place and "%" not in place
        shell = shell_at(give_costs(home))
        shell.environment["LABKIT_DATABASE_URL"] = place
        opened = labkit.start(home=home, database=place, lang="en")
        opened.train(opened.prepare(days=12), recipes=["logistic-numeric"], engine="sequential")
        opened.runs._engine.dispose()
        opened.models._engine.dispose()
        yield shell


@pytest.fixture(scope="module")
def token(shell: Shell) -> str:
    """The token of a person, in a file; made again only where it is no longer good."""
    file = shell.home / "operator"
    made = []
    for _ in range(2):
        shell.run("token", "new", "operator", "--file", str(file))
        made.append(file.read_text().strip())
    assert made[0] == made[1] and stat.S_IMODE(file.stat().st_mode) == 0o600
    return made[0]


@pytest.fixture(scope="module")
def jupyter(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A JupyterLab with a base path, started with the options of `deploy/run`, behind a token of its own."""
    port, folder = free_port(), tmp_path_factory.mktemp("jupyter")
    (folder / "token").write_text("key-of-jupyter")
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = dict.fromkeys(names, str(folder / "own")) | {"JUPYTER_TOKEN_FILE": str(folder / "token")}
    popen = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
         "--ServerApp.base_url=/jupyter/", f"--ServerApp.root_dir={folder}", "--ServerApp.open_browser=False",
         "--ServerApp.allow_remote_access=True", "--ServerApp.allow_root=True", "--ServerApp.port_retries=0"],
        env=shell.environment | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/jupyter/api", popen)
        yield f"127.0.0.1:{port}"
    finally:
        popen.terminate()
        popen.wait(20)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def copies(shell: Shell, token: str, port: int) -> Iterator[list[Copy]]:
    started = [Copy(shell, host, port) for host in COPIES]
    try:
        for copy in started:
            copy.wait()
        yield started
    finally:
        for copy in started:
            if copy.popen.poll() is None:
                copy.end()


@pytest.fixture(scope="module")
def gateway(copies: list[Copy], jupyter: str, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    api = " ".join(f"{host}:{port}" for host in COPIES)
    with running(Gateway(tmp_path_factory.mktemp("gateway"), api=api, jupyter=jupyter)) as gateway:
        yield gateway


def served_by(gateway: Gateway, path: str) -> set[str]:
    """Return who answered a path with 200, by the gateway's log."""
    lines = (gateway.folder / "log").read_text().splitlines()
    return {line.rpartition(" ")[2].partition(":")[0] for line in lines if f" {path} " in line and " 200 " in line}


def test_a_browsers_cookie_is_good_for_every_copy_and_for_https_only(gateway: Gateway, token: str) -> None:
    with gateway.client() as client:
        answer = client.get(f"/?token={token}")
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        for word in ("HttpOnly", "SameSite=Strict", "Secure"):
            assert word in answer.headers["set-cookie"]
        for _ in range(9):
            assert client.get("/session").json()["jupyter"] == "/jupyter/"
        assert served_by(gateway, "/session") == set(COPIES)


def test_a_copy_killed_under_load_loses_no_request(gateway: Gateway, token: str, copies: list[Copy]) -> None:
    statuses: list[int] = []
    enough, until = threading.Event(), time.monotonic() + 120

    def ask() -> None:
        with gateway.client(token) as client:
            while len(statuses) < N_REQUESTS and time.monotonic() < until:
                statuses.append(client.post("/predict", json=[EXAMPLE]).status_code)
                statuses.append(client.get("/models").status_code)
                if len(statuses) > N_REQUESTS / 4:
                    enough.set()
                time.sleep(0.04)  # below the gateway's own limit of requests

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert enough.wait(120)
    copies[2].end(signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert set(statuses) == {200} and len(statuses) >= N_REQUESTS
    assert served_by(gateway, "/predict") == set(COPIES)


def test_the_copies_that_are_left_answer_and_one_that_returns_is_asked_again(
    gateway: Gateway, token: str, copies: list[Copy], shell: Shell, port: int
) -> None:
    copies[2] = Copy(shell, COPIES[2], port)
    copies[2].wait()
    with gateway.client(token) as client:
        before, until = (gateway.folder / "log").read_text().count(f"{COPIES[2]}:"), time.monotonic() + 20
        while (gateway.folder / "log").read_text().count(f"{COPIES[2]}:") <= before + 3:
            assert client.get("/models").status_code == 200 and time.monotonic() < until
            time.sleep(0.05)


def test_an_event_stream_passes_as_it_is_told(gateway: Gateway, token: str) -> None:
    at: list[float] = []
    with gateway.client(token) as client, client.stream("GET", "/metrics/live") as answer:
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            at += [time.monotonic()] if line.startswith("data:") else []
            if len(at) == 3:
                break
    # A proxy that gathers would give them all at once; they are told a second apart.
    assert all(later - earlier > 0.3 for earlier, later in itertools.pairwise(at)), at


def test_a_kernel_of_jupyterlab_answers_through_a_websocket(gateway: Gateway, token: str) -> None:
    import websocket

    with gateway.client(token) as client:
        assert client.get("/jupyter/lab").status_code == 200
        kernel = client.post("/jupyter/api/kernels", json={"name": "python3"}).json()["id"]
        place, certificate = f"127.0.0.1:{gateway.https}", str(gateway.certificate)
        mine = {"header": [f"Authorization: Bearer {token}"], "origin": f"https://{place}"}
        try:
            with closing(channel(f"wss://{place}", kernel, certificate, **mine)) as socket:
                assert answer_of(socket, "print(6 * 7)") == "42\n"
            for refused in (mine | {"header": []}, mine | {"origin": "https://evil.example"}):
                with pytest.raises(websocket.WebSocketBadStatusException, match=r"401|403"):
                    channel(f"wss://{place}", kernel, certificate, **refused)
        finally:
            assert client.delete(f"/jupyter/api/kernels/{kernel}").status_code == 204


def test_healthy_tells_by_its_status_whether_something_serves(copies: list[Copy], port: int) -> None:
    script = Path(__file__).parents[2] / "deploy" / "healthy.py"
    for address, status in (
        (f"{copies[0].url}/health", 0), (f"tcp://{COPIES[0]}:{port}", 0), (f"{copies[0].url}/runs", 1),
        (f"tcp://127.0.0.1:{free_port()}", 1),
    ):  # fmt: skip
        done = subprocess.run([sys.executable, "-S", "-E", script, address], capture_output=True, env=os.environ)
        assert done.returncode == status, (address, done.stderr)
