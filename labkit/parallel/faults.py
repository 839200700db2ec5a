"""Faults at a chosen moment, and what each of them cost: noticed when, recovered when, how much work lost.

`with inject(KillWorker(at_task=3, after_s=0.5)) as report: train(...)` strikes the worker on which the third task has
begun, half a second later. What follows is arithmetic on task events and the fault's own time.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import functools
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from labkit.errors import InvalidArgument, LabError
from labkit.files.whole import write_whole
from labkit.parallel.dispatch import watchers
from labkit.parallel.engines import Crew
from labkit.parallel.tasks import NOWHERE, Task, TaskEvent

if TYPE_CHECKING:
    from labkit.parallel.ray_crew import RayCrew

_CYCLE_S = 0.05  # of a slowed worker: short beside any task, long beside a switch of processes
_N_CHUNKS = 20


def lost_attempts(events: Sequence[TaskEvent], struck_s: float) -> list[tuple[TaskEvent, float]]:
    """Return each attempt that died with its worker after a fault, and when it had begun.

    Nobody reports when an attempt began that died: it is when it was submitted, or when its worker had finished what
    lay before it.
    """
    lost = [event for event in events if event.node == NOWHERE and event.received_s >= struck_s]
    return [
        (event, max([event.submitted_s, *(other.finished_s for other in events
                                          if other.worker == event.worker and other.received_s < event.received_s)]))
        for event in lost
    ]  # fmt: skip


def noticed_s(events: Sequence[TaskEvent], struck_s: float) -> float | None:
    """Return the time from a fault until dispatch saw it; None where it never did, since no task was lost.

    Parameters
    ----------
    events : sequence of TaskEvent
        Of one dispatch, or of several after one another.
    struck_s : float
        When the fault struck, in seconds since 1970.

    Returns
    -------
    float or None
        Seconds.

    Examples
    --------
    >>> died = TaskEvent("t", 0, "?", 1, 10.0, 15.0, 15.0, 15.0, 0, 0, "worker 0 died")
    >>> again = TaskEvent("t", 0, "local", 2, 15.5, 17.0, 20.0, 20.0, 10, 10)
    >>> events = [died, again]
    >>> noticed_s(events, 14.0), recovered_s(events, 14.0), lost_s(events, 14.0)
    (1.0, 3.0, 4.0)
    """
    return min((event.received_s - struck_s for event, _ in lost_attempts(events, struck_s)), default=None)


def recovered_s(events: Sequence[TaskEvent], struck_s: float) -> float | None:
    """Return the time from a fault until the last of the lost tasks was running again, in seconds.

    None where no task was lost, or one has not run again.
    """
    again = []
    for lost, _ in lost_attempts(events, struck_s):
        after = [event for event in events if event.task == lost.task and event.received_s > lost.received_s]
        running = [event.started_s for event in after if event.node != NOWHERE]
        if not running:
            return None
        again.append(min(running) - struck_s)
    return max(again, default=None)


def lost_s(events: Sequence[TaskEvent], struck_s: float) -> float:
    """Return how much computing a fault threw away: that of the attempts that ran when it struck, in seconds."""
    return sum(max(0.0, struck_s - begun_s) for _, begun_s in lost_attempts(events, struck_s))


@dataclasses.dataclass
class FaultReport:
    """What became of a fault; complete once the block has ended.

    Parameters
    ----------
    fault : Fault
    struck_s : float or None
        When it struck, in seconds since 1970.
    said : str
        What it struck, in words.
    events : list of TaskEvent
        All attempts of the block.
    """

    fault: Fault
    struck_s: float | None = None
    said: str = "not yet"
    events: list[TaskEvent] = dataclasses.field(default_factory=list, repr=False)

    @property
    def noticed_s(self) -> float | None:
        """Seconds until dispatch saw it."""
        return None if self.struck_s is None else noticed_s(self.events, self.struck_s)

    @property
    def recovered_s(self) -> float | None:
        """Seconds until the last lost task was running again."""
        return None if self.struck_s is None else recovered_s(self.events, self.struck_s)

    @property
    def lost_s(self) -> float:
        """Seconds of computing thrown away."""
        return 0.0 if self.struck_s is None else lost_s(self.events, self.struck_s)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault(abc.ABC):
    """Something that goes wrong at a chosen moment; whichever worker begins the task of that moment is the victim.

    Parameters
    ----------
    at_task : int or str
        Strike when so many tasks have begun, or the one of this key.
    at_share : float, optional
        Instead: strike at the first task that begins once this share of a dispatch's tasks is done, from 0 to below 1.
    after_s : float
        Seconds between that moment and the strike.
    """

    at_task: int | str = 1
    at_share: float | None = None
    after_s: float = 0.0

    def __post_init__(self) -> None:
        if self.at_task in (0, "") or (isinstance(self.at_task, int) and self.at_task < 0) or self.after_s < 0:
            raise InvalidArgument("A fault strikes at a task's number from 1, or its key, and 0 or more seconds later.")
        if self.at_share is not None and not 0 <= self.at_share < 1:
            raise InvalidArgument(f"A fault's share of tasks is at least 0 and below 1, not {self.at_share}.")

    @abc.abstractmethod
    def aim(self, scene: Scene) -> Callable[[], str]:
        """Choose the victim at the moment itself; return what strikes it, then says what that was."""


class KillActor(Fault):
    """Kill the Ray actor as `ray.kill` does: Ray is told, and its process ends."""

    def aim(self, scene: Scene) -> Callable[[], str]:
        """Take the actor on which the task has begun."""
        import ray

        actor = _ray_crew(scene.crew, self).actors()[scene.worker]

        def strike() -> str:
            ray.kill(actor)
            return f"the actor of worker {scene.worker}"

        return strike


class KillWorker(Fault):
    """Kill the worker's process (SIGKILL): nobody is told, as when the system lacks memory."""

    def aim(self, scene: Scene) -> Callable[[], str]:
        """Take the process in which the task has begun; joblib does not tell, but there all die with one."""
        return functools.partial(_kill, psutil.Process(scene.crew.pid(scene.worker)), f"worker {scene.worker}")


class KillNode(Fault):
    """Kill the raylet of a node that has actors (SIGKILL), as when a machine is lost; never this program's own."""

    def aim(self, scene: Scene) -> Callable[[], str]:
        """Take the node of the first worker that is not on ours."""
        return functools.partial(_kill, psutil.Process(_ray_crew(scene.crew, self).raylet()), "the raylet of a node")


@dataclasses.dataclass(frozen=True, kw_only=True)
class KillDriver(Fault):
    """Kill this process itself (SIGKILL). The same block run again in a new process does not die, but reports.

    Parameters
    ----------
    record : Path
        What was running is noted there before; the second run finds and removes it.
    """

    record: Path

    def aim(self, scene: Scene) -> Callable[[], str]:
        """Take this process."""

        def strike() -> str:
            events = [dataclasses.asdict(event) for event in scene.report.events]
            note = {"struck_s": time.time(), "events": events, "running": list(scene.running.values())}
            write_whole(self.record, json.dumps(note))
            return _kill(psutil.Process(), "the driver")

        return strike


@dataclasses.dataclass(frozen=True, kw_only=True)
class SlowWorker(Fault):
    """Slow a worker down until the block ends: its whole process is stopped (SIGSTOP) for most of each 50 ms.

    A wait around its tasks would slow the tasks, but not the copying, unpickling and answering in the same process.

    Parameters
    ----------
    factor : float
        How many times slower, above 1.
    """

    factor: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.factor > 1:
            raise InvalidArgument(f"A worker is slowed by a factor above 1, not {self.factor}.")

    def aim(self, scene: Scene) -> Callable[[], str]:
        """Take the process in which the task has begun."""
        process, ended = psutil.Process(scene.crew.pid(scene.worker)), threading.Event()

        def alternate() -> None:
            with contextlib.suppress(psutil.NoSuchProcess):
                try:
                    while not ended.wait(_CYCLE_S / self.factor):
                        process.suspend()
                        ended.wait(_CYCLE_S * (1 - 1 / self.factor))
                        process.resume()
                finally:
                    process.resume()

        thread = threading.Thread(target=alternate, name="labkit-slow-worker", daemon=True)

        def end() -> None:
            ended.set()
            thread.join()

        def strike() -> str:
            thread.start()
            scene.undo.callback(end)
            return f"worker {scene.worker} (process {process.pid}), {self.factor:g} times slower"

        return strike


@dataclasses.dataclass(frozen=True, kw_only=True)
class FillStore(Fault):
    """Put objects into the Ray object store of this node until it takes no more, and hold them until the block ends.

    Parameters
    ----------
    fill : float
        How much to put, as a multiple of what the store holds: above 1 it spills to disk, or refuses.
    """

    fill: float = 1.2

    def aim(self, scene: Scene) -> Callable[[], str]:
        """Take the store of the node that this process is attached to."""
        import ray
        from ray.exceptions import ObjectStoreFullError, OutOfDiskError

        _ray_crew(scene.crew, self)
        here = ray.get_runtime_context().get_node_id()
        size = next(node["Resources"]["object_store_memory"] for node in ray.nodes() if node["NodeID"] == here)
        held: list[Any] = []
        scene.undo.callback(held.clear)

        def strike() -> str:
            chunk, said = bytes(int(self.fill * size / _N_CHUNKS)), "it took all; what has no room lies on disk"
            try:
                for _ in range(_N_CHUNKS):
                    held.append(ray.put(chunk))
            except (ObjectStoreFullError, OutOfDiskError) as fault:
                said = f"then it was full: {str(fault).strip().splitlines()[0]}"
            return f"{len(held) * len(chunk) / 1e6:,.0f} MB put into a store of {size / 1e6:,.0f} MB: {said}"

        return strike


class Scene:
    """What is going on while a fault is about to strike: a watcher of dispatches."""

    def __init__(self, fault: Fault) -> None:
        self.report, self.undo = FaultReport(fault), contextlib.ExitStack()
        self.crew: Crew
        self.worker = self.n_started = 0
        self.running: dict[int, tuple[str, int, float]] = {}
        self._lost: list[tuple[str, int, float]] = []
        self._aimed = False
        self._timer: threading.Timer | None = None
        self._error: Exception | None = None
        if isinstance(fault, KillDriver) and fault.record.exists():
            note = json.loads(fault.record.read_text())
            self.report.struck_s, self._lost, self._aimed = note["struck_s"], note["running"], True
            self.report.events.extend(TaskEvent(**event) for event in note["events"])
            self.report.said = "the driver, an earlier process"
            fault.record.unlink()

    def started(self, crew: Crew, worker: int, task: Task, share: float) -> None:
        """See a task begin; where it is the one, strike."""
        fault, now = self.report.fault, time.time()
        for key, holder, begun_s in self._lost:
            event = TaskEvent(key, holder, NOWHERE, 1, begun_s, now, now, now, 0, 0, "the driver died")
            self.report.events.append(event)
        self._lost = []
        self.n_started += 1
        self.running[worker] = task.key, worker, now
        if self._aimed or not (
            fault.at_task in (self.n_started, task.key) if fault.at_share is None else share >= fault.at_share
        ):
            return
        self._aimed, self.crew, self.worker = True, crew, worker
        strike = functools.partial(self._strike, fault.aim(self))
        if not fault.after_s:
            strike()
            return
        self._timer = threading.Timer(fault.after_s, strike)
        self._timer.start()

    def ended(self, event: TaskEvent) -> None:
        """See an attempt end."""
        self.running.pop(event.worker, None)
        self.report.events.append(event)

    def _strike(self, strike: Callable[[], str]) -> None:
        try:
            self.report.struck_s = time.time()
            self.report.said = strike()
        except Exception as fault:
            self._error = fault

    def end(self) -> None:
        """Let nothing strike any more, and undo what was done."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        self.undo.close()

    def check(self) -> None:
        """Make sure that the fault has struck."""
        if self._error is not None:
            raise self._error
        if self.report.struck_s is None:
            raise InvalidArgument(
                f"{self.report.fault} never struck: {self.n_started} tasks began, and the work ended before. Choose an"
                " earlier moment, or more work."
            )


@dataclasses.dataclass(frozen=True)
class Strike:
    """A fault that somebody let strike by hand: on which worker, during which task, and why it could not if so."""

    worker: int
    task: str
    report: FaultReport
    error: str | None


class Bystander:
    """A watcher of all that this process dispatches, which strikes at once when it is told to.

    `running` holds crew and task by worker, the one that began first before the others.
    """

    def __init__(self) -> None:
        self.running: dict[int, tuple[Crew, Task]] = {}
        self.strikes: list[Strike] = []
        self._events: list[TaskEvent] = []
        watchers.append(self)

    def started(self, crew: Crew, worker: int, task: Task, share: float) -> None:
        """See a task begin."""
        self.running[worker] = crew, task

    def ended(self, event: TaskEvent) -> None:
        """See an attempt end."""
        self.running.pop(event.worker, None)
        self._events.append(event)

    def strike(self, fault: Fault) -> None:
        """Let a fault strike the worker whose task began first; where nothing runs, nothing happens."""
        for worker, (crew, task) in list(self.running.items())[:1]:
            scene, error = Scene(fault), None
            scene.crew, scene.worker, scene.report.events = crew, worker, self._events
            try:
                strike = fault.aim(scene)
                scene.report.struck_s = time.time()
                scene.report.said = strike()
            except LabError as why:
                error = str(why)
            self.strikes.append(Strike(worker, task.key, scene.report, error))

    def leave(self) -> None:
        """Watch no longer."""
        watchers.remove(self)


@contextlib.contextmanager
def inject(fault: Fault) -> Iterator[FaultReport]:
    """Let a fault strike, at its moment, whatever this process dispatches while a block runs.

    Parameters
    ----------
    fault : Fault

    Yields
    ------
    FaultReport

    Raises
    ------
    LabError
        If the fault does not fit the crew, or its moment never came.
    """
    scene = Scene(fault)
    watchers.append(scene)
    try:
        yield scene.report
    finally:
        watchers.remove(scene)
        scene.end()
    scene.check()


def _kill(process: psutil.Process, what: str) -> str:
    process.send_signal(signal.SIGKILL)
    return f"{what} (process {process.pid})"


def _ray_crew(crew: Crew, fault: Fault) -> RayCrew:
    from labkit.parallel.ray_crew import RayCrew

    if not isinstance(crew, RayCrew):
        raise InvalidArgument(f"{type(fault).__name__} needs the engine ray, not a {type(crew).__name__}.")
    return crew
