"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from labkit.errors import InvalidArgument

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]
Days = Annotated[int | None, typer.Option(help="How many days of 2013 to use, spread over the year [all 365].")]
Scale = Annotated[int, typer.Option(help="Bootstrap years to make out of the training days; 1 is the real year.")]
Engine = Annotated[str, typer.Option(help="What runs the tasks: ray, processes, threads, joblib, dask or sequential.")]
Recipes = Annotated[str | None, typer.Option(help="Recipes of the catalogue, with commas between [all].")]
RayPort = Annotated[int, typer.Option(help="Port of the Ray head; 0 takes any free one.")]
Workers = Annotated[str, typer.Option(help="Numbers of workers to measure, with commas between.")]
Rounds = Annotated[int, typer.Option(help="Timed rounds; one more warms up. From 6 on the spread is an interval.")]


def numbers(text: str, what: str) -> tuple[int, ...]:
    """Read whole numbers with commas between.

    Raises
    ------
    InvalidArgument
        If one is no whole number.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InvalidArgument(f"{what} are whole numbers with commas between, such as 1,2,4; not {text!r}.") from None


def names(text: str | None) -> tuple[str, ...] | None:
    """Read names with commas between; None stands for all."""
    return None if text is None else tuple(part.strip() for part in text.split(","))
