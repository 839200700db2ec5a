"""What more workers would bring: a discrete-event simulation, calibrated by what was measured.

Workers take tasks, longest first, and a driver takes their results one by one. How much workers slow each other down
is read from the hardware's own limit; what is not measured is extrapolated, and said to be so.
"""

from __future__ import annotations

import collections
import dataclasses
import statistics
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from labkit.errors import InvalidArgument, InvalidMeasurement
from labkit.scaling.intervals import Spread, median_interval

_PREFETCH = 2  # as dispatch does it


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a simulation knows of the machine and the engine.

    Parameters
    ----------
    service_s : tuple of float
        Time of each task on a worker that is alone, in seconds.
    driver_s : float
        Time the driver spends on each result, in seconds.
    contention : float
        How much longer a task takes for each other busy worker, as a fraction: 0 where workers share nothing.
    """

    service_s: tuple[float, ...]
    driver_s: float
    contention: float


def simulate(machine: Machine, n_workers: int) -> float:
    """Return how long the tasks would take, in seconds, were there a core for each worker.

    Parameters
    ----------
    machine : Machine
    n_workers : int
        At least 1.

    Raises
    ------
    InvalidArgument
        If there is no worker.

    Examples
    --------
    >>> simulate(Machine((3.0, 2.0, 1.0), driver_s=0.0, contention=0.0), 2)
    3.0
    >>> simulate(Machine((3.0, 2.0, 1.0), driver_s=0.0, contention=0.5), 2)
    4.5
    """
    import simpy

    if n_workers < 1:
        raise InvalidArgument(f"A simulation needs 1 worker or more, not {n_workers}.")
    env, busy = simpy.Environment(), 0
    pending = collections.deque(sorted(machine.service_s, reverse=True))
    results = simpy.Store(env)

    def worker(credits: Any) -> Generator[Any, Any, None]:
        nonlocal busy
        while True:
            yield credits.get(1)
            if not pending:
                return
            service_s = pending.popleft()
            busy += 1
            others = min(busy + len(pending), n_workers) - 1  # those that begin at this same moment count too
            yield env.timeout(service_s * (1 + machine.contention * others))
            busy -= 1
            results.put(credits)

    def driver() -> Generator[Any, Any, None]:
        for _ in machine.service_s:
            credits = yield results.get()
            if machine.driver_s:
                yield env.timeout(machine.driver_s)
            credits.put(1)

    for _ in range(min(n_workers, len(pending))):
        env.process(worker(simpy.Container(env, init=_PREFETCH)))
    env.run(env.process(driver()))
    return float(env.now)


def calibrate(service_s: Sequence[float], driver_s: float, limit_s: Mapping[int, Sequence[float]]) -> Machine:
    """Learn from one worker's tasks and from the hardware's limit.

    Parameters
    ----------
    service_s : sequence of float
        Time of each task on one worker, in seconds, each at least 0; at least one.
    driver_s : float
        Time the driver spends on each result, in seconds.
    limit_s : mapping of int to sequence of float
        By a number of workers, 1 to the number of cores: seconds of each pass of bare processes. Some above 1.

    Raises
    ------
    InvalidMeasurement
        If there is nothing to learn from.

    Notes
    -----
    Each measured limit is compared with a simulation without contention; what it took longer, for each other worker, is
    the contention. The median over all passes is taken; passes on one worker scale the tasks to the limit's own clock.
    """
    passes = [(n, seconds) for n, each in limit_s.items() if n > 1 for seconds in each]
    if not service_s or min(service_s) < 0 or not passes:
        raise InvalidMeasurement("A simulation is calibrated by tasks of one worker and the limit of two or more.")
    alone = Machine(tuple(service_s), 0.0, 0.0)
    clock = statistics.median(limit_s[1]) / sum(service_s) if limit_s.get(1) else 1.0
    ideal = {n: clock * simulate(alone, n) for n in limit_s}
    contention = statistics.median([(seconds / ideal[n] - 1) / (n - 1) for n, seconds in passes])
    return Machine(tuple(service_s), driver_s, max(0.0, contention))


def machine_of(results: Mapping[str, Any], engine: str, usable_cpus: int, rounds: Sequence[int]) -> Machine:
    """Calibrate by the given rounds of a benchmark's results.

    Raises
    ------
    InvalidMeasurement
        If the benchmark measured no single worker, or no limit within the CPUs.
    """
    if results.get("parameters", {}).get("scaling") == "weak":
        raise InvalidMeasurement("A simulation needs work that stays the same: take a run without --weak.")
    known = results.get("one_worker", {}).get(engine)
    if not known:
        raise InvalidMeasurement(f"This run did not measure {engine} with 1 worker: run labkit bench --workers 1,2.")
    limit_s: dict[int, list[float]] = {}
    for timing in results["timings"]:
        bare, n = timing["subject"] in ("sequential", "limit"), timing["n_workers"]
        if bare and timing["round"] in rounds and n <= usable_cpus:
            limit_s.setdefault(n, []).append(timing["seconds"])
    return calibrate(known["service_s"], known["driver_s"], limit_s)


def prediction_error(results: Mapping[str, Any], engine: str, usable_cpus: int) -> dict[int, Spread]:
    """Return how far predictions were from rounds that did not calibrate them, by number of workers.

    Returns
    -------
    dict of int to Spread
        Of predicted over measured − 1, one value a held-out round: every second one.

    Raises
    ------
    InvalidMeasurement
        If there are fewer than 2 timed rounds.
    """
    timed = sorted({timing["round"] for timing in results["timings"]} - {0})
    if len(timed) < 2:
        raise InvalidMeasurement("Holding rounds out needs at least 2 timed rounds.")
    machine = machine_of(results, engine, usable_cpus, timed[::2])
    measured: dict[int, list[float]] = {}
    for timing in results["timings"]:
        if timing["subject"] == engine and timing["round"] in timed[1::2] and timing["n_workers"] <= usable_cpus:
            measured.setdefault(timing["n_workers"], []).append(timing["seconds"])
    return {
        n: median_interval([simulate(machine, n) / seconds - 1 for seconds in each]) for n, each in measured.items()
    }
