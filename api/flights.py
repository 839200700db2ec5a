"""What a form needs to know of the flights: their airlines and airports by name, and the weather."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl

from labkit.data.flights import MAX_WIND_MPH, table


def names() -> dict[str, dict[str, str]]:
    """Return the names of `carriers` by code, and of the `airports` that the flights go to or come from."""
    carriers = dict(table("airlines.csv").iter_rows())
    met = table("flights.csv.zip").select("origin", "dest")
    codes = sorted({*met["origin"].unique(), *met["dest"].unique()})
    known = dict(table("airports.csv").select("faa", "name").iter_rows())
    return {"carriers": carriers, "airports": {code: known.get(code, code) for code in codes}}


def weather_before(origin: str, day: date, clock: int) -> dict[str, float]:
    """Return the weather that a prediction may know: of the hour before the flight's own, without what is missing.

    Parameters
    ----------
    origin : str
        An airport of New York.
    day : date
        Of 2013.
    clock : int
        Scheduled time of departure, local (HHMM).
    """
    hour = datetime(day.year, day.month, day.day, clock // 100 % 24) - timedelta(hours=1)
    at = {"origin": origin, "year": hour.year, "month": hour.month, "day": hour.day, "hour": hour.hour}
    found = table("weather.csv").filter(pl.all_horizontal(pl.col(name) == value for name, value in at.items()))
    row = next(found.drop(*at, "time_hour").iter_rows(named=True), {})
    slip = (row.get("wind_speed") or 0.0) > MAX_WIND_MPH
    return {name: value for name, value in row.items() if value is not None and not (slip and name == "wind_speed")}
