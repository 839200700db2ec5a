"""`labkit train`: train the ensemble and keep it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import typer

from labkit.cli.app import app
from labkit.cli.bench import using_cluster
from labkit.cli.options import Days, Engine, Json, RayPort, Recipes, Scale, names
from labkit.cli.own import Data, Target, TimeColumn, Types, own_data
from labkit.cli.show import console, progress, show_json, show_summary
from labkit.lab import Lab, start
from labkit.parallel.engines import check_workers
from labkit.parallel.engines import engine as engine_class
from labkit.parallel.head import DEFAULT_PORT


@app.command()
def train(
    days: Days = None,
    data: Data = None,
    target: Target = None,
    time_column: TimeColumn = None,
    types: Types = None,
    scale: Scale = 1,
    engine: Engine = "ray",
    workers: int = typer.Option(None, help="Workers [as many as usable CPUs]."),
    recipes: Recipes = None,
    by: str = typer.Option("model", help="What is parallel: model (each on all rows) or shard (each on every shard)."),
    resume: str = typer.Option(None, help="A run that was interrupted: what it finished is not fitted again."),
    ray_port: RayPort = DEFAULT_PORT,
    as_json: Json = False,
) -> None:
    """Train the ensemble on the flights or your own data; each finished model is kept, so that a run can be resumed."""
    from labkit.learning.recipes import catalogue

    lab, own = start(), own_data(data, target, time_column, types, days)
    engine_class(engine)
    catalogue(names(recipes))
    if workers is not None:
        check_workers(workers)
    with using_cluster(lab, ray_port) if engine == "ray" else contextlib.nullcontext():
        record = train_with_progress(
            lab, days=days, scale=scale, engine=engine, n_workers=workers, recipes=names(recipes), by=by, resume=resume,
            own=own, quiet=as_json,
        )  # fmt: skip
    if as_json:
        show_json(record)
    else:
        show_training(record)


def train_with_progress(
    lab: Lab, *, days: int | None, scale: int = 1, own: Mapping[str, Any] | None = None, quiet: bool = False,
    **choices: Any,
) -> dict[str, Any]:  # fmt: skip
    """Prepare the flights or a user's own data, train, and show both; return the run's record."""
    with progress("Data" if own else "Flights", quiet=quiet) as tell:
        dataset = lab.prepare(days=days, scale=scale, on_progress=tell, on_summary=show_summary, **(own or {}))
    with progress("Training", quiet=quiet) as tell:
        return lab.train(dataset, on_progress=tell, **choices)


def show_training(record: dict[str, Any]) -> None:
    """Print what a training came to."""
    results = record["results"]
    scores = ", ".join(f"{name} {value:.4f}" for name, value in results["scores"].items())
    console.print(f"Model {results['model']} of run {record['id']}: {scores}", highlight=False)
    console.print(f"Digest of its votes on the validation rows: {results['digest']}", highlight=False)
