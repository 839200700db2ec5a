"""A bare Debian of the tests' own: set up as a machine of EC2 would be, then booted by its own systemd.

Set up on this machine's network, where packages come from, and with nothing started; booted on a network that leads
nowhere, so that its ports are its own. `debootstrap` and `systemd-nspawn` are Debian's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

BARE = "ca-certificates,systemd-sysv,dbus"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
THERE = "/etc/ssl/of-this-machine.crt"
_CACHES = {"UV_CACHE_DIR": "/var/cache/uv", "npm_config_cache": "/var/cache/npm"}


class Machine:
    """A folder with a Debian in it; `boot` starts it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._init = 0

    def install(self) -> None:
        """Put a minimal Debian there; its daemons are not started while packages are set up."""
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={BARE}", "bookworm", self.root],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        policy = self.root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)

    def set_up(self, *command: str, check: bool = True, **environment: str) -> str:
        """Run a command there on this machine's network, before it is booted; return what it printed to both."""
        certificates = dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), THERE)
        named = [f"--setenv={name}={value}" for name, value in {**certificates, **_CACHES, **environment}.items()]
        binds = [f"--bind-ro={CERTIFICATES}:{THERE}"]
        for name, place in _CACHES.items():
            if os.environ.get(name):
                binds.append(f"--bind={os.environ[name]}:{place}")
        return self._nspawned(*binds, *named, "--pipe", *command, check=check)

    def _nspawned(self, *arguments: str, check: bool) -> str:
        done = subprocess.run(
            [*self._begin(), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def _begin(self) -> list[str]:
        return ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--resolv-conf=copy-host", "-D", str(self.root)]
