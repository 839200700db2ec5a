from __future__ import annotations

import random

import pytest

from labkit.errors import InvalidMeasurement
from labkit.scaling.intervals import median_interval, relative_mad


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_below_six_values_the_range_claims_no_coverage(n: int) -> None:
    spread = median_interval([float(i) for i in range(n)])
    assert (spread.low, spread.high, spread.kind, spread.coverage) == (0.0, n - 1.0, "range", None)


@pytest.mark.parametrize(
    ("n", "low", "high", "coverage"),
    [(6, 1, 6, 1 - 2 / 2**6), (8, 1, 8, 1 - 2 / 2**8), (9, 2, 8, 1 - 20 / 2**9), (20, 6, 15, 0.95861)],
)
def test_the_interval_is_the_one_in_the_tables_of_order_statistics(n, low, high, coverage) -> None:
    spread = median_interval([float(i) for i in range(n, 0, -1)])
    assert (spread.low, spread.high, spread.kind) == (low, high, "interval")
    assert spread.coverage == pytest.approx(coverage, abs=1e-5)


def test_the_stated_coverage_is_what_repeated_sampling_finds() -> None:
    draw = random.Random(2013)
    intervals = [median_interval([draw.lognormvariate(0, 1) for _ in range(9)]) for _ in range(4000)]
    found = sum(i.low <= 1 <= i.high for i in intervals) / len(intervals)
    assert found == pytest.approx(intervals[0].coverage, abs=0.012)


def test_a_confidence_that_no_interval_reaches_gives_the_range() -> None:
    assert median_interval([1.0] * 6, confidence=0.99).kind == "range"


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_no_values_or_values_that_are_not_finite_are_rejected(values: list[float]) -> None:
    with pytest.raises(InvalidMeasurement, match="finite"):
        median_interval(values)
    with pytest.raises(InvalidMeasurement, match="finite"):
        relative_mad(values)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_outside_zero_to_one_is_rejected(confidence: float) -> None:
    with pytest.raises(InvalidMeasurement, match=r"0\.95"):
        median_interval([1.0], confidence)


def test_relative_mad_does_not_depend_on_the_unit_nor_on_one_outlier() -> None:
    seconds = [10.0, 10.2, 9.8, 10.1, 60.0]
    assert relative_mad(seconds) == pytest.approx(0.1 / 10.1)
    assert relative_mad([1000 * s for s in seconds]) == pytest.approx(relative_mad(seconds))


def test_relative_mad_of_a_time_that_is_not_positive_is_rejected() -> None:
    with pytest.raises(InvalidMeasurement, match="positive"):
        relative_mad([1.0, 0.0])
