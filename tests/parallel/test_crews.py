"""What every engine must do alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from labkit.errors import InvalidArgument, TaskFailed, UnknownName
from labkit.parallel.dispatch import dispatch
from labkit.parallel.engines import ENGINES, Crew, SequentialCrew, check_workers, engine
from labkit.parallel.pinning import ONE_THREAD
from labkit.parallel.tasks import Task, TaskEvent
from tests.parallel.toys import Toy


def crew_of(name: str, n_workers: int, factor: float = 3.0) -> Crew:
    shared = {"rows": np.arange(1000, dtype=np.float32)}
    return engine(name)(Toy, (factor,), shared, 1 if name == "sequential" else n_workers)


@pytest.fixture(params=sorted(ENGINES), scope="module")
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return str(request.param)


@pytest.fixture(scope="module")
def crew(name: str) -> Iterator[Crew]:
    """Two workers that the tests share which leave them as they were."""
    with crew_of(name, 2) as standing:
        yield standing


def test_results_come_in_the_order_of_the_tasks(crew: Crew) -> None:
    tasks = [Task(f"t{i}", "times", float(i), cost_s=float(i % 5)) for i in range(40)]
    assert dispatch(tasks, crew) == [3.0 * i for i in range(40)]


def test_shared_data_reaches_every_task_read_only(name: str, crew: Crew) -> None:
    tasks = [Task("sum", "total", 0.5, ("rows",)), Task("flag", "writeable", None, ("rows",))]
    total, writeable = dispatch(tasks, crew)
    assert total == np.arange(1000).sum() + 0.5
    assert writeable is (name in ("sequential", "threads"))


def test_an_event_has_four_times_in_order(crew: Crew) -> None:
    events: list[TaskEvent] = []
    dispatch([Task(f"t{i}", "sleep", 0.02) for i in range(6)], crew, on_event=events.append)
    assert len(events) == 6
    for event in events:
        assert event.submitted_s <= event.started_s + 1e-3
        assert event.finished_s - event.started_s >= 0.02
        assert event.finished_s <= event.received_s + 1e-3
        assert event.bytes_in > 0 and event.bytes_out > 0 and event.error is None


def test_a_task_that_fails_is_tried_again(crew: Crew, tmp_path: Path) -> None:
    events: list[TaskEvent] = []
    assert dispatch([Task("t", "fail_until", (f"{tmp_path}/tries", 3))], crew, on_event=events.append) == [3]
    assert [event.attempt for event in events] == [1, 2, 3]
    assert [event.error is None for event in events] == [False, False, True]


def test_a_task_that_always_fails_ends_the_run_with_its_reason(name: str) -> None:
    with crew_of(name, 2) as crew, pytest.raises(TaskFailed, match=r"'bad' failed 3 times.*KeyError.*ouch") as caught:
        dispatch([Task("bad", "fail", "ouch"), *(Task(f"t{i}", "times", 1.0) for i in range(5))], crew)
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_error_that_cannot_travel_comes_as_its_text(crew: Crew) -> None:
    with pytest.raises(TaskFailed, match=r"failed once with .*both"):
        dispatch([Task("odd", "unpicklable_error", None)], crew, max_attempts=1)


def test_an_actor_that_cannot_begin_is_told(name: str) -> None:
    with pytest.raises((TaskFailed, ValueError), match="negative factor"), crew_of(name, 2, factor=-1.0) as crew:
        crew.ready()


@pytest.mark.parametrize("name", ["ray", "processes", "dask"], indirect=True)
def test_tasks_run_in_as_many_processes_as_workers(crew: Crew) -> None:
    crew.ready()
    pids = dispatch([Task(f"t{i}", "pid", None) for i in range(20)], crew)
    assert len(set(pids)) == 2
    assert len(set(dispatch([Task(f"u{i}", "pid", None) for i in range(6)], crew, n_workers=1))) == 1


@pytest.mark.parametrize("name", ["ray", "processes", "joblib", "dask"], indirect=True)
def test_a_worker_has_one_thread_a_library(name: str) -> None:
    with crew_of(name, 1) as crew:
        (threads,) = dispatch([Task("t", "threads", None)], crew)
    assert threads == dict.fromkeys(threads, "1") and set(threads) <= set(ONE_THREAD)


@pytest.mark.parametrize("name", ["ray", "processes", "joblib", "dask"], indirect=True)
def test_a_worker_that_dies_is_replaced_and_its_task_done_again(name: str, tmp_path: object) -> None:
    tasks = [
        Task("die", "die_once", f"{tmp_path}/died", cost_s=9.0),
        *(Task(f"t{i}", "times", float(i)) for i in range(9)),
    ]
    events: list[TaskEvent] = []
    with crew_of(name, 2) as crew:
        results = dispatch(tasks, crew, on_event=events.append)
    assert results == ["survived", *(3.0 * i for i in range(9))]
    assert ["died" in (event.error or "") for event in events if event.task == "die"] == [True, False]
    if name != "joblib":  # there one death ends all processes of the pool
        assert len(events) == 11  # what only lay before the dead worker was not counted as an attempt


@pytest.mark.parametrize("name", ["ray", "processes", "joblib", "dask"], indirect=True)
def test_a_task_that_kills_every_worker_is_given_up(name: str) -> None:
    with crew_of(name, 2) as crew, pytest.raises(TaskFailed, match=r"'die' failed 2 times.*worker \d died"):
        dispatch([Task("die", "die", None)], crew, max_attempts=2)


@pytest.mark.parametrize("name", ["joblib", "dask"])
def test_two_crews_of_one_library_live_side_by_side_and_end_in_mid_task(name: str) -> None:
    with crew_of(name, 1) as first, crew_of(name, 1) as second:
        assert dispatch([Task("a", "times", 1.0)], first) == dispatch([Task("b", "times", 1.0)], second) == [3.0]
        for crew in (first, second):
            crew.submit(0, Task("long", "sleep", 60.0))
            crew.submit(0, Task("behind", "sleep", 60.0))


def test_the_sequential_engine_has_one_worker() -> None:
    with pytest.raises(InvalidArgument, match="1 worker, not 2"):
        SequentialCrew(Toy, (), {}, 2)


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"'spark'.*processes, ray, sequential, threads"):
        engine("spark")


@pytest.mark.parametrize("n_workers", [0, -1, 10_000, "two", 1.5, True, None])
def test_a_number_of_workers_that_makes_no_sense_is_refused(n_workers: object) -> None:
    with pytest.raises(InvalidArgument, match="whole number from 1 to 1,024"):
        check_workers(n_workers)  # type: ignore[arg-type]
