"""`labkit data`: what the flights are, and how they are prepared."""

from __future__ import annotations

import typer

from labkit.cli.app import app
from labkit.cli.options import Days, Json, Scale
from labkit.cli.show import console, progress, show_json, show_table
from labkit.lab import start

data = typer.Typer(no_args_is_help=True, help="Describe and prepare the flights.")
app.add_typer(data, name="data")


@data.command()
def describe(days: Days = None, as_json: Json = False) -> None:
    """Show the columns: type, unit, meaning, whether known before departure, missing share, range."""
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
    plan: str = typer.Option("balanced", help="balanced, contiguous, round-robin, hashed or skewed."),
    shards: int = typer.Option(8, help="Shards of each year of training days."),
    as_json: Json = False,
) -> None:
    """Split the flights by day, scale the training days up, and write them as shards; done once, then loaded.

    The figures tell how even the shards are: the largest over the mean one, the Gini coefficient of their rows (0 is
    even), and the rows that the busier of two workers handles at least.
    """
    from labkit.data.shards import ShardPlan

    lab = start()
    with progress("Flights", quiet=as_json) as tell:
        dataset = lab.prepare(days=days, scale=scale, n_shards=shards, plan=plan, on_progress=tell)
    sizes = tuple(shard.n_rows for shard in dataset.train)
    balance = ShardPlan[str](plan, (), sizes)
    found = {
        "key": dataset.key, "digest": dataset.digest, "n_rows": dataset.n_rows, "n_shards": len(sizes),
        "valid_rows": dataset.valid.n_rows, "test_rows": dataset.test.n_rows, "synthetic": dataset.synthetic,
        "max_over_mean": balance.max_over_mean, "gini": balance.gini,
        "makespan_bound_rows": balance.makespan_bound_rows(2), "folder": str(lab.folder.data / dataset.key),
    }  # fmt: skip
    if as_json:
        show_json(found)
    else:
        show_table("Prepared", ["", ""], [[name, _cell(value)] for name, value in found.items()])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return (
        "" if value is None else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    )
