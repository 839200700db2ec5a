"""What tasks and their host use while they run: counters that the kernel keeps, read before and after.

A task's own are read by the worker that runs it: exact however short the task is, and on whatever node. What no process
can say of itself, how busy the host and its network are, is sampled beside the work.
"""

from __future__ import annotations

import contextlib
import dataclasses
import resource
import threading
import time
from collections.abc import Iterator
from typing import Any

from labkit.errors import InvalidArgument


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a process or a thread has used since it began, or during one task.

    Parameters
    ----------
    cpu_s : float
        CPU time, of all threads where it is a process's, in seconds.
    queued_s : float or None
        How long the calling thread was ready but waited for a CPU, in seconds; None where the kernel does not tell.
    n_preempted, n_blocked : int
        How often the calling thread was taken off its CPU, and how often it left it to wait for something.
    io_bytes : int or None
        Read and written through files and pipes, sockets apart; None where the kernel does not tell.
    """

    cpu_s: float
    queued_s: float | None
    n_preempted: int
    n_blocked: int
    io_bytes: int | None

    def since(self, before: Usage) -> Usage:
        """Return what was used between two readings."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(before), strict=True)
        differences: list[Any] = [None if None in pair else pair[0] - pair[1] for pair in pairs]
        return Usage(*differences)


def usage(*, of_thread: bool = False) -> Usage:
    """Read the counters of this process, or of the calling thread where others of the process do other work."""
    seen, queued_s, io_bytes = resource.getrusage(resource.RUSAGE_THREAD), None, None
    with contextlib.suppress(OSError, IndexError, ValueError), open("/proc/thread-self/schedstat") as file:
        queued_s = int(file.read().split()[1]) / 1e9
    with contextlib.suppress(OSError, KeyError), open(f"/proc/{'thread-self' if of_thread else 'self'}/io") as file:
        io = {name: int(value) for name, _, value in (line.partition(":") for line in file)}
        io_bytes = max(io["rchar"], io["read_bytes"]) + io["wchar"]  # pages of a mapped file are only in read_bytes
    cpu_s = time.thread_time() if of_thread else time.process_time()
    return Usage(cpu_s, queued_s, seen.ru_nivcsw, seen.ru_nvcsw, io_bytes)


@dataclasses.dataclass(frozen=True)
class Sample:
    """A host at one moment.

    Parameters
    ----------
    time_s : float
        Seconds since 1970.
    usable_cpus : int
        How many CPUs this process may use.
    busy_s : tuple of float
        Time that each CPU of the host has computed since boot, in seconds.
    iowait_s, steal_s : float
        Time since boot that CPUs were idle while a disk was waited for, and that the machine's own host took away.
    network_bytes : dict of str to int
        Received and sent since boot, by network interface; by the loopback interface "lo" only received, which is the
        same bytes. Empty where none is seen.
    available_bytes : int
        Memory that can be taken without swapping.
    """

    time_s: float
    usable_cpus: int
    busy_s: tuple[float, ...]
    iowait_s: float
    steal_s: float
    network_bytes: dict[str, int]
    available_bytes: int


@contextlib.contextmanager
def sample(period_s: float = 0.25) -> Iterator[list[Sample]]:
    """Sample this host while a block runs: at its begin, at its end, and in between by a thread.

    Parameters
    ----------
    period_s : float
        Seconds between two samples, at least 0.1, so that sampling does not become what is measured.

    Yields
    ------
    list of Sample
        Complete once the block has ended.

    Raises
    ------
    InvalidArgument
        If the period is shorter.
    """
    if not period_s >= 0.1:
        raise InvalidArgument(f"Sampling disturbs what it samples: take a period of 0.1 s or more, not {period_s!r}.")
    from labkit import host  # not above: workers, which import this for their usage, have no use for it

    cpus, ended = host.usable_cpus(), threading.Event()
    found = [_now(cpus)]

    def keep_sampling() -> None:
        while not ended.wait(period_s):
            found.append(_now(cpus))

    thread = threading.Thread(target=keep_sampling, name="labkit-sampler", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
        found.append(_now(cpus))


def _now(usable_cpus: int) -> Sample:
    import psutil

    cpus, cards = psutil.cpu_times(percpu=True), psutil.net_io_counters(pernic=True) or {}
    return Sample(
        time.time(),
        usable_cpus,
        tuple(cpu.user + cpu.nice + cpu.system for cpu in cpus),
        sum(getattr(cpu, "iowait", 0.0) for cpu in cpus),
        sum(getattr(cpu, "steal", 0.0) for cpu in cpus),
        {name: card.bytes_recv + (name != "lo") * card.bytes_sent for name, card in cards.items()},
        psutil.virtual_memory().available,
    )
