"""What a row of flights must look like, told in `flights.toml`."""

from __future__ import annotations

import dataclasses
import tomllib
from importlib.resources import files
from typing import Any

import polars as pl

from labkit.errors import InvalidArgument, InvalidData

SCHEMA_VERSION = 1  # raise it with any change of flights.toml or of what a shard holds: data is then prepared anew
TARGET = "late"
_STORED = {"date": pl.Date(), "int": pl.Int32(), "clock": pl.Int32(), "float": pl.Float64(), "text": pl.String()}


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of the joined flights.

    Parameters
    ----------
    type : {"date", "int", "clock", "float", "text"}
        A clock is a time of day as a number, HHMM.
    unit : str
        Empty where there is none.
    meaning_en, meaning_es : str
        For people.
    known_before_departure : bool
        Only such columns may become features.
    required : bool
        May no row lack it?
    minimum, maximum : float or None
        Bounds, inclusive.
    allowed : tuple or None
        The only values there are.
    """

    name: str
    type: str
    unit: str
    meaning_en: str
    meaning_es: str
    known_before_departure: bool
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[Any, ...] | None = None

    @property
    def stored(self) -> pl.DataType:
        """The type in which it is stored."""
        return _STORED[self.type]


def _read_schema() -> tuple[Column, ...]:
    tables = tomllib.loads(files("labkit.data").joinpath("flights.toml").read_text("utf-8"))
    columns = []
    for name, table in tables.items():
        minimum, maximum = table.get("range", (None, None))
        allowed = tuple(table["allowed"]) if "allowed" in table else None
        known, required = table["known"], table.get("required", False)
        meanings = table["en"], table["es"]
        columns.append(
            Column(name, table["type"], table["unit"], *meanings, known, required, minimum, maximum, allowed)
        )
    return tuple(columns)


SCHEMA = _read_schema()


def validate(frame: pl.DataFrame, *, only_known: bool = False) -> pl.DataFrame:
    """Return the rows with the schema's columns and types.

    Parameters
    ----------
    frame : polars.DataFrame
        Other columns are left out; NaN counts as missing.
    only_known : bool
        Ask only for what is known before departure: rows to predict. What they may lack, they may also leave out.

    Raises
    ------
    InvalidData
        With all faults of all columns together.
    """
    faults, columns = [], []
    for column in SCHEMA:
        if only_known and not column.known_before_departure:
            continue
        if column.name in frame.columns:
            series, found = _fit(frame[column.name], column)
        elif only_known and not column.required:
            series, found = pl.Series(column.name, [None] * len(frame), column.stored), []
        else:
            series, found = pl.Series(column.name, [], column.stored), ["is missing"]
        columns.append(series)
        faults += [f"{column.name} {fault}" for fault in found]
    if faults:
        raise InvalidData(f"The rows do not fit the schema: {'; '.join(faults)}. `labkit data describe` shows it.")
    return pl.DataFrame(columns)


def describe(frame: pl.DataFrame, lang: str = "en") -> list[dict[str, Any]]:
    """Say of each column of validated rows what it means and what is in it.

    Returns
    -------
    list of dict
        name, type, unit, meaning, known (before departure), missing (share, 0–1), min, max, n_unique.
    """
    if lang not in ("en", "es"):
        raise InvalidArgument(f"Columns are described in en or es, not {lang!r}.")
    return [
        {
            "name": column.name,
            "type": column.type,
            "unit": column.unit,
            "meaning": column.meaning_es if lang == "es" else column.meaning_en,
            "known": column.known_before_departure,
            "missing": series.null_count() / max(1, len(series)),
            "min": series.min(),
            "max": series.max(),
            "n_unique": series.drop_nulls().n_unique(),
        }
        for column in SCHEMA
        if column.name in frame.columns
        for series in [frame[column.name]]
    ]


def _fit(series: pl.Series, column: Column) -> tuple[pl.Series, list[str]]:
    """Return the column in its stored type, and its faults."""
    if series.dtype.is_float():
        series = series.fill_nan(None)
    try:
        text_day = column.type == "date" and series.dtype == pl.String
        fitted = series.str.to_date("%Y-%m-%d", strict=False) if text_day else series.cast(column.stored, strict=False)
    except pl.exceptions.PolarsError:  # between some types there is no way at all
        return series, [f"holds {series.dtype}, not {column.type}"]
    changed = series.is_not_null() & fitted.is_null()
    if series.dtype != pl.String and series.dtype != fitted.dtype:
        changed |= (fitted.cast(series.dtype, strict=False) != series).fill_null(False)
    faults = [_fault(series, changed, f"not {column.type}")]
    if column.required:
        faults.append(_fault(series, series.is_null(), "missing"))
    outside = pl.repeat(False, len(fitted), eager=True)
    if column.minimum is not None and column.maximum is not None:
        outside |= ~fitted.is_between(column.minimum, column.maximum)
    if column.type == "clock":
        outside |= fitted % 100 >= 60
    if column.allowed is not None:
        outside |= ~fitted.is_in(list(column.allowed))
    faults.append(_fault(series, outside & ~changed, f"not {_expected(column)}"))
    return fitted, [fault for fault in faults if fault]


def _fault(series: pl.Series, where: pl.Series, what: str) -> str:
    """Say how many values are at fault, and show the first."""
    rows = where.fill_null(False).arg_true()
    return f"has {len(rows)} values {what} (row {rows[0]}: {series[rows[0]]!r})" if len(rows) else ""


def _expected(column: Column) -> str:
    if column.allowed is not None:
        return "one of " + ", ".join(map(str, column.allowed))
    return f"between {column.minimum} and {column.maximum}" + (", minutes below 60" if column.type == "clock" else "")
