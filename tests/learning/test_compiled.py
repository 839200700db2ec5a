from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from labkit.errors import InvalidArgument
from labkit.learning.compiled import compile_ensemble
from labkit.learning.ensemble import Ensemble
from labkit.learning.fitting import fit_model, plan_fits
from labkit.learning.recipes import catalogue
from tests.learning import blocks

NAMES = [recipe.name for recipe in catalogue()]


@pytest.mark.parametrize("name", NAMES)
def test_a_compiled_member_answers_as_scikit_learn_does(ensemble: Ensemble, name: str) -> None:
    index = ensemble.names.index(name)
    alone = dataclasses.replace(ensemble, names=(name,), models=(ensemble.models[index],), weights=(1.0,))
    X = blocks.troubled()
    np.testing.assert_allclose(compile_ensemble(alone).predict_proba(X), alone.predict_proba(X), rtol=0, atol=1e-12)


def test_a_compiled_ensemble_answers_row_by_row_as_the_ensemble_does(ensemble: Ensemble) -> None:
    X = blocks.troubled(80)
    before = X.copy()
    compiled = compile_ensemble(ensemble)
    found = np.concatenate([compiled.predict_proba(X[row : row + 1]) for row in range(len(X))])
    np.testing.assert_allclose(found, ensemble.predict_proba(X), rtol=0, atol=1e-12)
    assert np.array_equal(X, before, equal_nan=True), "the caller's rows must stay as they were"


@pytest.mark.parametrize("n_rows", [1, 2, 3, 5, 16])
def test_the_answer_of_a_row_is_the_same_to_the_last_bit_whichever_rows_are_with_it(
    ensemble: Ensemble, n_rows: int
) -> None:
    X, compiled = blocks.troubled(80), compile_ensemble(ensemble)
    parts = [compiled.predict_proba(X[begin : begin + n_rows]) for begin in range(0, len(X), n_rows)]
    assert np.array_equal(np.concatenate(parts), compiled.predict_proba(X))


def test_an_ensemble_without_categories_can_be_compiled() -> None:
    rows = blocks.block(1000)
    names = ["hgb-small", "logistic-onehot"]
    models = tuple(fit_model(fit, rows, ()) for fit in plan_fits(catalogue(names), seed=0))
    ensemble = Ensemble(tuple(names), models, (0.5, 0.5), (), blocks.NAMES)
    X = blocks.troubled()
    np.testing.assert_allclose(
        compile_ensemble(ensemble).predict_proba(X), ensemble.predict_proba(X), rtol=0, atol=1e-12
    )


def test_a_request_of_another_shape_is_refused(ensemble: Ensemble) -> None:
    compiled = compile_ensemble(ensemble)
    with pytest.raises(InvalidArgument, match="knows 8 features"):
        compiled.predict_proba(np.zeros((1, 7), dtype=np.float32))
    assert compiled.predict_proba(np.zeros((0, 8), dtype=np.float32)).shape == (0,)
