"""What this machine has for us, after its cgroup and affinity, and the fingerprint that goes into every record."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

_ROOT = Path("/")
_PACKAGES = ("numpy", "polars", "scikit-learn", "ray", "treelite")
_CREATED_TOLERANCE_S = 1.0


def usable_cpus() -> int:
    """Return how many CPUs this process may use at once: by affinity and cgroup quota, rounded down, at least 1."""
    return max(1, min(len(_affinity()), int(cpu_quota(_ROOT))))


def physical_cores() -> int:
    """Return how many cores these CPUs are; fewer than `usable_cpus` where a core runs two hardware threads."""
    return min(n_cores(_affinity(), _ROOT), usable_cpus())


def memory_bytes() -> int:
    """Return the memory that this process and all others of its cgroup have together, in bytes."""
    return int(min(psutil.virtual_memory().total, *(limit for limit, _ in memory_limits(_ROOT))))


def available_memory_bytes() -> int:
    """Return the memory that can be taken now without swapping or being killed, in bytes."""
    free = (limit - used for limit, used in memory_limits(_ROOT))
    return max(0, int(min(psutil.virtual_memory().available, *free)))


def is_alive(pid: int, created: float | None) -> bool:
    """Tell whether a process still runs.

    Parameters
    ----------
    pid : int
        Its number, which the system gives to others later.
    created : float or None
        When it began, in seconds since 1970, so that another with its number is not taken for it; None for any.
    """
    if pid <= 0:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return False
        return created is None or abs(process.create_time() - created) <= _CREATED_TOLERANCE_S
    except (psutil.NoSuchProcess, OverflowError):  # a zombie's own error is a NoSuchProcess too
        return False


def fingerprint() -> dict[str, Any]:
    """Return what makes timings of this machine comparable, as JSON-able values; its name is not among them.

    The digest covers hardware and packages: records with the same digest are of like machines.
    """
    from importlib import metadata

    packages: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = None
    alike = {
        "cpu_model": cpu_model(_ROOT),
        "usable_cpus": usable_cpus(),
        "physical_cores": physical_cores(),
        "memory_gib": round(memory_bytes() / 2**30),  # kernels reserve a little more or less of the same memory
        "python": platform.python_version(),
        "packages": packages,
    }
    digest = hashlib.sha256(json.dumps(alike, sort_keys=True).encode()).hexdigest()[:12]
    del alike["memory_gib"]
    return {**alike, "memory_bytes": memory_bytes(), "os": _os(), "commit": _commit(), "digest": digest}


def cpu_quota(root: Path) -> float:
    """Return how many CPUs' worth of time the cgroups below a file system's root allow; infinite without a limit."""
    quotas = [float("inf")]
    for group in _cgroups("cpu", root):
        both = _text(group / "cpu.max").split() or [
            _text(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")
        ]
        if len(both) == 2 and all(part.isdigit() for part in both) and int(both[1]):  # "max" and -1 are no limit
            quotas.append(int(both[0]) / int(both[1]))
    # usable_cpus needs a whole number: no limit is more than any machine has
    return min(min(quotas), 1e9)


def memory_limits(root: Path) -> list[tuple[float, float]]:
    """Return limit and use of each cgroup that has a limit, in bytes; first an infinite one, so that there is one.

    What the kernel would give back first, inactive file pages, does not count as used.
    """
    found = [(float("inf"), 0.0)]
    for group in _cgroups("memory", root):
        limit = _text(group / "memory.max") or _text(group / "memory.limit_in_bytes")
        used = _text(group / "memory.current") or _text(group / "memory.usage_in_bytes")
        if limit.strip().isdigit() and used.strip().isdigit():
            stat = dict(line.split()[:2] for line in _text(group / "memory.stat").splitlines() if " " in line)
            cached = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
            found.append((float(limit), max(0.0, float(used) - cached)))
    return found


def n_cores(cpus: set[int], root: Path) -> int:
    """Return how many cores the given CPUs belong to; each its own where the machine does not tell."""
    topology = [root / "sys/devices/system/cpu" / f"cpu{cpu}" / "topology" for cpu in sorted(cpus)]
    return len({_text(at / "core_cpus_list") or _text(at / "thread_siblings_list") or str(at) for at in topology})


def cpu_model(root: Path) -> str:
    """Return the processor's name."""
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return value.strip()
    return platform.processor() or platform.machine()


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _cgroups(controller: str, root: Path) -> Iterator[Path]:
    """Yield this process's cgroups of a controller, its own and all above: the strictest limit holds.

    Within a container the path may be the host's, which is not there; then the mount itself is our own group.
    """
    mounts = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        group = (mounts / controller if controllers else mounts) / path.lstrip("/")
        yield from (at for at in (group, *group.parents) if at.is_relative_to(mounts))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _os() -> str:
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.system()} {platform.release()}"
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


@functools.cache
def _commit() -> str | None:
    """Return the clone's commit, marked where files differ from it."""
    clone = Path(__file__).resolve().parents[1]
    if not (clone / ".git").exists():  # an installed copy must not take a repository around it for its own
        return None
    command = ["git", "-C", str(clone), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10.0)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
