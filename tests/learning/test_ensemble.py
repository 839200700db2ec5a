from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from labkit.errors import InvalidArgument
from labkit.learning.ensemble import Ensemble, Member, digest, mix, vote
from labkit.learning.scores import score
from tests.learning import blocks


def with_auc(members: list[Member], aucs: list[float]) -> list[Member]:
    return [
        dataclasses.replace(member, scores=dataclasses.replace(member.scores, roc_auc=auc))
        for member, auc in zip(members, aucs, strict=False)
    ]


def test_weights_grow_with_what_is_better_than_guessing(members: list[Member]) -> None:
    assert vote(with_auc(members, [0.9, 0.6, 0.3])) == pytest.approx((0.8, 0.2, 0.0))


def test_members_no_better_than_guessing_weigh_the_same(members: list[Member]) -> None:
    assert vote(with_auc(members, [0.5, 0.4, 0.3, 0.2])) == (0.25, 0.25, 0.25, 0.25)


def test_an_ensemble_without_members_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least one member"):
        vote([])


def test_the_vote_is_the_weighted_mean_of_what_members_said(ensemble: Ensemble, members: list[Member]) -> None:
    valid = blocks.block(1000, seed=2)
    probability = ensemble.predict_proba(valid.X)
    expected = np.average([member.probability for member in members], axis=0, weights=ensemble.weights)
    np.testing.assert_allclose(probability, expected, rtol=0, atol=1e-14)
    assert digest(probability) == digest(mix(ensemble.weights, [member.probability for member in members]))


def test_the_ensemble_ranks_better_than_most_of_its_members(ensemble: Ensemble, members: list[Member]) -> None:
    fresh = blocks.block(2000, seed=4)
    together = score(fresh.y, ensemble.predict_proba(fresh.X)).roc_auc
    alone = [score(fresh.y, member.model.predict_proba(fresh.X)[:, 1]).roc_auc for member in members]
    assert together > np.median(alone)


def test_probabilities_stay_within_bounds_whatever_rounding_does() -> None:
    weights = [0.1] * 3 + [0.7000000000000002]
    assert mix(weights, [np.ones(1)] * 4)[0] == 1.0


def test_another_number_of_features_is_refused(ensemble: Ensemble) -> None:
    for shape in ((3, 7), (8,), (3, 9)):
        with pytest.raises(InvalidArgument, match="knows 8 features"):
            ensemble.predict_proba(np.zeros(shape, dtype=np.float32))


def test_no_rows_give_no_probabilities(ensemble: Ensemble) -> None:
    assert ensemble.predict_proba(np.zeros((0, 8), dtype=np.float32)).shape == (0,)
