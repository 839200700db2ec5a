"""Checks of notebook 04: what follows from a list of timings, and what does not."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np

from labkit.classroom.exercises import NotYet
from labkit.scaling.laws import serial_fraction

SEQUENTIAL_S = [10.0, 20.0, 11.0]
PARALLEL_S = [5.0, 16.0, 10.0]
PASSES = [
    {"engine": "ray", "seconds": 2.0, "digest": "a"},
    {"engine": "processes", "seconds": 4.0, "digest": "a"},
    {"engine": "ray", "seconds": 9.0, "digest": "a"},
    {"engine": "ray", "seconds": 3.0, "digest": "a"},
    {"engine": "processes", "seconds": 6.0, "digest": "a"},
]


def check_1(speedup: Any) -> None:
    """Check that ratios are paired by round before their median is taken."""
    found = float(speedup(list(SEQUENTIAL_S), list(PARALLEL_S)))
    ratios = [before / after for before, after in zip(SEQUENTIAL_S, PARALLEL_S, strict=True)]
    right = median(ratios)
    case = {"found": found, "right": right, "sequential": SEQUENTIAL_S, "parallel": PARALLEL_S}
    if np.isclose(found, median(SEQUENTIAL_S) / median(PARALLEL_S)):
        raise NotYet("ratio_of_medians", **case)
    if np.isclose(found, float(np.mean(ratios))):
        raise NotYet("mean", **case)
    if np.isclose(found, 1 / right) or np.isclose(found, median(1 / ratio for ratio in ratios)):
        raise NotYet("upside_down", **case)
    if not np.isclose(found, right):
        raise NotYet("wrong", **case)
    if not np.isclose(float(speedup([8.0, 9.0], [4.0, 3.0])), 2.5):
        raise NotYet("even", right=2.5)


def check_2(coverage: Any, rounds_for_95_percent: Any) -> None:
    """Check the coverage of the whole range, and the number of rounds that follows."""
    found = [float(coverage(n_rounds)) for n_rounds in (2, 3, 6)]
    right = [0.5, 0.75, 0.96875]
    if np.allclose(found, [1 - 0.5**n_rounds for n_rounds in (2, 3, 6)]):
        raise NotYet("one_side", found=found[1], right=right[1])
    if np.allclose(found, [1 - value for value in right]):
        raise NotYet("complement", found=found[1], right=right[1])
    for n_rounds, value, expected in zip((2, 3, 6), found, right, strict=True):
        if not np.isclose(value, expected):
            raise NotYet("wrong", n=n_rounds, found=value, right=expected)
    if rounds_for_95_percent != 6:
        raise NotYet("rounds", n=rounds_for_95_percent, coverage=100 * float(coverage(int(rounds_for_95_percent))))


def check_3(compare: Any) -> None:
    """Check medians by engine, and that unequal work is refused."""
    found = compare([dict(each) for each in PASSES])
    right = {"ray": 3.0, "processes": 5.0}
    if not isinstance(found, dict) or set(found) != set(right):
        raise NotYet("not_by_engine")
    if np.isclose(found["ray"], np.mean([2.0, 9.0, 3.0])):
        raise NotYet("mean", found=float(found["ray"]), right=3.0)
    if any(not np.isclose(found[name], value) for name, value in right.items()):
        raise NotYet("wrong", found=float(found["ray"]), right=3.0)
    for changed in ([1, 4], [0]):  # all passes of one engine, and one alone
        passes = [{**each, "digest": "b"} if place in changed else dict(each) for place, each in enumerate(PASSES)]
        try:
            compare(passes)
        except ValueError:
            continue
        raise NotYet("accepts_one_pass" if changed == [0] else "accepts_other_work")


def check_4(karp_flatt: Any) -> None:
    """Check the formula where rounding would show and Amdahl's answer differs, and where a speedup is perfect."""
    found, right = float(karp_flatt(2.7, 5)), serial_fraction(1.0, 1 / 2.7, 5)
    if np.isclose(found, 1 - 2.7 / 5):
        raise NotYet("efficiency", found=found, right=right)
    if np.isclose(found, 1 - right):
        raise NotYet("parallel_part", found=found, right=right)
    if not np.isclose(found, right):
        raise NotYet("rounded" if abs(found - right) < 0.005 else "wrong", found=found, right=right)
    if not np.isclose(float(karp_flatt(8.0, 8)), 0.0):
        raise NotYet("perfect")
