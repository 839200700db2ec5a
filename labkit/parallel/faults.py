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
import math
import threading
import time
from collections.abc import Callable, Iterator
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


@dataclasses.dataclass
class FaultReport:
    """What became of a fault; complete once the block has ended.

    Parameters
    ----------
    struck_s : float
        When the fault struck, in seconds since 1970; not a number before it has.
    events : list of TaskEvent
        All attempts of the block.
    said : str
        What was struck, in words.

    Examples
    --------
    >>> died = TaskEvent("t", 0, "?", 1, 10.0, 15.0, 15.0, 15.0, 0, 0, "worker 0 died")
    >>> again = TaskEvent("t", 0, "local", 2, 15.5, 17.0, 20.0, 20.0, 10, 10)
    >>> report = FaultReport(14.0, [died, again])
    >>> report.noticed_s, report.recovered_s, report.lost_s
    (1.0, 3.0, 4.0)
    """

    struck_s: float = math.nan
    events: list[TaskEvent] = dataclasses.field(default_factory=list)
    said: str = ""

    @property
    def lost(self) -> list[TaskEvent]:
        """The attempts that died with their workers once the fault had struck."""
        return [event for event in self.events if event.node == NOWHERE and event.received_s >= self.struck_s]

    @property
    def noticed_s(self) -> float:
        """Seconds from the fault until dispatch saw it; not a number where no task was lost, so that it never did."""
        return min((event.received_s - self.struck_s for event in self.lost), default=math.nan)

    @property
    def recovered_s(self) -> float:
        """Seconds from the fault until the last lost task was running again; infinite where one was not."""
        return max((self._again_s(event) - self.struck_s for event in self.lost), default=math.nan)

    @property
    def lost_s(self) -> float:
        """Seconds of computing thrown away: what the lost attempts had done when the fault struck."""
        return sum(max(0.0, self.struck_s - self.begun_s(event)) for event in self.lost)

    def _again_s(self, lost: TaskEvent) -> float:
        later = [event for event in self.events if event.task == lost.task and event.received_s > lost.received_s]
        return min((event.started_s for event in later if event.node != NOWHERE), default=math.inf)

    def begun_s(self, lost: TaskEvent) -> float:
        """Return when a lost attempt was submitted, or its worker had finished what lay before: nobody reports more."""
        before = [event for event in self.events if event.received_s < lost.received_s]
        return max(lost.submitted_s, *(event.finished_s for event in before if event.worker == lost.worker), 0.0)


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
        number = self.at_task if isinstance(self.at_task, int) else len(self.at_task)
        if number < 1 or not 0 <= (self.at_share or 0.0) < 1 or not self.after_s >= 0:
            raise InvalidArgument(
                "A fault strikes at a task's number from 1, its key, or a share of tasks from 0 to below 1, and 0 or"
                f" more seconds later: {self} does not say so."
            )

    @abc.abstractmethod
    def aim(self, scene: Scene) -> Callable[[], str | None]:
        """Choose the victim at the moment itself; return what strikes it, and may say more of it."""


class KillActor(Fault):
    """Kill the Ray actor on which the task has begun, as `ray.kill` does: Ray is told, and its process ends."""

    def aim(self, scene: Scene) -> Callable[[], str | None]:
        """Take the actor."""
        import ray

        return functools.partial(ray.kill, _ray_crew(scene.crew, self).actors()[scene.worker])


class KillWorker(Fault):
    """Kill the process in which the task has begun (SIGKILL): nobody is told, as when the system lacks memory.

    Joblib does not tell which that is, but there all die with one.
    """

    def aim(self, scene: Scene) -> Callable[[], str | None]:
        """Take the process."""
        return psutil.Process(scene.crew.pid(scene.worker)).kill


class KillNode(Fault):
    """Kill the raylet of a node that has actors (SIGKILL), as when a machine is lost; never this program's own."""

    def aim(self, scene: Scene) -> Callable[[], str | None]:
        """Take the node of the first worker that is not on ours."""
        return psutil.Process(_ray_crew(scene.crew, self).raylet()).kill


@dataclasses.dataclass(frozen=True, kw_only=True)
class KillDriver(Fault):
    """Kill this process itself (SIGKILL). The same block run again in a new process does not die, but reports.

    Parameters
    ----------
    record : Path
        What was running is noted there before; the second run finds and removes it.
    """

    record: Path

    def aim(self, scene: Scene) -> Callable[[], str | None]:
        """Take this process."""

        def strike() -> None:
            events = [dataclasses.asdict(event) for event in scene.report.events]
            note = {"struck_s": time.time(), "events": events, "running": list(scene.running.values())}
            write_whole(self.record, json.dumps(note))
            psutil.Process().kill()

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

    def aim(self, scene: Scene) -> Callable[[], str | None]:
        """Take the process in which the task has begun."""
        process, ended = psutil.Process(scene.crew.pid(scene.worker)), threading.Event()

        def alternate() -> None:
            with contextlib.suppress(psutil.NoSuchProcess):
                while not ended.wait(_CYCLE_S / self.factor):
                    process.suspend()
                    ended.wait(_CYCLE_S * (1 - 1 / self.factor))
                    process.resume()

        thread = threading.Thread(target=alternate, name="labkit-slow-worker", daemon=True)
        scene.undo.callback(lambda: thread.join() if thread.ident else None)
        scene.undo.callback(ended.set)
        return thread.start


@dataclasses.dataclass(frozen=True, kw_only=True)
class FillStore(Fault):
    """Put objects into the Ray object store of this node until it takes no more, and hold them until the block ends.

    Parameters
    ----------
    fill : float
        How much to put, as a multiple of what the store holds: above 1 it spills to disk, or refuses.
    """

    fill: float = 1.2

    def aim(self, scene: Scene) -> Callable[[], str | None]:
        """Take the store of the node that this process is attached to."""
        import ray
        from ray.exceptions import ObjectStoreFullError, OutOfDiskError

        size = _ray_crew(scene.crew, self).store_bytes()
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
    """Where a fault is about to strike: what is running on which worker. A watcher of dispatches."""

    def __init__(self, fault: Fault) -> None:
        self.fault, self.report, self.undo = fault, FaultReport(), contextlib.ExitStack()
        self.crew: Crew
        self.worker = self.n_started = 0
        self.running: dict[int, tuple[str, int, float]] = {}
        self.aimed = isinstance(fault, KillDriver) and fault.record.exists()
        if isinstance(fault, KillDriver) and self.aimed:
            note, now = json.loads(fault.record.read_text()), time.time()
            fault.record.unlink()
            events = [TaskEvent(**event) for event in note["events"]]
            events += [TaskEvent(key, worker, NOWHERE, 1, begun_s, now, now, now, 0, 0, "the driver died")
                       for key, worker, begun_s in note["running"]]  # fmt: skip
            self.report = FaultReport(note["struck_s"], events, "the driver, an earlier process")

    def started(self, crew: Crew, worker: int, task: Task, share: float) -> None:
        """See a task begin; where it is the one, strike."""
        self.n_started += 1
        self.running[worker] = task.key, worker, time.time()
        at_share, numbers = self.fault.at_share, (self.n_started, task.key)
        if self.aimed or not (self.fault.at_task in numbers if at_share is None else share >= at_share):
            return
        self.aimed, self.crew, self.worker = True, crew, worker
        strike = self.fault.aim(self)
        if not self.fault.after_s:
            self._strike(strike)
            return
        timer = threading.Timer(self.fault.after_s, self._strike, (strike,))
        self.undo.callback(timer.join)
        self.undo.callback(timer.cancel)
        timer.start()

    def ended(self, event: TaskEvent) -> None:
        """See an attempt end."""
        self.running.pop(event.worker, None)
        self.report.events.append(event)

    def _strike(self, strike: Callable[[], str | None]) -> None:
        self.report.struck_s = time.time()
        with contextlib.suppress(psutil.NoSuchProcess):  # what was to be killed has ended by itself
            self.report.said = strike() or f"{type(self.fault).__name__} at worker {self.worker}"


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
                scene.report.said = strike() or ""
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
        scene.undo.close()
    if math.isnan(scene.report.struck_s):
        raise InvalidArgument(
            f"{fault} never struck: {scene.n_started} tasks began, and the work ended before its moment. Choose an"
            " earlier one, or more work."
        )


def _ray_crew(crew: Crew, fault: Fault) -> RayCrew:
    from labkit.parallel.ray_crew import RayCrew

    if not isinstance(crew, RayCrew):
        raise InvalidArgument(f"{type(fault).__name__} needs the engine ray, not a {type(crew).__name__}.")
    return crew
