"""What the server counts and measures about itself, for Prometheus."""

from __future__ import annotations

import bisect
import collections
import itertools
import math
import statistics
import time
from collections.abc import Mapping
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import Scope

from labkit import host

_RECENT_S = 10
_BINS, _FINEST_S, _PER_DOUBLING = 200, 1e-5, 8  # of latencies, from 10 µs to 5 min, each 9 % wider than the one before
_LATENCIES_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


STREAMS = ("/events", "/live", "/logs")  # they last as long as a client wants


class Recent:
    """What was answered in the last 10 whole seconds, counted so that asking costs the same at any load."""

    def __init__(self) -> None:
        self._seconds: collections.deque[tuple[int, list[int], list[int]]] = collections.deque(maxlen=_RECENT_S + 1)

    def add(self, at_s: float, seconds: float, status: int) -> None:
        """Count an answer at a time of a monotonic clock."""
        if not self._seconds or self._seconds[-1][0] != int(at_s):
            self._seconds.append((int(at_s), [0] * _BINS, [0]))
        _, bins, errors = self._seconds[-1]
        place = int(_PER_DOUBLING * math.log2(max(seconds, _FINEST_S) / _FINEST_S))
        bins[min(place, _BINS - 1)] += 1
        errors[0] += status >= 500

    def summary(self, at_s: float) -> dict[str, float | None]:
        """Return answers and errors (status 5xx) a second, and percentiles in ms, within 5 %."""
        found = [each for each in self._seconds if int(at_s) - _RECENT_S <= each[0] < int(at_s)]
        bins = [sum(column) for column in zip(*(bins for _, bins, _ in found), strict=True)]
        reached, n = list(itertools.accumulate(bins)), sum(bins)
        return {
            "per_s": n / _RECENT_S,
            "errors_per_s": sum(errors[0] for *_, errors in found) / _RECENT_S,
            **{f"p{p}_ms": _middle_ms(bisect.bisect_left(reached, n * p / 100)) if n else None for p in (50, 95, 99)},
        }


def _middle_ms(place: int) -> float:
    return float(1e3 * _FINEST_S * 2 ** ((place + 0.5) / _PER_DOUBLING))


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
        self.recent = Recent()

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answer, by its route rather than its path, of which there is no end."""
        key = (scope["method"], getattr(scope.get("route"), "path", "-"), status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._seconds.labels(key[0], key[1], str(status))
        child.observe(seconds)
        if not key[1].endswith(STREAMS):
            self.recent.add(time.monotonic(), seconds, status)

    def predicted(self, model: str, n: int) -> None:
        """Count predictions."""
        self._predictions.labels(model).inc(n)

    def look_at_host(self, found: Mapping[str, Any]) -> None:
        """Take over what `Host` has measured."""
        for name in ("cpu", "memory", "disk"):
            self._host.labels(name).set(found[name])
        for direction in ("sent", "received"):
            self._network.labels(direction).set(found[f"{direction}_bytes"])
        self._memory.set(found["process_unique_bytes"])


class Host:
    """What the host does: shares in use, 0–1, of its CPUs since the last call, and bytes."""

    def __init__(self, folder: str) -> None:
        self._folder, self._before = folder, psutil.cpu_times(percpu=True)

    def now(self) -> dict[str, Any]:
        """Measure."""
        network, disk = psutil.net_io_counters(), psutil.disk_io_counters()
        # psutil's own shares are kept by thread, and any thread of the server may ask.
        times, self._before = list(zip(self._before, cpus := psutil.cpu_times(percpu=True), strict=True)), cpus
        cores = [1 - _idle(one, two) for one, two in times]
        return {
            "cpu": statistics.fmean(cores),
            "cores": cores,
            "memory": 1 - host.available_memory_bytes() / host.memory_bytes(),
            "disk": psutil.disk_usage(self._folder).percent / 100,
            "sent_bytes": float(network.bytes_sent),
            "received_bytes": float(network.bytes_recv),
            "read_bytes": float(disk.read_bytes) if disk else 0.0,
            "written_bytes": float(disk.write_bytes) if disk else 0.0,
            "process_unique_bytes": float(psutil.Process().memory_full_info().uss),
        }


def _idle(before: Any, now: Any) -> float:
    """Return the share of a time that a CPU was idle."""
    passed = sum(now) - sum(before)
    idle = now.idle + getattr(now, "iowait", 0.0) - before.idle - getattr(before, "iowait", 0.0)
    return min(1.0, max(0.0, idle / passed)) if passed > 0 else 1.0
