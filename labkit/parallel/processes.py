"""Worker processes of this host, without any framework: what Ray is compared with, and what it costs nothing over.

Python's fork server imports scikit-learn once, with one thread a library, and each worker begins as its copy: a fresh
process that is ready at once. A worker dies with the server, and the server with the process that began it.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import multiprocessing
import pickle
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from multiprocessing import connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.forkserver import ensure_running
from typing import Any

import cloudpickle

from labkit.errors import TaskFailed
from labkit.parallel.engines import Crew
from labkit.parallel.pinning import ONE_THREAD, environment
from labkit.parallel.shared import Shared
from labkit.parallel.tasks import Report, Task, perform, portable

_PRELOADED = ["labkit.parallel.processes", "labkit.parallel.actors", "sklearn.ensemble", "sklearn.linear_model",
              "sklearn.pipeline", "sklearn.compose", "sklearn.impute", "sklearn.preprocessing"]  # fmt: skip
_PR_SET_PDEATHSIG = 1


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Keep children from importing the program again that this process runs: it may be a whole command line."""
    main = sys.modules["__main__"]
    kept: dict[str, Any] = {name: main.__dict__.pop(name) for name in ("__spec__", "__file__") if name in main.__dict__}
    main.__spec__ = None
    try:
        yield
    finally:
        main.__dict__.update(kept)


def start_server() -> ForkServerContext:
    """Return the context whose fork server is running, pinned; starting it takes no time, its imports go on alone."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    with environment(ONE_THREAD), without_main():
        ensure_running()
    return context


class Child:
    """A worker process and the pipe to it."""

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        context = start_server()
        self.pipe, theirs = context.Pipe()
        self.process: ForkServerProcess = context.Process(target=_run, args=(target, theirs, *arguments), daemon=True)
        with without_main():
            self.process.start()
        theirs.close()

    def end(self) -> None:
        """End the process at once and wait for it."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.pipe.close()


def _run(target: Callable[..., None], pipe: connection.Connection, *arguments: Any) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that began this one decides when it ends
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        target(pipe, *arguments)


def open_shared(shared: Mapping[str, Shared]) -> dict[str, Any]:
    """Map shared data in a worker."""
    return {name: data.value() for name, data in shared.items()}


class _Standing:
    """What a worker process of a library's own pool holds from task to task."""

    actor: Any = None
    data: Mapping[str, Any] = {}
    fault: Exception | None = None


def begin_worker(actor: type, arguments: Shared, shared: Mapping[str, Shared]) -> None:
    """Make this process a worker: what `_serve` is for our own, for a pool that some library keeps."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(ValueError):  # only a main thread may
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _Standing.actor, _Standing.data = actor(*arguments.value()), open_shared(shared)
    except Exception as fault:
        _Standing.fault = portable(fault)


def worker_fault() -> Exception | None:
    """Return why this worker's actor could not begin."""
    return _Standing.fault


def perform_standing(task: Task) -> Report:
    """Do a task with the actor that this process holds."""
    return perform(_Standing.actor, task, _Standing.data)


def check_begun(faults: Iterable[Exception | None]) -> None:
    """Make sure that all workers have their actors.

    Raises
    ------
    TaskFailed
        If one has not.
    """
    for fault in faults:
        if fault is not None:
            raise TaskFailed(f"A worker process could not begin: {type(fault).__name__}: {fault}") from fault


class ProcessCrew(Crew):
    """Workers that are processes of this host, each with a pipe of its own."""

    def __init__(self, actor: type, arguments: tuple[Any, ...], shared: Mapping[str, Any], n_workers: int) -> None:
        super().__init__(actor, arguments, shared, n_workers)
        # A class of a notebook or a script is nowhere to be imported from: it travels whole, others by their name.
        self._packed = cloudpickle.dumps(actor)
        self._shared = {name: Shared(value) for name, value in shared.items()}
        self._arguments = Shared(arguments)
        self._children: list[Child] = []
        self._starting = list(range(n_workers))
        self._reports: collections.deque[tuple[int, Report | None]] = collections.deque()
        try:
            for _ in range(n_workers):
                self._children.append(self._child())
        except BaseException:
            self.close()
            raise

    def _child(self) -> Child:
        return Child(_serve, self._packed, self._arguments, self._shared)

    def ready(self) -> None:
        while self._starting:
            try:
                fault = self._children[self._starting.pop()].pipe.recv()
            except EOFError:
                fault = RuntimeError("the process died; the machine's memory may tell why")
            check_begun([fault])

    def submit(self, worker: int, task: Task) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its death is reported by its pipe
            self._children[worker].pipe.send(task)

    def next_report(self, timeout_s: float) -> tuple[int, Report | None] | None:
        if not self._reports:
            pipes = {child.pipe: worker for worker, child in enumerate(self._children)}
            for pipe in connection.wait(list(pipes), timeout_s):
                assert isinstance(pipe, connection.Connection)
                try:
                    message = pipe.recv()
                except (EOFError, ConnectionResetError):
                    message = None
                    self._children[pipes[pipe]].process.join(1.0)
                    self.causes[pipes[pipe]] = _cause(self._children[pipes[pipe]].process.exitcode)
                self._reports.append((pipes[pipe], message))
        return self._reports.popleft() if self._reports else None

    def replace(self, worker: int) -> None:
        self._children[worker].end()
        child = self._children[worker] = self._child()
        with contextlib.suppress(EOFError):
            child.pipe.recv()

    def pid(self, worker: int) -> int:
        return self._children[worker].process.pid or 0

    def close(self) -> None:
        for child in self._children:
            child.end()
        for data in (*self._shared.values(), self._arguments):
            data.close()


def _cause(status: int | None) -> str:
    """Say how a process ended, by its exit status as `multiprocessing` gives it."""
    return f"killed by {signal.Signals(-status).name}" if status and status < 0 else f"it ended with status {status}"


def _serve(pipe: connection.Connection, packed: bytes, arguments: Shared, shared: Mapping[str, Shared]) -> None:
    try:
        instance, data = pickle.loads(packed)(*arguments.value()), open_shared(shared)
    except Exception as fault:
        pipe.send(fault)
        return
    pipe.send(None)
    while True:
        task: Task = pipe.recv()
        pipe.send(perform(instance, task, data))
