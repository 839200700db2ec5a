"""The hardware's own limit: the same tasks in bare processes, with a queue between them and nothing else.

One such process is the sequential baseline; as many as there are workers show what the cores, their caches and their
shared memory allow. What an engine loses is read against this, not against a speedup that no machine could give.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import connection
from typing import Any

from labkit.errors import TaskFailed
from labkit.parallel.dispatch import longest_first
from labkit.parallel.processes import Child, open_shared, start_server
from labkit.parallel.shared import Shared
from labkit.parallel.tasks import Task


@dataclasses.dataclass(frozen=True)
class Work:
    """What is measured: tasks for an actor, and how to tell that two ways of doing them did the same.

    Parameters
    ----------
    tasks : sequence of Task
    actor, arguments, shared
        As a crew takes them.
    n_rows : int
        Rows that one pass handles; throughput is counted in them.
    outline : callable
        Keeps of a task's result what `digest` needs; a function of a module, since it travels to processes.
    digest : callable
        Takes all outlines in the order of the tasks.
    shares : sequence of sequence of str, optional
        For weak scaling: keys of the tasks that each further worker brings with it. Without, all workers share all.
    """

    tasks: Sequence[Task]
    actor: type
    arguments: tuple[Any, ...]
    shared: Mapping[str, Any]
    n_rows: int
    outline: Callable[[Any], Any]
    digest: Callable[[list[Any]], str]
    shares: Sequence[Sequence[str]] = ()

    def tasks_of(self, n_workers: int) -> list[Task]:
        """Return what so many workers do together."""
        taken = {key for share in self.shares[:n_workers] for key in share}
        return [task for task in self.tasks if not self.shares or task.key in taken]


class BareProcesses:
    """Processes that pull the tasks of a work from one queue, longest first."""

    def __init__(self, work: Work, n_processes: int) -> None:
        self._tasks = list(work.tasks)
        self._queue = start_server().SimpleQueue()
        self._shared = {name: Shared(value) for name, value in work.shared.items()}
        self._arguments = Shared(work.arguments)
        self._children: list[Child] = []
        given = (work.actor, self._arguments, self._shared, {task.key: task for task in self._tasks}, work.outline)
        try:
            self._children.extend(Child(_pull, self._queue, *given) for _ in range(n_processes))
        except BaseException:
            self.close()
            raise

    def ready(self) -> None:
        """Wait until every process has its actor and its data."""
        for child in self._children:
            _receive(child.pipe)

    def run(self, n_processes: int, tasks: Sequence[Task] | None = None) -> tuple[float, list[Any]]:
        """Do tasks of the work, all by default, with the first `n_processes`.

        Returns
        -------
        tuple of float and list
            Wall-clock seconds, and the tasks' outlines in their order.

        Raises
        ------
        TaskFailed
            If a task fails, or a process dies.
        """
        pipes = [child.pipe for child in self._children[:n_processes]]
        tasks = self._tasks if tasks is None else tasks
        for task in longest_first(tasks):
            self._queue.put(task.key)
        for _ in pipes:
            self._queue.put(None)
        start = time.perf_counter()
        for pipe in pipes:
            pipe.send("go")
        for pipe in pipes:
            _receive(pipe)
        seconds = time.perf_counter() - start
        outlines: dict[str, Any] = {}
        for pipe in pipes:
            outlines |= pipe.recv()
        return seconds, [outlines[task.key] for task in tasks]

    def close(self) -> None:
        """End the processes, whatever they do."""
        for child in self._children:
            child.end()
        for data in (*self._shared.values(), self._arguments):
            data.close()
        self._queue.close()

    def __enter__(self) -> BareProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _receive(pipe: connection.Connection) -> None:
    try:
        fault = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise TaskFailed("A baseline process died; the machine's memory may tell why.") from None
    if fault is not None:
        raise TaskFailed(f"A baseline process failed with {type(fault).__name__}: {fault}") from fault


def _pull(
    pipe: connection.Connection,
    queue: Any,
    actor: type,
    arguments: Shared,
    shared: Mapping[str, Shared],
    tasks: Mapping[str, Task],
    outline: Callable[[Any], Any],
) -> None:
    try:
        instance, data = actor(*arguments.value()), open_shared(shared)
        pipe.send(None)
        while pipe.recv():
            outlines = {}
            while (key := queue.get()) is not None:
                task = tasks[key]
                value = getattr(instance, task.method)(task.argument, *(data[name] for name in task.inputs))
                outlines[key] = outline(value)
            pipe.send(None)
            pipe.send(outlines)
    except EOFError:
        raise
    except Exception as fault:
        pipe.send(RuntimeError(f"{type(fault).__name__}: {fault}"))
