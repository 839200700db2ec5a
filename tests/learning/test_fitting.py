from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from labkit.data.features import FeatureBlock
from labkit.errors import InvalidArgument, InvalidData
from labkit.learning.ensemble import digest
from labkit.learning.fitting import (
    TREES_A_PART,
    Fit,
    fit_model,
    merge_parts,
    merge_probabilities,
    plan_fits,
)
from labkit.learning.recipes import Recipe, catalogue
from tests.learning.blocks import CATEGORICAL, troubled

ONE_OF_EACH = ["hgb-small", "forest-20", "extra-20", "logistic-onehot"]
FOREST = Recipe("forest-7", "forest", {"min_samples_leaf": 20}, reference_s=1.0, n_trees=7)

IN_ANOTHER_PROCESS = f"""
from labkit.learning.ensemble import digest
from labkit.learning.fitting import fit_model, plan_fits
from labkit.learning.recipes import catalogue
from tests.learning.blocks import CATEGORICAL, block, troubled
for fit in plan_fits(catalogue({ONE_OF_EACH}), seed=5):
    print(fit.key, digest(fit_model(fit, block(), CATEGORICAL).predict_proba(troubled())[:, 1]))
"""


def parts_of(recipe: Recipe, n_parts: int) -> list[Fit]:
    return [Fit(recipe, 0, part, n_parts) for part in range(n_parts)]


def test_large_forests_are_split_and_nothing_else_is() -> None:
    for recipe in catalogue():
        fits = plan_fits([recipe], seed=0)
        assert sum(fit.n_trees or 0 for fit in fits) == (recipe.n_trees or 0)
        assert all((fit.n_trees or 0) <= TREES_A_PART for fit in fits)
        assert len(fits) == 1 or recipe.n_trees is not None


def test_trees_that_do_not_divide_are_spread_evenly() -> None:
    assert [fit.n_trees for fit in parts_of(FOREST, 3)] == [3, 2, 2]


def test_every_fit_of_a_plan_has_its_own_key_and_seed() -> None:
    fits = plan_fits(catalogue(), seed=0) + plan_fits(catalogue(), seed=0, n_shards=4)
    assert len({fit.key for fit in fits}) == len(fits)
    assert len({fit.random_state for fit in fits}) == len(fits)


def test_training_by_shard_makes_a_member_for_each_shard() -> None:
    fits = plan_fits(catalogue(["hgb-small", "forest-60"]), seed=0, n_shards=2)
    assert list(dict.fromkeys(fit.member for fit in fits)) == [
        "hgb-small@0",
        "hgb-small@1",
        "forest-60@0",
        "forest-60@1",
    ]
    assert len(fits) == 8


def test_a_negative_seed_and_no_shard_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="seed"):
        plan_fits(catalogue(), seed=-1)
    with pytest.raises(InvalidArgument, match="at least 1 shard"):
        plan_fits(catalogue(), seed=0, n_shards=0)


def test_a_fit_gives_the_same_bits_in_another_process_with_one_thread(block: FeatureBlock) -> None:
    here = [
        f"{fit.key} {digest(fit_model(fit, block, CATEGORICAL).predict_proba(troubled())[:, 1])}"
        for fit in plan_fits(catalogue(ONE_OF_EACH), seed=5)
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    there = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS], env=environment, capture_output=True, text=True, check=True
    )
    assert there.stdout.split("\n")[:-1] == here


def test_another_seed_gives_another_forest(block: FeatureBlock) -> None:
    one, other = (fit_model(Fit(FOREST, seed), block, CATEGORICAL).predict_proba(block.X) for seed in (0, 1))
    assert (one != other).any()


def test_shared_rows_that_nobody_may_write_can_be_learnt_from(block: FeatureBlock) -> None:
    X, y = block.X.copy(), block.y.copy()
    X.setflags(write=False)
    y.setflags(write=False)
    for fit in plan_fits(catalogue(ONE_OF_EACH), seed=0):
        model = fit_model(fit, FeatureBlock(X, y, block.names), CATEGORICAL)
        expected = fit_model(fit, block, CATEGORICAL).predict_proba(block.X)[:, 1]
        assert np.array_equal(model.predict_proba(X)[:, 1], expected)


def test_a_block_without_categories_can_be_learnt_from(block: FeatureBlock) -> None:
    for fit in plan_fits(catalogue(ONE_OF_EACH), seed=0):
        assert fit_model(fit, block, ()).predict_proba(block.X[:10]).shape == (10, 2)


def test_a_merged_forest_predicts_the_mean_over_its_trees_in_part_order(block: FeatureBlock) -> None:
    fits = parts_of(FOREST, 3)
    trained = [(fit, fit_model(fit, block, CATEGORICAL)) for fit in fits]
    merged = merge_parts(trained)["forest-7"]
    expected = np.zeros(len(block.X))
    for _, model in trained:
        for tree in model.estimators_:
            expected += tree.predict_proba(block.X)[:, 1]
    assert len(merged.estimators_) == merged.n_estimators == 7
    assert np.array_equal(merged.predict_proba(block.X)[:, 1], expected / 7)
    assert len(trained[0][1].estimators_) == 3, "merging must leave the parts as they were"


def test_parts_may_come_in_any_order(block: FeatureBlock) -> None:
    trained = [(fit, fit_model(fit, block, CATEGORICAL)) for fit in parts_of(FOREST, 3)]
    one, other = (merge_parts(order)["forest-7"].predict_proba(block.X) for order in (trained, trained[::-1]))
    assert np.array_equal(one, other)


def test_merged_probabilities_are_those_of_the_merged_forest(block: FeatureBlock) -> None:
    trained = [(fit, fit_model(fit, block, CATEGORICAL)) for fit in parts_of(FOREST, 3)]
    predicted = [(fit, model.predict_proba(block.X)[:, 1]) for fit, model in trained]
    merged = merge_parts(trained)["forest-7"].predict_proba(block.X)[:, 1]
    np.testing.assert_allclose(merge_probabilities(predicted)["forest-7"], merged, rtol=0, atol=1e-14)


def test_a_missing_and_a_repeated_part_are_refused() -> None:
    first, second = parts_of(FOREST, 2)
    for wrong in ([first], [first, first], [second], [first, second, second]):
        with pytest.raises(InvalidArgument, match="parts 1 to 2"):
            merge_probabilities([(fit, np.zeros(1)) for fit in wrong])


@pytest.mark.parametrize("rows", ["none", "punctual", "late"])
def test_rows_with_one_outcome_only_are_refused(block: FeatureBlock, rows: str) -> None:
    kept = {"none": block.y > 1, "punctual": block.y == 0, "late": block.y == 1}[rows]
    small = dataclasses.replace(block, X=block.X[kept], y=block.y[kept])
    with pytest.raises(InvalidData, match="hgb-small: needs rows of two classes"):
        fit_model(plan_fits(catalogue(["hgb-small"]), 0)[0], small, CATEGORICAL)


def test_what_workers_import_loads_no_heavy_library() -> None:
    program = (
        "import sys, labkit.learning.recipes, labkit.learning.fitting, labkit.learning.costs, "
        "labkit.learning.scores, labkit.learning.ensemble\n"
        "print([name for name in ('polars', 'treelite', 'sklearn', 'scipy', 'pandas', 'ray') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_column_that_is_missing_everywhere_can_be_fitted(name: str, block: FeatureBlock) -> None:
    X = block.X.copy()
    X[:, [0, CATEGORICAL[0]]] = np.nan
    (fit,) = plan_fits(catalogue([name]), seed=5)
    model = fit_model(fit, dataclasses.replace(block, X=X), CATEGORICAL)
    assert np.isnan(X[:, 0]).all()  # the caller's rows are left alone
    assert np.isfinite(model.predict_proba(block.X)).all()
