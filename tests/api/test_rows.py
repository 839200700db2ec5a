"""What single flights become is what training makes of tables."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from api.rows import EXAMPLE, FLIGHTS, KNOWN, REQUIRED, RowEncoder, check_clocks
from labkit.data.features import Encoder
from labkit.data.flights import clean, load_flights
from labkit.errors import InvalidData

NAMES = [column.name for column in KNOWN]


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    return load_flights(30)


@pytest.fixture(scope="module")
def encoder(flights: pl.DataFrame) -> Encoder:
    return Encoder.fit(clean(flights.head(12_000)))


def as_sent(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return rows as a client would send them, through JSON, without what is missing."""
    rows = [{name: value for name, value in row.items() if value is not None} for row in frame.iter_rows(named=True)]
    return FLIGHTS.validate_json(json.dumps(rows, default=str))


def test_thousands_of_real_flights_have_the_same_bits_as_in_training(flights: pl.DataFrame, encoder: Encoder) -> None:
    rows = flights.select(NAMES)
    table = encoder.transform(clean(rows, only_known=True)).X
    singles = np.concatenate([RowEncoder(encoder).encode(as_sent(part))[0] for part in rows.iter_slices(10_000)])
    assert len(table) > 20_000 and np.array_equal(table.view(np.uint32), singles.view(np.uint32))


def test_what_is_left_out_comes_from_the_route_or_is_missing_and_is_named(
    flights: pl.DataFrame, encoder: Encoder
) -> None:
    whole = as_sent(flights.select(NAMES).filter(pl.col("dest") == "IAH").head(1))
    least = [{name: whole[0][name] for name in REQUIRED}]
    (row,), (imputed,) = RowEncoder(encoder).encode(least)
    (before,), _ = RowEncoder(encoder).encode(whole)
    places = {name: place for place, name in enumerate(encoder.names)}
    for name in ("distance", "dest_lat", "dest_lon", "dest_alt", "dest_tz"):
        assert row[places[name]] == before[places[name]]
    for name in ("temp", "arr_minute", "plane_age", "manufacturer"):
        assert np.isnan(row[places[name]])
    assert set(imputed) == set(NAMES) - set(REQUIRED)


def test_unknown_categories_are_missing_to_the_model(encoder: Encoder) -> None:
    flight = {**EXAMPLE, "carrier": "Ñandú", "dest": "QQQ"}
    (row,), _ = RowEncoder(encoder).encode(FLIGHTS.validate_python([flight]))
    places = {name: place for place, name in enumerate(encoder.names)}
    assert np.isnan(row[places["carrier"]]) and np.isnan(row[places["dest"]]) and np.isnan(row[places["distance"]])
    assert row[places["dep_minute"]] == 17 * 60 + 25


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"day": "2013-02-30"}, "day"),
        ({"day": 5.5}, "day"),
        ({"origin": "LAX"}, "origin"),
        ({"carrier": ""}, "carrier"),
        ({"carrier": "x" * 101}, "carrier"),
        ({"carrier": None}, "carrier"),
        ({"carrier": 7}, "carrier"),
        ({"sched_dep_time": 2401}, "sched_dep_time"),
        ({"sched_dep_time": "soon"}, "sched_dep_time"),
        ({"temp": float("nan")}, "temp"),
        ({"temp": float("inf")}, "temp"),
        ({"temp": [1]}, "temp"),
        ({"dep_delay": 3}, "dep_delay"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_its_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FLIGHTS.validate_json(json.dumps([{**EXAMPLE, **change}]))
    assert {fault["loc"][1] for fault in caught.value.errors()} == {place}


def test_a_time_of_day_has_minutes_below_60() -> None:
    flights = FLIGHTS.validate_python([EXAMPLE, {**EXAMPLE, "sched_arr_time": 1999}])
    with pytest.raises(InvalidData, match=r"flights.1.sched_arr_time is 1999"):
        check_clocks(flights)
