"""Attach this process to a Ray cluster, and say what the cluster is made of."""

from __future__ import annotations

import collections
import contextlib
import functools
import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar, cast

import psutil

from labkit import host
from labkit.errors import ClusterError
from labkit.files.folder import LabFolder
from labkit.parallel.head import find_head, ray_environment, split_address
from labkit.parallel.pinning import ONE_THREAD
from labkit.parallel.service import answers

NAMESPACE = "labkit"
P = ParamSpec("P")
T = TypeVar("T")
_PATIENCE_S = 3.0
_MAX_TASKS = 10_000  # more than that Ray's State API does not tell


@contextlib.contextmanager
def attached(folder: LabFolder, address: str | None = None) -> Iterator[str]:
    """Attach to a cluster for the time of a block, and yield its address."""
    address = attach(folder, address)
    try:
        yield address
    finally:
        detach()


def attach(folder: LabFolder, address: str | None = None) -> str:
    """Attach this process to a cluster and return its address; attached already, do nothing.

    Parameters
    ----------
    folder : LabFolder
        Whose head to take, and whose token where the environment names none.
    address : str, optional
        `HOST:PORT` of another cluster; `RAY_ADDRESS`, read by the caller, belongs here.

    Raises
    ------
    ClusterError
        If there is no cluster, it does not answer, refuses the token, or runs another version of Ray.
    """
    if address is None:
        head = find_head(folder)
        if head is None:
            raise ClusterError("No Ray cluster runs for this lab. Start one: labkit cluster start")
        address = head.address
    check_answers(address)
    # Our own head's workers have one thread from the start; another cluster's get it with each actor, which is slower.
    head = find_head(folder)
    pinned = {} if head is not None and head.address == address else {"env_vars": dict(ONE_THREAD)}
    set_environment(folder)
    import ray

    if ray.is_initialized():
        return address
    ending = signal.getsignal(signal.SIGTERM)
    # Whatever log_to_driver says, Ray writes of lost nodes on standard output, and so spoils `--json`.
    ray._private.worker._worker_logs_enabled = False
    try:
        ray.init(
            address=address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR,
            configure_logging=False, include_dashboard=False, runtime_env=pinned,
        )  # fmt: skip
        # Ray has put a handler of its own in the place of the program's.
        if callable(ending) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ending)
    except Exception as fault:
        raise ClusterError(_reason(address, f"{fault.__cause__ or ''}\n{fault}", ray.__version__)) from fault
    return address


def set_environment(folder: LabFolder) -> None:
    """Give this process what it needs to speak with the lab's cluster."""
    for name, value in ray_environment(folder).items():
        os.environ.setdefault(name, value)
    import ray
    from ray._private.authentication_test_utils import reset_auth_token_state

    if not ray.is_initialized():  # Ray reads the token's settings when it is imported: a notebook may have done that
        reset_auth_token_state()


def check_answers(address: str) -> None:
    """Make sure that somebody listens at a cluster's address.

    Raises
    ------
    ClusterError
        If the address makes no sense, or nobody answers there within 3 s.
    """
    if not answers(*split_address(address), 3.0):
        raise ClusterError(f"No Ray cluster answers at {address}. Start it, correct RAY_ADDRESS, or unset it.")


def detach() -> None:
    """Leave the cluster; it goes on without this process."""
    import ray

    ray.shutdown()


def n_nodes() -> int:
    """Return how many nodes of the attached cluster live."""
    import ray

    return sum(bool(node["Alive"]) for node in ray.nodes())


def nodes() -> list[dict[str, Any]]:
    """Return the living nodes of the attached cluster: id, CPUs, memory, and each one's own fingerprint."""
    import ray
    from ray.exceptions import NodeDiedError, TaskUnschedulableError, WorkerCrashedError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive = [node for node in ray.nodes() if node["Alive"]]
    asked = [
        ray.remote(host.fingerprint)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote()
        for node in alive
    ]
    found = []
    for node, ref in zip(alive, asked, strict=True):
        with contextlib.suppress(NodeDiedError, TaskUnschedulableError, WorkerCrashedError):  # it has just ended
            fingerprint, has = ray.get(ref, timeout=60.0), node["Resources"]
            found.append({
                "node": node["NodeID"][:8], "cpus": has.get("CPU", 0.0), "memory_bytes": int(has.get("memory", 0)),
                "object_store_bytes": int(has.get("object_store_memory", 0)), "fingerprint": fingerprint,
            })  # fmt: skip
    return found


def status(folder: LabFolder, address: str | None = None) -> dict[str, Any] | None:
    """Return what a cluster does at this moment, without attaching to it; None where none answers.

    Parameters
    ----------
    folder, address
        As for `attach`.

    Returns
    -------
    dict or None
        `nodes`, each with its CPUs and its object store and what is taken of them, and `running`, the number of running
        tasks by name.
    """
    head = find_head(folder)
    address = address or (head.address if head else None)
    try:
        check_answers(address or "")
        alive, free, tasks = within(_PATIENCE_S, _look, folder, str(address))
    except ClusterError:
        return None
    found = []
    for node in alive:
        total, left = node["Resources"], free.get(node["NodeID"], {})
        cpus, store = total.get("CPU", 0.0), total.get("object_store_memory", 0.0)
        found.append(
            {
                "node": node["NodeID"][:8],
                "cpus": cpus,
                "cpus_used": cpus - left.get("CPU", 0.0),
                "store_bytes": int(store),
                "store_used_bytes": int(store - left.get("object_store_memory", 0.0)),
            }
        )
    return {"nodes": found, "running": dict(collections.Counter(str(task.name) for task in tasks))}


def actors(folder: LabFolder, address: str | None = None) -> list[dict[str, Any]]:
    """Return the living actors of a cluster: id, class, process, node, state, and whether it is at work here."""
    head = find_head(folder)
    address = address or (head.address if head else None)
    check_answers(address or "")
    set_environment(folder)
    from ray.util.state import list_actors

    found = within(_PATIENCE_S, list_actors, address=address, limit=_MAX_TASKS, raise_on_missing_output=False)
    return [
        {"actor": at.actor_id, "name": at.class_name, "pid": at.pid, "node": (at.node_id or "")[:8], "state": at.state,
         "working": _works(at.class_name, at.pid)}
        for at in found
        if at.state != "DEAD"
    ]  # fmt: skip


def _works(name: str, pid: int | None) -> bool:
    """Return whether a process carries the title that Ray gives to an actor's while it runs a method."""
    with contextlib.suppress(psutil.Error):
        return bool(pid) and psutil.Process(pid).cmdline()[:1] == [f"ray::{name}.perform"]
    return False


def within(timeout_s: float, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask a cluster something, and give up when it does not answer: a head that just ends may leave a question open.

    Raises
    ------
    ClusterError
        If there is no answer within `timeout_s` seconds, or the question fails.
    """
    answer: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put((ask(*args, **kwargs), None))
        except Exception as fault:  # a cluster that just ends has many ways of saying so
            answer.put((None, fault))

    threading.Thread(target=run, daemon=True).start()  # nothing waits for it, the end of this process neither
    try:
        found, fault = answer.get(timeout=timeout_s)
    except queue.Empty:
        raise ClusterError(f"The Ray cluster did not answer within {timeout_s:g} s.") from None
    if fault is not None:
        raise ClusterError(f"The Ray cluster could not answer: {fault}") from fault
    return cast(T, found)


def _look(folder: LabFolder, address: str) -> tuple[list[dict[str, Any]], dict[str, Any], list[Any]]:
    state = ray_state(folder, address)
    from ray.util.state import list_tasks

    try:
        alive = [node for node in state.node_table() if node["Alive"]]
        free = state.available_resources_per_node()
    except Exception:
        ray_state.cache_clear()  # the next question goes to whoever listens there then
        raise
    filters: Any = [("state", "=", "RUNNING")]
    return alive, free, list_tasks(address=address, filters=filters, limit=_MAX_TASKS, raise_on_missing_output=False)


@functools.cache
def ray_state(folder: LabFolder, address: str) -> Any:
    """Return Ray's own view of a cluster, read from its head."""
    # Ray ends a process whose question has waited for a lost head for a minute; this one lives on without a cluster.
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "1000000")
    set_environment(folder)
    import ray
    from ray._private.state import GlobalState

    state, raylet = GlobalState(), cast(Any, ray._raylet)
    state._initialize_global_state(
        raylet.GcsClientOptions.create(address, None, allow_cluster_id_nil=True, fetch_cluster_id_if_nil=False)
    )
    return state


def _reason(address: str, fault: str, version: str) -> str:
    if "Version mismatch" in fault:
        detail = " ".join(fault.split())
        return f"The cluster at {address} runs another version of Ray or Python than this lab's Ray {version}: {detail}"
    if "token" in fault.lower() or "unauth" in fault.lower():
        return f"The cluster at {address} refused this lab's token. Name the cluster's own by RAY_AUTH_TOKEN_PATH."
    last = fault.strip().splitlines()[-1] if fault.strip() else "no reason given"
    return f"Ray could not attach to {address}: {last}"
