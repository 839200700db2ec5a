"""Programs that serve in the background: how they are started, waited for and ended, with all that they started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from labkit.errors import LabError, PortInUse

LOOPBACK = "127.0.0.1"
_UNASKED = (15_000, 32_000)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def free_port() -> int:
    """Return a port of the loopback address that nobody holds at this moment.

    It lies below those that the system hands out by itself, so that none of these is it a moment later.
    """
    while True:
        port = random.randint(*_UNASKED)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Tell whether somebody accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout_s):
            return True
    except OSError:
        return False


def check_port(port: int, purpose: str, option: str) -> None:
    """Make sure that a port can be had.

    Raises
    ------
    PortInUse
        If somebody else holds it; the message names the holder where the system tells it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as fault:
            raise PortInUse(
                f"{purpose} needs port {port}, and {_holder(port)} has it. End that, or choose another by {option}."
            ) from fault


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for found in psutil.net_connections("tcp"):
            if found.laddr and found.laddr.port == port and found.status == psutil.CONN_LISTEN and found.pid:
                return f"{psutil.Process(found.pid).name()} (process {found.pid})"
    return "another program"


def start_service(
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[], bool],
    timeout_s: float,
    name: str,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    with_parent: bool = False,
) -> psutil.Process:
    """Start a program in a session of its own and wait until it serves.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    log : Path
        Where its output goes.
    ready : callable
        Returns True as soon as the program serves.
    timeout_s : float
        How long it may take, in seconds.
    name : str
        What a person calls it.
    with_parent : bool
        End it when this process ends, however that ends.

    Raises
    ------
    LabError
        If it ends before it serves, or takes too long; the message holds the log's last lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **(environment or {})}, cwd=cwd,
            preexec_fn=die_with_parent if with_parent else None,
        )  # fmt: skip
    process = psutil.Process(popen.pid)
    until = time.monotonic() + timeout_s
    try:
        while not ready():
            if popen.poll() is not None:
                raise LabError(f"{name} ended with status {popen.returncode} before it served:\n{log_tail(log)}")
            if time.monotonic() > until:
                raise LabError(f"{name} did not serve within {timeout_s:.0f} s:\n{log_tail(log)}")
            time.sleep(0.1)
    except BaseException:
        end_service(process)
        popen.wait()
        raise
    popen.returncode = 0  # it may outlive this object, which would complain of that; psutil watches it from here on
    return process


def end_service(process: psutil.Process, timeout_s: float = 3.0) -> None:
    """End a program and all that it started: asked first, then killed."""
    family = [process, *_descendants(process)]
    with contextlib.suppress(psutil.Error):
        process.terminate()
    family += [child for child in _descendants(process) if child not in family]
    for member in outliving(family, timeout_s):
        with contextlib.suppress(psutil.Error):
            member.kill()
    outliving(family, 2.0)


def die_with_parent() -> None:
    """Have the system end this process when its parent ends, even if that is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def adopt_orphans() -> None:
    """Have the system give this process, rather than init, what its descendants leave behind when they end."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_descendants() -> None:
    """Kill all that this process started, and what it adopted."""
    family = _descendants(psutil.Process())
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()
    outliving(family, 2.0)


def outliving(processes: Iterable[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait for processes to end, and return those that did not. One that waits to be reaped has ended."""
    left = list(processes)
    until = time.monotonic() + timeout_s
    while (left := [process for process in left if _lives(process)]) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def log_tail(log: Path, n_lines: int = 12) -> str:
    """Return a log's last lines."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-n_lines:])
    except OSError:
        return "(no log)"
