from __future__ import annotations

from typing import Any

import pytest

from labkit.errors import InvalidArgument
from labkit.parallel.dispatch import dispatch, longest_first
from labkit.parallel.engines import Crew, SequentialCrew
from labkit.parallel.tasks import Report, Task
from tests.parallel.toys import Toy


class Kept(dict[str, Any]):
    """A checkpoint in memory."""

    load = dict.get

    def save(self, key: str, value: Any) -> None:
        self[key] = value


class Recorded(Crew):
    """Workers that end their tasks at once, and remember what they were given."""

    def __init__(self, n_workers: int) -> None:
        super().__init__(Toy, (), {}, n_workers)
        self.given: list[tuple[int, str]] = []
        self.waiting: list[tuple[int, str]] = []
        self.deepest = 0

    def submit(self, worker: int, task: Task) -> None:
        self.given.append((worker, task.key))
        self.waiting.append((worker, task.key))
        self.deepest = max(self.deepest, sum(holder == worker for holder, _ in self.waiting))

    def next_report(self, timeout_s: float) -> tuple[int, Report | None] | None:
        worker, key = self.waiting.pop(0)
        return worker, Report(key, "local", 0.0, 0.0, 1, None, None)


def tasks_of(costs: list[float]) -> list[Task]:
    return [Task(f"t{i}", "times", float(i), cost_s=cost) for i, cost in enumerate(costs)]


def test_the_longest_task_goes_first_and_one_is_prefetched() -> None:
    crew = Recorded(2)
    dispatch(tasks_of([1, 5, 2, 4, 3, 6]), crew)
    assert [key for _, key in crew.given] == ["t5", "t1", "t3", "t4", "t2", "t0"]
    assert crew.deepest == 2


def test_the_last_tasks_wait_for_whoever_is_free() -> None:
    crew = Recorded(2)
    dispatch(tasks_of([3, 2, 1]), crew)
    assert crew.deepest == 1


def test_reports_of_one_worker_may_come_in_either_order() -> None:
    class Turned(Recorded):
        def next_report(self, timeout_s: float) -> tuple[int, Report | None] | None:
            self.waiting.reverse()
            return super().next_report(timeout_s)

    assert dispatch(tasks_of([1, 2, 3, 4, 5, 6]), Turned(1)) == [None] * 6


def test_equal_costs_keep_their_order() -> None:
    assert [task.key for task in longest_first(tasks_of([1, 1, 1]))] == ["t0", "t1", "t2"]


def test_no_task_is_no_work() -> None:
    assert dispatch([], Recorded(3)) == []


def test_finished_tasks_are_not_done_again() -> None:
    kept, crew = Kept(t0="from before"), SequentialCrew(Toy, (2.0,), {})
    assert dispatch(tasks_of([1, 1]), crew, checkpoint=kept) == ["from before", 2.0]
    assert kept == {"t0": "from before", "t1": 2.0}
    assert crew._actor.calls == 1


def test_what_was_finished_before_a_failure_is_kept() -> None:
    kept = Kept()
    tasks = [Task("good", "times", 2.0, cost_s=9.0), Task("bad", "fail", "x")]
    with pytest.raises(Exception, match="bad"):
        dispatch(tasks, SequentialCrew(Toy, (1.0,), {}), checkpoint=kept)
    assert kept == {"good": 2.0}


def test_two_tasks_of_one_key_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="share a key"):
        dispatch([Task("same", "times", 1.0), Task("same", "times", 2.0)], Recorded(1))


@pytest.mark.parametrize("n_workers", [0, 3])
def test_more_or_fewer_workers_than_a_crew_has_are_refused(n_workers: int) -> None:
    with pytest.raises(InvalidArgument, match="has 2 workers"):
        dispatch([], Recorded(2), n_workers=n_workers)
