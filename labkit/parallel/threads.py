"""Threads of this process as a crew: nothing to start and nothing to copy, but one interpreter lock for all.

How far they get shows how much of the work runs in compiled code that lets go of the lock.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Mapping
from typing import Any

from threadpoolctl import threadpool_limits

from labkit.parallel.engines import Crew
from labkit.parallel.tasks import Report, Task, perform


class ThreadCrew(Crew):
    """Workers that are threads, each with an actor of its own."""

    def __init__(self, actor: type, arguments: tuple[Any, ...], shared: Mapping[str, Any], n_workers: int) -> None:
        super().__init__(actor, arguments, shared, n_workers)
        actors = [actor(*arguments) for _ in range(n_workers)]
        # Held for all: each fit pins its libraries too, and the first to end would set them free under the others.
        self._limits = threadpool_limits(1)
        self._inboxes: list[queue.SimpleQueue[Task | None]] = [queue.SimpleQueue() for _ in actors]
        self._reports: queue.SimpleQueue[tuple[int, Report]] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, args=(worker, held), name=f"labkit-worker-{worker}", daemon=True)
            for worker, held in enumerate(actors)
        ]
        for thread in self._threads:
            thread.start()

    def _serve(self, worker: int, held: Any) -> None:
        while (task := self._inboxes[worker].get()) is not None:
            self._reports.put((worker, perform(held, task, self.shared, in_thread=True)))

    def submit(self, worker: int, task: Task) -> None:
        self._inboxes[worker].put(task)

    def next_report(self, timeout_s: float) -> tuple[int, Report | None] | None:
        try:
            return self._reports.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        for inbox in self._inboxes:
            with contextlib.suppress(queue.Empty):
                while True:
                    inbox.get_nowait()
            inbox.put(None)
        for thread in self._threads:
            thread.join(5.0)  # a thread cannot be ended from outside: what it does now it does to its end
        self._limits.restore_original_limits()
