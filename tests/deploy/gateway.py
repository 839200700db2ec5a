"""A running gateway for the tests: the script that the image runs, on ports of the loopback address."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from labkit.parallel.service import die_with_parent, free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
needs_nginx = pytest.mark.skipif(
    shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="needs Nginx: make system-deps"
)


class Gateway:
    """A gateway, with services where a test says.

    Parameters
    ----------
    folder : Path
        Its own.
    **services : str
        Of `api`, `prediction`, `frontend` and so on: where they are.
    """

    def __init__(self, folder: Path, **services: str) -> None:
        self.folder, self.http, self.https, self.plain = folder, free_port(), free_port(), free_port()
        keys, certificate = folder / "keys", folder / "certificate"
        for made in (keys, certificate):
            made.mkdir(parents=True, exist_ok=True)
        for name in ("ray", "jupyter"):
            (keys / name).write_text(f"key-of-{name}")
        self.certificate = certificate / "certificate.pem"
        nobody = f"127.0.0.1:{free_port()}"
        alone = {name: f"no-{name}.invalid:8000" for name in ("prediction", "training", "benchmark", "metrics")}
        places = dict.fromkeys(("api", "frontend", "jupyter", "ray"), nobody) | alone | services
        self.environment = {
            **os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin",
            "GATEWAY_PLACE": str(folder / "run"), "GATEWAY_CERTIFICATE": str(certificate), "GATEWAY_KEYS": str(keys),
            "GATEWAY_HTTP": f"127.0.0.1:{self.http}", "GATEWAY_HTTPS": f"127.0.0.1:{self.https}",
            "GATEWAY_PLAIN": f"127.0.0.1:{self.plain}", "GATEWAY_PUBLISHED": str(self.https), "GATEWAY_PERIOD": "0.3",
            **{f"GATEWAY_{name.upper()}": place for name, place in places.items()},
        }  # fmt: skip

    def start(self, *path: Path) -> Gateway:
        """Start it and wait until it answers; programs in `path` come before the system's."""
        environment = self.environment | {"PATH": ":".join([*map(str, path), self.environment["PATH"]])}
        self.log = (self.folder / "log").open("wb")
        self.popen = subprocess.Popen(
            [DEPLOY / "nginx" / "gateway"], env=environment, stdout=self.log, stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
        )  # fmt: skip
        until = time.monotonic() + 20
        while True:
            assert self.popen.poll() is None and time.monotonic() < until, (self.folder / "log").read_text()
            try:
                httpx.get(f"http://127.0.0.1:{self.http}/")
                return self
            except httpx.TransportError:
                time.sleep(0.05)

    def end(self) -> int:
        """End it as Docker does, and return its status."""
        self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(20)
        finally:
            self.log.close()

    def client(self, token: str | None = None) -> httpx.Client:
        """Return a client that trusts the certificate."""
        import ssl

        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        context = ssl.create_default_context(cafile=str(self.certificate))
        return httpx.Client(base_url=f"https://127.0.0.1:{self.https}", verify=context, headers=headers, timeout=30)


@contextmanager
def running(gateway: Gateway, *path: Path) -> Iterator[Gateway]:
    """Run a gateway for a block."""
    gateway.start(*path)
    try:
        yield gateway
    finally:
        gateway.end()


Answer = tuple[int, Mapping[str, str], bytes]


@contextmanager
def toy(answer: Callable[[BaseHTTPRequestHandler, bytes], Answer | None]) -> Iterator[str]:
    """Yield where a small service of a test's own listens; where it answers None, it hangs up without a word."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = answer(self, body)
            if found is None:
                self.close_connection = True
                return
            status, headers, content = found
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | dict(headers)).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_DELETE = do_PUT = do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
