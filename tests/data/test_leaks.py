"""Columns that know too much are found, honest ones are left in peace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from labkit.data.leaks import find_leaks
from labkit.data.own import inspect
from labkit.data.source import open_source
from tests.data import owned


def hints(folder: Path, rows: pl.DataFrame, target: str = "late") -> dict[str, str]:
    found = inspect(open_source(Path(owned.csv(folder, rows)), folder), target)
    return {leak.column: leak.hint for leak in find_leaks(found)}


def test_honest_columns_give_no_hint(tmp_path):
    assert hints(tmp_path, owned.frame()) == {}


def test_each_kind_of_leak_is_found_and_named(tmp_path):
    rows = owned.frame()
    numbers = rows["late"].replace_strict(["low", "mid", "high"], [0, 1, 2], return_dtype=pl.Int64)
    noise = pl.Series(np.random.default_rng(1).random(len(rows)))
    found = hints(
        tmp_path,
        rows.with_columns(
            copy="late",
            code=numbers,
            fine=numbers + noise * 0.9,
            after=pl.when(pl.col("late") == "high").then(noise),
            number=pl.int_range(pl.len()) * 7 % 100_003,
        ),
    )
    assert list(found) == ["copy", "code", "fine", "after", "number"]
    assert "is the target itself" in found["copy"]
    assert "tells the target almost by itself" in found["code"] and "almost by itself" in found["fine"]
    assert "filled in only where the target is 'high'" in found["after"]
    assert "another value in every row: an id" in found["number"]


def test_a_copy_of_numbers_or_of_yes_and_no_is_found_too(tmp_path):
    rows = owned.frame().with_columns(y=(pl.col("late") == "high").cast(pl.Int8))
    assert "target itself" in hints(tmp_path, rows.with_columns(copy=pl.col("y") * 1.0), "y")["copy"]
    rows = rows.with_columns(y=pl.col("y") == 1)
    assert "target itself" in hints(tmp_path, rows.with_columns(copy="y"), "y")["copy"]
