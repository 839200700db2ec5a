"""Engines: one small interface, several ways to run the same actor on the same tasks.

A crew is a number of workers, each holding its own copy of a plain class. Dispatch hands it tasks and takes
reports; the crew decides nothing. Whatever the engine and the number of workers, a task does the same work on the
same data.
"""

from __future__ import annotations

import abc
import collections
import importlib
from collections.abc import Mapping
from typing import Any, Self

from labkit.errors import InvalidArgument, LabError, UnknownName
from labkit.parallel.tasks import Report, Task, perform

ENGINES = {
    "sequential": "labkit.parallel.engines:SequentialCrew",
    "ray": "labkit.parallel.ray_crew:RayCrew",
    "processes": "labkit.parallel.processes:ProcessCrew",
    "threads": "labkit.parallel.threads:ThreadCrew",
    "joblib": "labkit.parallel.joblib_crew:JoblibCrew",
    "dask": "labkit.parallel.dask_crew:DaskCrew",
}
MAX_WORKERS = 1024
UNKNOWN_CAUSE = "its log, or the machine's memory, may tell why"


class Crew(abc.ABC):
    """Workers numbered from 0, each with its own actor.

    Parameters
    ----------
    actor : type
        A plain class.
    arguments : tuple
        What its constructor takes.
    shared : mapping of str to Any
        Data that tasks name as inputs; every worker reads it, none writes it.
    n_workers : int
        At least 1.
    """

    prefetch = 2  # tasks that a worker holds at most: one it does, one that lies ready

    def __init__(self, actor: type, arguments: tuple[Any, ...], shared: Mapping[str, Any], n_workers: int) -> None:
        self.actor, self.arguments, self.shared, self.n_workers = actor, arguments, dict(shared), n_workers
        self.causes: dict[int, str] = {}  # what ended a worker that `next_report` called dead, where it is known

    def ready(self) -> None:  # noqa: B027 (what starts at once has nothing to wait for)
        """Wait until every worker has its actor."""

    @abc.abstractmethod
    def submit(self, worker: int, task: Task) -> None:
        """Hand a task to a worker, behind what it already has; return at once."""

    @abc.abstractmethod
    def next_report(self, timeout_s: float) -> tuple[int, Report | None] | None:
        """Return the next worker with its report, (worker, None) where the worker died, None where time ran out."""

    def replace(self, worker: int) -> None:
        """Put a new worker in a dead one's place; tasks it held are forgotten."""
        raise NotImplementedError(f"{type(self).__name__} has no workers that could die")

    def pid(self, worker: int) -> int:
        """Return the process id of a worker, on this host.

        Raises
        ------
        LabError
            If it is no process of its own, or none of this host.
        """
        raise InvalidArgument(
            f"The workers of a {type(self).__name__} are no processes. Take the engine ray, processes, joblib or dask."
        )

    def close(self) -> None:  # noqa: B027 (nothing started, nothing to end)
        """End all workers, whatever they do."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SequentialCrew(Crew):
    """The one worker is this process: the plainest way, and what every other is compared with."""

    def __init__(self, actor: type, arguments: tuple[Any, ...], shared: Mapping[str, Any], n_workers: int = 1) -> None:
        if n_workers != 1:
            raise InvalidArgument(f"The sequential engine has 1 worker, not {n_workers}. Take another engine, or 1.")
        super().__init__(actor, arguments, shared, n_workers)
        self._actor = actor(*arguments)
        self._tasks: collections.deque[Task] = collections.deque()

    def submit(self, worker: int, task: Task) -> None:
        self._tasks.append(task)

    def next_report(self, timeout_s: float) -> tuple[int, Report | None] | None:
        from threadpoolctl import threadpool_limits

        if not self._tasks:
            return None
        with threadpool_limits(1):
            return 0, perform(self._actor, self._tasks.popleft(), self.shared)


def engine(name: str) -> type[Crew]:
    """Return the crew class of an engine.

    Raises
    ------
    UnknownName
        If there is no such engine.
    """
    module, _, attribute = ENGINES[check_engine(name)].partition(":")
    try:
        found: type[Crew] = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as fault:
        raise LabError(
            f"The {name} engine needs {fault.name}: run `make install`, or pip install -e '.[engines]'."
        ) from None
    return found


def check_engine(name: str) -> str:
    """Return the name of an engine that there is, without the seconds that Ray takes to import.

    Raises
    ------
    UnknownName
        If there is no such engine.
    """
    if name not in ENGINES:
        raise UnknownName(f"There is no engine {name!r}. Take one of: {', '.join(sorted(ENGINES))}.")
    return name


def check_workers(n_workers: int) -> int:
    """Return a number of workers that makes sense, or say what would.

    Raises
    ------
    InvalidArgument
        If it is no whole number from 1 to 1,024.
    """
    if isinstance(n_workers, bool) or not isinstance(n_workers, int) or not 1 <= n_workers <= MAX_WORKERS:
        raise InvalidArgument(
            f"The number of workers must be a whole number from 1 to {MAX_WORKERS:,}, not {n_workers!r}."
        )
    return n_workers
