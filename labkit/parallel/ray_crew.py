"""Ray actors as a crew. The one place, besides `cluster`, that speaks to Ray."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RayActorError, RayError

from labkit.errors import ClusterError, TaskFailed
from labkit.parallel.engines import Crew
from labkit.parallel.tasks import Report, Task, perform

START_TIMEOUT_S = 90.0


class RayWorker:
    """What runs in an actor's process: a plain object, and one method that calls it."""

    def __init__(self, actor: type, *arguments: Any) -> None:
        self._actor = actor(*arguments)
        self._node = ray.get_runtime_context().get_node_id()[:8]

    def ready(self) -> bool:
        """Answer, once the actor is there."""
        return True

    def perform(self, task: Task, *inputs: Any) -> Report:
        """Do a task; Ray has already mapped the inputs from the object store."""
        return perform(self._actor, task, dict(zip(task.inputs, inputs, strict=True)), self._node)


class RayCrew(Crew):
    """One actor a worker, on whatever nodes the attached cluster has."""

    def __init__(self, actor: type, arguments: tuple[Any, ...], shared: Mapping[str, Any], n_workers: int) -> None:
        super().__init__(actor, arguments, shared, n_workers)
        if not ray.is_initialized():
            raise ClusterError(
                "The ray engine needs a cluster: attach to one first (`labkit cluster start` begins one)."
            )
        n_cpus = ray.cluster_resources().get("CPU", 0.0)
        # More actors than CPUs must share them, or the last ones would wait for ever.
        share = min(1.0, int(10_000 * n_cpus / n_workers) / 10_000)
        self._remote: Any = ray.remote(RayWorker).options(num_cpus=share, max_restarts=0, max_task_retries=0)
        self._data = {name: ray.put(value) for name, value in shared.items()}
        self._given = [ray.put(value) for value in arguments]
        self._running: collections.OrderedDict[Any, int] = collections.OrderedDict()
        self._ready = False
        self._actors: list[Any] = [self._remote.remote(actor, *self._given) for _ in range(n_workers)]

    def ready(self) -> None:
        if self._ready:
            return
        waiting = [actor.ready.remote() for actor in self._actors]
        try:
            ray.get(waiting, timeout=START_TIMEOUT_S)
            self._ready = True
        except GetTimeoutError:
            free, total = ray.available_resources().get("CPU", 0.0), ray.cluster_resources().get("CPU", 0.0)
            raise ClusterError(
                f"{self.n_workers} actors did not start within {START_TIMEOUT_S:.0f} s: the cluster has {total:g} CPUs,"
                f" {free:g} of them free. End other work on it, or take fewer workers."
            ) from None
        except RayError as fault:
            raise TaskFailed(f"A Ray actor could not begin: {str(fault).strip().splitlines()[-1]}") from fault

    def submit(self, worker: int, task: Task) -> None:
        ref = self._actors[worker].perform.remote(task, *(self._data[name] for name in task.inputs))
        self._running[ref] = worker

    def next_report(self, timeout_s: float) -> tuple[int, Report | None] | None:
        if not self._running:
            return None
        done, _ = ray.wait(list(self._running), num_returns=1, timeout=timeout_s)
        if not done:
            return None
        worker = self._running.pop(done[0])
        try:
            return worker, ray.get(done[0])
        except (RayActorError, ActorUnavailableError):
            return worker, None
        except RayError as fault:
            raise TaskFailed(f"Ray could not bring a result: {str(fault).strip().splitlines()[0]}") from fault

    def replace(self, worker: int) -> None:
        for ref in [ref for ref, holder in self._running.items() if holder == worker]:
            del self._running[ref]
        ray.kill(self._actors[worker])
        self._actors[worker] = self._remote.remote(self.actor, *self._given)

    def actors(self) -> list[Any]:
        """Return the actors' handles, to watch or to kill them."""
        return list(self._actors)

    def close(self) -> None:
        for actor in self._actors:
            ray.kill(actor)
        self._running.clear()
        self._data.clear()
        self._given.clear()
