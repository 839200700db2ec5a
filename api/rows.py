"""Raw flights of a request: checked against the one schema, and encoded one by one.

Training encodes whole tables by Polars, which costs milliseconds however few the rows. What stands here gives the same
features for single rows in microseconds; tests compare both, bit by bit, on real flights.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Annotated, Any, Literal, NotRequired, Required

import numpy as np
import polars as pl
from pydantic import Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from labkit.data.features import Encoder
from labkit.data.flights import airports, minutes, table
from labkit.data.schema import SCHEMA, Column
from labkit.errors import InvalidData

REQUIRED = ("day", "carrier", "origin", "dest", "sched_dep_time")
KNOWN = tuple(column for column in SCHEMA if column.known_before_departure)
OPTIONAL = tuple(column.name for column in KNOWN if column.name not in REQUIRED)
_OF_ROUTE = ("distance", "dest_lat", "dest_lon", "dest_alt", "dest_tz")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")  # as strftime("%a") has them where the locale is C
_TEXT_MOST = 100
_NAN = float("nan")

EXAMPLE = {
    "day": "2013-07-10", "carrier": "UA", "origin": "EWR", "dest": "IAH", "sched_dep_time": 1725,
    "sched_arr_time": 2000, "temp": 84.0, "wind_speed": 12.7, "visib": 10.0,
}  # fmt: skip


def _type_of(column: Column) -> Any:
    bounds: dict[str, Any] = {
        "description": f"{column.meaning_en} ({column.unit})" if column.unit else column.meaning_en
    }
    if column.minimum is not None:
        bounds |= {"ge": column.minimum, "le": column.maximum}
    kinds: dict[str, Any] = {"date": datetime.date, "int": int, "clock": int, "float": float, "text": str}
    kind = kinds[column.type]
    if column.allowed is not None:
        kind = Literal[column.allowed]
    elif column.type == "text":
        bounds |= {"min_length": 1, "max_length": _TEXT_MOST}
    elif column.type == "float":
        bounds |= {"allow_inf_nan": False}
    known: Any = Annotated[kind, Field(**bounds)]
    return Required[known] if column.name in REQUIRED else NotRequired[known | None]


def _flight() -> Any:
    """Return the type of a flight, made of the schema, which type checkers cannot follow."""
    fields: Any = {column.name: _type_of(column) for column in KNOWN}
    dictionary: Any = TypedDict
    return with_config({"extra": "forbid"})(dictionary("Flight", fields))


Flight: Any = _flight()
Flight.__doc__ = "A flight before its departure: what is not known may be left out."


@functools.cache
def routes() -> dict[tuple[str, str], dict[str, float]]:
    """Return what is known of each route of the flights: its distance, and where it ends."""
    flown = table("flights.csv.zip").filter(pl.col("arr_delay").is_not_null()).select("origin", "dest", "distance")
    flown = flown.unique(subset=["origin", "dest"], keep="first", maintain_order=True)
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in flown.join(airports(), on="dest", how="left").iter_rows(named=True):
        found[row["origin"], row["dest"]] = {name: row[name] for name in _OF_ROUTE if row[name] is not None}
    return found


class RowEncoder:
    """Encode single flights as `Encoder.transform` encodes tables of them.

    Parameters
    ----------
    encoder : Encoder
        Of flights.

    Raises
    ------
    InvalidData
        If the encoder is of a user's own data.
    """

    def __init__(self, encoder: Encoder) -> None:
        if encoder.table is not None:
            raise InvalidData("The promoted model is of data of your own, and flights are asked for: promote another.")
        self._take = itemgetter(*encoder.names)
        self._codes = {
            name: {value: float(code) for code, value in enumerate(values)}
            for name, values in encoder.categories.items()
        }
        self._nothing = dict.fromkeys(OPTIONAL)
        self._routes = routes()

    def encode(self, flights: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, list[list[str]]]:
        """Return the features of flights, and for each the names of what it left out.

        Parameters
        ----------
        flights : sequence of mapping
            As the schema of a request has checked them.

        Returns
        -------
        ndarray of float32, shape (n_flights, n_features), and list of list of str
        """
        rows, imputed, codes, nothing = [], [], self._codes, self._nothing
        for flight in flights:
            row = {**nothing, **self._routes.get((flight["origin"], flight["dest"]), nothing), **flight}
            day, arrival, year = row["day"], row["sched_arr_time"], row["plane_year"]
            row["month"], row["weekday"] = day.month, _WEEKDAYS[day.weekday()]
            row["dep_minute"] = minutes(row["sched_dep_time"])
            row["arr_minute"] = None if arrival is None else minutes(arrival)
            row["plane_age"] = None if year is None else day.year - year
            for name, known in codes.items():
                row[name] = known.get(row[name], _NAN)
            rows.append(self._take(row))
            imputed.append([name for name in OPTIONAL if flight.get(name) is None])
        return np.array(rows, np.float32).reshape(len(rows), -1), imputed


def check_clocks(flights: Sequence[Mapping[str, Any]]) -> None:
    """Make sure that times of day have minutes below 60, which no range tells.

    Raises
    ------
    InvalidData
        Naming the first row at fault.
    """
    for place, flight in enumerate(flights):
        for name in ("sched_dep_time", "sched_arr_time"):
            if (flight.get(name) or 0) % 100 >= 60:
                raise InvalidData(f"flights.{place}.{name} is {flight[name]}: a time of day is HHMM, minutes below 60.")


_LIST: Any = Annotated[list[Flight], Field(min_length=1, max_length=10_000)]
FLIGHTS: TypeAdapter[list[dict[str, Any]]] = TypeAdapter(_LIST)
