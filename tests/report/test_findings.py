"""The rules that choose sentences, at their edges."""

from __future__ import annotations

import pytest

from labkit.scaling.bottlenecks import MIN_LOSS
from labkit.scaling.fits import LawFit, Unfitted
from labkit.scaling.intervals import Spread
from labkit.scaling.table import SpeedupRow
from report import findings


def row(n: int, speedup: float, low: float | None = None, high: float | None = None, *marks: str) -> SpeedupRow:
    spread = Spread(speedup if low is None else low, speedup if high is None else high, "range")
    return SpeedupRow(n, 1.0, 1 / speedup, speedup, speedup / n, 1.0, spread, marks=marks)


@pytest.mark.parametrize(
    ("speedups", "last", "key"),
    [
        ({1: 1.0, 2: 1.8, 4: 3.6}, 4, "all"), ({1: 1.0, 2: 1.8, 4: 3.59}, 2, "some"), ({1: 0.9, 2: 1.79}, 1, "one"),
        ({1: 0.899, 2: 2.0}, None, "none"), ({1: 1.0}, 1, "single"), ({2: 1.8}, 2, "all"), ({2: 1.79}, None, "none"),
    ],
)  # fmt: skip
def test_speedup_is_linear_up_to_the_last_row_of_nine_tenths(speedups: dict, last: int | None, key: str) -> None:
    rows = [row(n, speedup) for n, speedup in speedups.items()]
    assert (findings.last_linear(rows), findings.linearity(rows)) == (last, key)


@pytest.mark.parametrize(
    ("fraction", "key"),
    [
        (None, "unmeasured"), (0.7999, "poor"), (0.80, "fair"), (0.9499, "fair"), (0.95, "close"), (1.05, "close"),
        (1.0501, "above"),
    ],
)  # fmt: skip
def test_what_an_engine_keeps_of_the_limit_is_told_by_three_edges(fraction: float | None, key: str) -> None:
    assert findings.against_limit(fraction) == key


def test_overhead_is_a_bottleneck_from_the_diagnosis_own_threshold_on() -> None:
    assert findings.overhead(None) == "unmeasured"
    assert findings.overhead(MIN_LOSS) == "high" and findings.overhead(MIN_LOSS - 1e-9) == "low"
    shares = {"cpu": 0.5, "memory": None, "io": 0.1, "transfer": 0.2, "waiting": None}
    assert findings.overhead_share(shares) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("low", "high", "key"),
    [(1.0001, 2.0, "faster"), (1.0, 2.0, "same"), (0.8, 1.0, "same"), (0.8, 0.9999, "slower"), (0.9, 1.1, "same")],
)
def test_parallel_is_faster_only_where_the_whole_spread_is_above_one(low: float, high: float, key: str) -> None:
    assert findings.gain([row(1, 0.5), row(2, (low + high) / 2, low, high)]) == key


def test_a_knee_is_seen_only_below_the_cores_and_only_by_a_fit() -> None:
    fit = LawFit("amdahl", {"serial_fraction": 0.2}, {"serial_fraction": 0.01}, 0.0)  # its knee is at 4
    assert findings.knee([Unfitted("amdahl", 3, 1)], 8) == "unfitted"
    assert findings.knee([fit], 5) == "seen" and findings.knee([fit], 4) == "unseen"
    assert findings.knee([fit, Unfitted("usl", 4, 3)], 4) == "unseen"


@pytest.mark.parametrize(
    ("low", "high", "key"), [(2.01, 2.1, "more"), (2.0, 2.1, "same"), (1.0, 1.7999, "less"), (1.0, 1.8, "same")]
)
def test_workers_beyond_the_cpus_are_told_apart_only_where_spreads_do_not_touch(
    low: float, high: float, key: str
) -> None:
    rows = [row(1, 1.0), row(2, 1.9, 1.8, 2.0), row(4, (low + high) / 2, low, high, "over-subscribed")]
    assert findings.beyond_cores(rows) == key
    assert findings.beyond_cores(rows[:2]) == "unmeasured"


@pytest.mark.parametrize(
    ("fractions", "key"),
    [
        ([0.1], "single"),
        ([0.1, 0.1199], "steady"),
        ([0.1, 0.125], "grows"),
        ([0.125, 0.1], "falls"),
        ([0.12, 0.101], "steady"),
    ],
)
def test_the_serial_fraction_grows_falls_or_is_steady(fractions: list[float], key: str) -> None:
    assert findings.serial_trend(fractions) == key


def test_only_marks_of_noise_within_the_cpus_make_a_result_provisional() -> None:
    assert findings.trust([row(1, 1.0), row(4, 2.0, None, None, "over-subscribed", "load")], 2) == "sound"
    assert findings.trust([row(1, 1.0), row(2, 2.0, None, None, "SMT")], 2) == "sound"
    for mark in ("unstable", "steal", "load"):
        assert findings.trust([row(1, 1.0, None, None, mark)], 2) == "provisional"


def test_runs_are_of_one_set_of_hosts_or_of_several() -> None:
    assert findings.hosts([]) == findings.hosts([("a",), ("a",)]) == "one"
    assert findings.hosts([("a",), ("a", "b")]) == "several"
    assert findings.bottleneck(None) == "untold" and findings.bottleneck("io") == "io"
