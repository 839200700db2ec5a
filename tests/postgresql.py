"""A PostgreSQL server of the tests' own: in a folder of its own, on a Unix socket there, gone with them."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

PASSWORD = "p@ss:w/rd"
SETTINGS = {"listen_addresses": "", "fsync": "off", "shared_buffers": "16MB", "deadlock_timeout": "50ms"}


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Yield where a server listens, as a URL without a database's name."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or not shutil.which("setpriv"):
        pytest.skip("needs PostgreSQL's server, which `make system-deps` installs")
    folder = Path(tempfile.mkdtemp(prefix="labkit-"))  # pytest's own folders let nobody else in
    user = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == 0:  # PostgreSQL will not run as root
        shutil.chown(folder, "postgres", "postgres")
        user += ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    try:
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        choice = ["--username", "labkit", "--auth", "scram-sha-256", "--pwfile", folder / "password"]
        tool = [*user, found[-1], "--pgdata", folder / "data", *choice, "--encoding", "UTF8", "--locale", "C.UTF-8"]
        subprocess.run([*tool, "--no-sync"], cwd=folder, check=True, capture_output=True)
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [*user, found[-1].with_name("postgres"), "-D", folder / "data", "-k", folder, *settings]
        with open(folder / "log", "wb") as log, subprocess.Popen(command, cwd=folder, stderr=log) as process:
            try:
                until = time.monotonic() + 60
                while b"ready to accept connections" not in (folder / "log").read_bytes():
                    assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
                    time.sleep(0.02)
                yield f"postgresql://labkit:{quote(PASSWORD, safe='')}@/{{name}}?host={folder}"
            finally:
                process.send_signal(signal.SIGINT)  # a fast shutdown
                process.wait(60)
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def database(place: str) -> Iterator[str]:
    """Yield the URL of a new database."""
    import psycopg

    name = f"lab_{secrets.token_hex(4)}"
    with psycopg.connect(place.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield place.format(name=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
