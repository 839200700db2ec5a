from __future__ import annotations

import numpy as np
import pytest

from labkit.errors import InvalidArgument, InvalidData
from labkit.learning.scores import calibration_curve, score

Y = np.array([0, 1, 0, 1, 0, 0], dtype=np.uint8)


def test_a_perfect_forecast_scores_perfectly() -> None:
    found = score(Y, Y.astype(float))
    assert (found.roc_auc, found.pr_auc, found.brier) == (1.0, 1.0, 0.0)
    assert found.log_loss < 1e-12


def test_guessing_the_share_of_late_flights_scores_as_known() -> None:
    found = score(Y, np.full(6, 1 / 3))
    assert found.roc_auc == 0.5
    assert found.pr_auc == pytest.approx(1 / 3)
    assert found.brier == pytest.approx(2 / 9)
    assert found.log_loss == pytest.approx(-(np.log(1 / 3) + 2 * np.log(2 / 3)) / 3)


@pytest.mark.parametrize("y", [np.zeros(6), np.ones(6)])
def test_one_outcome_only_cannot_be_scored(y: np.ndarray) -> None:
    with pytest.raises(InvalidData, match="rows of two classes"):
        score(y, np.full(6, 0.5))


@pytest.mark.parametrize("wrong", [np.full(5, 0.5), np.full((6, 1), 0.5), np.full(6, np.nan), np.full(6, 1.1)])
def test_what_is_no_probability_a_row_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(InvalidArgument):
        score(Y, wrong)
    with pytest.raises(InvalidArgument):
        calibration_curve(Y, wrong)


def test_a_calibrated_forecast_lies_on_the_diagonal() -> None:
    draw = np.random.default_rng(0)
    probability = draw.random(100_000)
    curve = calibration_curve((draw.random(100_000) < probability).astype(np.uint8), probability)
    assert sum(n for _, _, n in curve) == 100_000
    assert len(curve) == 10
    assert all(abs(predicted - observed) < 0.03 for predicted, observed, _ in curve)


def test_a_calibration_curve_without_bins_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least 1 bin"):
        calibration_curve(Y, np.full(6, 0.5), n_bins=0)
