"""The whole line on own data of three classes: features, fits on every engine, vote, score, store, compiled."""

from __future__ import annotations

import json

import numpy as np
import pytest

import labkit
from labkit.data.prepare import Dataset
from labkit.data.shards import read_shard
from labkit.errors import InvalidArgument
from labkit.learning.compiled import compile_ensemble
from labkit.pipeline import plan, train
from tests.data import owned

RECIPES = ["hgb-small", "logistic-onehot"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory):
    return labkit.start(home=str(tmp_path_factory.mktemp("lab")))


@pytest.fixture(scope="module")
def dataset(lab, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = owned.csv(tmp_path_factory.mktemp("own"), owned.frame(900))
    return lab.prepare(data=path, target="late", n_shards=2)


@pytest.mark.parametrize("by", ["model", "shard"])
def test_every_engine_gives_the_same_bits_of_three_classes(dataset, by) -> None:
    job = plan(dataset, recipes=RECIPES, by=by)
    digests = {train(job, engine_name=name, n_workers=n)[1] for name, n in (("sequential", 1), ("threads", 3))}
    assert len(digests) == 1


def test_the_model_kept_predicts_rows_as_they_come(lab, dataset) -> None:
    record = lab.train(dataset, recipes=RECIPES, engine="sequential")
    assert record["results"]["scores"]["roc_auc"] > 0.8 and record["parameters"]["target"] == "late"
    (kept,) = lab.folder.root.glob("costs-*.json")  # measured by that first training
    assert {name for name, factor in json.loads(kept.read_text()).items() if factor > 0} == set(RECIPES)
    ensemble, encoder = lab.models.load()
    assert ensemble.n_classes == encoder.n_classes == 3 and encoder == dataset.encoder
    rows = read_shard(dataset.test)
    X = encoder.transform(encoder.table.clean(rows.select("x", "día", "grupo", "draw", "day"), only_known=True)).X
    found = ensemble.predict_proba(X)
    np.testing.assert_allclose(compile_ensemble(ensemble).predict_proba(X), found, rtol=0, atol=1e-12)
    guessed = np.array(encoder.table.classes)[found.argmax(axis=1)]
    assert (guessed == rows["late"].to_numpy()).mean() > 0.6


def test_flights_and_own_data_are_not_asked_for_at_once(lab) -> None:
    for wrong in ({"data": "a.csv"}, {"target": "y"}, {"data": "a.csv", "target": "y", "days": 3}):
        with pytest.raises(InvalidArgument, match="path or URL and a target"):
            lab.prepare(**wrong)
