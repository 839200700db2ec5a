"""Keep a crew busy: the longest task first, to whoever is free, again where it failed.

Longest processing time first (LPT) ends at most 4/3 − 1/(3n) times later than the best order could [1]_.

References
----------
.. [1] Graham (1969), "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17(2). doi:10.1137/0117039
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from labkit.errors import InvalidArgument, TaskFailed
from labkit.parallel.engines import UNKNOWN_CAUSE, Crew
from labkit.parallel.tasks import NOWHERE, Report, Task, TaskEvent


class Checkpoint(Protocol):
    """Where finished results are kept, so that a run can go on where it stopped."""

    def load(self, key: str) -> Any | None:
        """Return a task's result, None where there is none."""

    def save(self, key: str, value: Any) -> None:
        """Keep a task's result."""


class Watcher(Protocol):
    """Who is told what dispatches of this process do; nothing that a dispatch decides depends on it."""

    def started(self, crew: Crew, worker: int, task: Task, share: float) -> None:
        """Hear that a worker has nothing before this task any more, and which share of all tasks is done."""

    def ended(self, event: TaskEvent) -> None:
        """Hear of an attempt, however it ended."""


watchers: list[Watcher] = []


def longest_first(tasks: Sequence[Task]) -> list[Task]:
    """Order tasks by estimated cost, longest first, equal ones as they stand.

    Examples
    --------
    >>> tasks = [Task("a", "f", 0, cost_s=1.0), Task("b", "f", 0, cost_s=3.0), Task("c", "f", 0, cost_s=1.0)]
    >>> [task.key for task in longest_first(tasks)]
    ['b', 'a', 'c']
    """
    return sorted(tasks, key=lambda task: -task.cost_s)


def dispatch(
    tasks: Sequence[Task],
    crew: Crew,
    *,
    n_workers: int | None = None,
    checkpoint: Checkpoint | None = None,
    max_attempts: int = 3,
    on_event: Callable[[TaskEvent], None] | None = None,
) -> list[Any]:
    """Run all tasks on a crew and return their results, in the order of the tasks.

    Parameters
    ----------
    tasks : sequence of Task
        Their keys differ.
    crew : Crew
        Its first `n_workers` are used; all of them by default.
    n_workers : int, optional
        At most the crew's.
    checkpoint : Checkpoint, optional
        What it holds is not done again; what is done is kept there at once.
    max_attempts : int
        How often one task may be tried, at least 1.
    on_event : callable, optional
        Called with a `TaskEvent` after each attempt.

    Returns
    -------
    list
        One result a task.

    Raises
    ------
    InvalidArgument
        If two tasks share a key, or more workers are asked for than the crew has.
    TaskFailed
        If a task failed `max_attempts` times; the last error is its cause.
    """
    n_workers = crew.n_workers if n_workers is None else n_workers
    if not 1 <= n_workers <= crew.n_workers:
        raise InvalidArgument(
            f"This crew has {crew.n_workers} workers, so from 1 to as many can be used, not {n_workers}."
        )
    return _Dispatch(tasks, crew, n_workers, checkpoint, max_attempts, on_event or (lambda _: None)).run()


class _Dispatch:
    def __init__(
        self,
        tasks: Sequence[Task],
        crew: Crew,
        n_workers: int,
        checkpoint: Checkpoint | None,
        max_attempts: int,
        on_event: Callable[[TaskEvent], None],
    ) -> None:
        self.tasks = {task.key: task for task in tasks}
        if len(self.tasks) < len(tasks):
            raise InvalidArgument("Two tasks share a key; give each its own, or one result would hide the other.")
        self.crew, self.checkpoint, self.max_attempts, self.on_event = crew, checkpoint, max_attempts, on_event
        self.results: dict[str, Any] = {}
        self.attempts: collections.Counter[str] = collections.Counter()
        self.held: list[collections.deque[tuple[Task, float]]] = [collections.deque() for _ in range(n_workers)]
        self.heads: list[tuple[Task, float] | None] = [None] * n_workers
        self.pending: collections.deque[Task] = collections.deque()

    def run(self) -> list[Any]:
        self.crew.ready()
        for key in self.tasks:
            kept = self.checkpoint.load(key) if self.checkpoint is not None else None
            if kept is not None:
                self.results[key] = kept
        self.pending.extend(longest_first([task for key, task in self.tasks.items() if key not in self.results]))
        self._fill()
        while any(self.held):
            found = self.crew.next_report(timeout_s=60.0)
            if found is None:
                continue
            worker, report = found
            if report is None:
                self._lost(worker)
            else:
                self._receive(worker, report)
            self._fill()
        return [self.results[key] for key in self.tasks]

    def _fill(self) -> None:
        """Give each idle worker a task; then one more to each, so that none waits for the driver between two.

        Not from the last few: a task that lies behind a long one could have run elsewhere.
        """
        for depth in range(1, self.crew.prefetch + 1):
            for worker, held in enumerate(self.held):
                if self.pending and len(held) < depth and (depth == 1 or len(self.pending) > len(self.held)):
                    task = self.pending.popleft()
                    held.append((task, time.time()))
                    self.crew.submit(worker, task)
        for worker, held in enumerate(self.held):
            head = held[0] if held else None
            if head is not self.heads[worker]:
                self.heads[worker] = head
                for watcher in watchers if head is not None else ():
                    watcher.started(self.crew, worker, held[0][0], len(self.results) / len(self.tasks))

    def _tell(self, event: TaskEvent) -> None:
        for watcher in watchers:
            watcher.ended(event)
        self.on_event(event)

    def _receive(self, worker: int, report: Report) -> None:
        value = report.value()
        received_s = time.time()
        # Two reports of one worker may arrive in either order, and one of an earlier run that was cut off may be late.
        found = [entry for entry in self.held[worker] if entry[0].key == report.key] if worker < len(self.held) else []
        if not found:
            return
        self.held[worker].remove(found[0])
        task, submitted_s = found[0]
        self.attempts[task.key] += 1
        self._tell(
            TaskEvent(
                task.key,
                worker,
                report.node,
                self.attempts[task.key],
                submitted_s,
                report.started_s,
                report.finished_s,
                received_s,
                report.bytes_in,
                len(report.payload or b""),
                repr(report.error) if report.error else None,
                report.usage,
            )
        )
        if report.error is not None:
            self._again(task, report.error)
            return
        if self.checkpoint is not None:
            self.checkpoint.save(task.key, value)
        self.results[task.key] = value

    def _lost(self, worker: int) -> None:
        """Count what a dead worker ran as an attempt; what only lay there goes back unharmed."""
        now = time.time()
        held = list(self.held[worker]) if worker < len(self.held) else []
        if worker < len(self.held):
            self.held[worker].clear()
        reason = f"worker {worker} died: {self.crew.causes.pop(worker, UNKNOWN_CAUSE)}"
        self.crew.replace(worker)
        for task, _ in reversed(held[1:]):
            self.pending.appendleft(task)
        if held:
            task, submitted_s = held[0]
            self.attempts[task.key] += 1
            self._tell(
                TaskEvent(task.key, worker, NOWHERE, self.attempts[task.key], submitted_s, now, now, now, 0, 0, reason)
            )
            self._again(task, RuntimeError(reason))

    def _again(self, task: Task, error: Exception) -> None:
        if self.attempts[task.key] >= self.max_attempts:
            times = "once" if self.max_attempts == 1 else f"{self.max_attempts} times, at last"
            raise TaskFailed(f"Task {task.key!r} failed {times} with {type(error).__name__}: {error}") from error
        self.pending.appendleft(task)
