"""A user's own file, CSV or Parquet, read piece by piece: it may be larger than memory."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from labkit.errors import InvalidData

RESERVED = "labkit:"  # no column of a user's begins so
_MISSING = ["", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "None"]
_ENCODINGS = {"utf8": "UTF-8", "cp1252": "Windows-1252 (which holds Latin-1)", "utf16": "UTF-16"}
_SAMPLE_BYTES, _BLOCK_BYTES = 1 << 18, 1 << 24
_DECIMAL_COMMA = r"^\s*([-+]?\d*),(\d+)\s*$"
_FETCH_AGAIN = "it was cut short or changed; copy or fetch it again"


@dataclasses.dataclass(frozen=True)
class Source:
    """A file that can be asked for any part of it.

    Parameters
    ----------
    rows : polars.LazyFrame
        All values are text, missing ones (NaN, NA, empty) null; names differ from one another.
    kind : str
        What was recognised, for people.
    notes : tuple of str
        What was changed in reading, for people.
    """

    rows: pl.LazyFrame
    kind: str
    notes: tuple[str, ...]


def open_source(path: Path, folder: Path) -> Source:
    """Recognise a file; CSV is copied to Parquet in a folder, in blocks of 16 MB, since only that can be read by parts.

    Raises
    ------
    InvalidData
        If it is empty, cut short, or neither CSV nor Parquet.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise InvalidData(f"{path.name} is empty: give a file with a line of column names and rows below.")
    if head[:2] == b"PK" or (head != b"PAR1" and path.suffix.lower() == ".parquet"):
        raise InvalidData(f"{path.name} is neither CSV nor Parquet: save the table as CSV, and give that file.")
    names, kind = (None, "Parquet") if head == b"PAR1" else _copied(path, target := folder / "source.parquet")
    try:
        rows = pl.scan_parquet(target if names else path, glob=False)
        schema = rows.collect_schema()
    except pl.exceptions.DuplicateError as fault:
        raise InvalidData(f"{path.name} has two columns of one name ({_line(fault)}): rename one.") from fault
    except (pl.exceptions.PolarsError, OSError) as fault:
        raise InvalidData(f"{path.name} is no whole Parquet file ({_line(fault)}): {_FETCH_AGAIN}.") from fault
    fit = distinct_names(schema)
    notes = [
        f"column {was!r} is called {name!r} here" for was, name in zip(names or schema, fit, strict=True) if was != name
    ]
    kept = {}
    for name, dtype in zip(fit, schema.dtypes(), strict=True):
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Null):
            notes.append(f"column {name!r} is left out: it holds {dtype}, of which no feature is made")
        else:
            kept[name] = pl.col(name).cast(pl.String)
    rows = rows.rename(dict(zip(schema, fit, strict=True))).select(**kept)
    if "';'" in kind:  # where that stands between values, a comma stands before decimals
        rows = rows.with_columns(pl.all().str.replace(_DECIMAL_COMMA, "$1.$2"))
    return Source(rows.with_columns(pl.when(~pl.all().is_in(_MISSING)).then(pl.all())), kind, tuple(notes))


def distinct_names(names: Iterable[str]) -> list[str]:
    """Return names that differ from one another, accents written in one way (NFC), none of them reserved.

    Examples
    --------
    >>> distinct_names(["a", "a ", "", "labkit:a"])
    ['a', 'a_2', 'column_3', 'labkit_a']
    """
    found: list[str] = []
    for place, given in enumerate(names, 1):
        wanted = unicodedata.normalize("NFC", given).strip().replace(RESERVED, "labkit_") or f"column_{place}"
        number, name = 1, wanted
        while name in found:
            number += 1
            name = f"{wanted}_{number}"
        found.append(name)
    return found


def collect(rows: pl.LazyFrame) -> pl.DataFrame:
    """Run a query in batches, so that only its answer is whole in memory.

    Raises
    ------
    InvalidData
        If the file cannot be read to its end.
    """
    try:
        return rows.collect(engine="streaming")
    except (pl.exceptions.ComputeError, OSError) as fault:
        raise InvalidData(f"The file cannot be read to its end ({_line(fault)}): {_FETCH_AGAIN}.") from fault


def _copied(path: Path, target: Path) -> tuple[list[str], str]:
    """Copy CSV to Parquet; return its names as they were, and what it is."""
    import pyarrow as pa

    with pa.input_stream(str(path)) as stream:
        sample, n_quotes, last = stream.read(_SAMPLE_BYTES), 0, b""
        block = sample
        while block:
            n_quotes, last, block = n_quotes + block.count(b'"'), block[-1:], stream.read(_BLOCK_BYTES)
    encodings = ["utf16"] if sample[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf8", "cp1252"]
    if encodings[0] == "utf8" and b"\0" in sample:
        raise InvalidData(f"{path.name} is neither CSV nor Parquet, it holds bytes of no text: export it as CSV.")
    if n_quotes % 2 and last not in (b"\n", b"\r"):
        raise InvalidData(f"{path.name} ends within a quoted value: {_FETCH_AGAIN}.")
    for encoding in encodings:
        text = sample.decode("utf-8-sig" if encoding == "utf8" else encoding, errors="replace")
        separator = max(",;\t|", key=lambda separator: _likeness(text, separator))
        names = next(csv.reader(io.StringIO(text), delimiter=separator), [])
        kind = f"CSV, {_ENCODINGS[encoding]}, {separator!r} between columns"
        try:
            _copy(path, target, distinct_names(names), separator, encoding)
        except pa.ArrowInvalid as fault:
            if encoding != "utf8" or "UTF8" not in str(fault):
                raise InvalidData(
                    f"{path.name} ({kind}) cannot be read: {_line(fault)}. Either {_FETCH_AGAIN}; or correct that"
                    f" row: a value with {separator!r} in it needs quotes."
                ) from fault
        else:
            return names, kind
    raise InvalidData(f"{path.name} is in no known encoding: save it as UTF-8.")


def _copy(path: Path, target: Path, names: list[str], separator: str, encoding: str) -> None:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    reading = {"column_names": names, "skip_rows_after_names": 1, "block_size": _BLOCK_BYTES, "use_threads": False}
    options = (
        pa.csv.ReadOptions(encoding=encoding, **reading),
        pa.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(pa.csv.open_csv(stack.enter_context(pa.input_stream(str(path))), *options))
        writer = stack.enter_context(pa.parquet.ParquetWriter(target, reader.schema, compression="lz4"))
        for batch in reader:
            writer.write_batch(batch)


def _likeness(text: str, separator: str) -> tuple[bool, int]:
    """Tell how much the first lines look as if this stood between their columns: all alike, and many columns."""
    widths = [len(row) for row in csv.reader(io.StringIO(text[:20_000]), delimiter=separator) if row][:20]
    return len(set(widths[:-1])) == 1, widths[0] if widths else 0  # the last line may be half


def _line(fault: Exception) -> str:
    return str(fault).strip().partition("\n")[0][:300]
