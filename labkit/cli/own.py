"""Options for a user's own data, which several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from labkit.errors import InvalidArgument

Data = Annotated[str | None, typer.Option(help="Your own CSV or Parquet instead of the flights: a path or a URL.")]
Target = Annotated[str | None, typer.Option(help="The column of --data to predict: 2 to 100 classes.")]
TimeColumn = Annotated[str | None, typer.Option(help="A date in --data: its days stay together, the latest test.")]
Types = Annotated[
    str | None,
    typer.Option(help="Corrections, as 'age=number,code=category,id=ignore'; also boolean, date, date-dmy, date-mdy."),
]


def own_data(
    data: str | None, target: str | None, time_column: str | None, types: str | None, days: int | None = None
) -> dict[str, Any]:
    """Return what `Lab.prepare` takes for a user's own data; nothing for the flights.

    Raises
    ------
    InvalidArgument
        If options do not go together, or types cannot be read.
    """
    if data is None and (target or time_column or types):
        raise InvalidArgument("--target, --time-column and --types describe your own data: name it by --data.")
    if data is None:
        return {}
    if target is None or days is not None:
        raise InvalidArgument(
            "--data needs the column to predict, --target, and takes no --days: those are of flights."
        )
    pairs = [part.rpartition("=") for part in (types or "").split(",") if part]
    if any(not name for name, _, _ in pairs):
        raise InvalidArgument(f"Types are given as 'column=category,other=number', not {types!r}.")
    given = {name.strip(): type_.strip() for name, _, type_ in pairs}
    return {"data": data, "target": target, "time_column": time_column, "types": given}
