"""`labkit progress`: how far the lab's student is in the course."""

from __future__ import annotations

import dataclasses

from labkit.cli.app import app
from labkit.cli.options import Json
from labkit.cli.show import show_json, show_table
from labkit.lab import start


@app.command()
def progress(as_json: Json = False) -> None:
    """Show every exercise and prediction of the course: its state, the hints read, and how far a prediction was off.

    The state is the best that a check ever found. Of several predictions the first one counts: whoever has measured
    predicts no more.
    """
    from labkit.classroom.exercises import format_progress, progress_of

    lab = start()
    standings = progress_of(lab)
    if as_json:
        show_json([dataclasses.asdict(standing) for standing in standings])
    else:
        header, *rows = format_progress(standings, lab.settings.lang)
        show_table("Progress", header, rows, right=4)
