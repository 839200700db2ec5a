"""Joblib's process pool (loky) as a crew: the pool that runs `joblib.Parallel`, under the same dispatch as all others.

References
----------
.. [1] Joblib, "Embarrassingly parallel for loops", https://joblib.readthedocs.io
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor

from labkit.parallel.engines import Crew
from labkit.parallel.pinning import ONE_THREAD
from labkit.parallel.processes import begin_worker, check_begun, perform_standing, without_main, worker_fault
from labkit.parallel.shared import Shared
from labkit.parallel.tasks import Report, Task


class JoblibCrew(Crew):
    """Worker processes behind one queue; a worker's number is a place in it, not a process."""

    prefetch = 1  # a second task would start in whichever process is free, so nothing can lie ready for one

    def __init__(self, actor: type, arguments: tuple[Any, ...], shared: Mapping[str, Any], n_workers: int) -> None:
        super().__init__(actor, arguments, shared, n_workers)
        self._shared = {name: Shared(value) for name, value in shared.items()}
        self._arguments = Shared(arguments)
        self._running: dict[Future[Report], tuple[int, Any]] = {}
        self._pool = self._started()
        self._beginning = [self._pool.submit(worker_fault) for _ in range(n_workers)]

    def _started(self) -> Any:
        given = (self.actor, self._arguments, self._shared)
        return ProcessPoolExecutor(self.n_workers, initializer=begin_worker, initargs=given, env=dict(ONE_THREAD))

    def ready(self) -> None:
        check_begun(future.result() for future in self._beginning)

    def submit(self, worker: int, task: Task) -> None:
        try:
            with without_main():
                future = self._pool.submit(perform_standing, task)
        except BrokenProcessPool as fault:  # another worker has just died: reported as this one's death
            future = Future()
            future.set_exception(fault)
        self._running[future] = worker, self._pool

    def next_report(self, timeout_s: float) -> tuple[int, Report | None] | None:
        done = wait(self._running, timeout_s, FIRST_COMPLETED).done if self._running else ()
        for future in done:
            worker, pool = self._running.pop(future)
            try:
                return worker, future.result()
            except BrokenProcessPool as fault:  # one death breaks the whole pool, and all that runs in it
                if pool is self._pool:
                    pool.shutdown(wait=False)
                    self._pool = self._started()
                if found := re.search(r"exit codes of the workers are \{(.+)\}", str(fault)):
                    self.causes[worker] = f"the pool's processes ended by {found[1]}"
                return worker, None
        return None

    def replace(self, worker: int) -> None:
        self._running = {future: (by, pool) for future, (by, pool) in self._running.items() if by != worker}

    def pid(self, worker: int) -> int:
        return int(sorted(self._pool._processes)[worker])

    def close(self) -> None:
        # Not by kill_workers: with a task just submitted, loky's own thread then fails and leaves the processes.
        for pid in list(self._pool._processes or ()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._pool.shutdown(wait=True)
        for data in (*self._shared.values(), self._arguments):
            data.close()
