"""The lab's own Ray node: one for a lab folder, with a token; a head on the loopback address unless told otherwise.

`ray stop` would end every Ray on this machine, other people's too; so the head runs under a program that is the lab's
(`ray start --block`), and ends with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from labkit import host
from labkit.errors import ClusterError, InvalidArgument
from labkit.files.folder import LabFolder
from labkit.files.whole import write_whole
from labkit.parallel.pinning import ONE_THREAD
from labkit.parallel.service import LOOPBACK, answers, check_port, end_service, free_port, start_service

DEFAULT_PORT = 6379
START_TIMEOUT_S = 90.0
ENDING_S = 2.0
_ATTEMPTS = 3
_MEMORY_SHARE = 0.2  # of what is free, for the object store


@dataclasses.dataclass(frozen=True)
class Head:
    """A Ray node of this lab: its cluster's address, which process it is, and whether it joined another host's head."""

    address: str
    dashboard_port: int
    pid: int
    created: float
    joined: bool = False

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return host.is_alive(self.pid, self.created)


def find_head(folder: LabFolder) -> Head | None:
    """Return the lab's head, or the node that joined another host's, if one runs."""
    try:
        head = Head(**json.loads(_record(folder).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return head if head.alive else None


def start_head(
    folder: LabFolder,
    *,
    port: int = DEFAULT_PORT,
    n_cpus: int | None = None,
    store_bytes: int | None = None,
    with_parent: bool = False,
    host_address: str = LOOPBACK,
    dashboard_port: int | None = None,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    joins: str | None = None,
) -> Head:
    """Start the lab's Ray node, or return the one that runs.

    Parameters
    ----------
    folder : LabFolder
        Keeps the token, the record and the log.
    port : int
        Where the head listens; 0 takes any free port.
    n_cpus : int, optional
        CPUs that Ray may hand out; the usable ones by default.
    store_bytes : int, optional
        Size of the object store; by default a fifth of the free memory, up to 2 GB.
    with_parent : bool
        End the node when this process ends, however that ends.
    host_address : str
        The address of this host at which the node listens.
    dashboard_port : int, optional
        Where Ray's dashboard listens, on the loopback address; any free port by default.
    options, environment
        What `ray start` and the node's processes are told besides.
    joins : str, optional
        The address of another host's head to join; without it a head is started.

    Raises
    ------
    PortInUse
        If somebody else listens there.
    LabError
        If Ray does not start.
    """
    name = "The Ray head" if joins is None else "The Ray node"
    with folder.lease("head", "start a Ray node").acquired(wait_s=START_TIMEOUT_S):
        found = find_head(folder)
        if found is not None:
            return found
        if joins is None and port:
            check_port(port, name, "--ray-port")
        port, dashboard_port = port or free_port(), dashboard_port or free_port()
        address = joins or f"{host_address}:{port}"
        place = split_address(address)
        role = [f"--address={joins}"]
        if joins is None:
            role = ["--head", f"--port={port}", "--include-dashboard=true", f"--dashboard-host={LOOPBACK}",
                    f"--dashboard-port={dashboard_port}", f"--ray-client-server-port={free_port()}"]  # fmt: skip
        for attempt in range(_ATTEMPTS):
            shutil.rmtree(session_folder(folder), ignore_errors=True)  # of a killed head, or of the attempt before
            size = [
                f"--num-cpus={n_cpus or host.usable_cpus()}",
                f"--object-store-memory={store_bytes or _store_bytes()}",
            ]
            try:
                process = start_service(
                    [*_command(folder, host_address), *role, *size, *options],
                    log=folder.logs / "ray-head.log", ready=lambda: answers(*place) and _serves(folder),
                    timeout_s=START_TIMEOUT_S, name=name, with_parent=with_parent,
                    environment={**ray_environment(folder), **ONE_THREAD, **(environment or {})},
                )  # fmt: skip
                break
            except _TooSlow:
                if attempt + 1 == _ATTEMPTS:
                    raise
        head = Head(address, 0 if joins else dashboard_port, process.pid, process.create_time(), joins is not None)
        with _ended_on_failure(process):
            write_whole(_record(folder), json.dumps(dataclasses.asdict(head)))
        return head


def stop_head(folder: LabFolder) -> bool:
    """End the lab's head, or its node, and all its workers; tell whether there was one."""
    head = find_head(folder)
    if head is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            end_service(psutil.Process(head.pid), ENDING_S)
    _record(folder).unlink(missing_ok=True)
    shutil.rmtree(session_folder(folder), ignore_errors=True)
    return head is not None


def ray_environment(folder: LabFolder) -> dict[str, str]:
    """Return what every process that speaks with the lab's Ray needs in its environment."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token(folder)),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_task_events_report_interval_ms": "200",  # what observe() waits for at its end; 1,000 by default
    }


def token(folder: LabFolder) -> Path:
    """Return the file with the lab's token, made at first use and readable by its owner alone."""
    if not folder.token.exists():
        write_whole(folder.token, secrets.token_hex(32))
        folder.token.chmod(0o600)
    return folder.token


def check_port_number(port: int) -> int:
    """Return a port number that makes sense, 0 included, or say what would."""
    if not 0 <= port <= 65535:
        raise InvalidArgument(f"A port is a number from 1 to 65535, or 0 for any free one, not {port}.")
    return port


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of a cluster's address.

    Raises
    ------
    ClusterError
        If it is none.
    """
    node, _, port = address.removeprefix("ray://").rpartition(":")
    if not node or not port.isdigit() or not 0 < int(port) <= 65535:
        raise ClusterError(
            f"A cluster's address looks like 127.0.0.1:6379, not {address!r}. Correct RAY_ADDRESS, or unset it."
        )
    return node, int(port)


def _command(folder: LabFolder, host_address: str) -> list[str]:
    return [
        _python(folder), "-m", "ray.scripts.scripts", "start", "--block", f"--node-ip-address={host_address}",
        # Any free port for workers: Ray's own range, 10002 to 19999, would refuse a head on a port within it.
        "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0",
        # Else every node of this machine would take 52365, and the second one's agent take no jobs.
        f"--temp-dir={session_folder(folder)}", f"--dashboard-agent-listen-port={free_port()}",
    ]  # fmt: skip


def session_folder(folder: LabFolder) -> Path:
    """Return where Ray keeps its sockets and logs: their paths must be short, and a clone's may be long."""
    name = hashlib.sha256(os.fsencode(folder.root.resolve())).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"labkit-{os.getuid()}-{name}"


def _python(folder: LabFolder) -> str:
    """Return this environment's interpreter by a short path: Ray's raylet ends at once where there is a space in it."""
    if sys.prefix == sys.base_prefix:
        return sys.executable
    link = session_folder(folder) / "venv"
    link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(sys.prefix)
    return str(link / "bin" / Path(sys.executable).name)


def _serves(folder: LabFolder) -> bool:
    """Tell whether the node's own process and its agents listen too: drivers attach through them.

    Raises
    ------
    _TooSlow
        If the node has given up: it waits 15 s for its agents, which a machine under load may not start so soon.
    """
    session = session_folder(folder) / "session_latest"
    said = session / "logs" / "raylet.out"
    if said.exists() and "Timed out waiting for file" in said.read_text(errors="replace"):
        raise _TooSlow("This machine is too busy to start a Ray node: end what else it does, and try again.")
    agents = (
        next(session.glob(f"{name}_*"), None) for name in ("runtime_env_agent_port", "dashboard_agent_listen_port")
    )
    return (session / "sockets" / "raylet").exists() and all(agents)


class _TooSlow(ClusterError):
    """A node that gave up while it started."""


def _store_bytes() -> int:
    shm_bytes = shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else 2e9
    return int(max(100e6, min(2e9, _MEMORY_SHARE * host.available_memory_bytes(), 0.8 * shm_bytes)))


def _record(folder: LabFolder) -> Path:
    return folder.root / "head.json"


@contextlib.contextmanager
def _ended_on_failure(process: psutil.Process) -> Iterator[None]:
    try:
        yield
    except BaseException:
        end_service(process)
        raise
