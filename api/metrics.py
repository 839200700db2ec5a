"""What the server counts and measures about itself, for Prometheus."""

from __future__ import annotations

import collections
import statistics
import time
from collections.abc import Mapping
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import Scope

from labkit import host

_RECENT_S, _MOST_RECENT = 10.0, 20_000
_LATENCIES_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


STREAMS = ("/events", "/live", "/logs")  # they last as long as a client wants


class Meters:
    """All meters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"labkit_{name}", text, labels, registry=self.registry)

        self._seconds = Histogram(
            "labkit_request_seconds", "Time from a request to the end of its answer.", ("method", "route", "status"),
            buckets=_LATENCIES_S, registry=self.registry,
        )  # fmt: skip
        self._predictions = Counter(
            "labkit_predictions", "Flights that were predicted.", ("model",), registry=self.registry
        )
        self.runs = gauge("runs", "Runs by kind and status; those that ended, of the last 1,000.", "kind", "status")
        self.progress = gauge("run_progress_ratio", "How far runs are that go on.", "run", "kind")
        self.nodes = gauge("ray_nodes", "Nodes of the Ray cluster that live.")
        self.resources = gauge("ray_resource", "Resources of the Ray cluster.", "node", "resource", "state")
        self.tasks = gauge("ray_running_tasks", "Tasks that run on the Ray cluster.")
        self._host = gauge("host_ratio", "Share of the host's CPUs, memory and disk that is in use.", "resource")
        self._memory = gauge("process_unique_bytes", "Memory of this server that no other process shares.")
        self._network = gauge("host_network_bytes", "Bytes over the network since the host started.", "direction")
        self._children: dict[tuple[str, str, int], Histogram] = {}
        self._recent: collections.deque[tuple[float, float, int]] = collections.deque(maxlen=_MOST_RECENT)

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answer, by its route rather than its path, of which there is no end."""
        key = (scope["method"], getattr(scope.get("route"), "path", "-"), status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._seconds.labels(key[0], key[1], str(status))
        child.observe(seconds)
        if not key[1].endswith(STREAMS):
            self._recent.append((time.monotonic(), seconds, status))

    def recent(self) -> dict[str, float | None]:
        """Return what was answered in the last 10 s: answers and errors (status 5xx) a second, percentiles in ms."""
        since = time.monotonic() - _RECENT_S
        found = [each for each in list(self._recent) if each[0] >= since]
        times = sorted(1e3 * seconds for _, seconds, _ in found)
        cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
        return {
            "per_s": len(found) / _RECENT_S,
            "errors_per_s": sum(status >= 500 for _, _, status in found) / _RECENT_S,
            **{f"p{p}_ms": cuts[p - 1] if cuts else None for p in (50, 95, 99)},
        }

    def predicted(self, model: str, n: int) -> None:
        """Count predictions."""
        self._predictions.labels(model).inc(n)

    def look_at_host(self, found: Mapping[str, Any]) -> None:
        """Take over what `host_now` has measured."""
        for name in ("cpu", "memory", "disk"):
            self._host.labels(name).set(found[name])
        for direction in ("sent", "received"):
            self._network.labels(direction).set(found[f"{direction}_bytes"])
        self._memory.set(found["process_unique_bytes"])


def host_now(folder: str) -> dict[str, Any]:
    """Return what the host does now: shares in use, 0–1, of its CPUs since the last call, and bytes."""
    network, disk = psutil.net_io_counters(), psutil.disk_io_counters()
    cores = [share / 100 for share in psutil.cpu_percent(percpu=True)]
    return {
        "cpu": statistics.fmean(cores),
        "cores": cores,
        "memory": 1 - host.available_memory_bytes() / host.memory_bytes(),
        "disk": psutil.disk_usage(folder).percent / 100,
        "sent_bytes": float(network.bytes_sent),
        "received_bytes": float(network.bytes_recv),
        "read_bytes": float(disk.read_bytes) if disk else 0.0,
        "written_bytes": float(disk.write_bytes) if disk else 0.0,
        "process_unique_bytes": float(psutil.Process().memory_full_info().uss),
    }
