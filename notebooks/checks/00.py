"""Checks of notebook 00: a machine's fingerprint and the times of tasks are read, not remembered."""

from __future__ import annotations

import copy
import os
from typing import Any

import numpy as np

from labkit import host
from labkit.classroom.exercises import NotYet
from labkit.parallel.tasks import TaskEvent

_HERE = 1000.0  # no time counts from 0


def _event(task: str, worker: int, submitted: float, started: float, finished: float) -> TaskEvent:
    return TaskEvent(
        task, worker, "local", 1, *(_HERE + s for s in (submitted, started, finished, finished + 0.5)), 9, 9
    )


SEQUENTIAL = [_event("c", 0, 0, 9, 12), _event("a", 0, 0, 0, 4), _event("b", 0, 0, 4, 9)]
PARALLEL = [_event("c", 1, 4, 4, 7.5), _event("b", 0, 0, 0, 5.5), _event("a", 1, 0, 0, 4)]


def check_1(sensible_workers: Any) -> None:
    """Check the answer on machines that are not this one."""
    here = host.fingerprint()
    for usable, cores, n_tasks in ((202, 101, 997), (97, 97, 499), (149, 83, 7)):  # machines that hardly anybody has
        machine = {**here, "usable_cpus": usable, "physical_cores": cores}
        found, right = sensible_workers(machine, n_tasks), min(usable, n_tasks)
        if isinstance(found, bool) or not isinstance(found, int | np.integer):
            raise NotYet("no_number", found=found if isinstance(found, float) else repr(found))
        if found == right:
            continue
        case = {"found": int(found), "usable": usable, "cores": cores, "n_tasks": n_tasks}
        if found in (os.cpu_count(), here["usable_cpus"]):
            raise NotYet("this_machine", **case)
        if found == min(cores, n_tasks):
            raise NotYet("cores", **case)
        raise NotYet("idle" if found > n_tasks else "wrong", **case)


def check_2(longest_task: Any) -> None:
    """Check that waiting is not taken for work, wherever the event stands, and that the list stays as it was."""
    for events, right in ((PARALLEL, "b"), (SEQUENTIAL, "b"), ([*PARALLEL, _event("late", 0, 0, 8, 9)], "b")):
        given = copy.copy(events)
        found = longest_task(given)
        if isinstance(found, TaskEvent):
            raise NotYet("an_event")
        if isinstance(found, int | float):
            raise NotYet("a_number", found=float(found))
        if found == right:
            if given != events:
                raise NotYet("list_changed")
            continue
        waited = {max(events, key=lambda event: ends(event) - event.submitted_s).task for ends in _ENDS}
        raise NotYet("waiting" if found in waited else "wrong", found=repr(found), right=repr(right), events=events)


def check_3(gain: Any) -> None:
    """Check both numbers on events that lie in no order."""
    for sequential, parallel, n_workers in ((SEQUENTIAL, PARALLEL, 2), (SEQUENTIAL, [*PARALLEL[:2], *_MORE], 3)):
        found = gain(sequential, parallel)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise NotYet("not_two")
        speedup = _span(sequential) / _span(parallel)
        right = {"found": float(found[0]), "right": speedup}
        case = {"sequential": sequential, "parallel": parallel}
        if not np.isclose(found[0], speedup):
            busy = [sum(event.finished_s - event.started_s for event in events) for events in (sequential, parallel)]
            ordered = [events[-1].received_s - events[0].submitted_s for events in (sequential, parallel)]
            if np.isclose(found[0], 1 / speedup):
                raise NotYet("inverted", **right, **case)
            if any(np.isclose(found[0], ratio) for ratio in (busy[0] / busy[1], busy[0] / _span(parallel))):
                raise NotYet("busy", **right, **case)
            raise NotYet("in_order" if np.isclose(found[0], ordered[0] / ordered[1]) else "wrong", **right, **case)
        if np.isclose(found[1], 100 * speedup / n_workers):
            raise NotYet("percent", found=float(found[1]), right=speedup / n_workers, **case)
        if not np.isclose(found[1], speedup / n_workers):
            per_task = np.isclose(found[1], speedup / len(parallel))
            given = {"found": float(found[1]), "right": speedup / n_workers, "n": n_workers}
            raise NotYet("per_task" if per_task else "efficiency", **given, **case)


_ENDS = (lambda event: event.started_s, lambda event: event.finished_s, lambda event: event.received_s)
_MORE = [_event("d", 2, 1, 2, 3), _event("a", 1, 0, 0, 4)]


def _span(events: list[TaskEvent]) -> float:
    return max(event.received_s for event in events) - min(event.submitted_s for event in events)
