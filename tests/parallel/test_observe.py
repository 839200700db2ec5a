"""A student's raw Ray code, seen without being changed."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pytest
import ray
import ray.util.state

from labkit.errors import ClusterError
from labkit.parallel.observe import observe

pytestmark = pytest.mark.usefixtures("ray_cluster")


def double(x: object) -> object:
    time.sleep(0.05)
    return x + x


class Counter:
    def __init__(self, start: int) -> None:
        self.n = start

    def add(self, x: int) -> int:
        self.n += x
        return self.n


def fail() -> None:
    raise ValueError("ouch")


def test_calls_are_counted_and_change_nothing() -> None:
    with observe() as seen:
        ref = ray.put(np.ones(1000))
        futures = [ray.remote(double).remote(ref) for _ in range(3)]
        ready, _ = ray.wait(futures, num_returns=3)
        assert len(ready) == 3
        assert ray.get(futures[0]).sum() == 2000
        counter = ray.remote(Counter).remote(5)
        assert ray.get([counter.add.remote(i) for i in (1, 2)]) == [6, 8]
        del counter
    assert seen.counts == {"put": 1, "task": 3, "wait": 1, "get": 2, "actor": 1, "method": 2}
    assert seen.n_bytes("put") == 8000 and 8000 < seen.n_bytes("get") < 8500  # two small numbers beside 2000 ones
    assert [call.name for call in seen.calls if call.kind in ("task", "actor", "method")] == [
        *["double"] * 3, "Counter", "add", "add",
    ]  # fmt: skip


def test_workers_tell_when_and_where(ray_cluster: object) -> None:
    with observe() as seen:
        ray.get([ray.remote(double).remote(i) for i in range(4)])
    assert len(seen.tasks) == 4 and {task.name for task in seen.tasks} == {"double"}
    for task in seen.tasks:
        assert task.finished_s - task.started_s >= 0.045 and task.pid > 0 and task.node and not task.failed


def test_who_waited_for_whom_is_known() -> None:
    with observe() as seen:
        first = ray.remote(double).remote(1)
        second = ray.remote(double).options(name="again").remote(first)
        ray.get(second)
    assert seen.waits == [("double", "double"), ("get", "double")]


def test_a_large_argument_passed_again_and_again_shows() -> None:
    rows = np.ones(50_000)
    with observe() as seen:
        ray.get([ray.remote(double).remote(rows) for _ in range(3)])
    assert seen.n_bytes("task") >= 3 * rows.nbytes and seen.counts["task"] == 3 and "put" not in seen.counts


def test_a_task_that_failed_is_told_and_the_error_is_the_students_own() -> None:
    with observe() as seen:
        ref = ray.remote(fail).options(max_retries=0).remote()
        with pytest.raises(ValueError, match="ouch"):
            ray.get(ref)
    assert [task.failed for task in seen.tasks] == [True]


def test_a_task_whose_end_is_told_before_its_beginning_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    told, real = [], ray.util.state.list_tasks

    def late(**asked: Any) -> list[Any]:
        found = real(**asked)
        if not told and any(task.state == "FINISHED" for task in found):
            told.append(len(found))
            return [dataclasses.replace(task, start_time_ms=None) for task in found]
        return found

    monkeypatch.setattr(ray.util.state, "list_tasks", late)
    with observe() as seen:
        ray.get(ray.remote(double).remote(1))
    assert told and [task.started_s > 1e9 for task in seen.tasks] == [True]


def test_everything_is_as_before_when_the_block_ends_even_by_an_error() -> None:
    before = ray.get, ray.put, ray.remote_function.RemoteFunction._remote
    with pytest.raises(KeyError), observe():
        raise KeyError
    assert (ray.get, ray.put, ray.remote_function.RemoteFunction._remote) == before


def test_without_a_cluster_there_is_nothing_to_observe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ClusterError, match="attach"), observe():
        pytest.fail("observed nothing")
