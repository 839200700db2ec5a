"""The speedup table: from timings to rows, and the marks that say what a row is not."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labkit.errors import InvalidMeasurement, ResultsDiffer
from labkit.scaling import laws
from labkit.scaling.intervals import Spread, median_interval, relative_mad

SEQUENTIAL, LIMIT = "sequential", "limit"
SMT, OVER_SUBSCRIBED, UNSTABLE, STEAL, LOAD = "SMT", "over-subscribed", "unstable", "steal", "load"

MAX_RELATIVE_MAD = 0.05
# A single timed round beyond these marks its row: a median hides one bad round, the reader should still know of it.
MAX_STEAL_FRACTION = 0.02
MAX_LOAD_FRACTION = 0.10  # Ray's own daemons and the driver stay below this


@dataclass(frozen=True)
class Timing:
    """One timed pass over the work.

    Parameters
    ----------
    subject : str
        "sequential", "limit" (bare processes, no engine), or an engine's name.
    n_workers : int
        At least 1.
    round : int
        From 0, the warm-up; timings of one round are paired.
    seconds : float
        Wall-clock time, > 0.
    digest : str
        Of what was computed: equal digests mean equal results.
    steal_fraction, load_fraction : float
        Shares of the machine's CPU time, 0–1, that its host took away and that other programs used meanwhile.
    """

    subject: str
    n_workers: int
    round: int
    seconds: float
    digest: str
    steal_fraction: float = 0.0
    load_fraction: float = 0.0


@dataclass(frozen=True)
class SpeedupRow:
    """What one number of workers brought.

    Parameters
    ----------
    n_workers : int
        At least 1.
    sequential_s, parallel_s : float
        Median wall-clock times, in seconds.
    speedup, efficiency : float
        The median of the paired ratios, and that per worker.
    throughput_rows_s : float
        Rows per second at the median parallel time.
    spread : Spread
        Of the speedup.
    limit_speedup : float or None
        What bare processes reached; None where they were not measured.
    limit_fraction, limit_spread : float or None, Spread or None
        The engine's speed as a fraction of theirs, round by round: its median and its spread.
    marks : tuple of str
        "SMT", "over-subscribed", "unstable", "steal", "load".
    """

    n_workers: int
    sequential_s: float
    parallel_s: float
    speedup: float
    efficiency: float
    throughput_rows_s: float
    spread: Spread
    limit_speedup: float | None = None
    limit_fraction: float | None = None
    limit_spread: Spread | None = None
    marks: tuple[str, ...] = ()


def tabulate(
    timings: Sequence[Timing], *, engine: str, n_rows: int, usable_cpus: int, physical_cores: int, weak: bool = False
) -> list[SpeedupRow]:
    """Turn timings into the speedup table of one engine.

    Parameters
    ----------
    timings : sequence of Timing
        Of the baseline, the hardware's limit and any number of engines. Round 0 is the warm-up: its result is
        compared, its time is not used.
    engine : str
        The engine to tabulate.
    n_rows : int
        Rows that one pass handles; for weak scaling, those that each worker brings with it.
    usable_cpus, physical_cores : int
        CPUs that the measured program may use, and the cores among them.
    weak : bool
        Did the work grow with the workers? Then the baseline of each row is the sequential time of the same grown work,
        timed as ("sequential", n), and the speedup is Gustafson's scaled speedup.

    Returns
    -------
    list of SpeedupRow
        Fewest workers first.

    Raises
    ------
    ResultsDiffer
        If a pass computed something else than the baseline.
    InvalidMeasurement
        If a time is not positive, a pass was timed twice in a round, or the engine and the baseline share no round.

    Examples
    --------
    >>> timings = [Timing(SEQUENTIAL, 1, 1, 9.0, "d"), Timing(LIMIT, 2, 1, 4.5, "d"), Timing("ray", 2, 1, 5.0, "d")]
    >>> [row] = tabulate(timings, engine="ray", n_rows=900, usable_cpus=2, physical_cores=2)
    >>> row.speedup, row.efficiency, row.throughput_rows_s, row.limit_fraction
    (1.8, 0.9, 180.0, 0.9)
    """
    counts = sorted({timing.n_workers for timing in timings if timing.subject == engine})
    if not counts:
        raise InvalidMeasurement(f"No timing of the engine {engine!r}: measure it before it is tabulated.")
    rows = []
    for n_workers in counts:
        base = (SEQUENTIAL, n_workers if weak else 1)
        baseline, engine_passes = _paired(timings, base, (engine, n_workers))
        serial_s, parallel_s = _seconds(baseline), _seconds(engine_passes)
        ratios = list(map(laws.speedup, serial_s, parallel_s))
        ratio = statistics.median(ratios)
        rows.append(
            SpeedupRow(
                n_workers,
                statistics.median(serial_s),
                statistics.median(parallel_s),
                ratio,
                laws.efficiency(ratio, n_workers),
                laws.throughput(n_rows * (n_workers if weak else 1), statistics.median(parallel_s)),
                median_interval(ratios),
                *_against_limit(timings, engine, n_workers, base),
                (*_cpu_marks(n_workers, usable_cpus, physical_cores), *_noise_marks(baseline, engine_passes)),
            )
        )
    check_rows(rows, usable_cpus, physical_cores)
    return rows


def check_rows(rows: Sequence[SpeedupRow], usable_cpus: int, physical_cores: int) -> None:
    """Make sure that every row beyond the cores says so.

    Parameters
    ----------
    rows : sequence of SpeedupRow
        From `tabulate`, or read from a record.
    usable_cpus, physical_cores : int
        Of the machine that the rows were measured on.

    Raises
    ------
    InvalidMeasurement
        If a row lacks its mark.
    """
    for row in rows:
        for mark in _cpu_marks(row.n_workers, usable_cpus, physical_cores):
            if mark not in row.marks:
                raise InvalidMeasurement(
                    f"The row of {row.n_workers} workers must be marked {mark!r} on {usable_cpus} usable CPUs with"
                    f" {physical_cores} cores; its marks are {list(row.marks)}."
                )


def paired_ratio(timings: Sequence[Timing], a: str, b: str, n_workers: int) -> tuple[float, Spread]:
    """Compare two subjects at one number of workers, round by round.

    Parameters
    ----------
    timings : sequence of Timing
        Of both subjects and of the baseline that their results are compared with.
    a, b : str
        Subjects, such as "processes" and "ray".
    n_workers : int
        At least 1.

    Returns
    -------
    tuple of float and Spread
        The median of the seconds of `a` over those of `b`, above 1 where `b` is faster, and its spread.

    Raises
    ------
    ResultsDiffer, InvalidMeasurement
        As in `tabulate`.
    """
    ratios = list(map(laws.speedup, *map(_seconds, _paired(timings, (a, n_workers), (b, n_workers)))))
    return statistics.median(ratios), median_interval(ratios)


def rows_to_json(rows: Sequence[SpeedupRow]) -> list[dict[str, Any]]:
    """Return the rows as plain dicts, ready for JSON."""
    return [asdict(row) | {"marks": list(row.marks)} for row in rows]


def _paired(timings: Sequence[Timing], a: tuple[str, int], b: tuple[str, int]) -> tuple[list[Timing], list[Timing]]:
    """Return the timed passes of two subjects at given numbers of workers, in the rounds that they share."""
    first, second = _by_round(timings, *a), _by_round(timings, *b)
    shared = sorted((first.keys() & second.keys()) - {0})
    if not shared:
        raise InvalidMeasurement(
            f"{a[0]} ({a[1]} workers) and {b[0]} ({b[1]} workers) share no round after the warm-up; measure both again."
        )
    return [first[number] for number in shared], [second[number] for number in shared]


def _by_round(timings: Sequence[Timing], subject: str, n_workers: int) -> dict[int, Timing]:
    # Where the work grew with the workers, each number of them has a baseline of its own.
    known = {timing.n_workers: timing for timing in timings if timing.subject == SEQUENTIAL}
    baseline = known.get(n_workers, known.get(1))
    if baseline is None:
        raise InvalidMeasurement("There is no sequential timing; without a baseline there is no speedup.")
    passes: dict[int, Timing] = {}
    for timing in timings:
        if (timing.subject, timing.n_workers) != (subject, n_workers):
            continue
        if timing.digest != baseline.digest:
            raise ResultsDiffer(
                f"{subject} with {n_workers} workers computed {timing.digest} in round {timing.round}, the sequential"
                f" baseline {baseline.digest}: the work was not the same, so no speedup follows."
            )
        if timing.round in passes:
            raise InvalidMeasurement(f"{subject} with {n_workers} workers was timed twice in round {timing.round}.")
        passes[timing.round] = timing
    return passes


def _seconds(passes: Sequence[Timing]) -> list[float]:
    return [timing.seconds for timing in passes]


def _against_limit(
    timings: Sequence[Timing], engine: str, n_workers: int, base: tuple[str, int]
) -> tuple[float | None, float | None, Spread | None]:
    # One bare process is the baseline itself, so it is not measured a second time.
    limit = (LIMIT, n_workers) if n_workers > 1 else base
    if not _by_round(timings, *limit).keys() - {0}:
        return None, None, None
    reached = map(laws.speedup, *map(_seconds, _paired(timings, base, limit)))
    fractions = list(map(laws.speedup, *map(_seconds, _paired(timings, limit, (engine, n_workers)))))
    return statistics.median(reached), statistics.median(fractions), median_interval(fractions)


def _cpu_marks(n_workers: int, usable_cpus: int, physical_cores: int) -> tuple[str, ...]:
    if n_workers > usable_cpus:
        return (OVER_SUBSCRIBED,)
    return (SMT,) if n_workers > physical_cores else ()


def _noise_marks(baseline: Sequence[Timing], passes: Sequence[Timing]) -> list[str]:
    both = [*baseline, *passes]
    found = {
        UNSTABLE: max(relative_mad(_seconds(baseline)), relative_mad(_seconds(passes))) > MAX_RELATIVE_MAD,
        STEAL: max(timing.steal_fraction for timing in both) > MAX_STEAL_FRACTION,
        LOAD: max(timing.load_fraction for timing in both) > MAX_LOAD_FRACTION,
    }
    return [mark for mark, is_found in found.items() if is_found]
