"""`labkit cluster`: the lab's Ray head, and hosts that join it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labkit.cli.app import app
from labkit.cli.options import Json, RayPort
from labkit.cli.show import console, errors, progress, show_json, show_table
from labkit.errors import InvalidArgument
from labkit.lab import start as open_lab
from labkit.parallel.head import DEFAULT_PORT, check_port_number, find_head, start_head, stop_head
from labkit.parallel.service import check_port

cluster = typer.Typer(no_args_is_help=True, help="Start, look at and stop the lab's Ray head; join another host's.")
app.add_typer(cluster, name="cluster")

Cpus = Annotated[int | None, typer.Option(help="CPUs that Ray may hand out here [the usable ones].")]
Address = Annotated[str | None, typer.Option(help="This host's own address [the one on the way there].")]


@cluster.command()
def start(
    ray_port: RayPort = DEFAULT_PORT,
    head: Annotated[bool, typer.Option("--head", help="Let other hosts join.")] = False,
    address: Address = None,
    cpus: Cpus = None,
    dashboard_port: Annotated[int | None, typer.Option(help="Port of Ray's dashboard [any; 8265 with --head].")] = None,
) -> None:
    """Start the Ray head, with a token, on the loopback address; where it runs already, say where.

    With --head other hosts can join it: it listens at this host's own address. Nodes need TCP 6379 to 6385 and 10002 to
    10100 of each other, and nothing else of anybody.
    """
    lab, port = open_lab(), check_port_number(ray_port)
    _check_cpus(cpus)
    if not head and address:
        raise InvalidArgument("An address is for a head that other hosts join: say --head too.")
    if dashboard_port is not None and find_head(lab.folder) is None:
        check_port(check_port_number(dashboard_port), "Ray's dashboard", "--dashboard-port")
    with progress("Ray head"):
        if head:
            from cluster.node import open_head

            found = open_head(
                lab.folder, port=port or DEFAULT_PORT, host_address=address, n_cpus=cpus, dashboard_port=dashboard_port
            )
        else:
            found = start_head(lab.folder, port=port, n_cpus=cpus, dashboard_port=dashboard_port)
    console.print(f"Ray runs at {found.address}, its dashboard at 127.0.0.1:{found.dashboard_port}.", highlight=False)
    if head:
        console.print(
            f"Copy {lab.folder.token} to another host, with mode 600; there:\n"
            f"labkit cluster join {found.address} --token-file COPY",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip


@cluster.command()
def join(
    address: Annotated[str, typer.Argument(help="Where the head listens, such as 10.0.0.5:6379.")],
    token_file: Annotated[Path | None, typer.Option(help="The head's token, copied here [the lab's own].")] = None,
    own_address: Annotated[
        str | None, typer.Option("--address", help="This host's own [the one on the way there].")
    ] = None,
    cpus: Cpus = None,
) -> None:
    """Make this host a node of a cluster; ports that are closed are named, and whose they are."""
    from cluster.node import join as join_cluster

    lab = open_lab()
    _check_cpus(cpus)
    with progress("Ray node") as tell:
        joined = join_cluster(
            lab.folder, address, token_file=token_file, host_address=own_address, n_cpus=cpus,
            tell=lambda said: tell(said, 0.8) if said.startswith("checking") else _warn(said),
        )  # fmt: skip
    console.print(f"This host is a node of the cluster at {joined.address}.", highlight=False)


@cluster.command()
def leave(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """End this host's node; work on it is done again by others, if they have room."""
    from cluster.node import crowded
    from cluster.node import leave as leave_cluster
    from labkit.parallel.cluster import attached

    lab = open_lab()
    found = find_head(lab.folder)
    if found is not None and found.joined:
        try:
            with attached(lab.folder, found.address):
                import ray

                said = crowded(without=ray.util.get_node_ip_address())
        except Exception as fault:  # of a cluster that is gone this host can leave all the same
            said = None
            _warn(f"The cluster could not be asked: {fault}")
        if said:
            _warn(said)
            if not yes and not typer.confirm("Leave all the same?"):
                return
    address = leave_cluster(lab.folder)
    console.print(f"This host has left the cluster at {address}." if address else "This host is in no cluster.")


@cluster.command()
def status(as_json: Json = False) -> None:
    """Attach to the cluster and list its nodes; say which were lost, and whether the rest can hold the actors."""
    from cluster.node import crowded
    from labkit.parallel.cluster import detach, nodes

    lab = open_lab()
    address = lab.attach()
    import ray

    found = nodes()
    where = {node["NodeID"][:8]: node for node in ray.nodes()}
    lost = [
        {"node": key, "host": node["NodeManagerAddress"], "reason": node.get("DeathReasonMessage") or "it ended"}
        for key, node in where.items() if not node["Alive"]
    ]  # fmt: skip
    for node in found:
        node["host"] = where[node["node"]]["NodeManagerAddress"]
    warning = crowded()
    detach()
    if as_json:
        show_json({"address": address, "nodes": found, "lost": lost, "warning": warning})
        return
    rows = [
        [node["node"], node["host"], f"{node['cpus']:g}", f"{node['memory_bytes'] / 1e9:.1f} GB",
         node["fingerprint"]["cpu_model"]]
        for node in found
    ]  # fmt: skip
    show_table(f"Ray at {address}", ["node", "host", "CPUs", "memory", "processor"], rows)
    for each in lost:
        console.print(f"Lost: {each['node']} at {each['host']} ({each['reason']})", highlight=False, markup=False)
    if warning:
        _warn(warning)


@cluster.command()
def stop() -> None:
    """End the lab's Ray head and its workers; other clusters are left alone."""
    lab = open_lab()
    console.print("The Ray head has ended." if stop_head(lab.folder) else "No Ray head ran for this lab.")


def _check_cpus(cpus: int | None) -> None:
    if cpus is not None and cpus < 1:
        raise InvalidArgument(f"A node has at least 1 CPU, not {cpus}.")


def _warn(said: str) -> None:
    errors.print(f"labkit: {said}", highlight=False, markup=False, soft_wrap=True)
