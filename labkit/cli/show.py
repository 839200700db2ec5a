"""What the command line prints: tables and progress for people, JSON for programs."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from labkit.scaling.table import SpeedupRow

_PLAIN_EVERY_S = 5.0
_asked_to_end: list[int] = []
_WIDE = 110


class _Console(Console):
    escape = staticmethod(escape)


console, errors = _Console(), _Console(stderr=True)


def show_json(value: Any) -> None:
    """Print a value as JSON, accents as they are."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def show_table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]], *, right: int = 0) -> None:
    """Print a table, its last `right` columns to the right."""
    table = Table(title=escape(title), title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header, right - len(header)):
        kept = name in ("run", "model")  # whole, to be copied
        table.add_column(name, justify="right" if index >= 0 else "left", overflow="fold", no_wrap=kept)
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console.print(table)


def show_summary(lines: Sequence[str]) -> None:
    """Print what was found in a user's own data, on standard error: it comes before the work, whatever is asked for."""
    for line in lines:
        errors.print(line, highlight=False, markup=False, soft_wrap=True)


def show_speedups(title: str, rows: Sequence[SpeedupRow], lang: str) -> None:
    """Print a speedup table."""
    from labkit.classroom.plots import format_table

    header, *body = format_table(rows, lang)
    if console.width < _WIDE:  # a column for each number of workers is narrower than a row
        header, *body = (list(cells) for cells in zip(header, *body, strict=True))
    show_table(title, header, body)


@contextlib.contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """Show how far a step is: a bar in a terminal, a line every few seconds elsewhere (on standard error)."""
    if _asked_to_end:
        raise KeyboardInterrupt
    if quiet:
        yield lambda *_: None
    elif errors.is_terminal:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[what]}"),
        )
        with Progress(*columns, console=errors) as bar:
            task = bar.add_task(escape(title), total=1.0, what="")
            yield lambda what, fraction: bar.update(task, completed=fraction, what=escape(what))
            bar.update(task, completed=1.0, what="")
    else:
        begun = time.monotonic()
        told = begun
        errors.print(f"{title} …", highlight=False, markup=False)

        def tell(what: str, fraction: float) -> None:
            nonlocal told
            if time.monotonic() - told >= _PLAIN_EVERY_S:
                told = time.monotonic()
                errors.print(f"  {fraction:4.0%}  {what}", highlight=False, markup=False)

        yield tell
        errors.print(f"{title}: done in {time.monotonic() - begun:.1f} s", highlight=False, markup=False)


def end_by(signal: int, _: object) -> None:
    """Handle SIGINT and SIGTERM; where a library swallows the interrupt, the next step of the command ends it."""
    _asked_to_end.append(signal)
    raise KeyboardInterrupt


def run_line(run: Mapping[str, Any]) -> list[str]:
    """Return a run's cells for a list."""
    created = str(run["created"])[:16].replace("T", " ")
    return [run["id"], run["kind"], run["name"], run["status"], f"{run['progress']:.0%}", created]
