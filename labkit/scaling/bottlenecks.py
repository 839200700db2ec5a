"""What keeps a run from being faster, told from its task events and from samples of its host.

The run's worker-seconds, workers × makespan, are split without remainder. While a worker has a task, it computes, is
queued for a CPU, or is blocked; while it has none, its last result or its next task is handed over, or it waits. Of
computing, what the same tasks did not need alone is inflation: equal work that takes more CPU time waits for memory.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

from labkit.errors import InvalidMeasurement
from labkit.parallel.sampling import Sample
from labkit.parallel.tasks import TaskEvent
from labkit.scaling.table import LOAD, MAX_LOAD_FRACTION, MAX_STEAL_FRACTION, OVER_SUBSCRIBED, STEAL

CPU, MEMORY, IO, TRANSFER, WAITING = "cpu", "memory", "io", "transfer", "waiting"
MIN_LOSS = (
    0.15  # a smaller share of the worker-seconds is no bottleneck: without it, the run would gain less than 1.18×
)
MAX_QUEUED_FRACTION = 0.10
# A hand-over is a transfer where it is large or long; a small message is the engine's own latency, which is waiting.
_LARGE_BYTES, _LONG_S = 100_000, 0.25
# Who is blocked and moves less than this a second waits for no file and no store, but for a lock, a clock, a neighbour.
_QUIET_BYTES_S = 10_000

Figures = dict[str, float | None]


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """Where the worker-seconds of a run went.

    Parameters
    ----------
    shares : dict of str to float or None
        Of the worker-seconds, 0–1: "cpu" (computing as fast as alone, or queued for a CPU), "memory" (computing longer
        than alone: bandwidth, caches), "io" (blocked in a task: files, a store), "transfer" (tasks and results handed
        over: network, object store), "waiting" (no task, or blocked in one that moves nothing). None where it was not
        measured; with `untold` they sum to 1.
    untold : float
        Share that could not be split for want of counters.
    bottleneck : str or None
        The largest share but "cpu", if it is 15 % or more; else "cpu". None where more than that is untold.
    reason : str
        What explains it, the key of its texts: the bottleneck itself, or a mark, "tail", "dispatch", "failed", "lock".
    marks : tuple of str
        "over-subscribed", "load", "steal": why CPUs were not the workers' own. Then "memory" is not measured.
    figures : dict of str to float or None
        The evidence; None where it was not measured. `_share` is of the worker-seconds, `_fraction` of the host's CPU
        time or of what the name says.
    agreed : float
        Fraction of the pooled passes that, each for itself, have the same bottleneck.
    """

    shares: Figures
    untold: float
    bottleneck: str | None
    reason: str
    marks: tuple[str, ...]
    figures: Figures
    agreed: float = 1.0


def diagnose(
    events: Sequence[TaskEvent], samples: Sequence[Sample] = (), *, n_workers: int, alone: Sequence[TaskEvent] = ()
) -> Diagnosis:
    """Split the worker-seconds of one run, and name what dominates.

    Parameters
    ----------
    events : sequence of TaskEvent
        Of all its tasks, at least one of which succeeded.
    samples : sequence of Sample
        Of its host, from before its begin to after its end; without, network and other load are not measured.
    n_workers : int
        Those that could have worked, at least 1.
    alone : sequence of TaskEvent
        Of the same tasks on one worker; without, memory is not measured.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InvalidMeasurement
        If no task succeeded, a time is not finite, no time passed, or an event is of a worker beyond `n_workers`.

    Notes
    -----
    Times of hand-overs compare the clocks of driver and worker: between hosts, they are as good as their clocks agree.
    Bytes on the network are the host's, whoever moved them: beside a Ray cluster, whose daemons alone exchange tens of
    kB a second, a task that is blocked by a lock looks like one that waits for a store.

    Examples
    --------
    >>> from labkit.parallel.sampling import Usage
    >>> def event(task, worker, started_s, finished_s, cpu_s):
    ...     used = Usage(cpu_s, 0.0, 0, 0, 0)
    ...     return TaskEvent(task, worker, "local", 1, 0.0, started_s, finished_s, finished_s, 0, 0, None, used)
    >>> alone = [event("a", 0, 0.0, 6.0, 6.0), event("b", 0, 6.0, 10.0, 4.0)]
    >>> found = diagnose([event("a", 0, 0.0, 8.0, 7.5), event("b", 1, 0.0, 5.0, 5.0)], n_workers=2, alone=alone)
    >>> {name: round(share, 3) for name, share in found.shares.items()}
    {'cpu': 0.625, 'memory': 0.156, 'io': 0.031, 'transfer': 0.0, 'waiting': 0.188}
    >>> found.bottleneck, found.reason
    ('waiting', 'tail')
    """
    done = [event for event in events if event.error is None]
    times = [(event.submitted_s, event.started_s, event.finished_s, event.received_s) for event in events]
    begun, ended = min((each[0] for each in times), default=0.0), max((each[3] for each in times), default=0.0)
    known = done and all(math.isfinite(sum(each)) for each in times) and begun < ended
    if not known or max(event.worker for event in events) >= n_workers:
        raise InvalidMeasurement(
            f"A diagnosis needs all events of one run of {n_workers} workers: times that are numbers and differ, a task"
            f" that succeeded, and no other workers; got {len(events)} events, {len(done)} of them good."
        )
    seconds: dict[str, float] = dict.fromkeys(_PARTS, 0.0)
    for worker in range(n_workers):
        mine = sorted((event for event in done if event.worker == worker), key=lambda event: event.started_s)
        _split(mine, begun, ended, "dispatch" if len(done) == len(events) else "failed", seconds)
    used = [event.usage for event in done if event.usage is not None]
    file_bytes = [each.io_bytes for each in used if each.io_bytes is not None]
    figures: Figures = {f"{name}_share": seconds[name] / n_workers / (ended - begun) for name in _PARTS}
    figures |= {
        "n_workers": n_workers, "n_tasks": len(done), "makespan_s": ended - begun,
        "task_s": statistics.fmean(event.finished_s - event.started_s for event in done),
        "slowdown": _slowdown(done, alone),
        "n_preempted": sum(each.n_preempted for each in used) if used else None,
        "n_blocked": sum(each.n_blocked for each in used) if used else None,
        "file_bytes": sum(file_bytes) if file_bytes else None,
        "moved_bytes": sum(event.bytes_in + event.bytes_out for event in done),
    }  # fmt: skip
    return _concluded(figures | _of_host(samples, sum(each.cpu_s for each in used)))


def pooled(passes: Sequence[Diagnosis]) -> Diagnosis:
    """Return the diagnosis of several passes over the same work: figures are their means.

    Raises
    ------
    InvalidMeasurement
        If there is no pass.
    """
    if not passes:
        raise InvalidMeasurement("No pass was diagnosed, so there is nothing to pool.")
    figures: Figures = {}
    for name in passes[0].figures:
        each = [found.figures[name] for found in passes]
        figures[name] = None if None in each else statistics.fmean(value or 0.0 for value in each)
    whole = _concluded(figures)
    return dataclasses.replace(whole, agreed=statistics.fmean(found.bottleneck == whole.bottleneck for found in passes))


_PARTS = ("computing", "queued", "blocked", "untold", "transfer", "tail", "dispatch", "failed")


def _split(mine: Sequence[TaskEvent], begun: float, ended: float, between: str, seconds: dict[str, float]) -> None:
    """Add one worker's seconds, from the run's begin to its end, each to one part."""
    clock, last = begun, None
    for event in (*mine, None):
        start = ended if event is None else min(max(event.started_s, clock), ended)
        gap, n_bytes, handed = start - clock, 0, 0.0
        if last is not None:
            n_bytes, handed = last.bytes_out, max(0.0, last.received_s - clock)
        if event is not None:
            n_bytes, handed = n_bytes + event.bytes_in, handed + max(0.0, start - max(clock, event.submitted_s))
        handed = min(gap, handed)
        seconds["transfer" if n_bytes >= _LARGE_BYTES or handed >= _LONG_S else between] += handed
        seconds["tail" if event is None else between] += gap - handed
        if event is None:
            return
        clock, last = min(max(event.finished_s, start), ended), event
        wall, used = clock - start, event.usage
        if used is None:
            seconds["untold"] += wall
            continue
        # The calling thread's queueing first: where a task has threads of its own, their CPU time may exceed the rest.
        queued = min(used.queued_s or 0.0, wall)
        computing = min(used.cpu_s, wall - queued)
        seconds["queued"] += queued
        seconds["computing"] += computing
        seconds["untold" if used.queued_s is None else "blocked"] += wall - queued - computing


def _slowdown(done: Sequence[TaskEvent], alone: Sequence[TaskEvent]) -> float | None:
    """Return how many times the CPU time was that the same tasks took alone."""
    known = {event.task: event.usage.cpu_s for event in alone if event.usage is not None and event.error is None}
    both = [(event.usage.cpu_s, known[event.task]) for event in done if event.usage and event.task in known]
    now_s, alone_s = (sum(each) for each in zip(*both, strict=True)) if both else (0.0, 0.0)
    return now_s / alone_s if alone_s > 0 else None


def _of_host(samples: Sequence[Sample], own_cpu_s: float) -> Figures:
    names = ("load_fraction", "steal_fraction", "iowait_fraction", "network_bytes", "usable_cpus")
    if len(samples) < 2 or samples[-1].time_s <= samples[0].time_s:
        return dict.fromkeys(names)
    first, last = samples[0], samples[-1]
    cpu_s = len(last.busy_s) * (last.time_s - first.time_s)
    other_s = max(0.0, sum(last.busy_s) - sum(first.busy_s) - own_cpu_s)
    lost_s = (other_s, last.steal_s - first.steal_s, last.iowait_s - first.iowait_s)
    moved = sum(last.network_bytes.values()) - sum(first.network_bytes.values()) if last.network_bytes else None
    return dict(zip(names, (*(each / cpu_s for each in lost_s), moved, last.usable_cpus), strict=True))


def _concluded(figures: Figures) -> Diagnosis:
    """Turn figures into shares; those of several passes are averaged before, not their conclusions."""
    known = {name: value or 0.0 for name, value in figures.items()}
    computing, queued, blocked, untold, transfer, *waits = (known[f"{part}_share"] for part in _PARTS)
    marks = []
    if queued > MAX_QUEUED_FRACTION * (computing + queued):
        others = known["load_fraction"] > MAX_LOAD_FRACTION
        too_many = known["n_workers"] > (figures["usable_cpus"] or math.inf)
        marks = [OVER_SUBSCRIBED] * (too_many or not others) + [LOAD] * others
    marks += [STEAL] * (known["steal_fraction"] > MAX_STEAL_FRACTION)
    told = figures["slowdown"] is not None and not marks
    inflated = computing * (1 - 1 / max(1.0, known["slowdown"])) if told else None
    quiet_bytes = _QUIET_BYTES_S * blocked * known["n_workers"] * known["makespan_s"]
    seen = None not in (figures["file_bytes"], figures["network_bytes"])
    locked = blocked if seen and known["file_bytes"] + known["network_bytes"] < quiet_bytes else 0.0
    waits_by = {**dict(zip(_PARTS[-3:], waits, strict=True)), "lock": locked}
    shares: Figures = {
        CPU: computing + queued - (inflated or 0.0) if computing + queued or not untold else None,
        MEMORY: inflated,
        IO: blocked - locked if blocked or not untold else None,
        TRANSFER: transfer,
        WAITING: sum(waits_by.values()),
    }
    losses = {name: share for name, share in shares.items() if name != CPU and share is not None}
    worst = max(losses, key=losses.__getitem__)
    bottleneck: str | None = worst if losses[worst] >= MIN_LOSS else CPU
    if untold > max(MIN_LOSS, losses[worst]):
        bottleneck, reason = None, "untold"
    elif bottleneck == WAITING:
        reason = max(waits_by, key=waits_by.__getitem__)
    else:
        reason = marks[0] if bottleneck == CPU and marks else str(bottleneck)
    return Diagnosis(shares, untold, bottleneck, reason, tuple(marks), figures)
