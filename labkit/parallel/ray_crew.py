"""Ray actors as a crew. The one place, besides `cluster`, that speaks to Ray."""

from __future__ import annotations

import collections
import contextlib
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psutil
import ray
from ray._private.state import actors as actor_table  # the State API tells the same, through the dashboard
from ray.exceptions import ObjectLostError, ObjectStoreFullError, OutOfDiskError, RayActorError, RayError

from labkit.errors import ClusterError, NotEnoughMemory, NotEnoughResources, TaskFailed
from labkit.parallel.engines import Crew
from labkit.parallel.service import answers
from labkit.parallel.tasks import Report, Task, perform

START_TIMEOUT_S = 90.0
ROOM_TIMEOUT_S = 75.0  # where other work holds the CPUs; a host that has crashed holds up a new process for 30 s
_LOOK_S = 1.0
_MAX_LOST_AT_START = 3  # actors that died before their first task: more than that is no accident


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


def n_places(cpus: Sequence[float], share: float) -> int:
    """Return how many actors nodes can hold: none is spread over two.

    Parameters
    ----------
    cpus : sequence of float
        CPUs of each node.
    share : float
        CPUs that an actor takes, above 0.

    Examples
    --------
    >>> n_places([2, 2], 0.8), n_places([1, 1], 0.5)
    (4, 4)
    """
    return sum(int(node / share + 1e-6) for node in cpus)


def cpu_share(cpus: Sequence[float], n_workers: int) -> float:
    """Return the largest share of a CPU, up to a whole one, with which all actors find a place.

    Ray counts in ten-thousandths; 0 where there is no CPU.

    Examples
    --------
    >>> cpu_share([2, 2], 4), cpu_share([2, 2], 5), cpu_share([2], 6)
    (1.0, 0.6666, 0.3333)
    """
    shares = [1.0, *(int(1e4 * node / n) / 1e4 for node in cpus for n in range(1, n_workers + 1))]
    return max((s for s in shares if 0 < s <= 1 and n_places(cpus, s) >= n_workers), default=0.0)


class RayCrew(Crew):
    """One actor a worker, on whatever nodes the attached cluster has.

    Parameters
    ----------
    n_cpus : float, optional
        CPUs that each actor takes for itself. By default a whole one; where there are more actors than CPUs they share
        them, or the last ones would wait for ever.

    Raises
    ------
    ClusterError
        If no cluster is attached to, or it is lost.
    NotEnoughResources
        If the nodes' CPUs cannot hold the actors, at the start or after a node died.
    NotEnoughMemory
        If the object store cannot hold the shared data.
    """

    def __init__(
        self,
        actor: type,
        arguments: tuple[Any, ...],
        shared: Mapping[str, Any],
        n_workers: int,
        *,
        n_cpus: float | None = None,
    ) -> None:
        super().__init__(actor, arguments, shared, n_workers)
        if not ray.is_initialized():
            raise ClusterError(
                "The ray engine needs a cluster: attach to one first (`labkit cluster start` begins one)."
            )
        self._lost = False
        self._share = cpu_share(_node_cpus(), n_workers) if n_cpus is None else n_cpus
        self._check_places()
        named = type(actor.__name__, (RayWorker,), {})  # Ray's dashboard and `ps` then tell what an actor is
        self._remote: Any = ray.remote(named).options(num_cpus=self._share, max_restarts=0, max_task_retries=0)
        try:
            self._data = {name: ray.put(value) for name, value in shared.items()}
            self._given = [ray.put(value) for value in arguments]
        except (ObjectStoreFullError, OutOfDiskError) as fault:
            raise NotEnoughMemory(
                f"Ray's object store cannot take the shared data: {str(fault).strip().splitlines()[0]} Choose fewer"
                " days or a smaller scale, end other work on the cluster, or start it with a larger store."
            ) from fault
        self._running: collections.OrderedDict[Any, int] = collections.OrderedDict()
        self._actors: list[Any] = [self._remote.remote(actor, *self._given) for _ in range(n_workers)]
        self._beginning = {worker: actor.ready.remote() for worker, actor in enumerate(self._actors)}
        self._begun_s = self._looked_s = time.monotonic()

    def ready(self) -> None:
        n_lost = 0
        while self._beginning:
            refs = list(self._beginning.values())
            ray.wait(refs, num_returns=len(refs), timeout=_LOOK_S)
            for worker in self._look():
                try:
                    ray.get(self._beginning.pop(worker))
                except RayError as fault:
                    n_lost += 1
                    killed = isinstance(fault, RayActorError) and not fault.actor_init_failed
                    if not killed or n_lost > _MAX_LOST_AT_START:
                        raise TaskFailed(
                            f"A Ray actor could not begin: {str(fault).strip().splitlines()[-1]}"
                        ) from fault
                    self.replace(worker)

    def submit(self, worker: int, task: Task) -> None:
        ref = self._actors[worker].perform.remote(task, *(self._data[name] for name in task.inputs))
        self._running[ref] = worker

    def next_report(self, timeout_s: float) -> tuple[int, Report | None] | None:
        if not self._running:
            return None
        until = time.monotonic() + timeout_s
        while True:
            if time.monotonic() - self._looked_s > _LOOK_S:
                for begun in self._look():
                    del self._beginning[begun]
            left_s = max(0.0, until - time.monotonic())
            done, _ = ray.wait(list(self._running), num_returns=1, timeout=min(left_s, _LOOK_S))
            if done:
                break
            if not left_s:
                return None
        worker = self._running.pop(done[0])
        try:
            return worker, ray.get(done[0])
        except (RayActorError, ObjectLostError) as fault:  # lost is a result whose node has died just then
            self._check_cluster()  # nothing could be put in the place of what died with it
            self.causes[worker] = str(fault).strip().splitlines()[-1].partition(" Some common causes")[0]
            return worker, None
        except RayError as fault:
            raise TaskFailed(f"Ray could not bring a result: {str(fault).strip().splitlines()[-1]}") from fault

    def replace(self, worker: int) -> None:
        for ref in [ref for ref, holder in self._running.items() if holder == worker]:
            del self._running[ref]
        ray.kill(self._actors[worker])
        self._actors[worker] = self._remote.remote(self.actor, *self._given)
        self._beginning[worker] = self._actors[worker].ready.remote()
        self._begun_s = time.monotonic()

    def _look(self) -> list[int]:
        """Make sure that the cluster is there, and that actors that have not begun can; return those that have."""
        self._looked_s = time.monotonic()
        self._check_cluster()
        begun = [worker for worker, ref in self._beginning.items() if ray.wait([ref], timeout=0)[0]]
        if len(begun) == len(self._beginning):
            return begun
        self._check_places()
        waited_s = time.monotonic() - self._begun_s
        free, total = ray.available_resources().get("CPU", 0.0), ray.cluster_resources().get("CPU", 0.0)
        outside = free < self._share and not all(self._record(worker)["Pid"] for worker in range(self.n_workers))
        if waited_s > (ROOM_TIMEOUT_S if outside else START_TIMEOUT_S):
            raise ClusterError(
                f"{len(self._beginning) - len(begun)} of {self.n_workers} actors did not start within {waited_s:.0f} s:"
                f" the cluster has {total:g} CPUs, {free:g} of them free, and each actor takes {self._share:g}. End"
                " other work on it, or take fewer workers."
            )
        return begun

    def _check_places(self) -> None:
        cpus = _node_cpus()
        if self._share and (places := n_places(cpus, self._share)) < self.n_workers:
            raise NotEnoughResources(
                f"{self.n_workers} actors of {self._share:g} CPUs each need {self.n_workers * self._share:g} CPUs, and"
                f" {sum(cpus):g} are left on {len(cpus)} living nodes: room for {places}. Add a node or take fewer"
                " workers, and resume: what was kept is not done again."
            )

    def _check_cluster(self) -> None:
        # Asking Ray itself would wait a minute for an answer, and then end this process.
        node, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        local: Any = ray._private.worker._global_node
        with socket.socket(socket.AF_UNIX) as raylet:
            if answers(node, int(port)) and raylet.connect_ex(local.raylet_socket_name) == 0:
                return
        self._lost = True
        raise ClusterError(
            "The Ray node that this program is attached to has ended, and with it all work on it. Start it again"
            " (`labkit cluster start`), and resume in a new process: what was kept is not done again."
        )

    def pid(self, worker: int) -> int:
        pid = int(self._record(worker)["Pid"])
        with contextlib.suppress(psutil.NoSuchProcess):
            if pid and psutil.Process(pid).name().startswith("ray::"):
                return pid
        raise ClusterError(f"Worker {worker} is no process of this host now: it is about to begin, or on another host.")

    def raylet(self) -> int:
        """Return the process id of a raylet on this host that has a worker, and is not the one attached to.

        Raises
        ------
        ClusterError
            If there is none.
        """
        here = ray.get_runtime_context().get_node_id()
        for worker in range(self.n_workers):
            if self._record(worker)["Address"]["NodeID"] != here:
                return int(psutil.Process(self.pid(worker)).ppid())
        raise ClusterError(
            "All actors are on the node that this program is attached to, and would take it with them. Add a second"
            " node, or kill a worker instead."
        )

    def store_bytes(self) -> int:
        """Return the size of the object store of the node that this process is attached to."""
        here = ray.get_runtime_context().get_node_id()
        return next(int(node["Resources"]["object_store_memory"]) for node in ray.nodes() if node["NodeID"] == here)

    def _record(self, worker: int) -> dict[str, Any]:
        found: dict[str, Any] = actor_table(self._actors[worker]._actor_id.hex())
        return found

    def actors(self) -> list[Any]:
        """Return the actors' handles, to watch or to kill them."""
        return list(self._actors)

    def close(self) -> None:
        for actor in () if self._lost else self._actors:
            ray.kill(actor)
        self._running.clear()
        self._data.clear()
        self._given.clear()


def _node_cpus() -> list[float]:
    return [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
