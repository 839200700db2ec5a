"""`labkit models`: trained ensembles."""

from __future__ import annotations

import dataclasses

import typer

from labkit.cli.app import app
from labkit.cli.options import Json
from labkit.cli.show import console, show_json, show_table
from labkit.lab import start

models = typer.Typer(no_args_is_help=True, help="List and promote trained ensembles.")
app.add_typer(models, name="models")


@models.command("list")
def list_(as_json: Json = False) -> None:
    """List the ensembles, the newest first; the promoted one answers predictions."""
    found = [dataclasses.asdict(model) for model in start().models.list()]
    if as_json:
        show_json(found)
    elif found:
        rows = [
            [model["id"], model["run_id"], f"{model['scores']['roc_auc']:.4f}", f"{model['n_bytes'] / 1e6:.1f} MB",
             "promoted" if model["promoted"] else ""]
            for model in found
        ]  # fmt: skip
        show_table("Models", ["model", "run", "ROC AUC", "size", ""], rows)
    else:
        console.print("No models yet. Train one: labkit train")


@models.command()
def promote(model: str = typer.Argument(help="Its id, or the beginning of it.")) -> None:
    """Make an ensemble the one that answers predictions."""
    console.print(f"{start().models.promote(model).id} is promoted.", highlight=False)
