from __future__ import annotations

import pytest

from labkit.data.features import FeatureBlock
from labkit.learning.ensemble import Ensemble, Member, combine
from labkit.learning.fitting import fit_model, merge_parts, plan_fits
from labkit.learning.recipes import catalogue
from labkit.learning.scores import score
from tests.learning import blocks


@pytest.fixture(scope="session")
def block() -> FeatureBlock:
    return blocks.block()


@pytest.fixture(scope="session")
def members(block: FeatureBlock) -> list[Member]:
    valid = blocks.block(1000, seed=2)
    trained = [(fit, fit_model(fit, block, blocks.CATEGORICAL)) for fit in plan_fits(catalogue(), seed=3)]
    found = []
    for name, model in merge_parts(trained).items():
        probability = model.predict_proba(valid.X)[:, 1]
        found.append(Member(name, model, probability, score(valid.y, probability)))
    return found


@pytest.fixture(scope="session")
def ensemble(members: list[Member]) -> Ensemble:
    return combine(members, blocks.CATEGORICAL, blocks.NAMES)
