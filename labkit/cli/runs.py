"""`labkit runs`: what was measured and trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import typer

from labkit.cli.app import app
from labkit.cli.bench import show_benchmark, write_record
from labkit.cli.options import Engine, Json, Workers, numbers
from labkit.cli.show import console, run_line, show_json, show_speedups, show_table
from labkit.cli.train import show_training
from labkit.errors import InvalidArgument
from labkit.lab import start

runs = typer.Typer(no_args_is_help=True, help="List, show, compare and export runs.")
app.add_typer(runs, name="runs")


@runs.command("list")
def list_(
    kind: str = typer.Option(None, help="Only of this kind: benchmark or training."),
    limit: int = typer.Option(20, min=1, help="The newest so many."),
    as_json: Json = False,
) -> None:
    """List runs, the newest first; those whose process has died are marked as interrupted."""
    store = start().runs
    store.reconcile()
    found = [dataclasses.asdict(run) for run in store.list(kind=kind, limit=limit)]
    if as_json:
        show_json(found)
    elif found:
        show_table("Runs", ["run", "kind", "name", "status", "done", "created (UTC)"], [run_line(run) for run in found])
    else:
        console.print("No runs yet. Measure one: labkit bench")


@runs.command()
def show(run: str = typer.Argument(help="Its id, or the beginning of it."), as_json: Json = False) -> None:
    """Show one run: its table or its scores; with --json the whole record."""
    lab = start()
    lab.runs.reconcile()
    record = lab.runs.export(run)
    if as_json:
        show_json(record)
        return
    show_table(record["id"], ["", ""], [[name, record[name]] for name in _HEAD if record.get(name) is not None])
    if record["results"] and "tables" in record["results"]:
        show_benchmark(record, lab.settings.lang)
    elif record["results"] and "scores" in record["results"]:
        show_training(record)


@runs.command()
def compare(run: list[str] = typer.Argument(help="Two or more benchmarks."), as_json: Json = False) -> None:  # noqa: B008
    """Put benchmarks side by side; tables of different hosts or data are never merged, only told apart."""
    lab = start()
    records = [dataclasses.asdict(lab.runs.get(name)) for name in run]
    if len(records) < 2:
        raise InvalidArgument("Name at least two runs to compare.")
    if any("tables" not in (record["results"] or {}) for record in records):
        raise InvalidArgument(
            "Only finished benchmarks can be compared; `labkit runs list --kind benchmark` lists them."
        )
    if as_json:
        show_json(
            [{**{name: record[name] for name in _HEAD}, "tables": record["results"]["tables"]} for record in records]
        )
        return
    from labkit.scaling.benchmark import rows_of

    for record in records:
        host = record["fingerprints"][0]
        for engine in record["results"]["tables"]:
            title = f"{record['id']} · {engine} · host {host['digest']} · flights {record['data_digest'][:12]}"
            show_speedups(title, rows_of(record["results"], engine), lab.settings.lang)
    hosts = {",".join(sorted(found["digest"] for found in record["fingerprints"])) for record in records}
    for what, values in {"hosts": hosts, "flights": {record["data_digest"] for record in records}}.items():
        if len(values) > 1:
            console.print(f"These runs are of different {what}: their times do not compare, at most their shapes do.")


@runs.command()
def predict(
    run: str = typer.Argument(help="A benchmark that measured 1 worker and more; its id, or the beginning of it."),
    engine: Engine = "ray",
    workers: Workers = "1,2,4,8,16,32,64",
    as_json: Json = False,
) -> None:
    """Simulate more workers than were measured, each on a core of its own, and say how far such predictions were off.

    Half of the rounds calibrate the simulation, the other half judge it.
    """
    from labkit.scaling.simulator import machine_of, prediction_error, simulate

    record = start().runs.export(run)
    results, cpus = record["results"], record["fingerprints"][0]["usable_cpus"]
    if not results or "timings" not in results:
        raise InvalidArgument(f"Run {record['id']} is {record['status']} and holds no timings.")
    errors = prediction_error(results, engine, cpus)
    machine = machine_of(results, engine, cpus, range(1, record["parameters"]["rounds"] + 1))
    serial_s = sum(machine.service_s)
    found = [
        {"workers": n, "seconds": seconds, "speedup": serial_s / seconds, "measured_here": n in errors}
        for n in numbers(workers, "Numbers of workers")
        for seconds in [simulate(machine, n)]
    ]
    if as_json:
        known = {"contention": machine.contention, "driver_s": machine.driver_s}
        show_json({**known, "errors": {n: dataclasses.asdict(s) for n, s in errors.items()}, "predicted": found})
        return
    header = ["workers", "predicted s", "speedup", ""]
    cells = [
        [str(n), f"{row['seconds']:.2f}", f"{row['speedup']:.2f}", "" if row["measured_here"] else "simulated only"]
        for row in found
        for n in [row["workers"]]
    ]
    show_table(f"{engine} · run {record['id']} · contention {machine.contention:.3f} a busy worker", header, cells)
    for n, spread in errors.items():
        ends = f"{spread.low:+.1%} to {spread.high:+.1%} ({spread.kind})"
        console.print(f"Off at {n} workers, predicted over measured − 1: {ends}", highlight=False)


@runs.command()
def export(
    run: str = typer.Argument(help="Its id, or the beginning of it."),
    to: Path = typer.Option(None, help="A folder: the record and all artefacts go there [run-ID]."),  # noqa: B008
) -> None:
    """Write a run's record and artefacts into a folder."""
    from labkit.files.whole import whole_folder, write_whole

    store = start().runs
    record = store.export(run)
    target = to or Path(f"run-{record['id']}")
    if target.exists():
        raise InvalidArgument(f"{target} exists already; name another folder by --to.")
    with whole_folder(target.absolute()) as folder:
        write_record(record, folder / "record.json")
        for name in store.artefacts(record["id"]):
            write_whole(folder / name, store.read_artefact(record["id"], name))
    console.print(f"Written to {target}", highlight=False)


_HEAD = ("id", "kind", "name", "status", "created", "started", "finished", "data_digest", "parameters", "error")
