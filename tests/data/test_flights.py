from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from labkit.data.flights import clean, count_cancelled, load_flights, table
from labkit.data.schema import SCHEMA
from labkit.errors import InvalidArgument, InvalidData


@pytest.fixture(scope="module")
def year() -> pl.DataFrame:
    return load_flights()


def test_every_flight_of_the_year_either_arrived_or_is_counted_as_cancelled(year):
    assert len(year) + count_cancelled() == 336_776
    assert year["day"].n_unique() == 365


def test_joins_neither_add_nor_reorder_flights(year):
    source = table("flights.csv.zip").filter(pl.col("arr_delay").is_not_null())
    assert year["flight"].to_list() == source["flight"].to_list()
    assert year["arr_delay"].to_list() == source["arr_delay"].to_list()


def test_late_is_fifteen_minutes_or_more(year):
    assert year.filter(pl.col("arr_delay") == 15)["late"].unique().to_list() == [1]
    assert year.filter(pl.col("arr_delay") == 14)["late"].unique().to_list() == [0]


def test_weather_is_of_the_hour_before_so_that_it_is_known(year):
    flight = year.filter(pl.col("day") == datetime(2013, 3, 8), pl.col("sched_dep_time") == 1200).row(0, named=True)
    before = datetime(2013, 3, 8, 12) - timedelta(hours=1)
    observed = table("weather.csv").filter(
        pl.col("origin") == flight["origin"], pl.col("month") == 3, pl.col("day") == 8, pl.col("hour") == before.hour
    )
    assert observed["temp"].to_list() == [flight["temp"]]


def test_weather_is_there_for_nearly_all_flights_in_summer_and_winter_time(year):
    missing = year.group_by(pl.col("day").dt.month()).agg(pl.col("temp").is_null().mean())
    assert missing["temp"].max() < 0.05


def test_the_slip_in_the_wind_counts_as_missing(year):
    assert table("weather.csv")["wind_speed"].max() > 1000
    assert year["wind_speed"].max() < 100


def test_the_whole_year_fits_the_schema(year):
    rows = clean(year)
    assert len(rows) == len(year)
    assert rows.columns[: len(SCHEMA)] == [column.name for column in SCHEMA]


def test_days_are_spread_over_the_year(flights):
    days = flights["day"].unique().sort()
    assert len(days) == 20
    assert days.dt.month().n_unique() == 12


@pytest.mark.parametrize("days", [0, -1, 366, 10**9, 2.5, True, "7"])
def test_days_that_a_year_does_not_have_are_refused(days):
    with pytest.raises(InvalidArgument, match="1 to 365"):
        load_flights(days)


def test_clean_drops_rows_that_come_twice_but_no_drawn_copies(flights):
    twice = pl.concat([flights, flights.head(10)])
    assert clean(twice).equals(clean(flights))
    drawn = pl.concat([flights, flights.head(10).with_columns(draw=pl.lit(1, pl.Int32))])
    assert len(clean(drawn)) == len(flights) + 10


def test_clean_keeps_every_row_to_predict(flights):
    raw = pl.concat([flights.head(3), flights.head(3)]).drop("late", "arr_delay", "dep_delay", "draw")
    rows = clean(raw, only_known=True)
    assert len(rows) == 6
    assert "late" not in rows.columns


def test_clean_derives_minutes_after_midnight_and_the_age_of_the_plane(flights):
    row = clean(flights).filter(pl.col("plane_year").is_not_null()).row(0, named=True)
    assert row["dep_minute"] == row["sched_dep_time"] // 100 * 60 + row["sched_dep_time"] % 100
    assert row["plane_age"] == 2013 - row["plane_year"]
    assert row["weekday"] == row["day"].strftime("%a")


def test_clean_refuses_rows_that_do_not_fit(flights):
    with pytest.raises(InvalidData, match="origin"):
        clean(flights.drop("origin"))
