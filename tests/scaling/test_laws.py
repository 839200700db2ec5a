from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from labkit.errors import InvalidMeasurement
from labkit.scaling import laws


def test_all_laws_agree_on_one_worker() -> None:
    assert laws.amdahl(1, 0.3) == laws.gustafson(1, 0.3) == laws.usl(1, 0.3, 0.1) == 1


def test_without_a_serial_part_speedup_is_the_number_of_workers() -> None:
    assert laws.amdahl(16, 0) == laws.gustafson(16, 0) == laws.usl(16, 0, 0) == 16


def test_amdahls_speedup_nears_the_inverse_of_the_serial_fraction() -> None:
    assert laws.amdahl(1e9, 0.05) == pytest.approx(20)


def test_the_universal_law_without_coherency_is_amdahls() -> None:
    assert laws.usl(7, 0.2, 0) == pytest.approx(laws.amdahl(7, 0.2))


def test_gustafsons_and_amdahls_fractions_describe_the_same_run() -> None:
    # A run on 8 workers, 1 s serial and 9 s parallel: alone it would take 1 + 72 s.
    assert laws.gustafson(8, 1 / 10) == pytest.approx(laws.amdahl(8, 1 / 73))


def test_karp_and_flatt_invert_amdahl() -> None:
    assert laws.serial_fraction(10.0, 10.0 / laws.amdahl(8, 0.07), 8) == pytest.approx(0.07)


def test_a_superlinear_run_has_a_negative_serial_fraction() -> None:
    assert laws.serial_fraction(10.0, 2.0, 4) < 0


def test_the_universal_law_falls_on_both_sides_of_its_peak() -> None:
    peak = laws.usl_peak(0.05, 0.002)
    top = laws.usl(peak, 0.05, 0.002)
    assert laws.usl(0.8 * peak, 0.05, 0.002) < top > laws.usl(1.2 * peak, 0.05, 0.002)
    assert laws.usl_peak(0.05, 0) == math.inf
    assert laws.usl_peak(0.5, 10) == 1


@pytest.mark.parametrize(
    "broken",
    [
        lambda: laws.speedup(0.0, 1.0),
        lambda: laws.speedup(1.0, -1.0),
        lambda: laws.speedup(math.nan, 1.0),
        lambda: laws.efficiency(0.0, 2),
        lambda: laws.efficiency(1.0, 0),
        lambda: laws.throughput(10, 0.0),
        lambda: laws.throughput(-1, 1.0),
        lambda: laws.amdahl(0, 0.1),
        lambda: laws.amdahl(2, 1.1),
        lambda: laws.gustafson(2, -0.1),
        lambda: laws.serial_fraction(1.0, 1.0, 1),
        lambda: laws.usl(2, 0.1, -1),
        lambda: laws.usl_peak(2.0, 0.1),
    ],
)
def test_what_is_no_measurement_is_rejected(broken: Callable[[], float]) -> None:
    with pytest.raises(InvalidMeasurement, match="got"):
        broken()
