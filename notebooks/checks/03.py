"""Checks of notebook 03: a trainer's bits and what it keeps, a schedule, a vote, and how the work was sent."""

from __future__ import annotations

import collections
import os
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import ray
from ray.actor import ActorClass

from labkit.classroom.exercises import NotYet
from labkit.data.features import FeatureBlock
from labkit.lab import current
from labkit.learning.ensemble import digest
from labkit.learning.fitting import plan_fits
from labkit.learning.recipes import catalogue
from labkit.learning.scores import score
from labkit.parallel.actors import ModelTrainer
from labkit.parallel.observe import observe


def _block(n_rows: int) -> FeatureBlock:
    rng = np.random.default_rng(n_rows)
    X = rng.normal(size=(n_rows, 4)).astype(np.float32)
    return FeatureBlock(X, (X[:, 0] + rng.normal(size=n_rows) > 0.5).astype(np.uint8), ("a", "b", "c", "d"))


def check_1(trainer_class: Any) -> None:
    """Check that a trainer gives the same bits as labkit's, and keeps nothing of what it was handed."""
    if isinstance(trainer_class, ActorClass):
        raise NotYet("remote")
    block, valid = _block(300), _block(120).X
    trainer, model_trainer = trainer_class(valid, ()), ModelTrainer(valid, ())
    before = len(pickle.dumps(vars(trainer)))
    for fit in plan_fits(catalogue(["hgb-small", "extra-20"]), seed=2013):
        found, right = trainer.train_model(fit, block), model_trainer.train_model(fit, block)
        if not all(hasattr(found, name) for name in ("key", "model", "probability")):
            raise NotYet("not_trained", kind=type(found).__name__)
        probability = np.asarray(found.probability)
        if probability.shape == (len(valid), 2):
            raise NotYet("both_columns", n=len(valid))
        if probability.shape != (len(valid),):
            raise NotYet("other_rows", found=str(probability.shape), n=len(valid))
        if np.isin(probability, (0, 1)).all():
            raise NotYet("labels")
        if np.allclose(probability, 1 - right.probability):
            raise NotYet("punctual")
        if digest(probability) != digest(right.probability):
            raise NotYet("other_bits", found=digest(probability), right=digest(right.probability))
        if found.key != fit.key or not hasattr(found.model, "predict_proba"):
            raise NotYet("unnamed", key=fit.key)
    if len(pickle.dumps(vars(trainer))) > before + 1000:
        raise NotYet("keeps", kilobytes=(len(pickle.dumps(vars(trainer))) - before) / 1e3)


def _greedy(costs: Sequence[float], order: Sequence[int], n_workers: int) -> list[list[int]]:
    """Give each task, in an order, to the worker that is free first."""
    plan: list[list[int]] = [[] for _ in range(n_workers)]
    for task in order:
        min(plan, key=lambda held: sum(costs[each] for each in held)).append(task)
    return plan


def _makespan(costs: Sequence[float], plan: Sequence[Sequence[int]]) -> float:
    return max(sum(costs[task] for task in held) for held in plan)


def _same(one: Sequence[Sequence[int]], other: Sequence[Sequence[int]]) -> bool:
    return sorted(map(tuple, one)) == sorted(map(tuple, other))


def check_2(schedule: Any) -> None:
    """Check the plan itself, not only how long it takes: each order leaves its own traces."""
    for costs, n_workers in (([1.0, 2.5, 0.5, 4.0, 9.0], 2), ([5.0, 3.5, 8.0, 1.25, 2.0, 7.0, 4.0], 3)):
        found = schedule(list(costs), n_workers)
        try:
            plan, makespan_s = [[int(task) for task in held] for held in found[0]], float(found[1])
        except (TypeError, ValueError, LookupError):
            raise NotYet("shape", n=n_workers) from None
        tasks = range(len(costs))
        if len(plan) != n_workers:
            raise NotYet("shape", n=n_workers)
        if sorted(task for held in plan for task in held) != list(tasks):
            raise NotYet("not_each_once", plan=plan)
        longest = sorted(tasks, key=lambda task: -costs[task])
        right = _greedy(costs, longest, n_workers)
        if _same(plan, _greedy(costs, tasks, n_workers)):
            raise NotYet("arrival_order", plan=plan)
        if _same(plan, _greedy(costs, longest[::-1], n_workers)):
            raise NotYet("shortest_first", plan=plan)
        if _same(plan, [longest[worker::n_workers] for worker in range(n_workers)]):
            raise NotYet("in_turn", plan=plan)
        if not np.isclose(makespan_s, _makespan(costs, plan)):
            raise NotYet("makespan", found=makespan_s, right=_makespan(costs, plan))
        if not _same(plan, right):
            inside = _same(map(sorted, plan), map(sorted, right))
            raise NotYet("order_within" if inside else "other_plan", plan=plan, right=right)
    plan, _ = schedule([2.0, 2.0, 2.0], 2)  # as the parts of a forest are: a task is not known by its cost
    if sorted(task for held in plan for task in held) != [0, 1, 2]:
        raise NotYet("not_each_once", plan=plan)


class _Watched:
    """Probabilities and labels that remember whether somebody looked at the labels."""

    def __init__(self, probability: np.ndarray, y: np.ndarray) -> None:
        self.probability, self._y, self.looked = probability, y, False

    @property
    def y(self) -> np.ndarray:
        self.looked = True
        return self._y


def _example() -> tuple[_Watched, _Watched]:
    rng = np.random.default_rng(1906)
    votes = []
    for noise in ((0.3, 0.8, 2.0), (2.0, 0.8, 0.3)):  # who is best on the validation rows is worst on the test rows
        y = rng.integers(0, 2, 60)
        members = [y + each * rng.normal(size=60) for each in noise]
        votes.append(_Watched(1 / (1 + np.exp(np.array([*members, -members[1]]))), 1 - y))
    return votes[0], votes[1]


def check_3(soft_vote: Any) -> None:
    """Check the weights, and that no label of the test rows was looked at."""
    valid, test = _example()
    kept = test.probability.copy()
    aucs, on_test = (np.array([score(side.y, member).roc_auc for member in side.probability]) for side in (valid, test))
    test.looked = False
    found = soft_vote(valid, test)
    if np.shape(found) != (kept.shape[1],):
        raise NotYet("shape", found=str(np.shape(found)), n=kept.shape[1])

    def by(weights: np.ndarray, votes: np.ndarray = kept) -> bool:
        return bool(np.allclose(found, weights @ votes, atol=1e-9))

    gains, equal = np.maximum(aucs - 0.5, 0), np.full(len(aucs), 1 / len(aucs))
    labels = kept >= 0.5
    if by(equal, labels) or np.array_equal(found, equal @ labels >= 0.5):
        raise NotYet("hard_votes")
    if by(equal):
        raise NotYet("unweighted")
    if by(gains) or by(aucs):
        raise NotYet("not_normalised")
    if by(aucs / aucs.sum()):
        raise NotYet("auc_itself")
    if by((aucs - 0.5) / (aucs - 0.5).sum()):
        raise NotYet("below_guessing")
    if by(on_test / on_test.sum()) or by(np.maximum(on_test - 0.5, 0) / np.maximum(on_test - 0.5, 0).sum()):
        raise NotYet("test_scores")
    if not by(gains / gains.sum()):
        raise NotYet("wrong", weights=[float(each) for each in gains / gains.sum()])
    if test.looked:
        raise NotYet("looked_at_labels")
    if not np.array_equal(test.probability, kept):
        raise NotYet("changed")
    y = np.array([0, 1, 0, 1])
    wrong = _Watched(np.array([[0.9, 0.2, 0.8, 0.1], [0.7, 0.6, 0.8, 0.3]]), y)  # both rank worse than guessing
    with np.errstate(all="ignore"):
        found = np.asarray(soft_vote(wrong, _Watched(np.array([[0.2, 0.4], [0.6, 0.8]]), y[:2])))
    if not np.allclose(found, [0.4, 0.6]):
        raise NotYet("nobody", found=[float(value) for value in found], right=[0.4, 0.6])


@ray.remote(num_cpus=0)
class _Stand:
    """Answer like a trainer, in no time: which fit, on how many rows, and who did it."""

    def train_model(self, fit: str, block: np.ndarray) -> tuple[str, int, int]:
        return fit, len(block), os.getpid()


def check_4(train_all: Any) -> None:
    """Check that the rows went once, and every call before the first wait, to all trainers."""
    current().attach()
    fits, block = ["hgb", "forest", "extra", "logistic", "hgb-slow"], np.zeros(300_000)
    trainers = [_Stand.remote() for _ in range(2)]
    with observe() as seen:
        found = train_all(trainers, list(fits), block)
    try:
        answered = [(str(fit), int(n_rows)) for fit, n_rows, _ in found]
    except (TypeError, ValueError):
        raise NotYet("futures" if isinstance(found, list) else "not_a_list", n=len(fits)) from None
    if answered != [(fit, len(block)) for fit in fits]:
        raise NotYet("another_order" if sorted(answered) == sorted((fit, len(block)) for fit in fits) else "incomplete")
    methods = [call for call in seen.calls if call.kind == "method"]
    if len(methods) != len(fits):
        raise NotYet("not_a_call_each", n=len(methods), right=len(fits))
    kinds = [call.kind for call in seen.calls]
    waits = [place for place, kind in enumerate(kinds) if kind in ("get", "wait")]
    if waits and "method" in kinds[waits[0] :]:
        raise NotYet("waits_between", n=len(waits))
    if not all(call.taken for call in methods):
        raise NotYet("carried", n=sum(not call.taken for call in methods))
    if seen.counts.get("put", 0) != 1:
        raise NotYet("put_often", n=seen.counts.get("put", 0))
    by_trainer = collections.Counter(pid for _, _, pid in found)
    if len(by_trainer) < len(trainers) or max(by_trainer.values()) - min(by_trainer.values()) > 1:
        raise NotYet("uneven", shares=" + ".join(map(str, sorted(by_trainer.values()))))
