"""`labkit data`: what the flights or a user's own data are, and how they are prepared."""

from __future__ import annotations

import dataclasses
from typing import Any

import typer

from labkit.cli.app import app
from labkit.cli.options import Days, Json, Scale
from labkit.cli.own import Data, Target, TimeColumn, Types, own_data
from labkit.cli.show import console, progress, show_json, show_summary, show_table
from labkit.lab import start

data = typer.Typer(no_args_is_help=True, help="Describe and prepare the flights, or your own data.")
app.add_typer(data, name="data")


@data.command()
def describe(
    days: Days = None,
    data: Data = None,
    target: Target = None,
    time_column: TimeColumn = None,
    types: Types = None,
    as_json: Json = False,
) -> None:
    """Show the columns: type, unit, meaning, whether known before departure, missing share, range.

    Of your own data: type, missing share, values, the classes of the target, and columns that know it too well.
    """
    if own := own_data(data, target, time_column, types, days):
        _describe_own(own, as_json)
        return
    from labkit.data.flights import count_cancelled, load_flights
    from labkit.data.schema import describe as describe_columns

    lab = start()
    frame = load_flights(days)
    columns = describe_columns(frame, lab.settings.lang)
    n_cancelled, late = count_cancelled(days), float(frame["late"].cast(int).mean())  # type: ignore[arg-type]
    if as_json:
        show_json({"n_rows": frame.height, "n_cancelled": n_cancelled, "late_share": late, "columns": columns})
        return
    header = list(columns[0])
    show_table(f"{frame.height:,} flights", header, [[_cell(column[name]) for name in header] for column in columns])
    console.print(
        f"{late:.1%} arrive 15 minutes late or more. {n_cancelled:,} cancelled or diverted flights are left out."
    )


@data.command()
def prepare(
    days: Days = None,
    scale: Scale = 1,
    data: Data = None,
    target: Target = None,
    time_column: TimeColumn = None,
    types: Types = None,
    plan: str = typer.Option("balanced", help="balanced, contiguous, round-robin, hashed or skewed."),
    shards: int = typer.Option(8, help="Shards of each year of training days."),
    as_json: Json = False,
) -> None:
    """Split by day, scale the training days up, and write them as shards; done once, then loaded.

    Your own data without a time column are split by groups of rows instead of days.

    The figures tell how even the shards are: the largest over the mean one, the Gini coefficient of their rows (0 is
    even), and the rows that the busier of two workers handles at least.
    """
    from labkit.data.shards import ShardPlan

    lab, own = start(), own_data(data, target, time_column, types, days)
    with progress("Data" if own else "Flights", quiet=as_json) as tell:
        dataset = lab.prepare(
            days=days, scale=scale, n_shards=shards, plan=plan, on_progress=tell, on_summary=show_summary, **own
        )
    sizes = tuple(shard.n_rows for shard in dataset.train)
    balance = ShardPlan[str](plan, (), sizes)
    found = {
        "key": dataset.key, "digest": dataset.digest, "n_rows": dataset.n_rows, "n_shards": len(sizes),
        "valid_rows": dataset.valid.n_rows, "test_rows": dataset.test.n_rows, "synthetic": dataset.synthetic,
        "max_over_mean": balance.max_over_mean, "gini": balance.gini,
        "makespan_bound_rows": balance.makespan_bound_rows(2), "folder": str(lab.folder.data / dataset.key),
    }  # fmt: skip
    found |= {"summary": dataset.summary} if own and as_json else {}
    if as_json:
        show_json(found)
    else:
        show_table("Prepared", ["", ""], [[name, _cell(value)] for name, value in found.items()])


def _describe_own(own: dict[str, Any], as_json: bool) -> None:
    from labkit.data.leaks import find_leaks
    from labkit.data.own import inspect
    from labkit.data.source import open_source
    from labkit.files.urls import fetch_url
    from labkit.files.whole import scratch_folder

    with progress("Data", quiet=as_json), scratch_folder(start().folder.data) as scratch:
        source = open_source(fetch_url(own.pop("data"), scratch), scratch)
        found = inspect(source, **own)
        leaks = find_leaks(found)
    columns = [dataclasses.asdict(column) for column in found.columns]
    if as_json:
        summary = {"n_rows": found.n_rows, "n_used": found.n_used, "classes": found.counts, "summary": found.summary()}
        show_json({**summary, "columns": columns, "leaks": [dataclasses.asdict(leak) for leak in leaks]})
        return
    rows = [
        [column.name, f"{column.type} {column.form}", f"{column.missing:.1%}", f"{column.distinct:,}",
         column.fault or column.note]
        for column in found.columns
    ]  # fmt: skip
    show_table(f"{found.n_rows:,} rows", ["column", "type", "missing", "values", ""], rows)
    show_summary(found.summary())
    for leak in leaks:
        shown = "" if leak.auc is None else f" (AUC {leak.auc:.4f})"
        console.print(f"Leak? {console.escape(leak.column)} {leak.hint}{shown}.", highlight=False)
    console.print(f"{len(leaks)} columns look like leaks, of at most 100,000 rows looked at.", highlight=False)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return (
        "" if value is None else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    )
