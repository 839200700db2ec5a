"""How a speedup table is measured.

Rounds are interleaved (sequential, the hardware's limit and the engine at each number of workers, again and again), so
that a slow minute of the machine falls on all alike; their order is turned by one from round to round, and the first
round only warms up. Each timing carries the digest of what was computed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

from labkit import host
from labkit.errors import InvalidArgument, NotEnoughMemory
from labkit.parallel.dispatch import dispatch
from labkit.parallel.engines import Crew, check_engine, check_workers, engine
from labkit.parallel.sampling import Sample, sample
from labkit.parallel.tasks import TaskEvent
from labkit.scaling.bottlenecks import Diagnosis, diagnose, pooled
from labkit.scaling.limit import BareProcesses, Work
from labkit.scaling.table import LIMIT, SEQUENTIAL, Timing

MAX_ROUNDS = 100
_RARELY_S = 60.0
_WORKER_BYTES = 160e6  # what a worker holds before its data: the interpreter, scikit-learn, its first model


@dataclasses.dataclass(frozen=True)
class Measurement:
    """All timings of one benchmark, start-up times apart.

    Parameters
    ----------
    events : tuple of TaskEvent
        Of the last pass with most workers.
    one_worker : dict of str to list of TaskEvent
        By engine, of the first timed pass with one worker, where there was one.
    diagnoses : dict of str to list of Diagnosis
        By engine, one for each number of workers, pooled over the timed rounds; what its tasks take alone was measured
        in the same round.
    """

    timings: tuple[Timing, ...]
    start_up_s: dict[str, float]
    events: tuple[TaskEvent, ...]
    one_worker: dict[str, list[TaskEvent]]
    diagnoses: dict[str, list[Diagnosis]]


def check_protocol(engines: Sequence[str], workers: Sequence[int], rounds: int) -> None:
    """Make sure that a benchmark makes sense before anything starts.

    Raises
    ------
    UnknownName
        If an engine is unknown.
    InvalidArgument
        If a number of workers or of rounds makes no sense.
    """
    for name in engines:
        check_engine(name)
    if not workers:
        raise InvalidArgument("Name at least one number of workers, such as 1,2,4,8.")
    if len(set(workers)) < len(workers):
        raise InvalidArgument(f"Each number of workers is measured once; {', '.join(map(str, workers))} repeats one.")
    for n_workers in workers:
        check_workers(n_workers)
    if isinstance(rounds, bool) or not isinstance(rounds, int) or not 1 <= rounds <= MAX_ROUNDS:
        raise InvalidArgument(f"The number of rounds must be a whole number from 1 to {MAX_ROUNDS}, not {rounds!r}.")
    if SEQUENTIAL in engines:
        raise InvalidArgument("The sequential engine is the baseline of every table: measure another one against it.")


def check_memory(n_processes: int, block_bytes: int) -> None:
    """Make sure that all worker processes fit in memory at once.

    Raises
    ------
    NotEnoughMemory
        If they do not; the message says how many would.
    """
    # The rows are shared; what each worker adds are its own copies of them, binned or scaled, while it fits.
    each, free = _WORKER_BYTES + 2 * block_bytes, host.available_memory_bytes()
    if n_processes * each + block_bytes > free:
        fitting = max(0, int((free - block_bytes) // each))
        raise NotEnoughMemory(
            f"{n_processes} worker processes of about {each / 1e6:,.0f} MB each need more than the"
            f" {free / 1e6:,.0f} MB that are free here: about {fitting} would fit. Take fewer workers or fewer rows."
        )


def measure(
    work: Work,
    *,
    engines: Sequence[str],
    workers: Sequence[int],
    rounds: int,
    on_progress: Callable[[str, float], None] | None = None,
) -> Measurement:
    """Measure a work sequentially, on bare processes and on engines, in interleaved rounds.

    Parameters
    ----------
    work : Work
        The same tasks for all.
    engines : sequence of str
        Names of engines, at least one.
    workers : sequence of int
        Numbers of workers.
    rounds : int
        Timed rounds; one more warms up.
    on_progress : callable, optional
        Called with what runs now and the fraction that is done.

    Returns
    -------
    Measurement

    Raises
    ------
    InvalidArgument
        If the protocol makes no sense.
    NotEnoughMemory
        If the workers do not fit.
    """
    check_protocol(engines, workers, rounds)
    most, tell = max(workers), on_progress or (lambda *_: None)
    timings: list[Timing] = []
    passes: dict[tuple[str, int, int], tuple[list[TaskEvent], list[Sample]]] = {}
    start_up_s: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        tell("start", 0.0)
        begun = time.perf_counter()
        # All begin at once and are then waited for: on two cores this takes half the time of one after another.
        crews = {
            name: stack.enter_context(engine(name)(work.actor, work.arguments, work.shared, most)) for name in engines
        }
        bare = stack.enter_context(BareProcesses(work, most))
        subjects: dict[str, BareProcesses | Crew] = {LIMIT: bare, **crews}
        for name, subject in subjects.items():
            subject.ready()
            start_up_s[name] = time.perf_counter() - begun
        serial = workers if work.shares else (1,)  # where the work grows, so does what a single process is timed with
        steps = [(SEQUENTIAL, n) for n in serial]
        steps += [*((LIMIT, n) for n in workers if n > 1), *((name, n) for name in engines for n in workers)]
        for number in range(rounds + 1):
            turn = number % len(steps)
            for position, (subject_name, n_workers) in enumerate(steps[turn:] + steps[:turn]):
                tell(f"{subject_name}:{n_workers}", (number + position / len(steps)) / (rounds + 1))
                tasks = work.tasks_of(n_workers)
                n_used = 1 if subject_name == SEQUENTIAL else n_workers
                events: list[TaskEvent] = []
                with sample(_RARELY_S) as samples:  # its two ends are all that is needed here
                    if subject_name in crews:
                        begun = time.perf_counter()
                        values = dispatch(tasks, crews[subject_name], n_workers=n_workers, on_event=events.append)
                        seconds, outlines = time.perf_counter() - begun, [work.outline(value) for value in values]
                        del values
                    else:
                        seconds, outlines = bare.run(n_used, tasks)
                if subject_name in crews:
                    passes[subject_name, n_workers, number] = events, samples
                noise = _noise(samples, n_used)
                timings.append(Timing(subject_name, n_workers, number, seconds, work.digest(outlines), *noise))
        tell("done", 1.0)
    return Measurement(
        tuple(timings),
        start_up_s,
        tuple(event for name in engines for event in passes[name, most, rounds][0]),
        {name: passes[name, 1, 1][0] for name in engines if 1 in workers},
        {name: [_diagnosed(passes, name, n, rounds) for n in sorted(workers)] for name in engines},
    )


def _diagnosed(
    passes: Mapping[tuple[str, int, int], tuple[list[TaskEvent], list[Sample]]], name: str, n_workers: int, rounds: int
) -> Diagnosis:
    found = []
    for number in range(1, rounds + 1):
        (events, samples), (alone, _) = passes[name, n_workers, number], passes.get((name, 1, number), ([], []))
        found.append(diagnose(events, samples, n_workers=n_workers, alone=alone))
    return pooled(found)


def _noise(samples: Sequence[Sample], n_workers: int) -> tuple[float, float]:
    """Return what else the machine did meanwhile: time stolen by its host, and load beyond our own workers."""
    first, last = samples[0], samples[-1]
    seconds, cpus = max(last.time_s - first.time_s, 1e-9), len(last.busy_s)
    busy_s = sum(last.busy_s) - sum(first.busy_s) - min(n_workers, cpus) * seconds
    return max(0.0, (last.steal_s - first.steal_s) / seconds / cpus), max(0.0, busy_s / seconds / cpus)
