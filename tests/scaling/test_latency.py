"""Work that waits: real shards from a store that answers late."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.data.prepare import Dataset, prepare
from labkit.errors import InvalidArgument, TaskFailed
from labkit.parallel.dispatch import dispatch
from labkit.parallel.engines import engine
from labkit.pipeline import process
from labkit.scaling.latency import fetching_work, late_store
from labkit.scaling.protocol import measure
from labkit.scaling.table import tabulate


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return prepare(tmp_path_factory.mktemp("late"), days=20, n_shards=12)


@pytest.fixture
def address(dataset: Dataset) -> Iterator[str]:
    with late_store(Path(dataset.train[0].url).parent, 0.1) as found:
        yield found


def test_what_was_fetched_is_what_lies_on_disk(dataset: Dataset, address: str) -> None:
    work = fetching_work(dataset, address)
    with engine("threads")(work.actor, work.arguments, work.shared, 4) as crew:
        fetched = dispatch(work.tasks, crew)
    blocks, _, _ = process(dataset, engine_name="sequential", n_workers=1)
    assert [block.digest() for block in fetched] == [block.digest() for block in blocks]


def test_more_workers_than_cores_wait_at_the_same_time(dataset: Dataset, address: str) -> None:
    events = []
    work = fetching_work(dataset, address)
    with engine("processes")(work.actor, work.arguments, work.shared, 6) as crew:
        dispatch(work.tasks, crew)
        dispatch(work.tasks, crew, on_event=events.append)
    at_once = [sum(a.started_s <= b.started_s < a.finished_s for a in events) for b in events]
    assert max(at_once) == 6 and len({event.worker for event in events}) == 6
    assert all(event.finished_s - event.started_s >= 0.1 for event in events)


def test_the_protocol_measures_it_as_any_other_work(dataset: Dataset, address: str) -> None:
    found = measure(fetching_work(dataset, address), engines=["threads"], workers=[4], rounds=1)
    (row,) = tabulate(found.timings, engine="threads", n_rows=dataset.n_rows, usable_cpus=2, physical_cores=2)
    assert row.n_workers == 4 and row.marks[0] == "over-subscribed"


def test_a_shard_that_the_store_lacks_is_told(dataset: Dataset, address: str) -> None:
    work = fetching_work(dataset, f"{address}/nowhere")
    with (
        engine("sequential")(work.actor, work.arguments, work.shared, 1) as crew,
        pytest.raises(TaskFailed, match=r"nowhere/train-00000\.parquet cannot be read"),
    ):
        dispatch(work.tasks, crew)


def test_the_store_leaves_its_folder_to_nobody_and_its_port_when_it_ends(dataset: Dataset) -> None:
    folder = Path(dataset.train[0].url).parent
    with late_store(folder, 0.0) as address, pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}/../../../../etc/passwd", timeout=5)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=1)


@pytest.mark.parametrize("latency_s", [-0.1, float("nan"), 61.0])
def test_a_latency_that_makes_no_sense_is_refused(latency_s: float, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="between 0 and 60"), late_store(tmp_path, latency_s):
        time.sleep(0)
