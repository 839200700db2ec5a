from __future__ import annotations

import json

import polars as pl
import pytest

from labkit.data.features import CATEGORICAL, NUMERIC
from labkit.data.schema import SCHEMA, TARGET, describe, validate
from labkit.errors import InvalidArgument, InvalidData

KNOWN = [column.name for column in SCHEMA if column.known_before_departure]


def test_nothing_that_happens_after_departure_is_known():
    assert {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", TARGET}.isdisjoint(KNOWN)


def test_features_come_from_known_columns_only():
    derived = {"month", "weekday", "dep_minute", "arr_minute", "plane_age"}
    assert {*NUMERIC, *CATEGORICAL} - derived <= set(KNOWN)


def test_every_column_is_explained_in_both_languages():
    assert all(column.meaning_en and column.meaning_es for column in SCHEMA)
    assert all(column.meaning_en != column.meaning_es for column in SCHEMA)


def test_real_rows_pass_unchanged(flights):
    assert validate(flights).equals(flights)


def test_all_faults_are_told_together(flights):
    broken = flights.head(5).with_columns(
        origin=pl.lit("BOS"), distance=pl.lit(-1.0), sched_dep_time=pl.lit(1275), flight=pl.lit("twelve")
    )
    with pytest.raises(InvalidData) as caught:
        validate(broken.drop("dest"))
    message = str(caught.value)
    for part in ("origin has 5 values not one of EWR, JFK, LGA (row 0: 'BOS')", "distance has 5", "minutes below 60",
                 "flight has 5 values not int (row 0: 'twelve')", "dest is missing"):  # fmt: skip
        assert part in message


def test_a_required_value_that_is_missing_is_told_with_its_row(flights):
    rows = flights.head(4).with_columns(carrier=pl.Series(["UA", None, "AA", None]))
    with pytest.raises(InvalidData, match=r"carrier has 2 values missing \(row 1: None\)"):
        validate(rows)


def test_lossless_types_are_cast_and_others_refused(flights):
    rows = flights.head(3)
    text = rows.with_columns(
        pl.col("day").cast(pl.String), pl.col("flight").cast(pl.String), pl.col("seats").cast(float)
    )
    assert validate(text).equals(rows)
    with pytest.raises(InvalidData, match=r"day has 3 values not date \(row 0: '1 May'\)"):
        validate(rows.with_columns(day=pl.lit("1 May")))
    with pytest.raises(InvalidData, match="seats has 3 values not int"):
        validate(rows.with_columns(seats=pl.lit(100.5)))
    with pytest.raises(InvalidData, match="flight has 3 values not int"):
        validate(rows.with_columns(flight=pl.lit(2**40)))
    with pytest.raises(InvalidData, match="dest holds List"):
        validate(rows.with_columns(dest=pl.lit([1, 2])))


def test_nan_counts_as_missing_and_infinity_as_out_of_range(flights):
    rows = flights.head(3)
    assert validate(rows.with_columns(temp=pl.lit(float("nan"))))["temp"].null_count() == 3
    with pytest.raises(InvalidData, match="temp has 3 values not between"):
        validate(rows.with_columns(temp=pl.lit(float("inf"))))
    with pytest.raises(InvalidData, match="distance has 3 values missing"):
        validate(rows.with_columns(distance=pl.lit(float("nan"))))


def test_rows_to_predict_may_leave_out_what_may_be_missing(flights):
    required = [column.name for column in SCHEMA if column.required and column.known_before_departure]
    rows = validate(flights.head(2).select(required), only_known=True)
    assert rows.columns == KNOWN
    assert rows["temp"].null_count() == 2
    with pytest.raises(InvalidData, match="carrier is missing"):
        validate(flights.head(2).select(required).drop("carrier"), only_known=True)


def test_a_column_of_nothing_is_fine_where_it_may_be_missing(flights):
    rows = flights.head(2)
    assert validate(rows.with_columns(temp=pl.lit(None), tailnum=pl.lit(None)))["temp"].dtype == pl.Float64
    with pytest.raises(InvalidData, match="carrier has 2 values missing"):
        validate(rows.with_columns(carrier=pl.lit(None)))


def test_no_rows_are_valid_rows(flights):
    assert validate(flights.clear()).is_empty()


def test_describe_says_what_is_in_the_data(flights):
    rows = {row["name"]: row for row in describe(flights)}
    assert list(rows) == [column.name for column in SCHEMA]
    assert rows["origin"]["n_unique"] == 3
    assert rows["carrier"]["missing"] == 0
    assert 0.5 < rows["wind_gust"]["missing"] < 1
    assert rows["late"]["known"] is False
    assert json.dumps(list(rows.values()), default=str)


def test_describe_speaks_spanish_and_nothing_else_that_is_unknown(flights):
    assert describe(flights, "es")[0]["meaning"].startswith("Día")
    with pytest.raises(InvalidArgument, match="en or es"):
        describe(flights, "fr")
