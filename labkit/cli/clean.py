"""`labkit clean`: a full reset."""

from __future__ import annotations

import shutil

import typer

from labkit.cli.app import app
from labkit.cli.show import console
from labkit.errors import Busy, InvalidArgument
from labkit.files.folder import LabFolder
from labkit.lab import Settings
from labkit.parallel.head import stop_head


@app.command()
def clean(yes: bool = typer.Option(False, "--yes", help="Do not ask.")) -> None:
    """End the lab's Ray head and remove its folder: flights, models, runs, logs, token. Notebooks are left alone."""
    folder = LabFolder(Settings.read().home)
    if not folder.root.exists():
        console.print(f"There is nothing at {folder.root}.", highlight=False)
        return
    if not (folder.root / "layout").is_file():
        raise InvalidArgument(f"{folder.root} is no folder of a lab, so it is not removed. Correct LABKIT_HOME.")
    if not yes and not typer.confirm(f"Remove {folder.root} with all its runs and models?"):
        return
    with folder.lease("lab", "clean this lab").acquired():
        stop_head(folder)
    try:
        shutil.rmtree(folder.root)
    except OSError as fault:
        raise Busy(f"{folder.root} could not be removed whole ({fault}); end what uses it, then try again.") from fault
    console.print(f"Removed {folder.root}.", highlight=False)
