"""What is handed to workers, and what is known of it afterwards."""

from __future__ import annotations

import dataclasses
import pickle
import time
from collections.abc import Mapping
from typing import Any

from labkit.parallel.sampling import Usage, usage

NOWHERE = "?"  # the node of an attempt that died with its worker


@dataclasses.dataclass(frozen=True)
class Task:
    """One call of an actor's method.

    Parameters
    ----------
    key : str
        Unique among the tasks of one run; a checkpoint is kept under it.
    method : str
        The actor's method.
    argument : Any
        Its first argument; small, since it travels with the task.
    inputs : tuple of str
        Names of shared data, handed on as the arguments that follow.
    cost_s : float
        Estimated time on one worker, in seconds: the longest goes first.
    """

    key: str
    method: str
    argument: Any
    inputs: tuple[str, ...] = ()
    cost_s: float = 0.0


@dataclasses.dataclass(frozen=True)
class TaskEvent:
    """One attempt at one task: who did it, and its four times in seconds since 1970.

    Between submitted and started a task waits; between finished and received its result travels. `usage` is what it
    used in between. An attempt that died with its worker has the node "?", no usage, and for all but the first time the
    one at which dispatch saw it.
    """

    task: str
    worker: int
    node: str
    attempt: int
    submitted_s: float
    started_s: float
    finished_s: float
    received_s: float
    bytes_in: int
    bytes_out: int
    error: str | None = None
    usage: Usage | None = None

    def __post_init__(self) -> None:
        if isinstance(self.usage, dict):  # as a record of a run holds it
            object.__setattr__(self, "usage", Usage(**self.usage))


@dataclasses.dataclass(frozen=True)
class Report:
    """What a worker sends back: the result as bytes (so that its size is known), or the error."""

    key: str
    node: str
    started_s: float
    finished_s: float
    bytes_in: int
    payload: bytes | None
    error: Exception | None
    usage: Usage | None = None

    def value(self) -> Any:
        """Return the result itself."""
        return pickle.loads(self.payload) if self.payload is not None else None


def perform(
    actor: Any, task: Task, shared: Mapping[str, Any], node: str = "local", *, in_thread: bool = False
) -> Report:
    """Do a task with a plain object in this process, or in one of its threads among others, and report."""
    before, started_s = usage(of_thread=in_thread), time.time()
    payload, error, used, finished_s = None, None, None, 0.0
    try:
        value = getattr(actor, task.method)(task.argument, *(shared[name] for name in task.inputs))
        finished_s = time.time()
        used = usage(of_thread=in_thread).since(before)
        payload = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as fault:
        error = portable(fault)
    return Report(task.key, node, started_s, finished_s or time.time(), len(pickle.dumps(task)), payload, error, used)


def portable(fault: Exception) -> Exception:
    """Return the error itself where it survives a journey between processes, else its text."""
    try:
        pickle.loads(pickle.dumps(fault))
    except Exception:
        return RuntimeError(f"{type(fault).__name__}: {fault}")
    return fault
