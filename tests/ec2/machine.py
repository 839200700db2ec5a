"""A bare Debian of the tests' own, set up as a machine of EC2 would be, then booted by its own systemd.

It is set up on this machine's network, where packages come from, with nothing started; and booted on a network that
leads nowhere, so that its ports are its own. `debootstrap` and `systemd-nspawn` are Debian's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

_BARE = "ca-certificates,dbus,systemd-sysv"
_CERTIFICATES, _THERE = "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/of-this-machine.crt"
_TOOLS = ("debootstrap", "systemd-nspawn", "nsenter")


class Machine:
    """A folder with a Debian in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._nspawn: subprocess.Popen[bytes] | None = None

    def install(self) -> None:
        """Put a minimal Debian there, whose packages start no daemons while they are set up."""
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={_BARE}", "bookworm", self.root],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        policy = self.root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)

    def set_up(self, *command: str, check: bool = True, **environment: str) -> str:
        """Run a command on this machine's network; return what it printed to both."""
        named = dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), _THERE) | environment
        done = subprocess.run(
            [*self._begin(), f"--bind-ro={_CERTIFICATES}:{_THERE}", "--resolv-conf=copy-host", "--pipe",
             *(f"--setenv={name}={value}" for name, value in named.items()), *command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def boot(self) -> None:
        """Start it, on a network of its own."""
        (self.root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")  # nobody, who says so at once
        self._nspawn = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self._begin(), "--private-network", "--boot"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 60
        while self._init is None or self.run("systemctl", "is-system-running", check=False).strip() not in (
            "running", "degraded",
        ):  # fmt: skip
            assert self._nspawn.poll() is None and time.monotonic() < until
            time.sleep(0.2)

    def halt(self) -> None:
        """Stop it as its power button does; what is left after that is killed."""
        if self._nspawn is None:
            return
        everyone = psutil.Process(self._nspawn.pid).children(recursive=True)
        if self._init is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run("systemctl", "poweroff", check=False)
                self._nspawn.wait(60)
        for process in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._nspawn.wait(10)
        self._nspawn = None

    def run(self, *command: str, check: bool = True, timeout_s: float = 300.0, **environment: str) -> str:
        """Run a command there as root, while it is up; return what it printed to both."""
        assert self._init is not None
        named = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LANG": "C.UTF-8", **environment}
        done = subprocess.run(
            ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "-C", "--root", "--wd", "env", "-i",
             *(f"{name}={value}" for name, value in named.items()), *command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=timeout_s,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-4000:]}"
        return done.stdout

    @contextlib.contextmanager
    def beside(self, *command: str) -> Iterator[str]:
        """Run a program of this machine on the network of that one; yield its first line, and end it."""
        with subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "nsenter", "-t", str(self._init), "-n", *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdin is not None and process.stdout is not None
            try:
                yield process.stdout.readline()
            finally:
                process.stdin.close()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()

    def wait_for(self, what: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Wait until something holds; what cannot be asked for yet does not."""
        until = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(AssertionError, KeyError, ValueError):
                if what():
                    return
            assert time.monotonic() < until, self.run("journalctl", "--no-pager", "-n", "40", "-u", "labkit-*")
            time.sleep(0.5)

    @property
    def _init(self) -> int | None:
        """Its process 1, as this machine numbers it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self._nspawn.pid).children() if self._nspawn else ():
                if child.name().startswith("systemd"):
                    return child.pid
        return None

    def _begin(self) -> list[str]:
        return ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory", str(self.root)]


@contextlib.contextmanager
def machine(root: Path) -> Iterator[Machine]:
    """Yield a bare machine in a folder, and take it away."""
    lacks = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if os.geteuid() != 0 or lacks:
        pytest.skip(f"needs root and {', '.join(_TOOLS)}, which `make system-deps` installs")
    made = Machine(root)
    try:
        made.install()
        yield made
    finally:
        made.halt()
        shutil.rmtree(root, ignore_errors=True)


def listening(of: Machine) -> list[str]:
    """Return where something listens there beyond the loopback addresses."""
    found = {line.split()[3] for line in of.run("ss", "-ltnH").splitlines()}
    return sorted(place for place in found if not place.startswith(("127.", "[::1]", "[::ffff:127.")))
