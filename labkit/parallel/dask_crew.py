"""Dask's workers on this host as a crew: a scheduler in this process, a worker process for each of ours.

References
----------
.. [1] Rocklin (2015), "Dask: parallel computation with blocked algorithms and task scheduling", SciPy 2015.
   doi:10.25080/Majora-7b98e3ed-013
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from distributed import Client, LocalCluster

from labkit.errors import TaskFailed
from labkit.parallel.engines import Crew
from labkit.parallel.pinning import ONE_THREAD, environment
from labkit.parallel.processes import begin_worker, check_begun, perform_standing, without_main, worker_fault
from labkit.parallel.service import LOOPBACK
from labkit.parallel.shared import Shared
from labkit.parallel.tasks import Report, Task

_LOOK_S = 0.25
_START_TIMEOUT_S = 60.0


class DaskCrew(Crew):
    """One Dask worker process a worker; each task is sent to the one that dispatch chose."""

    def __init__(self, actor: type, arguments: tuple[Any, ...], shared: Mapping[str, Any], n_workers: int) -> None:
        super().__init__(actor, arguments, shared, n_workers)
        self._shared = {name: Shared(value) for name, value in shared.items()}
        self._arguments = Shared(arguments)
        self._running: dict[Any, int] = {}
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._scratch = tempfile.TemporaryDirectory(prefix="labkit-dask-")
        try:
            self._start()
        except BaseException:
            self._give_back()
            raise

    def _start(self) -> None:
        with environment(ONE_THREAD), without_main():
            self._cluster = LocalCluster(
                n_workers=self.n_workers, threads_per_worker=1, host=LOOPBACK, dashboard_address=f"{LOOPBACK}:0",
                memory_limit=0, local_directory=self._scratch.name, silence_logs=logging.CRITICAL,
            )  # fmt: skip
        self._client = Client(self._cluster)
        self._addresses = [str(self._address(worker)) for worker in range(self.n_workers)]
        self._begin(*self._addresses)

    def _address(self, worker: int) -> str | None:
        return getattr(self._cluster.workers[worker], "worker_address", None)

    def _begin(self, *addresses: str) -> None:
        self._client.run(begin_worker, self.actor, self._arguments, self._shared, workers=list(addresses))

    def ready(self) -> None:
        check_begun(self._client.run(worker_fault).values())

    def submit(self, worker: int, task: Task) -> None:
        future = self._client.submit(perform_standing, task, workers=[self._addresses[worker]], pure=False)
        self._running[future.key] = worker
        future.add_done_callback(self._done.put)

    def next_report(self, timeout_s: float) -> tuple[int, Report | None] | None:
        until = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(queue.Empty):
                future = self._done.get(timeout=_LOOK_S)
                worker = self._running.pop(future.key, None)
                if worker is not None:
                    return worker, future.result() if future.status == "finished" else None
            for worker in self._running.values():  # Dask itself would wait for a worker of that address for ever
                if self._address(worker) != self._addresses[worker]:
                    return worker, None
            if time.monotonic() > until:
                return None

    def replace(self, worker: int) -> None:
        self._running = {key: by for key, by in self._running.items() if by != worker}
        until = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < until:
            address = self._address(worker)  # Dask's nanny has begun a new process, or is about to
            changed = address is not None and address != self._addresses[worker]
            if address is not None and changed and address in self._client.scheduler_info(-1)["workers"]:
                self._addresses[worker] = address
                self._begin(address)
                return
            time.sleep(0.05)
        raise TaskFailed(f"Dask did not replace its worker {worker} within {_START_TIMEOUT_S:.0f} s.")

    def pid(self, worker: int) -> int:
        address = self._addresses[worker]
        return int(self._client.run(os.getpid, workers=[address])[address])

    def close(self) -> None:
        self._client.close()
        self._cluster.close()
        self._give_back()

    def _give_back(self) -> None:
        self._scratch.cleanup()
        for data in (*self._shared.values(), self._arguments):
            data.close()
