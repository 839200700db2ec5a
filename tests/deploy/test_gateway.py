"""The gateway's own rules, in front of small services that say what they were asked."""

from __future__ import annotations

import collections
import json
import os
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.settings import SERVICES, Settings
from labkit.lab import Lab
from labkit.lab import Settings as LabSettings
from tests.deploy.gateway import Answer, Gateway, needs_nginx, running, toy

pytestmark = needs_nginx
HEADERS = {
    "x-content-type-options": "nosniff", "x-frame-options": "SAMEORIGIN", "referrer-policy": "no-referrer",
    "content-security-policy": "frame-ancestors 'self'",
}  # fmt: skip


def telling(name: str) -> object:
    """Return an answer that says who was asked, and for what; `/session` opens by the token "good" alone."""

    def answer(asked: BaseHTTPRequestHandler, body: bytes) -> Answer:
        if asked.path.startswith("/session"):
            given = asked.headers.get("Authorization", "")
            status = {"Bearer good": 200, "Bearer reads": 200 if "read" in asked.path else 403}.get(given, 401)
            return status, {}, b"{}"
        told = {"by": name, "path": asked.path, "method": asked.command, "headers": dict(asked.headers.items())}
        return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()

    return answer


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with ExitStack() as stack:
        services = {
            name: stack.enter_context(toy(telling(name)))  # type: ignore[arg-type]
            for name in ("api", "prediction", "frontend", "jupyter", "ray")
        }
        yield stack.enter_context(running(Gateway(tmp_path_factory.mktemp("gateway"), **services)))


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client("good") as client:
        yield client


def test_what_is_written_for_nginx_is_good(gateway: Gateway) -> None:
    run = gateway.folder / "run"
    for name in ("nginx.conf", "frontend.conf"):
        done = subprocess.run(
            ["nginx", "-t", "-p", f"{run}/", "-c", run / name], capture_output=True, text=True,
            env=gateway.environment,
        )  # fmt: skip
        assert done.returncode == 0 and "[warn]" not in done.stderr, done.stderr


def test_a_certificate_is_made_once_and_its_key_is_for_the_gateway_alone(gateway: Gateway) -> None:
    key = gateway.certificate.with_name("key.pem")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", gateway.certificate],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "DNS:localhost" in told and "IP Address:127.0.0.1" in told


def test_http_leads_to_https(gateway: Gateway) -> None:
    answer = httpx.get(f"http://127.0.0.1:{gateway.http}/runs?limit=1")
    assert answer.status_code == 308
    assert answer.headers["location"] == f"https://127.0.0.1:{gateway.https}/runs?limit=1"


def test_old_protocols_are_refused(gateway: Gateway) -> None:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.https}"]
    old = ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]
    for options, works in ((["-tls1_2"], True), (["-tls1_3"], True), (old, False)):
        done = subprocess.run([*command, *options], input=b"", capture_output=True)
        assert (done.returncode == 0) is works, done.stderr


@pytest.mark.parametrize("path", ["/runs", "/nothing", "/jupyter/lab", "/ray/", "/assets/x.js", "/login"])
def test_every_answer_has_the_security_headers_once(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    for name, value in HEADERS.items():
        assert answer.headers.get_list(name) == [value]
    assert answer.headers["server"] == "nginx"  # and not of which version


def test_each_path_leads_to_a_service_that_has_it(client: httpx.Client, gateway: Gateway, tmp_path: Path) -> None:
    lab, asked = Lab(LabSettings(tmp_path / "lab")), collections.defaultdict(set)
    for service in SERVICES:
        for path in create_app(lab, Settings(services=tuple(dict.fromkeys(("health", service))))).openapi()["paths"]:
            asked[path].add(service)
    assert len(asked) > 20
    text = (gateway.folder / "run" / "nginx.conf").read_text()
    for path, services in asked.items():
        if path == "/session":
            continue
        told = client.get(path.replace("{", "x").replace("}", "x")).json()
        alone = told["by"] if told["by"] != "api" else "health"
        assert alone in services or alone == "health", (path, told["by"])
        if services == {"prediction"}:
            assert told["by"] == "prediction", path
    for service in ("training", "benchmark", "metrics"):  # without one alone, whoever serves all
        assert f" {service};" in text
    assert client.get("/train").json()["by"] == client.get("/metrics").json()["by"] == "api"


def test_a_service_learns_who_asked_and_how(client: httpx.Client, gateway: Gateway) -> None:
    told = client.get("/runs", headers={"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "ftp"}).json()["headers"]
    assert told["Host"] == f"127.0.0.1:{gateway.https}"
    assert told["X-Forwarded-For"] == "127.0.0.1" and told["X-Forwarded-Proto"] == "https"


def test_the_plain_port_of_this_machine_leads_to_the_same(gateway: Gateway) -> None:
    answer = httpx.get(f"http://127.0.0.1:{gateway.plain}/runs")
    assert answer.json()["by"] == "api" and answer.json()["headers"]["X-Forwarded-Proto"] == "http"


def test_pages_open_with_a_token_and_lead_to_the_login_without(gateway: Gateway) -> None:
    with gateway.client() as client:
        page = {"Accept": "text/html"}
        for path in ("/", "/jupyter/lab", "/ray/"):
            answer = client.get(path, headers=page)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login"), path
            answer = client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (401, "no-token"), path
        assert client.get("/assets/index.js").json()["by"] == "frontend"
        assert client.get("/?token=abc").json() | {"headers": 0} == {
            "by": "api", "path": "/?token=abc", "method": "GET", "headers": 0,
        }  # fmt: skip
    with gateway.client("reads") as client:
        assert client.get("/").json()["by"] == "frontend"


def test_only_who_may_operate_reaches_rays_dashboard_and_jupyterlab(gateway: Gateway) -> None:
    with gateway.client("reads") as client:
        for path in ("/ray/api/jobs/", "/jupyter/api/kernels"):
            assert (client.get(path).status_code, client.get(path).json()["code"]) == (403, "wrong-scope")
    with gateway.client("good") as client:
        ray, lab = client.get("/ray/api/version?a=b").json(), client.get("/jupyter/api/kernels").json()
        assert (ray["by"], ray["path"], ray["headers"]["Authorization"]) == (
            "ray", "/api/version?a=b", "Bearer key-of-ray",
        )  # fmt: skip
        assert (lab["by"], lab["path"], lab["headers"]["Authorization"]) == (
            "jupyter", "/jupyter/api/kernels", "token key-of-jupyter",
        )  # fmt: skip
        assert client.get("/jupyter/ray/").headers["location"] == "/ray/"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_changed_through_rays_dashboard(client: httpx.Client, method: str) -> None:
    assert client.request(method, "/ray/api/jobs/").status_code == 403


def test_a_page_of_another_origin_reaches_jupyterlab_not_even_with_the_cookie(
    client: httpx.Client, gateway: Gateway
) -> None:
    own = f"https://127.0.0.1:{gateway.https}"
    assert client.post("/jupyter/api/kernels", headers={"Origin": own}).json()["by"] == "jupyter"
    for origin in ("https://evil.example", "http://127.0.0.1:1", "null", own + ".evil.example"):
        assert client.post("/jupyter/api/kernels", headers={"Origin": origin}).status_code == 403, origin


def test_a_body_beyond_the_limit_is_refused_and_a_notebook_may_be_larger(client: httpx.Client) -> None:
    answer = client.post("/predict", content=b"x" * 9_000_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert client.post("/predict", content=b"x" * 8_000_000).status_code == 200
    assert client.put("/jupyter/api/contents/a.ipynb", content=b"x" * 9_000_000).status_code == 200


def test_a_thousand_flights_go_by_no_file(client: httpx.Client, gateway: Gateway) -> None:
    files = gateway.folder / "run" / "body"
    files.rename(files.with_name("elsewhere"))
    try:
        assert client.post("/predict", content=b"x" * 500_000).status_code == 200
        assert client.post("/predict", content=b"x" * 1_000_000).status_code == 500  # that one would
    finally:
        files.with_name("elsewhere").rename(files)


def test_inner_paths_are_not_there_for_anybody(client: httpx.Client) -> None:
    assert {client.get(path).status_code for path in ("/_reader", "/_operator")} == {404}


def test_guessing_tokens_is_slowed_down_and_so_is_a_flood(tmp_path: Path) -> None:
    with toy(telling("api")) as api, running(Gateway(tmp_path, api=api)) as gateway, gateway.client() as client:  # type: ignore[arg-type]
        guesses = [client.get("/?token=guess") for _ in range(20)]
        refused = [answer for answer in guesses if answer.status_code == 429]
        assert 5 <= len(refused) <= 9  # 10 at once, then one a second
        assert refused[0].json()["code"] == "too-busy" and refused[0].headers["retry-after"] == "5"
        assert client.get("/runs").status_code == 200  # who has a token already is not held up by that
        log = (gateway.folder / "log").read_text()
        assert "/runs" in log and "guess" not in log
        with socket.create_connection(("127.0.0.1", gateway.plain), 30) as flood:
            # What nobody serves is refused fast, however busy this machine is.
            flood.sendall(b"GET /assets/x HTTP/1.1\r\nHost: localhost\r\n\r\n" * 900)
            told = b""
            while told.count(b"HTTP/1.1 ") < 900:
                told += flood.recv(1 << 16)
        passed, refused_n = told.count(b"HTTP/1.1 502"), told.count(b"HTTP/1.1 429")
        assert passed + refused_n == 900 and passed >= 400 and refused_n > 0


def test_what_changes_something_is_asked_once_and_what_does_not_again(tmp_path: Path) -> None:
    asked: collections.Counter[tuple[str, str]] = collections.Counter()

    def dying(request: BaseHTTPRequestHandler, body: bytes) -> None:
        asked[request.command, request.path] += 1

    def living(request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        return 200, {}, b"{}"

    with ExitStack() as stack:
        one, two, three = (stack.enter_context(toy(dying)) for _ in range(3))
        gateway = stack.enter_context(running(Gateway(tmp_path, api=f"{one} {two} {three}")))
        client = stack.enter_context(gateway.client())
        answer = client.post("/train", json={})
        assert (answer.status_code, answer.json()["code"]) == (502, "absent")
        assert client.delete("/train/2026").status_code == 502
        assert asked["POST", "/train"] == 1
    with ExitStack() as stack:
        asked.clear()
        bad, good = stack.enter_context(toy(dying)), stack.enter_context(toy(living))
        gateway = stack.enter_context(running(Gateway(tmp_path / "c", api=f"{bad} {good}")))
        client = stack.enter_context(gateway.client())
        for _ in range(8):
            assert client.get("/runs").status_code == 200
            assert client.post("/predict", json=[]).status_code == 200  # it changes nothing
        assert 1 <= sum(asked.values()) <= 4  # left alone after two failures


def test_copies_that_come_and_go_are_followed(tmp_path: Path) -> None:
    names, programs = tmp_path / "names", tmp_path / "programs"
    programs.mkdir()
    fake = programs / "getent"
    fake.write_text(f'#!/bin/sh\n[ "$2" = api ] && cat {names}\nexit 0\n')
    fake.chmod(0o755)
    names.write_text("127.0.0.2 STREAM\n127.0.0.2 DGRAM\n")
    gateway = Gateway(tmp_path / "gateway", api="api:8000")
    written = gateway.folder / "run" / "upstreams.conf"
    with running(gateway, programs):
        assert written.read_text().count("127.0.0.2:8000") == 5  # one that serves all is each service's
        first = _workers(gateway)
        names.write_text("127.0.0.2 STREAM\n127.0.0.3 STREAM\n")
        until = time.monotonic() + 10
        while "127.0.0.3:8000" not in written.read_text() or _workers(gateway) & first:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert gateway.popen.poll() is None
    assert gateway.popen.returncode == 0


def _workers(gateway: Gateway) -> set[int]:
    import psutil

    master = int((gateway.folder / "run" / "nginx.pid").read_text())
    return {child.pid for child in psutil.Process(master).children()}


def test_without_its_keys_the_gateway_says_so_and_ends(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    (tmp_path / "keys" / "ray").write_text('"; evil')
    done = subprocess.run(
        [Path(__file__).parents[2] / "deploy" / "nginx" / "gateway"], env=gateway.environment, capture_output=True,
        text=True, timeout=20,
    )  # fmt: skip
    assert done.returncode == 1 and "holds no token" in done.stderr
    assert not os.path.exists(tmp_path / "run" / "nginx.pid")
