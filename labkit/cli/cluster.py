"""`labkit cluster`: the lab's Ray head."""

from __future__ import annotations

import typer

from labkit.cli.app import app
from labkit.cli.options import Json, RayPort
from labkit.cli.show import console, progress, show_json, show_table
from labkit.lab import start as open_lab
from labkit.parallel.head import DEFAULT_PORT, check_port_number, start_head, stop_head

cluster = typer.Typer(no_args_is_help=True, help="Start, look at and stop the lab's Ray head.")
app.add_typer(cluster, name="cluster")


@cluster.command()
def start(ray_port: RayPort = DEFAULT_PORT) -> None:
    """Start the Ray head, with a token, on the loopback address; where it runs already, say where."""
    lab = open_lab()
    with progress("Ray head"):
        head = start_head(lab.folder, port=check_port_number(ray_port))
    console.print(f"Ray runs at {head.address}, its dashboard at 127.0.0.1:{head.dashboard_port}.", highlight=False)


@cluster.command()
def status(as_json: Json = False) -> None:
    """Attach to the cluster and list its nodes."""
    from labkit.parallel.cluster import detach, nodes

    lab = open_lab()
    address = lab.attach()
    found = nodes()
    detach()
    if as_json:
        show_json({"address": address, "nodes": found})
        return
    rows = [
        [node["node"], f"{node['cpus']:g}", f"{node['memory_bytes'] / 1e9:.1f} GB", node["fingerprint"]["cpu_model"]]
        for node in found
    ]
    show_table(f"Ray at {address}", ["node", "CPUs", "memory", "processor"], rows)


@cluster.command()
def stop() -> None:
    """End the lab's Ray head and its workers; other clusters are left alone."""
    lab = open_lab()
    console.print("The Ray head has ended." if stop_head(lab.folder) else "No Ray head ran for this lab.")
