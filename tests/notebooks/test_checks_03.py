"""Typical answers to notebook 03, right and wrong, and what each is told."""

from __future__ import annotations

from pathlib import Path

import pytest

import labkit
from labkit.files.folder import LabFolder
from tests.notebooks.course import answer

PRELUDE = """
import numpy as np, ray
from labkit.learning.fitting import fit_model
from labkit.learning.scores import score
from labkit.parallel.actors import Trained
"""
TRAINER = """
{decorator}
class ModelTrainer:
    def __init__(self, valid, categorical):
        self._valid, self._categorical, self._seen = valid, categorical, []
    def train_model(self, fit, block):
        {body}
"""
FIT = "model = fit_model(fit, block, self._categorical)\n        p = model.predict_proba(self._valid)\n        "
RIGHT = "return Trained(fit.key, model, p[:, 1])"
OTHER = "from sklearn.ensemble import ExtraTreesClassifier as E; model = E(20).fit(block.X, block.y)\n        "


def trainer(body: str, decorator: str = "") -> str:
    return TRAINER.format(body=body, decorator=decorator)


SCHEDULE = """
def schedule(costs, n):
    plan, busy = [[] for _ in range(n)], [0.0] * n
    for turn, task in enumerate({order}):
        worker = {worker}
        plan[worker].append(task)
        busy[worker] += costs[task]
    return {given}
"""


def schedule(order: str, worker: str = "busy.index(min(busy))", given: str = "plan, max(busy)") -> str:
    return SCHEDULE.format(order=order, worker=worker, given=given)


LONGEST = "sorted(range(len(costs)), key=lambda task: -costs[task])"
VOTE = """
def soft_vote(valid, test):
    auc = np.array([score({side}.y, p).roc_auc for p in {side}.probability])
    w = {weights}
    return {vote}
"""
GAINS = "(auc > 0.5) * (auc - 0.5) / ((auc > 0.5) * (auc - 0.5)).sum() if (auc > 0.5).any() else auc * 0 + 1 / len(auc)"


def vote(weights: str = GAINS, vote: str = "w @ test.probability", side: str = "valid") -> str:
    return VOTE.format(weights=weights, vote=vote, side=side)


PURE = [
    ("3.1", "ModelTrainer", "right", trainer(FIT + RIGHT)),
    ("3.1", "ModelTrainer", "remote", trainer(FIT + RIGHT, "@ray.remote")),
    ("3.1", "ModelTrainer", "not_trained", trainer(FIT + "return p[:, 1]")),
    ("3.1", "ModelTrainer", "both_columns", trainer(FIT + "return Trained(fit.key, model, p)")),
    ("3.1", "ModelTrainer", "other_rows",
     trainer(FIT + "return Trained(fit.key, model, model.predict_proba(block.X)[:, 1])")),
    ("3.1", "ModelTrainer", "labels", trainer(FIT + "return Trained(fit.key, model, model.predict(self._valid))")),
    ("3.1", "ModelTrainer", "punctual", trainer(FIT + "return Trained(fit.key, model, p[:, 0])")),
    ("3.1", "ModelTrainer", "other_bits",
     trainer(OTHER + "return Trained(fit.key, model, model.predict_proba(self._valid)[:, 1])")),
    ("3.1", "ModelTrainer", "unnamed", trainer(FIT + "return Trained(fit.recipe, model, p[:, 1])")),
    ("3.1", "ModelTrainer", "keeps", trainer(FIT + "self._seen.append(block)\n        " + RIGHT)),
    ("3.1", "ModelTrainer", "not_attempted", trainer("...")),
    ("3.2", "schedule", "right", schedule(LONGEST)),
    ("3.2", "schedule", "arrival_order", schedule("range(len(costs))")),
    ("3.2", "schedule", "shortest_first", schedule(LONGEST + "[::-1]")),
    ("3.2", "schedule", "in_turn", schedule(LONGEST, "turn % n")),
    ("3.2", "schedule", "makespan", schedule(LONGEST, given="plan, sum(costs) / n")),
    ("3.2", "schedule", "order_within", schedule(LONGEST, given="[held[::-1] for held in plan], max(busy)")),
    ("3.2", "schedule", "not_each_once", schedule(LONGEST + "[1:]")),
    ("3.2", "schedule", "not_each_once", schedule("map(costs.index, sorted(costs, reverse=True))")),
    ("3.2", "schedule", "shape", schedule(LONGEST, given="max(busy)")),
    ("3.2", "schedule", "other_plan", schedule(LONGEST, "0")),
    ("3.3", "soft_vote", "right", vote()),
    ("3.3", "soft_vote", "nobody", vote("np.maximum(auc - 0.5, 0) / np.maximum(auc - 0.5, 0).sum()")),
    ("3.3", "soft_vote", "hard_votes", "def soft_vote(valid, test): return (test.probability >= 0.5).mean(axis=0)"),
    ("3.3", "soft_vote", "hard_votes",
     "def soft_vote(valid, test): return ((test.probability >= 0.5).mean(axis=0) >= 0.5).astype(int)"),
    ("3.3", "soft_vote", "unweighted", "def soft_vote(valid, test): return test.probability.mean(axis=0)"),
    ("3.3", "soft_vote", "not_normalised", vote("np.maximum(auc - 0.5, 0)")),
    ("3.3", "soft_vote", "auc_itself", vote("auc / auc.sum()")),
    ("3.3", "soft_vote", "below_guessing", vote("(auc - 0.5) / (auc - 0.5).sum()")),
    ("3.3", "soft_vote", "test_scores", vote(side="test")),
    ("3.3", "soft_vote", "looked_at_labels",
     vote(vote="(w @ test.probability, score(test.y, w @ test.probability))[0]")),
    ("3.3", "soft_vote", "changed",
     "def soft_vote(valid, test):\n"
     "    w = np.maximum([score(valid.y, p).roc_auc - 0.5 for p in valid.probability], 0)\n"
     "    test.probability *= (w / w.sum())[:, None]\n    return test.probability.sum(axis=0)"),
    ("3.3", "soft_vote", "shape", vote(vote="(w @ test.probability).mean()")),
    ("3.3", "soft_vote", "wrong", vote("(auc == auc.max()) * 1.0")),
]  # fmt: skip
SENT = """
def train_all(trainers, fits, block):
    shared = ray.put(block)
    futures = [trainers[{i}].train_model.remote(fit, {block}) for i, fit in enumerate(fits)]
    return {given}
"""


def sent(i: str = "i % len(trainers)", block: str = "shared", given: str = "ray.get(futures)") -> str:
    return SENT.format(i=i, block=block, given=given)


REMOTE = [
    ("3.4", "train_all", "right", sent()),
    ("3.4", "train_all", "uneven", sent("0")),
    ("3.4", "train_all", "carried", sent(block="block")),
    ("3.4", "train_all", "put_often", sent(block="ray.put(block)")),
    ("3.4", "train_all", "futures", sent(given="futures")),
    ("3.4", "train_all", "another_order", sent(given="ray.get(futures[::-1])")),
    ("3.4", "train_all", "waits_between",
     "def train_all(trainers, fits, block):\n    shared = ray.put(block)\n"
     "    return [ray.get(trainers[i % 2].train_model.remote(fit, shared)) for i, fit in enumerate(fits)]"),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), PURE)
def test_an_answer_is_told_what_it_is(tmp_path: Path, exercise: str, name: str, reason: str, code: str) -> None:
    labkit.start(home=tmp_path)
    verdict = answer(exercise, name, code, PRELUDE)
    assert verdict.reason == reason, verdict.message


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), REMOTE)
def test_an_answer_in_ray_is_told_what_it_is(
    ray_cluster: LabFolder, exercise: str, name: str, reason: str, code: str
) -> None:
    labkit.start(home=ray_cluster.root)
    verdict = answer(exercise, name, code, PRELUDE)
    assert verdict.reason == reason, verdict.message


def test_a_schedule_is_judged_in_the_lab_s_language(tmp_path: Path) -> None:
    said = {}
    for lang in ("en", "es"):
        labkit.start(home=tmp_path, lang=lang)
        said[lang] = answer("3.2", "schedule", schedule(LONGEST, given="plan, sum(costs) / n")).message
    assert said["en"].startswith("Not yet: you say 8.50 s; your own plan ends after 9.00 s")
    assert said["es"].startswith("Todavía no: dices 8,50 s; tu propio plan acaba a los 9,00 s")
