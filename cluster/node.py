"""A host's part in a cluster: the head that others join, and a host that joins and leaves."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from cluster import ports
from labkit import host
from labkit.errors import ClusterError, InvalidArgument
from labkit.files.folder import LabFolder
from labkit.files.whole import write_whole
from labkit.parallel.cluster import attached, ray_state, set_environment, within
from labkit.parallel.head import Head, find_head, session_folder, split_address, start_head, stop_head, token
from labkit.parallel.service import LOOPBACK

_PATIENCE_S = 10.0
_JOIN_TIMEOUT_S = 60.0
Tell = Callable[[str], None]


def open_head(
    folder: LabFolder,
    *,
    port: int,
    host_address: str | None,
    n_cpus: int | None = None,
    dashboard_port: int | None = None,
) -> Head:
    """Start a head that other hosts can join, or return the one that runs.

    Raises
    ------
    ClusterError
        If a head runs that only this host reaches, or the token's file is readable by others.
    """
    address = host_address or own_address()
    check_private(token(folder))
    found = find_head(folder)
    if found is None:
        end_leftovers(folder)
        ports.check_free()
        return start_head(
            folder, port=port, n_cpus=n_cpus, host_address=address,
            dashboard_port=dashboard_port or ports.DASHBOARD_PORT,
            options=ports.node_options(), environment=ports.HEALTH,
        )  # fmt: skip
    if found.joined or split_address(found.address)[0] == LOOPBACK:
        raise ClusterError(
            f"This host {'has joined the cluster' if found.joined else 'has a head that only itself reaches,'} at"
            f" {found.address}: end that first (labkit cluster {'leave' if found.joined else 'stop'})."
        )
    return found


def join(
    folder: LabFolder,
    address: str,
    *,
    token_file: Path | None,
    host_address: str | None,
    n_cpus: int | None,
    tell: Tell,
) -> Head:
    """Make this host a node of another host's cluster, or return the node that is there.

    Raises
    ------
    ClusterError
        If the head does not answer, refuses the token or runs other versions; or a port is closed: which, and where.
    """
    node, port = split_address(address)
    found = find_head(folder)
    if found is not None:
        if found.joined and found.address == address:
            return found
        raise ClusterError(f"This host has a Ray node already, at {found.address}: labkit cluster leave (or stop).")
    _take_token(folder, token_file)
    if ports.closed(node, [port]):
        raise ClusterError(
            f"No Ray head answers at {address}. Start it there (labkit cluster start --head), correct the address, or"
            f" open TCP port {port} there for this host."
        )
    here = host_address or own_address(node)
    nodes = _ask(folder, address)
    _check_ways_to(nodes)
    end_leftovers(folder)
    ports.check_free()
    joined = start_head(
        folder, n_cpus=n_cpus, host_address=here, options=ports.node_options(), environment=ports.HEALTH, joins=address
    )
    try:
        tell("checking the ports both ways")
        _check_ways_from(folder, address, here, tell)
    except BaseException:
        stop_head(folder)
        raise
    return joined


def leave(folder: LabFolder) -> str | None:
    """End this host's node; return the address of the cluster that goes on without it, None where it had none.

    Raises
    ------
    ClusterError
        If this host is the head.
    """
    found = find_head(folder)
    if found is None:
        return None
    if not found.joined:
        raise ClusterError("This host is the cluster's head, and cannot leave it: labkit cluster stop ends it.")
    stop_head(folder)
    return found.address


def crowded(*, without: str | None = None) -> str | None:
    """Say so where the CPUs of the attached cluster's nodes cannot hold the actors that there are; None where they can.

    Parameters
    ----------
    without : str, optional
        The address of a host that is about to leave.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive = [node for node in ray.nodes() if node["Alive"]]
    head = next((node["NodeID"] for node in alive if "node:__internal_head__" in node["Resources"]), None)
    if head is None:
        return None
    there = NodeAffinitySchedulingStrategy(head, soft=False)  # Ray's State API answers on the head alone
    asked = ray.remote(_shares).options(num_cpus=0, scheduling_strategy=there)
    try:
        shares = ray.get(asked.remote(ray.get_runtime_context().gcs_address), timeout=_JOIN_TIMEOUT_S)
    except ray.exceptions.RayError:  # a warning is worth no more than that
        return None
    cpus = [node["Resources"].get("CPU", 0.0) for node in alive if node["NodeManagerAddress"] != without]
    homeless = n_homeless(cpus, shares)
    if not homeless:
        return None
    return (
        f"{len(shares)} actors take {sum(shares):g} CPUs, and {'without this host ' if without else ''}{sum(cpus):g}"
        f" are left on {len(cpus)} nodes: {homeless} would wait for ever. Add a node, or take fewer workers and resume."
    )


def n_homeless(cpus: Sequence[float], shares: Sequence[float]) -> int:
    """Return how many actors find no place, the largest first: none is spread over two nodes.

    Parameters
    ----------
    cpus : sequence of float
        CPUs of each node.
    shares : sequence of float
        CPUs that each actor takes.

    Examples
    --------
    >>> n_homeless([2, 1], [1, 1, 1]), n_homeless([1], [1, 1, 0.5]), n_homeless([1, 1], [0.6, 0.6, 0.6])
    (0, 2, 1)
    """
    left, homeless = list(cpus), 0
    for share in sorted(shares, reverse=True):
        place = next((number for number, free in enumerate(left) if free + 1e-6 >= share), None)
        if place is None:
            homeless += 1
        else:
            left[place] -= share
    return homeless


def _shares(address: str) -> list[float]:
    """Return the CPUs that each living actor takes; it runs on the head."""
    from ray.util.state import list_actors

    found = list_actors(address, detail=True, limit=10_000, raise_on_missing_output=False)
    shares = ((actor.required_resources or {}).get("CPU", 0.0) for actor in found if actor.state != "DEAD")
    return [share for share in shares if share > 0]


def own_address(towards: str = "192.0.2.1") -> str:
    """Return the address by which this host reaches another; nothing is sent for that.

    Raises
    ------
    ClusterError
        If there is no way there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((towards, 9))
            return str(probe.getsockname()[0])
        except OSError as fault:
            raise ClusterError(
                f"This host knows no way to {towards} ({fault.strerror}): name its own address by --address."
            ) from fault


def end_leftovers(folder: LabFolder) -> None:
    """End what a killed node has left: its agents, say, hold their ports for up to a minute after it."""
    session, found = f"{session_folder(folder)}/session_", []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().startswith("ray::"):  # they hide what they were started with; their log may be gone
                said = [os.readlink(opened) for opened in Path(f"/proc/{process.pid}/fd").iterdir()]
            else:
                said = [word for word in process.cmdline() if word.startswith("--")]
            if any(session in each for each in said):
                process.kill()
                found.append(process)
    psutil.wait_procs(found, timeout=_PATIENCE_S)


def check_private(path: Path) -> Path:
    """Make sure that only its owner reads a file with a token.

    Raises
    ------
    ClusterError
        If others may read it.
    """
    if path.stat().st_mode & 0o077:
        raise ClusterError(
            f"{path} holds the cluster's token and is readable by others: chmod 600 {path}; if anybody else may have"
            " read it, remove it on every host and start the cluster anew."
        )
    return path


def _take_token(folder: LabFolder, file: Path | None) -> None:
    if file is None:
        if not folder.token.exists():
            raise InvalidArgument(
                "To join, the cluster's token is needed: copy the file that `labkit cluster start --head` named to this"
                " host, with mode 600, and name it by --token-file."
            )
        check_private(folder.token)
        return
    if not file.is_file():
        raise InvalidArgument(f"{file} is no file: copy the head's token there, with mode 600.")
    content = check_private(file).read_text().strip()
    if not content:
        raise InvalidArgument(f"{file} is empty: copy the head's token there once more.")
    write_whole(folder.token, content, mode=0o600)


def _ask(folder: LabFolder, address: str) -> list[dict[str, Any]]:
    """Return the living nodes of a cluster that takes this host's token and runs its versions."""
    set_environment(folder)
    import ray

    try:
        metadata, nodes = within(_PATIENCE_S, _look, folder, address)
    except ClusterError as fault:
        said = str(fault).lower()
        # Its port answers; of a token that it refuses Ray may say no more than that it could not connect.
        if "token" in said or "unauth" in said or "failed to connect to gcs" in said:
            raise ClusterError(
                f"The cluster at {address} refused this host's token: copy the head's token file to this host anew, and"
                " name it by --token-file."
            ) from fault
        raise
    theirs = {"Ray": metadata["ray_version"], "Python": metadata["python_version"]}
    ours = {"Ray": ray.__version__, "Python": platform.python_version()}
    if theirs != ours:
        wrong = ", ".join(
            f"{name} {theirs[name]} there and {ours[name]} here" for name in ours if theirs[name] != ours[name]
        )
        raise ClusterError(f"The cluster at {address} runs other versions: {wrong}. Set up the same ones on all hosts.")
    return nodes


def _look(folder: LabFolder, address: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
    state = ray_state(folder, address)
    try:
        content = state._connect_and_get_accessor().get_internal_kv(b"cluster", b"CLUSTER_METADATA")
        return json.loads(content), [node for node in state.node_table() if node["Alive"]]
    finally:
        ray_state.cache_clear()


def _check_ways_to(nodes: list[dict[str, Any]]) -> None:
    for node in nodes:
        there = str(node["NodeManagerAddress"])
        shut = ports.closed(there, ports.PORTS.values())
        shut += ports.closed(there, ports.WORKER_PORTS, served=False) if not shut else []
        if shut:
            raise ClusterError(_closed(shut, there, "this host"))


def _check_ways_from(folder: LabFolder, address: str, here: str, tell: Tell) -> None:
    """Have every other node try this host's ports, and tell what else differs there."""
    with attached(folder, address):
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        until = time.monotonic() + _JOIN_TIMEOUT_S
        while here not in (
            alive := {node["NodeManagerAddress"]: node["NodeID"] for node in ray.nodes() if node["Alive"]}
        ):
            if time.monotonic() > until:
                raise ClusterError(
                    f"The head took this host in and lost it again: open {ports.IN_WORDS} of {here} for all nodes."
                )
            time.sleep(0.2)
        with ports.listening(here, ports.WORKER_PORTS) as opened:
            asked = {
                there: ray.remote(_look_from)
                .options(num_cpus=0, max_retries=0,
                         scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))
                .remote(here, [*ports.PORTS.values(), *opened])
                for there, node in alive.items()
                if there != here
            }  # fmt: skip
            for there, ref in asked.items():
                try:
                    shut, fingerprint = json.loads(ray.get(ref, timeout=_JOIN_TIMEOUT_S))
                except Exception as fault:
                    raise ClusterError(
                        f"{there} could not try the ports of this host ({str(fault).strip().splitlines()[-1]}): open"
                        f" {ports.IN_WORDS} between {here} and {there}, both ways."
                    ) from fault
                if shut:
                    raise ClusterError(_closed(shut, here, there))
                _compare(there, fingerprint, tell)


def _look_from(there: str, numbers: list[int]) -> str:
    return json.dumps([ports.closed(there, numbers), host.fingerprint()])


def _compare(there: str, theirs: dict[str, Any], tell: Tell) -> None:
    """Tell where another host has other packages: pickled work may fail there, and bits may differ."""
    ours = host.fingerprint()["packages"]
    wrong = sorted(name for name in ours if theirs["packages"].get(name) != ours[name])
    if wrong:
        shown = ", ".join(f"{name} {theirs['packages'].get(name)} there, {ours[name]} here" for name in wrong[:4])
        tell(f"{there} has other packages ({shown}): set up the same on all hosts")


def _closed(shut: list[int], there: str, source: str) -> str:
    which = f"TCP {'port' if len(shut) == 1 else 'ports'} {ports.in_words(shut)} of {there}"
    needs = f"nodes need {ports.IN_WORDS} of each other"
    return f"Closed: {source} cannot reach {which}. Open them there for {source}: {needs}."
