"""A running `labkit serve` for the tests."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import httpx

from labkit.parallel.service import die_with_parent, free_port
from tests.cli.conftest import LABKIT, shell_at


class Served:
    """A server as a user starts it: a process of its own, on a real port.

    Parameters
    ----------
    home : Path
        The lab's folder.
    *options : str
        Of `labkit serve`.
    **environment : str
        What is added to its environment.
    """

    def __init__(self, home: Path, *options: str, **environment: str) -> None:
        self.port, self.file = free_port(), home / "url"
        self.popen = subprocess.Popen(
            [LABKIT, "serve", "--port", str(self.port), "--url-file", str(self.file), *options],
            env=shell_at(home).environment | environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=die_with_parent,
        )  # fmt: skip
        until = time.monotonic() + 60
        while not self.is_up():
            assert self.popen.poll() is None and time.monotonic() < until, self.popen.communicate()[0]
            time.sleep(0.05)
        self.url = self.file.read_text().strip()

    def is_up(self) -> bool:
        """Tell whether it answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health").status_code == 200
        except httpx.TransportError:
            return False

    def parts(self) -> dict[str, bool]:
        """Return which of what it needs is ready."""
        answer = httpx.get(f"http://127.0.0.1:{self.port}/health/ready", timeout=20)
        return {part["name"]: part["ready"] for part in answer.json()["parts"]}

    def wait_until(self, part: str, ready: bool) -> None:
        """Wait until a part is ready, or is not."""
        until = time.monotonic() + 60
        while self.parts()[part] is not ready:
            assert time.monotonic() < until, self.parts()
            time.sleep(0.2)

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it and return its status."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        self.popen.communicate(timeout=30)
        return self.popen.returncode
