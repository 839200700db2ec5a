"""`labkit train`: train the ensemble and keep it."""

from __future__ import annotations

import contextlib
from typing import Any

import typer

from labkit.cli.app import app
from labkit.cli.bench import using_cluster
from labkit.cli.options import Days, Engine, Json, RayPort, Recipes, Scale, names
from labkit.cli.show import console, progress, show_json
from labkit.lab import Lab, start
from labkit.parallel.engines import check_workers
from labkit.parallel.engines import engine as engine_class
from labkit.parallel.head import DEFAULT_PORT


@app.command()
def train(
    days: Days = None,
    scale: Scale = 1,
    engine: Engine = "ray",
    workers: int = typer.Option(None, help="Workers [as many as usable CPUs]."),
    recipes: Recipes = None,
    by: str = typer.Option("model", help="What is parallel: model (each on all rows) or shard (each on every shard)."),
    resume: str = typer.Option(None, help="A run that was interrupted: what it finished is not fitted again."),
    ray_port: RayPort = DEFAULT_PORT,
    as_json: Json = False,
) -> None:
    """Train the ensemble on the flights; each finished model is kept, so that a run can be resumed."""
    from labkit.learning.recipes import catalogue

    lab = start()
    engine_class(engine)
    catalogue(names(recipes))
    if workers is not None:
        check_workers(workers)
    with using_cluster(lab, ray_port) if engine == "ray" else contextlib.nullcontext():
        record = train_with_progress(
            lab, days=days, scale=scale, engine=engine, n_workers=workers, recipes=names(recipes), by=by, resume=resume,
            quiet=as_json,
        )  # fmt: skip
    if as_json:
        show_json(record)
    else:
        show_training(record)


def train_with_progress(
    lab: Lab, *, days: int | None, scale: int = 1, quiet: bool = False, **choices: Any
) -> dict[str, Any]:
    """Prepare, train, and show both; return the run's record."""
    with progress("Flights", quiet=quiet) as tell:
        dataset = lab.prepare(days=days, scale=scale, on_progress=tell)
    with progress("Training", quiet=quiet) as tell:
        return lab.train(dataset, on_progress=tell, **choices)


def show_training(record: dict[str, Any]) -> None:
    """Print what a training came to."""
    results = record["results"]
    scores = ", ".join(f"{name} {value:.4f}" for name, value in results["scores"].items())
    console.print(f"Model {results['model']} of run {record['id']}: {scores}", highlight=False)
    console.print(f"Digest of its votes on the validation days: {results['digest']}", highlight=False)
