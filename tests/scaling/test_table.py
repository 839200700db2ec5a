from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from labkit.errors import InvalidMeasurement, ResultsDiffer
from labkit.scaling import laws
from labkit.scaling.table import LIMIT, SEQUENTIAL, SpeedupRow, Timing, check_rows, paired_ratio, rows_to_json, tabulate
from tests.scaling import synthetic


def engine_timings(engine_s: list[float], serial_s: list[float], n_workers: int = 2) -> list[Timing]:
    return [
        timing
        for number, (engine, serial) in enumerate(zip(engine_s, serial_s, strict=True), start=1)
        for timing in (Timing(SEQUENTIAL, 1, number, serial, "d"), Timing("ray", n_workers, number, engine, "d"))
    ]


def table(timings: list[Timing], *, engine: str = "ray", usable_cpus: int = 8, physical_cores: int = 8):
    return tabulate(timings, engine=engine, n_rows=1000, usable_cpus=usable_cpus, physical_cores=physical_cores)


def test_rows_come_fewest_workers_first_with_the_known_speedups() -> None:
    rows = table(synthetic.timings([4, 1, 2]))
    assert [row.n_workers for row in rows] == [1, 2, 4]
    for row in rows:
        assert row.speedup == pytest.approx(laws.amdahl(row.n_workers, 0.08), rel=0.02)
        assert row.efficiency == pytest.approx(row.speedup / row.n_workers)
        assert row.throughput_rows_s == pytest.approx(1000 / row.parallel_s)
        assert row.spread.low <= row.speedup <= row.spread.high
        assert row.marks == ()


def test_the_warm_up_round_changes_no_number() -> None:
    assert table(synthetic.timings([1, 2], warm_up=50.0)) == table(synthetic.timings([1, 2], warm_up=1.0))


def test_speedup_is_the_median_of_paired_ratios_not_the_ratio_of_medians() -> None:
    [row] = table(engine_timings(engine_s=[1.0, 2.0, 6.0], serial_s=[3.0, 10.0, 9.0]))
    assert row.speedup == 3.0
    assert row.sequential_s / row.parallel_s == 4.5
    assert (row.spread.low, row.spread.high, row.spread.kind) == (1.5, 5.0, "range")


def test_only_rounds_that_both_sides_share_are_paired() -> None:
    timings = [*engine_timings([5.0], [10.0]), Timing(SEQUENTIAL, 1, 2, 99.0, "d"), Timing("ray", 2, 3, 1.0, "d")]
    [row] = table(timings)
    assert (row.sequential_s, row.parallel_s, row.speedup) == (10.0, 5.0, 2.0)


def test_the_limit_is_what_bare_processes_reach_and_the_baseline_for_one_worker() -> None:
    one, two = table(synthetic.timings([1, 2]))
    assert one.limit_speedup == 1.0
    assert one.limit_fraction == one.speedup
    assert two.limit_speedup == pytest.approx(laws.amdahl(2, 0.02), rel=0.02)
    assert two.limit_fraction == pytest.approx(laws.amdahl(2, 0.08) / laws.amdahl(2, 0.02), rel=0.02)
    assert two.limit_spread is not None and two.limit_spread.low <= two.limit_fraction <= two.limit_spread.high


def test_without_a_measured_limit_its_columns_are_empty() -> None:
    [row] = table(engine_timings([1.0], [2.0]))
    assert row.limit_speedup is row.limit_fraction is row.limit_spread is None


@pytest.mark.parametrize("subject", [SEQUENTIAL, LIMIT, "ray"])
@pytest.mark.parametrize("number", [0, 3])
def test_a_digest_that_differs_in_any_round_is_refused(subject: str, number: int) -> None:
    timings = synthetic.timings([1, 2])
    place = max(i for i, t in enumerate(timings) if (t.subject, t.round) == (subject, number))
    timings[place] = replace(timings[place], digest="other")
    with pytest.raises(ResultsDiffer, match="other"):
        table(timings)


def test_rows_beyond_cores_and_cpus_are_marked() -> None:
    rows = table(synthetic.timings([2, 4, 8]), usable_cpus=4, physical_cores=2)
    assert [row.marks for row in rows] == [(), ("SMT",), ("over-subscribed",)]


@pytest.mark.parametrize(("place", "mark"), [(1, "SMT"), (2, "over-subscribed")])
def test_a_row_beyond_the_cores_without_its_mark_is_refused(place: int, mark: str) -> None:
    rows = table(synthetic.timings([2, 4, 8]), usable_cpus=4, physical_cores=2)
    check_rows(rows, 4, 2)
    rows[place] = replace(rows[place], marks=("unstable",))
    with pytest.raises(InvalidMeasurement, match=mark):
        check_rows(rows, 4, 2)


@pytest.mark.parametrize("unsteady", ["engine", "baseline"])
def test_times_that_scatter_mark_the_row_unstable(unsteady: str) -> None:
    steady, scattered = [10.0, 10.1, 9.9], [10.0, 12.0, 8.0]
    [row] = table(engine_timings(*((scattered, steady) if unsteady == "engine" else (steady, scattered))))
    assert row.marks == ("unstable",)


@pytest.mark.parametrize(("field", "mark"), [("steal_fraction", "steal"), ("load_fraction", "load")])
@pytest.mark.parametrize("place", [0, 1])
def test_one_disturbed_round_of_either_side_marks_the_row(field: str, mark: str, place: int) -> None:
    timings = engine_timings([5.0] * 3, [10.0] * 3)
    timings[place] = replace(timings[place], **{field: 0.3})
    assert table(timings)[0].marks == (mark,)


@pytest.mark.parametrize(
    ("timings", "message"),
    [
        ([Timing(SEQUENTIAL, 1, 1, 1.0, "d")], "No timing of the engine 'ray'"),
        ([Timing("ray", 2, 1, 1.0, "d")], "baseline"),
        ([Timing(SEQUENTIAL, 1, 0, 1.0, "d"), Timing("ray", 2, 0, 1.0, "d")], "no round after the warm-up"),
        ([Timing(SEQUENTIAL, 1, 1, 1.0, "d"), Timing("ray", 2, 1, 0.0, "d")], "positive"),
        ([Timing(SEQUENTIAL, 1, 1, 1.0, "d"), Timing("ray", 0, 1, 1.0, "d")], "at least 1"),
        ([*engine_timings([1.0], [1.0]), Timing("ray", 2, 1, 1.0, "d")], "twice in round 1"),
    ],
)
def test_timings_from_which_nothing_follows_are_refused(timings: list[Timing], message: str) -> None:
    with pytest.raises(InvalidMeasurement, match=message):
        table(timings)


def test_two_engines_are_compared_round_by_round() -> None:
    ray = synthetic.timings([1, 2])
    both = ray + [replace(t, subject="processes", seconds=t.seconds * 0.9) for t in ray if t.subject == "ray"]
    ratio, spread = paired_ratio(both, "processes", "ray", 2)
    assert ratio == pytest.approx(0.9)
    assert spread.coverage == pytest.approx(1 - 2 / 2**6)


def test_rows_survive_json() -> None:
    first = rows_to_json(table(synthetic.timings([1, 2]), usable_cpus=1))[1]
    assert json.loads(json.dumps(first)) == first
    assert first["spread"]["kind"] == "interval" and first["marks"] == ["over-subscribed"]
    assert set(first) == set(SpeedupRow.__dataclass_fields__)


def test_the_table_needs_no_numerical_library() -> None:
    code = "import sys, labkit.scaling.table; print({'numpy', 'scipy', 'matplotlib', 'ray'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_a_weak_row_is_read_against_the_same_grown_work():
    timings = [
        Timing("sequential", 1, 1, 4.0, "one"), Timing("ray", 1, 1, 4.0, "one"),
        Timing("sequential", 2, 1, 8.0, "two"), Timing("limit", 2, 1, 4.0, "two"), Timing("ray", 2, 1, 5.0, "two"),
    ]  # fmt: skip
    one, two = tabulate(timings, engine="ray", n_rows=100, usable_cpus=2, physical_cores=2, weak=True)
    assert (one.speedup, two.speedup, two.efficiency, two.throughput_rows_s) == (1.0, 1.6, 0.8, 40.0)
    assert (two.limit_speedup, two.limit_fraction) == (2.0, 0.8)
    with pytest.raises(ResultsDiffer):
        tabulate([*timings[:-1], Timing("ray", 2, 1, 5.0, "one")], engine="ray", n_rows=100, usable_cpus=2,
                 physical_cores=2, weak=True)  # fmt: skip
