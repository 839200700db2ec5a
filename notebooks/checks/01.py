"""Checks of notebook 01: what was asked of Ray matters as much as what came out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import ray
from ray.actor import ActorClass

from labkit.classroom.exercises import NotYet
from labkit.lab import current
from labkit.parallel.observe import Observation, observe

PARTS = [np.array([5.0, 40.0, -3.0]), np.array([20.0]), np.array([-1.0, -2.0]), np.array([15.0, 14.0, 90.0, 1.0])]
_SHOWN = [[int(value) for value in part] for part in PARTS]


@ray.remote
def _after(seconds: float, value: int) -> int:
    time.sleep(seconds)
    return value


def _kinds_in_order(seen: Observation) -> str:
    return "".join({"task": "t", "method": "m", "get": "g"}.get(call.kind, "") for call in seen.calls)


def check_1(late_shares: Any) -> None:
    """Check that all tasks are sent before the first is waited for."""
    current().attach()
    with observe() as seen:
        found = late_shares(PARTS)
    right = [float((part >= 15).mean()) for part in PARTS]
    if any(isinstance(value, ray.ObjectRef) for value in np.atleast_1d(np.array(found, dtype=object))):
        raise NotYet("futures")
    if not isinstance(found, list) or len(found) != len(right):
        raise NotYet("not_one_each", n=len(right))
    if not np.allclose(found, right):
        raise NotYet(
            "another_order" if np.allclose(sorted(found), sorted(right)) else "wrong",
            found=[float(value) for value in found], right=right, parts=_SHOWN,
        )  # fmt: skip
    n_tasks = seen.counts.get("task", 0)
    if n_tasks != len(PARTS):
        raise NotYet("no_tasks" if n_tasks == 0 else "not_a_task_each", n=n_tasks, right=len(PARTS))
    if "g" in _kinds_in_order(seen).rstrip("g"):
        raise NotYet("get_in_a_loop", n=seen.counts["get"])


def check_2(meter_class: Any) -> None:
    """Check that the actor is one, keeps its state, and weighs flights, not shards."""
    if not isinstance(meter_class, ActorClass):
        raise NotYet("not_remote")
    current().attach()
    meter = meter_class.remote()
    for number, part in enumerate(PARTS):
        added = meter.add.remote(part)
        if number == 1 and ray.get(added) is not None:
            raise NotYet("returns_something")
    found, again = ray.get([meter.mean.remote(), meter.mean.remote()])
    everything = np.concatenate(PARTS)
    if found is None:
        raise NotYet("no_mean")
    if np.isclose(found, PARTS[-1].mean()):
        raise NotYet("only_the_last")
    if np.isclose(found, np.mean([part.mean() for part in PARTS])):
        raise NotYet("mean_of_means", found=float(found), right=float(everything.mean()), parts=_SHOWN)
    if not np.isclose(found, everything.mean()):
        raise NotYet("wrong", found=float(found), right=float(everything.mean()), parts=_SHOWN)
    if found != again:
        raise NotYet("mean_changes")


def check_3(above: Any) -> None:
    """Check that the array was put once, and that no task carried it."""
    current().attach()
    delays = np.tile(np.concatenate(PARTS), 20_000)
    thresholds = [-5, 0, 14.5, 20, 1000]
    with observe() as seen:
        found = above(delays, thresholds)
    if list(np.atleast_1d(found)) != [int((delays > threshold).sum()) for threshold in thresholds]:
        raise NotYet("wrong")
    if seen.counts.get("task", 0) != len(thresholds):
        raise NotYet("not_a_task_each", n=seen.counts.get("task", 0), right=len(thresholds))
    if seen.n_bytes("task") >= delays.nbytes:
        raise NotYet("passed_each_time", megabytes=seen.n_bytes("task") / 1e6)
    if seen.counts.get("put", 0) != 1:
        raise NotYet("put_often", n=seen.counts.get("put", 0))
    if "g" in _kinds_in_order(seen).rstrip("g"):
        raise NotYet("get_in_a_loop", n=seen.counts["get"])


def check_4(in_order_of_arrival: Any) -> None:
    """Check that results come in the order in which their tasks really ended."""
    current().attach()
    naps = {0: 1.2, 1: 0.1, 2: 0.6}
    with observe() as seen:
        futures = {value: _after.options(num_cpus=0).remote(seconds, value) for value, seconds in naps.items()}
        given = list(futures.values())
        found = in_order_of_arrival(given)
    if not isinstance(found, list) or sorted(map(str, found)) != ["0", "1", "2"]:
        raise NotYet("incomplete", n=len(naps))
    values = {future.task_id().hex(): value for value, future in futures.items()}
    ended = [values[task.task_id] for task in sorted(seen.tasks, key=lambda task: task.finished_s)]
    if found != ended:
        raise NotYet("order_of_sending" if found == list(naps) else "another_order", found=found, right=ended)
    if seen.counts.get("wait", 0) < len(naps) - 1:
        raise NotYet("no_wait")
    if given != list(futures.values()):
        raise NotYet("list_changed", n=len(futures), left=len(given))
