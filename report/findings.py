"""What follows from the numbers: rules that choose the sentences, each with its threshold.

A rule returns the key of a text and nothing else, so that it can be tested at its edges without a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labkit.scaling.bottlenecks import MIN_LOSS
from labkit.scaling.fits import LawFit, Unfitted
from labkit.scaling.table import LOAD, OVER_SUBSCRIBED, STEAL, UNSTABLE, SpeedupRow

LINEAR_EFFICIENCY = 0.90  # up to here speedup is called linear
GOOD_LIMIT = 0.95  # an engine that keeps this much of the hardware's limit loses nothing worth mending
POOR_LIMIT = 0.80
ABOVE_LIMIT = 1.05  # no engine beats bare processes: beyond this the two were not measured on an equal machine
STEADY_KARP_FLATT = 0.02  # a serial fraction that moves less than this from row to row is constant


def last_linear(rows: Sequence[SpeedupRow]) -> int | None:
    """Return the largest number of workers up to which every efficiency is at least 90 %; None where none is."""
    last = None
    for row in rows:
        if row.efficiency < LINEAR_EFFICIENCY:
            break
        last = row.n_workers
    return last


def linearity(rows: Sequence[SpeedupRow]) -> str:
    """Tell whether speedup was linear: for all rows, up to some, for one worker alone, or not at all."""
    last = last_linear(rows)
    if last is None:
        return "none"
    if last == rows[-1].n_workers:
        return "all" if last > 1 else "single"
    return "one" if last == 1 else "some"


def overhead_share(shares: Mapping[str, float | None]) -> float:
    """Return the share of the workers' time that was neither computing nor lost to memory."""
    return sum(value or 0.0 for name, value in shares.items() if name not in ("cpu", "memory"))


def overhead(share: float | None) -> str:
    """Tell whether the overhead is a bottleneck, by the diagnosis' own threshold."""
    if share is None:
        return "unmeasured"
    return "high" if share >= MIN_LOSS else "low"


def against_limit(fraction: float | None) -> str:
    """Tell how much an engine keeps of what bare processes reach."""
    if fraction is None:
        return "unmeasured"
    if fraction > ABOVE_LIMIT:
        return "above"
    return "close" if fraction >= GOOD_LIMIT else "fair" if fraction >= POOR_LIMIT else "poor"


def knee(laws: Sequence[LawFit | Unfitted], usable_cpus: int) -> str:
    """Tell whether a knee was seen: by a fitted law, not up to the cores, or not to be told for want of a fit."""
    fits = [law for law in laws if isinstance(law, LawFit)]
    if not fits:
        return "unfitted"
    return "seen" if any(fit.knee(usable_cpus) is not None for fit in fits) else "unseen"


def gain(rows: Sequence[SpeedupRow]) -> str:
    """Tell what the best row brought: nothing where its spread reaches 1 or below."""
    best = max(rows, key=lambda row: row.speedup)
    if best.spread.low > 1.0:
        return "faster"
    return "slower" if best.spread.high < 1.0 else "same"


def beyond_cores(rows: Sequence[SpeedupRow]) -> str:
    """Tell what workers beyond the CPUs brought, against the last row within them."""
    within = [row for row in rows if OVER_SUBSCRIBED not in row.marks]
    beyond = [row for row in rows if OVER_SUBSCRIBED in row.marks]
    if not within or not beyond:
        return "unmeasured"
    best = max(beyond, key=lambda row: row.speedup)
    if best.spread.low > within[-1].spread.high:
        return "more"
    return "less" if best.spread.high < within[-1].spread.low else "same"


def trust(rows: Sequence[SpeedupRow], usable_cpus: int) -> str:
    """Tell whether a row within the CPUs carries a mark of a machine that was not quiet."""
    within = [row for row in rows if row.n_workers <= usable_cpus]
    return "provisional" if any({UNSTABLE, STEAL, LOAD} & set(row.marks) for row in within) else "sound"


def serial_trend(fractions: Sequence[float]) -> str:
    """Tell whether Karp–Flatt's serial fraction grows with the workers, is steady, or falls."""
    if len(fractions) < 2:
        return "single"
    change = fractions[-1] - fractions[0]
    if abs(change) < STEADY_KARP_FLATT:
        return "steady"
    return "grows" if change > 0 else "falls"


def hosts(digests: Sequence[tuple[str, ...]]) -> str:
    """Tell whether runs are of one set of hosts; those of several stand side by side and are never merged."""
    return "one" if len(set(digests)) <= 1 else "several"


def bottleneck(kind: str | None) -> str:
    """Return the text's key of what dominates."""
    return kind or "untold"
