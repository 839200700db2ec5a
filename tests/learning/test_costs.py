from __future__ import annotations

import pytest

from labkit.data.features import FeatureBlock
from labkit.errors import InvalidArgument
from labkit.learning.costs import REFERENCE_FEATURES, REFERENCE_ROWS, calibrate, cost_s
from labkit.learning.fitting import plan_fits
from labkit.learning.recipes import catalogue
from tests.learning.blocks import CATEGORICAL


def test_on_the_reference_rows_a_recipe_costs_what_was_measured() -> None:
    for recipe in catalogue():
        total = sum(cost_s(fit, REFERENCE_ROWS, REFERENCE_FEATURES) for fit in plan_fits([recipe], 0))
        assert total == pytest.approx(recipe.reference_s)


def test_no_single_fit_keeps_two_workers_unbalanced() -> None:
    costs = [cost_s(fit, REFERENCE_ROWS, REFERENCE_FEATURES) for fit in plan_fits(catalogue(), 0)]
    assert max(costs) <= sum(costs) / 8


def test_more_rows_and_more_features_cost_more() -> None:
    for fit in plan_fits(catalogue(), 0):
        assert cost_s(fit, 1000, 10) < cost_s(fit, 2000, 10) < cost_s(fit, 2000, 20)


def test_a_hosts_factor_scales_its_own_recipe_only() -> None:
    small, medium = plan_fits(catalogue(["hgb-small", "hgb-medium"]), 0)
    assert cost_s(small, 1000, 10, {"hgb-small": 3.0}) == pytest.approx(3 * cost_s(small, 1000, 10))
    assert cost_s(medium, 1000, 10, {"hgb-small": 3.0}) == cost_s(medium, 1000, 10)


def test_calibration_measures_every_recipe(block: FeatureBlock) -> None:
    recipes = catalogue(["hgb-small", "forest-60", "logistic-numeric"])
    factors = calibrate(block, CATEGORICAL, recipes, n_rows=500)
    assert list(factors) == ["hgb-small", "forest-60", "logistic-numeric"]
    assert all(factor > 0 for factor in factors.values())


def test_no_rows_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="needs rows"):
        cost_s(plan_fits(catalogue(), 0)[0], 0, 10)
