"""More than two classes: the same line, one column a class."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from sklearn import metrics

from labkit.data.features import FeatureBlock
from labkit.errors import InvalidArgument, InvalidData
from labkit.learning.compiled import compile_ensemble
from labkit.learning.costs import calibrate, cost_s
from labkit.learning.ensemble import Ensemble, Member, combine, digest
from labkit.learning.fitting import fit_model, merge_parts, merge_probabilities, plan_fits, probabilities
from labkit.learning.recipes import catalogue
from labkit.learning.scores import calibration_curve, score
from labkit.store.models import model_from_bytes, model_to_bytes
from tests.learning import blocks

N_CLASSES = 4
NAMES = ["hgb-small", "hgb-slow", "forest-60", "extra-20", "logistic-numeric", "logistic-onehot"]


def block(n_rows: int = 2500, seed: int = 0) -> FeatureBlock:
    two = blocks.block(n_rows, seed)
    y = two.y + 2 * (np.nan_to_num(two.X[:, 1], nan=50.0) > 52)
    return dataclasses.replace(two, y=y.astype(np.uint8), n_classes=N_CLASSES)


@pytest.fixture(scope="module")
def members() -> list[Member]:
    valid = block(800, seed=2)
    trained = [(fit, fit_model(fit, block(), blocks.CATEGORICAL)) for fit in plan_fits(catalogue(NAMES), seed=3)]
    said = [(fit, probabilities(model, valid.X, N_CLASSES)) for fit, model in trained]
    merged, models = merge_probabilities(said), merge_parts(trained)
    return [Member(name, models[name], merged[name], score(valid.y, merged[name])) for name in models]


@pytest.fixture(scope="module")
def ensemble(members: list[Member]) -> Ensemble:
    return combine(members, blocks.CATEGORICAL, blocks.NAMES)


def test_every_recipe_tells_all_classes_apart(members: list[Member]) -> None:
    for member in members:
        assert member.probability.shape == (800, N_CLASSES)
        np.testing.assert_allclose(member.probability.sum(axis=1), 1.0, atol=1e-9)
        assert member.scores.roc_auc > 0.6


def test_the_ensemble_votes_class_by_class(ensemble: Ensemble, members: list[Member]) -> None:
    valid = block(800, seed=2)
    found = ensemble.predict_proba(valid.X)
    expected = np.average([member.probability for member in members], axis=0, weights=ensemble.weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert ensemble.n_classes == N_CLASSES and ensemble.predict_proba(valid.X[:0]).shape == (0, N_CLASSES)
    assert score(valid.y, found).roc_auc > np.median([member.scores.roc_auc for member in members])
    assert digest(found) != digest(found[:, ::-1])


def test_compiled_members_answer_as_scikit_learn_does(ensemble: Ensemble) -> None:
    X = blocks.troubled()
    for name, model in zip(ensemble.names, ensemble.models, strict=True):
        alone = dataclasses.replace(ensemble, names=(name,), models=(model,), weights=(1.0,))
        found = compile_ensemble(alone).predict_proba(X)
        np.testing.assert_allclose(found, alone.predict_proba(X), rtol=0, atol=1e-12, err_msg=name)
    assert compile_ensemble(ensemble).predict_proba(X[:0]).shape == (0, N_CLASSES)


def test_models_come_back_from_their_file(ensemble: Ensemble) -> None:
    X = blocks.troubled()
    found = model_from_bytes(model_to_bytes({"models": list(ensemble.models)}))["models"]
    again = dataclasses.replace(ensemble, models=tuple(found))
    assert np.array_equal(again.predict_proba(X), ensemble.predict_proba(X))


@pytest.mark.parametrize("known", [(0, 2), (1, 2, 3)])
def test_a_class_that_a_shard_lacks_has_probability_0_in_its_models(known: tuple[int, ...]) -> None:
    whole = block()
    kept = np.isin(whole.y, known)
    shard = dataclasses.replace(whole, X=whole.X[kept], y=whole.y[kept])
    names = ["hgb-small", "forest-20", "logistic-onehot"]
    models = tuple(fit_model(fit, shard, blocks.CATEGORICAL) for fit in plan_fits(catalogue(names), seed=0))
    ensemble = Ensemble(tuple(names), models, (0.5, 0.3, 0.2), blocks.CATEGORICAL, blocks.NAMES, N_CLASSES)
    found = ensemble.predict_proba(whole.X)
    assert (found.max(axis=0) > 0).nonzero()[0].tolist() == list(known)
    np.testing.assert_allclose(compile_ensemble(ensemble).predict_proba(whole.X), found, rtol=0, atol=1e-12)


def test_scores_are_means_over_the_classes_as_scikit_learn_has_them(members: list[Member]) -> None:
    y, probability = block(800, seed=2).y, members[0].probability
    found = score(y, probability)
    assert found.roc_auc == pytest.approx(metrics.roc_auc_score(y, probability, multi_class="ovr", average="macro"))
    one_hot = np.eye(N_CLASSES)[y]
    assert found.pr_auc == pytest.approx(metrics.average_precision_score(one_hot, probability, average="macro"))
    assert found.brier == pytest.approx(((one_hot - probability) ** 2).sum() / 800)
    assert found.log_loss == pytest.approx(metrics.log_loss(y, probability))


def test_a_perfect_and_the_worst_forecast_have_the_known_scores() -> None:
    y = np.array([0, 1, 2, 1], dtype=np.uint8)
    best, worst = score(y, np.eye(3)[y]), score(y, np.eye(3)[[1, 2, 0, 2]])
    assert (best.roc_auc, best.pr_auc, best.brier) == (1.0, 1.0, 0.0) and best.log_loss < 1e-12
    assert worst.brier == 2.0 and worst.log_loss > 30


def test_a_class_that_does_not_occur_is_not_scored() -> None:
    y, found = np.array([0, 1, 0, 1], dtype=np.uint8), np.array([[0.7, 0.2, 0.1], [0.2, 0.6, 0.2]] * 2)
    assert score(y, found).roc_auc == 1.0
    with pytest.raises(InvalidData, match="of one only"):
        score(np.zeros(4, np.uint8), found)


def test_a_calibration_curve_of_several_classes_at_once_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="of one class"):
        calibration_curve(np.array([0, 1]), np.eye(2))


def test_boosting_and_linear_models_cost_more_by_class() -> None:
    forest, boosted = (plan_fits(catalogue([name]), 0)[0] for name in ("forest-20", "hgb-small"))
    assert cost_s(boosted, 1000, 8, n_classes=5) == pytest.approx(5 * cost_s(boosted, 1000, 8))
    assert cost_s(forest, 1000, 8, n_classes=5) == cost_s(forest, 1000, 8)


def test_calibration_sees_a_class_however_rare() -> None:
    whole = blocks.block()
    rare = dataclasses.replace(whole, y=(np.arange(len(whole.y)) == 17).astype(np.uint8))
    assert calibrate(rare, blocks.CATEGORICAL, catalogue(["hgb-small"]), n_rows=200)["hgb-small"] > 0


def test_many_categories_are_learnt_without_a_matrix_of_all_weights_squared() -> None:
    draw = np.random.default_rng(0)
    codes = draw.integers(0, 254, size=(3000, 5)).astype(np.float32)
    wide = FeatureBlock(
        np.column_stack([draw.normal(size=3000), codes]).astype(np.float32), codes[:, 0] > 120, blocks.NAMES
    )
    (fit,) = plan_fits(catalogue(["logistic-onehot"]), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fit_model(fit, wide, (1, 2, 3, 4, 5))
    assert model.named_steps["classify"].solver == "lbfgs"
    narrow = fit_model(fit, blocks.block(), blocks.CATEGORICAL)
    assert narrow.named_steps["classify"].solver == "newton-cholesky"
