"""What this machine is, and what of it we may use: everything in a lab may ask."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_PACKAGES = ("numpy", "polars", "scikit-learn", "ray", "treelite")


def usable_cpus() -> int:
    """Return how many CPUs this process may use at once: by affinity and by the control group's quota, at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, math.ceil(_quota_cpus())))


def physical_cores() -> int:
    """Return how many physical cores the usable CPUs lie on; hardware threads of one core count once."""
    cores = set()
    for cpu in os.sched_getaffinity(0):
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        try:
            cores.add(((topology / "physical_package_id").read_text(), (topology / "core_id").read_text()))
        except OSError:
            return usable_cpus()
    return max(1, min(len(cores), usable_cpus()))


def memory_bytes() -> int:
    """Return the memory that this process could have at most, in bytes."""
    return int(min(psutil.virtual_memory().total, _cgroup_bytes("memory.max", "memory/memory.limit_in_bytes")))


def available_memory_bytes() -> int:
    """Return the memory that is free now, in bytes."""
    limit = _cgroup_bytes("memory.max", "memory/memory.limit_in_bytes")
    used = _cgroup_bytes("memory.current", "memory/memory.usage_in_bytes")
    free = psutil.virtual_memory().available
    return int(min(free, max(0.0, limit - used)) if math.isfinite(limit) and math.isfinite(used) else free)


def cpu_steal_s() -> float:
    """Return how long, in seconds since the start, this machine's host gave our CPUs to others."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def is_alive(pid: int, created: float | None) -> bool:
    """Tell whether a process still runs, and is not another one that got its number; one waiting to be reaped is dead.

    Parameters
    ----------
    pid : int
        Its id.
    created : float or None
        When it was created, in seconds since 1970; None where that is not known.
    """
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return False
        return created is None or abs(process.create_time() - created) < 1.0
    except (psutil.Error, ValueError, OverflowError):
        return False


def fingerprint() -> dict[str, Any]:
    """Return what a measurement on this machine depends on: processor, memory, system and packages; no names.

    Returns
    -------
    dict
        JSON-able. `digest` tells machines apart by their kind; `commit` is the clone's, None outside of one.
    """
    found: dict[str, Any] = {
        "cpu_model": _cpu_model(),
        "usable_cpus": usable_cpus(),
        "physical_cores": physical_cores(),
        "memory_bytes": memory_bytes(),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12]
    return {**found, "commit": _commit(), "digest": digest}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _quota_cpus() -> float:
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (_CGROUP / "cpu/cpu.cfs_quota_us").read_text()
            period = (_CGROUP / "cpu/cpu.cfs_period_us").read_text()
        except OSError:
            return math.inf
    return float(quota) / float(period) if quota.strip() not in ("max", "-1") else math.inf


def _cgroup_bytes(*names: str) -> float:
    for name in names:
        try:
            return float((_CGROUP / name).read_text().replace("max", "inf"))
        except (OSError, ValueError):
            continue
    return math.inf
