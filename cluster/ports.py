"""Which ports nodes need of each other: pinned, so that a firewall can open just these."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
import time
from collections.abc import Iterable, Iterator

from labkit.parallel.service import check_port

HEAD_PORT, DASHBOARD_PORT = 6379, 8265
PORTS = {
    "node-manager-port": 6380,
    "object-manager-port": 6381,
    "runtime-env-agent-port": 6382,
    "dashboard-agent-grpc-port": 6383,
    "dashboard-agent-listen-port": 6384,
    "metrics-export-port": 6385,
}
WORKER_PORTS = range(10002, 10101)
IN_WORDS = "TCP 6379 to 6385 and 10002 to 10100"
# When a node counts as dead. Ray's own values notice a killed node after 15 s and a cut link after 63; these after some
# 4 and 20, and bear 4 s of silence four times in a row from a node at full load.
HEALTH = {
    "RAY_health_check_initial_delay_ms": "5000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "4",
}
_PATIENCE_S = 2.0


def node_options() -> list[str]:
    """Return what pins a node's ports, for `ray start`."""
    pinned = [f"--{name}={port}" for name, port in PORTS.items()]
    return [*pinned, f"--min-worker-port={WORKER_PORTS[0]}", f"--max-worker-port={WORKER_PORTS[-1]}"]


def check_free() -> None:
    """Make sure that nobody on this host holds a node's ports.

    Raises
    ------
    PortInUse
        If somebody does.
    """
    for name, port in PORTS.items():
        check_port(port, f"A Ray node ({name.removesuffix('-port')})", "nothing: all nodes take the same ports")


def closed(host: str, ports: Iterable[int], *, served: bool = True) -> list[int]:
    """Return the ports of a host that cannot be reached from here.

    Parameters
    ----------
    host : str
    ports : iterable of int
    served : bool
        Whether somebody listens at each. Where nobody does, a host refuses, and only silence shows a firewall.
    """

    def is_closed(port: int) -> bool:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                socket.create_connection((host, port), _PATIENCE_S).close()
                return False
            except ConnectionRefusedError:
                if not served:
                    return False
                if time.monotonic() > until:
                    return True
                time.sleep(0.2)
            except OSError:
                return True

    asked = list(ports)
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(asked))) as threads:
        return [port for port, shut in zip(asked, threads.map(is_closed, asked), strict=True) if shut]


@contextlib.contextmanager
def listening(host: str, ports: Iterable[int]) -> Iterator[list[int]]:
    """Listen at those ports of this host that are free, so that others can try them; yield which they are."""
    with contextlib.ExitStack() as stack:
        opened = []
        for port in ports:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                listener.bind((host, port))
                listener.listen(16)
                opened.append(port)
        yield opened


def in_words(ports: Iterable[int]) -> str:
    """Return ports as a person writes them, neighbours as one range.

    Examples
    --------
    >>> in_words([6379, 6380, 6381, 10002])
    '6379 to 6381, 10002'
    """
    groups: list[list[int]] = []
    for port in sorted(ports):
        if groups and port == groups[-1][-1] + 1:
            groups[-1].append(port)
        else:
            groups.append([port])
    return ", ".join(f"{group[0]} to {group[-1]}" if len(group) > 1 else str(group[0]) for group in groups)
