from __future__ import annotations

import pytest

from labkit.errors import InvalidMeasurement
from labkit.scaling import laws
from labkit.scaling.fits import (
    LawFit,
    Unfitted,
    eligible,
    fit_amdahl,
    fit_gustafson,
    fit_usl,
)
from labkit.scaling.table import tabulate
from tests.scaling import synthetic

COUNTS = [1, 2, 4, 8, 16]


def fitted(found: LawFit | Unfitted) -> LawFit:
    assert isinstance(found, LawFit)
    return found


@pytest.mark.parametrize("serial_fraction", [0.0, 0.03, 0.2])
def test_the_serial_fraction_of_a_synthetic_engine_is_found(serial_fraction: float) -> None:
    timings = synthetic.timings(COUNTS, serial_fraction=serial_fraction, n_rounds=9)
    rows = tabulate(timings, engine="ray", n_rows=1, usable_cpus=16, physical_cores=16)
    fit = fitted(fit_amdahl(*eligible(rows, 16)))
    assert fit.parameters["serial_fraction"] == pytest.approx(serial_fraction, abs=0.004)
    assert 0 < fit.std_errors["serial_fraction"] < 0.01
    assert 0 < fit.residual < 0.3


def test_gustafsons_fraction_is_found() -> None:
    fit = fitted(fit_gustafson(COUNTS, [laws.gustafson(n, 0.15) for n in COUNTS]))
    assert fit.parameters["serial_fraction"] == pytest.approx(0.15)
    assert fit.predict(32) == pytest.approx(laws.gustafson(32, 0.15))


def test_contention_and_coherency_are_found_apart() -> None:
    fit = fitted(fit_usl(COUNTS, [laws.usl(n, 0.05, 0.004) for n in COUNTS]))
    assert fit.parameters == pytest.approx({"sigma": 0.05, "kappa": 0.004}, rel=1e-3)
    assert fit.residual == pytest.approx(0, abs=1e-4)


def test_noise_shows_in_the_standard_error() -> None:
    noisy = [1.0, 1.7, 3.4, 5.0, 9.0]
    exact = [laws.amdahl(n, 0.05) for n in COUNTS]
    errors = [fitted(fit_amdahl(COUNTS, speedups)).std_errors["serial_fraction"] for speedups in (noisy, exact)]
    assert errors[0] > 1e-3 > errors[1]


@pytest.mark.parametrize(("fit", "n_needed"), [(fit_amdahl, 3), (fit_gustafson, 3), (fit_usl, 4)])
def test_too_few_worker_counts_leave_a_law_unfitted_and_say_what_it_needs(fit, n_needed: int) -> None:
    counts = list(range(1, n_needed + 1))
    assert isinstance(fit(counts, [n**0.9 for n in counts]), LawFit)
    missing = fit(counts[:-1], [n**0.9 for n in counts[:-1]])
    assert isinstance(missing, Unfitted) and missing.n_eligible == n_needed - 1
    assert f"needs {n_needed} cores" in missing.reason


def test_marked_rows_and_those_beyond_the_cpus_are_not_fitted() -> None:
    rows = tabulate(synthetic.timings(COUNTS), engine="ray", n_rows=1, usable_cpus=8, physical_cores=4)
    assert eligible(rows, 8)[0] == [1, 2, 4]
    assert eligible(rows, 2)[0] == [1, 2]


@pytest.mark.parametrize(
    ("counts", "speedups"), [([1, 2, 4], [1.0, 2.0]), ([1, 2, 2], [1.0, 2.0, 2.0]), ([1, 2, 4], [1.0, -2.0, 3.0])]
)
def test_counts_and_speedups_that_do_not_belong_together_are_rejected(counts, speedups) -> None:
    with pytest.raises(InvalidMeasurement, match="got"):
        fit_amdahl(counts, speedups)


def test_knee_and_saturation_are_reported_only_below_the_cpus() -> None:
    fit = LawFit("usl", {"sigma": 0.05, "kappa": 0.004}, {"sigma": 0.0, "kappa": 0.0}, 0.0)
    peak = laws.usl_peak(**fit.parameters)  # 15.4 workers
    assert fit.saturation(32) == round(peak)
    assert fit.saturation(15) is None
    # Speedup² / workers is highest where 0.012 n² + 0.046 n − 0.95 = 0, at 7.2 workers.
    assert fit.knee(32) == 7
    assert fit.knee(7) is None


def test_perfect_scaling_has_neither_knee_nor_saturation() -> None:
    fit = LawFit("gustafson", {"serial_fraction": 0.0}, {"serial_fraction": 0.0}, 0.0)
    assert fit.knee(64) is None and fit.saturation(64) is None
