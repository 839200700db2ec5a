"""See what raw Ray code does, without changing a line of it.

While a block runs, the calls that its process makes are noted: tasks and actors begun, methods called, objects put, got
and waited for. What happened in the workers is then asked of Ray itself.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ray
from ray.actor import ActorClass, ActorMethod
from ray.remote_function import RemoteFunction

from labkit.errors import ClusterError

_MAX_TASKS = 10_000  # more than that Ray's State API does not tell
_ENDED = ("FINISHED", "FAILED")


@dataclasses.dataclass(frozen=True)
class Call:
    """One call that the observed process made.

    Parameters
    ----------
    kind : {"task", "actor", "method", "put", "get", "wait"}
    name : str
        Of the function, the class or the method; empty for the others.
    started_s : float
        Seconds since 1970.
    seconds : float
        How long the caller was held up.
    n_bytes : int
        Size of what was handed over (task, actor, method, put) or received (get), objects already in the store apart:
        what NumPy or Polars say of theirs, else what Python says of the outermost object.
    returned, taken : tuple of str
        Ids of the objects that it returned, and of those that it was handed.
    """

    kind: str
    name: str
    started_s: float
    seconds: float
    n_bytes: int
    returned: tuple[str, ...]
    taken: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class WorkerTask:
    """What became of a task or a method call, by the clock of its worker; times in seconds since 1970."""

    task_id: str
    name: str
    pid: int
    node: str
    started_s: float
    finished_s: float
    failed: bool


class Observation:
    """What was seen; complete once the block has ended."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.tasks: list[WorkerTask] = []

    @property
    def counts(self) -> dict[str, int]:
        """Number of calls by kind."""
        return dict(collections.Counter(call.kind for call in self.calls))

    def n_bytes(self, kind: str) -> int:
        """Return the size of all that calls of a kind moved, in bytes."""
        return sum(call.n_bytes for call in self.calls if call.kind == kind)

    @property
    def waits(self) -> list[tuple[str, str]]:
        """Who waited for whom: pairs of the names of a caller's call and of the call whose result it was handed."""
        made = {ref: call for call in self.calls for ref in call.returned}
        return [
            (call.name or call.kind, made[ref].name or made[ref].kind)
            for call in self.calls
            for ref in call.taken
            if ref in made
        ]


@contextlib.contextmanager
def observe(timeout_s: float = 10.0) -> Iterator[Observation]:
    """Note all that this process asks of Ray while a block runs.

    Parameters
    ----------
    timeout_s : float
        How long to wait at the block's end for Ray to tell of the workers, in seconds; what it has not told by then
        (tasks that still run, or are older than its memory) is missing in `tasks`.

    Yields
    ------
    Observation

    Raises
    ------
    ClusterError
        If no cluster is attached to.

    Notes
    -----
    Only calls written as `ray.get(…)` are seen, not those of a name imported from Ray. One process sees only its own
    calls: what a task begins in its worker is not among them.
    """
    if not ray.is_initialized():
        raise ClusterError("Observing needs a cluster: attach to one first, by lab.attach().")
    seen, lock = Observation(), threading.Lock()

    def watched(kind: str, real: Callable[..., Any], name_of: Callable[..., str]) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            started_s = time.time()
            begun = time.perf_counter()
            found = None
            try:
                found = real(*args, **kwargs)
                return found
            finally:
                seconds = time.perf_counter() - begun
                given = found if kind == "get" else args
                if kind in ("task", "actor", "method"):
                    given = args[1:3] or (kwargs.get("args"), kwargs.get("kwargs"))
                noted = Call(
                    kind, name_of(*args), started_s, seconds, 0 if kind == "wait" else size_of(given),
                    () if kind in ("get", "wait") else refs_in(found), refs_in((args, kwargs)),
                )  # fmt: skip
                with lock:
                    seen.calls.append(noted)

        return call

    places: list[tuple[Any, str, str, Callable[..., str]]] = [
        (RemoteFunction, "_remote", "task", lambda function, *_: str(function._function_name).rsplit(".", 1)[-1]),
        (ActorClass, "_remote", "actor", lambda actor, *_: str(actor.__ray_metadata__.class_name)),
        (ActorMethod, "_remote", "method", lambda method, *_: str(method._method_name)),
        *((ray, kind, kind, lambda *_: "") for kind in ("put", "get", "wait")),
    ]
    before = [(place, name, getattr(place, name)) for place, name, _, _ in places]
    try:
        for (place, name, kind, name_of), (_, _, real) in zip(places, before, strict=True):
            setattr(place, name, watched(kind, real, name_of))
        yield seen
    finally:
        for place, name, real in before:
            setattr(place, name, real)
    seen.tasks = _worker_tasks(seen.calls, timeout_s)


def refs_in(value: Any) -> tuple[str, ...]:
    """Return the ids of the objects that a value names, in lists, tuples and dictionaries too."""
    if isinstance(value, ray.ObjectRef):
        return (value.hex(),)
    if isinstance(value, Mapping):
        value = list(value.values())
    return tuple(ref for each in value for ref in refs_in(each)) if isinstance(value, list | tuple) else ()


def size_of(value: Any) -> int:
    """Return about how many bytes a value holds; objects in the store count nothing."""
    if isinstance(value, ray.ObjectRef) or value is None:
        return 0
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    known = getattr(value, "nbytes", None)
    if known is None and hasattr(value, "estimated_size"):
        known = value.estimated_size()
    return int(known) if isinstance(known, int) else sys.getsizeof(value)


def _worker_tasks(calls: list[Call], timeout_s: float) -> list[WorkerTask]:
    from ray.util.state import list_tasks

    wanted = {ray.ObjectRef(bytes.fromhex(ref)).task_id().hex() for call in calls if call.kind in ("task", "method")
              for ref in call.returned}  # fmt: skip
    until = time.monotonic() + timeout_s
    here = ray.get_runtime_context()
    while True:
        found = {
            task.task_id: task
            for task in list_tasks(
                address=here.gcs_address, filters=[("job_id", "=", here.get_job_id())], detail=True,
                limit=_MAX_TASKS, raise_on_missing_output=False,
            )
            # Its end may be told before its beginning: two processes report them.
            if task.task_id in wanted and task.state in _ENDED and (task.start_time_ms or task.state == "FAILED")
        } if wanted else {}  # fmt: skip
        if len(found) == len(wanted) or time.monotonic() > until:
            return [
                WorkerTask(
                    task.task_id, str(task.name).rsplit(".", 1)[-1], int(task.worker_pid or 0),
                    str(task.node_id or "")[:8], (task.start_time_ms or task.end_time_ms or 0) / 1e3,
                    (task.end_time_ms or 0) / 1e3, task.state == "FAILED",
                )
                for task in found.values()
            ]  # fmt: skip
        time.sleep(0.25)
