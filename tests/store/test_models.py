from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.svm import SVC

from labkit.data.features import Encoder, FeatureBlock
from labkit.errors import InvalidData, UnknownName
from labkit.learning.ensemble import Ensemble
from labkit.learning.fitting import fit_model, plan_fits
from labkit.learning.recipes import catalogue
from labkit.store.models import ModelStore, model_from_bytes, model_to_bytes
from labkit.store.runs import RunStore

ENCODER = Encoder(("a", "b", "c"), {"d": ("x", "y", "z"), "e": ("p", "ñ")})
CATEGORICAL = ENCODER.categorical


def _block(n_rows: int = 300) -> FeatureBlock:
    random = np.random.default_rng(0)
    X = random.normal(size=(n_rows, 5)).astype(np.float32)
    X[:, 3], X[:, 4] = random.integers(0, 3, n_rows), random.integers(0, 2, n_rows)
    X[random.random(X.shape) < 0.05] = np.nan
    return FeatureBlock(X, (random.random(n_rows) < 0.3).astype(np.uint8), ENCODER.names)


BLOCK = _block()


@pytest.fixture(scope="module")
def ensemble():
    names = ("hgb-small", "forest-20", "logistic-onehot")
    models = tuple(fit_model(plan_fits(catalogue([name]), 1)[0], BLOCK, CATEGORICAL) for name in names)
    return Ensemble(names, models, (0.5, 0.3, 0.2), CATEGORICAL, ENCODER.names)


@pytest.fixture
def stores(database_url, tmp_path):
    return RunStore(database_url, str(tmp_path / "runs")), ModelStore(database_url, str(tmp_path / "models"))


@pytest.fixture
def saved(stores, ensemble):
    runs, models = stores
    run = runs.start("training", "ensemble", {}, 1, "d", [])
    return models.save(ensemble, run_id=run.id, scores={"roc_auc": 0.7}, encoder=ENCODER)


@pytest.mark.parametrize("recipe", [recipe.name for recipe in catalogue()])
def test_every_recipe_of_the_catalogue_comes_back_and_predicts_the_same_bits(recipe):
    model = fit_model(plan_fits(catalogue([recipe]), 1)[0], BLOCK, CATEGORICAL)
    found = model_from_bytes(model_to_bytes({"model": model, "probability": np.arange(3.0)}))
    assert np.array_equal(found["model"].predict_proba(BLOCK.X), model.predict_proba(BLOCK.X))
    assert np.array_equal(found["probability"], np.arange(3.0))


def test_ensemble_and_encoder_come_back_and_predict_the_same_bits(stores, saved, ensemble):
    found, encoder = stores[1].load(saved.id)
    assert (found.names, found.weights, found.categorical) == (ensemble.names, ensemble.weights, ensemble.categorical)
    assert encoder == ENCODER and found.feature_names == ENCODER.names
    assert np.array_equal(found.predict_proba(BLOCK.X), ensemble.predict_proba(BLOCK.X))


def test_record_says_where_it_comes_from(stores, saved):
    assert stores[0].get(saved.run_id).id == saved.run_id
    assert saved.scores == {"roc_auc": 0.7} and saved.n_bytes > 1000
    assert stores[1].get(saved.id[:-1]) == stores[1].list()[0]


def test_one_model_is_promoted_at_a_time(stores, saved, ensemble):
    runs, models = stores
    other_run = runs.start("training", "ensemble", {}, 2, "d", [])
    other = models.save(ensemble, run_id=other_run.id, scores={}, encoder=ENCODER)
    for chosen in (other, saved):
        models.promote(chosen.id)
        assert models.get("promoted").id == chosen.id
        assert sum(model.promoted for model in models.list()) == 1
        assert models.load("promoted")[0].names == ensemble.names


def test_unknown_model_and_unknown_run_are_refused(stores, ensemble):
    for name in ("promoted", "nobody", "", "%"):
        with pytest.raises(UnknownName, match="labkit models"):
            stores[1].get(name)
    with pytest.raises(UnknownName):
        stores[1].save(ensemble, run_id="nobody", scores={}, encoder=ENCODER)
    assert list(stores[1].list()) == []


def test_file_that_was_cut_short_or_changed_is_refused(stores, saved, tmp_path):
    [path] = [path for path in (tmp_path / "models").rglob("*") if path.is_file()]
    content = path.read_bytes()
    for wrong in (content[: len(content) // 2], b"", bytes([content[0] ^ 1]) + content[1:]):
        path.write_bytes(wrong)
        with pytest.raises(InvalidData):
            stores[1].load(saved.id)


def test_foreign_type_is_refused_by_name_and_not_run(tmp_path):
    trap = tmp_path / "sprung"
    for content in (
        model_to_bytes({"models": [functools.partial(os.system, f"touch {trap}")]}),
        model_to_bytes({"models": [os.system]}),
    ):
        with pytest.raises(InvalidData, match="system"):
            model_from_bytes(content)
    assert not trap.exists()


def test_an_estimator_that_the_catalogue_has_not_is_refused_and_dask_is_not_loaded_to_know_it():
    with pytest.raises(InvalidData, match=r"sklearn\.svm\._classes\.SVC"):
        model_from_bytes(model_to_bytes({"model": SVC()}))
    program = (
        "import sys; from labkit.store.models import model_to_bytes as keep; keep({}); print('dask' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


class Trap:
    def __reduce__(self):
        return os.system, ("exit 1",)


def test_pickle_is_no_model():
    for content in (pickle.dumps(Trap()), b"", b"PK\x03\x04"):
        with pytest.raises(InvalidData):
            model_from_bytes(content)
