"""`labkit bench`: measure a speedup table by the benchmark notebook."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from labkit.cli.app import app
from labkit.cli.options import Days, Engine, Json, RayPort, Recipes, Rounds, Scale, Workers, names, numbers
from labkit.cli.own import Data, Target, TimeColumn, Types, own_data
from labkit.cli.show import console, progress, show_json, show_speedups, show_summary
from labkit.errors import InvalidArgument
from labkit.lab import Lab, start
from labkit.learning.recipes import catalogue
from labkit.parallel.head import DEFAULT_PORT
from labkit.scaling.protocol import check_protocol

QUICK = {"days": 30, "workers": "1,2", "rounds": 3}


@app.command()
def bench(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="A notebook of the course, such as 01 [04, the speedup table].")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="key=value for the notebook, as often as needed.")
    ] = None,
    all_: bool = typer.Option(False, "--all", help="Run every notebook of the course."),
    suite: Path | None = typer.Option(None, help="Run what a TOML file names: a table of parameters a notebook."),  # noqa: B008
    verify: str | None = typer.Option(None, help="Repeat a run, and tell whether it agrees, differs or is undecided."),
    workers: Workers = str(QUICK["workers"]),
    rounds: Rounds = int(str(QUICK["rounds"])),
    days: Days = None,
    data: Data = None,
    target: Target = None,
    time_column: TimeColumn = None,
    types: Types = None,
    full: bool = typer.Option(False, "--full", help="All days, 1, 2, 4 and 8 workers, 6 rounds: what make bench runs."),
    scale: Scale = 1,
    engine: Engine = "ray",
    recipes: Recipes = None,
    latency_s: float | None = typer.Option(
        None, help="Measure no training but the fetching of shards from a store that answers so many seconds late."
    ),
    weak: bool = typer.Option(False, "--weak", help="Let the work grow: each worker brings a shard to train on."),
    timeout_s: float = typer.Option(7200.0, help="Time limit for the whole notebook, in seconds."),
    ray_port: RayPort = DEFAULT_PORT,
    as_json: Json = False,
) -> None:
    """Measure sequential against parallel training and print the table.

    Without options this is the quick profile: 30 days, 1 and 2 workers, 3 rounds. A Ray cluster that runs is used;
    where none runs, one is started for this and ended again. One benchmark at a time runs on a machine; another waits.

    Any notebook of the course runs with its own parameters: labkit bench 01 -p days=10. Its run keeps them, the time of
    each cell, what each check said and the executed notebook. A suite is a file such as: ["01"] and below it days = 10.
    A repetition (--verify) ends with status 9 where a digest or a check differs, never for another time.
    """
    from labkit.cli import notebooks
    from labkit.scaling.latency import n_shards

    chosen = [asked for asked in (name, suite, verify) if asked is not None] + [all_] * all_
    if len(chosen) > 1:
        raise InvalidArgument("Give either a notebook's name, --all, --suite or --verify.")
    if chosen or parameter:
        _refuse_own_options(context)
        notebooks.bench_notebooks(
            name, parameter or [], all_=all_, suite=suite, again=verify, timeout_s=timeout_s, ray_port=ray_port,
            as_json=as_json,
        )  # fmt: skip
        return
    lab, own = start(), own_data(data, target, time_column, types, days)
    if full:
        workers, rounds, days = "1,2,4,8", 6, days
    elif days is None and not own:
        days = int(str(QUICK["days"]))
    counts = numbers(workers, "Numbers of workers")
    check_protocol((engine,), counts, rounds)
    catalogue(names(recipes))
    n_shards(latency_s)
    if weak and latency_s is not None:
        raise InvalidArgument("Give --weak or --latency-s, not both: late shards are fetched, not trained on.")
    with using_cluster(lab, ray_port) if engine == "ray" else contextlib.nullcontext():
        record = run_benchmark(
            lab, workers=counts, rounds=rounds, days=days, scale=scale, engine=engine,
            recipes=names(recipes), latency_s=latency_s, weak=weak, timeout_s=timeout_s, own=own, quiet=as_json,
        )  # fmt: skip
    if as_json:
        show_json(record)
    else:
        show_benchmark(record, lab.settings.lang)


def _refuse_own_options(context: typer.Context) -> None:
    """Refuse options of the quick profile beside a notebook, whose parameters are given by -p."""
    shared = {"name", "parameter", "all_", "suite", "verify", "timeout_s", "ray_port", "as_json"}
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if idle := [f"--{name.replace('_', '-')}" for name in given if name not in shared]:
        raise InvalidArgument(f"A notebook takes its own parameters, as -p key=value, and no {', '.join(idle)}.")


def run_benchmark(
    lab: Lab,
    *,
    workers: tuple[int, ...],
    rounds: int,
    days: int | None,
    scale: int = 1,
    engine: str = "ray",
    recipes: tuple[str, ...] | None = None,
    latency_s: float | None = None,
    weak: bool = False,
    timeout_s: float = 7200.0,
    own: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run the notebook as a run; return its record."""
    from labkit.notebooks import SPEEDUPS, run_notebook
    from labkit.runner import NotebookRunner
    from labkit.scaling.latency import n_shards
    from labkit.scaling.protocol import check_memory

    chosen = [recipe.name for recipe in catalogue(recipes)]
    with NotebookRunner() as runner:
        with progress("Data" if own else "Flights", quiet=quiet) as tell:
            dataset = lab.prepare(
                days=days, scale=scale, n_shards=n_shards(latency_s), on_progress=tell, on_summary=show_summary,
                **(own or {}),
            )  # fmt: skip
        check_memory(2 * max(workers), dataset.n_rows * len(dataset.encoder.names) * 4)
        given = {
            "workers": list(workers), "rounds": rounds, "days": days, "scale": scale, "engine": engine,
            "recipes": chosen, "latency_s": latency_s, "weak": weak,
        }  # fmt: skip
        given |= {"key": dataset.key} if own else {}  # not the address: it may hold secrets, and is not fetched twice
        with progress("Benchmark", quiet=quiet) as tell:
            return run_notebook(
                lab, SPEEDUPS, given, timeout_s=timeout_s, origin=dataset.origin, data_digest=dataset.digest,
                runner=runner, on_progress=tell,
            )  # fmt: skip


@contextlib.contextmanager
def using_cluster(lab: Lab, ray_port: int) -> Any:
    """Use the cluster that runs or that the settings name; start one for the time of a block where there is none."""
    from labkit.parallel.cluster import check_answers
    from labkit.parallel.head import check_port_number, find_head, start_head, stop_head

    check_port_number(ray_port)
    if lab.settings.ray_address is not None:
        check_answers(lab.settings.ray_address)
        yield lab.settings.ray_address
        return
    found = find_head(lab.folder)
    if found is None:
        with progress("Ray head"):
            found = start_head(lab.folder, port=ray_port, with_parent=True)
        try:
            yield found.address
        finally:
            stop_head(lab.folder)
    else:
        yield found.address


def show_benchmark(record: dict[str, Any], lang: str) -> None:
    """Print the tables of a benchmark's record, and where they come from."""
    from labkit.classroom.text import explain
    from labkit.scaling.benchmark import diagnoses_of, rows_of

    results = record["results"]
    if not results or "tables" not in results:
        raise InvalidArgument(f"Run {record['id']} is {record['status']} and holds no table.")
    machine = record["fingerprints"][0]
    for engine in results["tables"]:
        title = f"{engine} · {results['n_rows']:,} rows · run {record['id']}"
        show_speedups(title, rows_of(results, engine), lang)
        for found in diagnoses_of(results, engine):
            console.print(explain(found, lang), highlight=False, markup=False)
    console.print(
        f"{machine['cpu_model']} · {machine['usable_cpus']} CPUs, {machine['physical_cores']} cores · host"
        f" {machine['digest']} · results {results['digest']} · data {record['data_digest'][:12]}",
        highlight=False,
    )
    starts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in results["start_up_s"].items())
    console.print(f"Start-up, not in the table: {starts}", highlight=False)


def write_record(record: dict[str, Any], path: Path) -> None:
    """Write a record as JSON, whole or not at all."""
    from labkit.files.whole import write_whole

    write_whole(path, json.dumps(record, indent=2, ensure_ascii=False, default=str) + "\n")
