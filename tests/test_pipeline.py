from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.data.prepare import Dataset, prepare
from labkit.errors import InvalidArgument
from labkit.parallel.engines import ENGINES
from labkit.pipeline import Job, plan, train


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return prepare(tmp_path_factory.mktemp("data"), days=12, n_shards=2)


@pytest.fixture(scope="module", params=["model", "shard"])
def job(request: pytest.FixtureRequest, dataset: Dataset) -> Job:
    return plan(dataset, recipes=["hgb-small", "logistic-numeric"], by=request.param)


@pytest.fixture(scope="module")
def digests() -> Iterator[dict[int, str]]:
    """What the first engine said of each job."""
    yield {}


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_an_ensemble_has_one_digest_on_every_engine(
    job: Job, engine: str, digests: dict[int, str], request: pytest.FixtureRequest
) -> None:
    if engine == "ray":
        request.getfixturevalue("ray_cluster")
    ensemble, found = train(job, engine_name=engine, n_workers=1 if engine == "sequential" else 2)
    assert found == digests.setdefault(len(job.fits), found)
    assert len(ensemble.models) == len(job.fits)


def test_shards_are_processed_alike_by_workers_and_without(dataset: Dataset) -> None:
    here, there = (
        plan(dataset, recipes=["hgb-small"]),
        plan(dataset, recipes=["hgb-small"], engine_name="processes", n_workers=2),
    )
    assert here.blocks["train"].X.tobytes() == there.blocks["train"].X.tobytes()
    assert here.valid.y.tobytes() == there.valid.y.tobytes()


def test_another_way_of_being_parallel_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="by model or by shard, not by 'row'"):
        plan(dataset, by="row")
