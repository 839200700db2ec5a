"""Files as people have them: whole, odd, and broken."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from labkit.data.source import collect, open_source
from labkit.errors import InvalidData
from tests.data import owned


def opened(folder: Path, content: bytes, name: str = "own.csv") -> tuple[pl.DataFrame, str]:
    path = folder / name
    path.write_bytes(content)
    (scratch := folder / "scratch").mkdir(exist_ok=True)
    source = open_source(path, scratch)
    return collect(source.rows), "; ".join([source.kind, *source.notes])


def test_csv_and_parquet_of_the_same_rows_are_the_same_text(tmp_path):
    rows = owned.frame(50)
    rows.write_parquet(tmp_path / "own.parquet")
    again, kind = opened(tmp_path, rows.write_csv().encode())
    assert kind == "CSV, UTF-8, ',' between columns"
    assert collect(open_source(tmp_path / "own.parquet", tmp_path).rows).equals(again)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig", "utf-16"])
def test_encoding_separator_and_decimal_comma_are_found_and_said(tmp_path, encoding):
    text = 'año;precio\n"uno; dos";1,5\nniño;-2\n'
    rows, said = opened(tmp_path, text.encode(encoding))
    assert rows.to_dict(as_series=False) == {"año": ["uno; dos", "niño"], "precio": ["1.5", "-2"]}
    shown = {"latin-1": "Latin-1", "utf-8-sig": "UTF-8"}.get(encoding, encoding.upper())
    assert shown in said and "';'" in said


def test_missing_values_are_missing_however_they_are_written(tmp_path):
    rows, _ = opened(tmp_path, b'a,b\n,1\nNA,2\nnan,3\n"",4\nx,5\n')
    assert rows["a"].to_list() == [None, None, None, None, "x"]


def test_names_that_come_twice_or_are_empty_are_told_apart_and_said(tmp_path):
    rows, said = opened(tmp_path, "a,a,,labkit:draw,an\u0303o\n1,2,3,4,5\n".encode())
    assert rows.columns == ["a", "a_2", "column_3", "labkit_draw", "año"]
    assert "column 'a' is called 'a_2' here" in said


def test_values_may_hold_line_ends_within_quotes(tmp_path):
    rows, _ = opened(tmp_path, b'a,b\n"one\ntwo",1\n"x, ""y""",2\n')
    assert rows["a"].to_list() == ["one\ntwo", 'x, "y"']


def test_columns_of_which_no_feature_is_made_are_left_out_and_said(tmp_path):
    pl.DataFrame({"a": [1, 2], "many": [[1], [2]], "raw": [b"\xff", b"x"]}).write_parquet(tmp_path / "own.parquet")
    source = open_source(tmp_path / "own.parquet", tmp_path)
    assert source.rows.collect_schema().names() == ["a"]
    assert "'many' is left out" in source.notes[0] and "'raw' is left out" in source.notes[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a,b\n1,2\n3", r"Expected 2 columns, got 1: 3. Either it was cut short"),
        (b"a,b\n1,2,3\n", "Expected 2 columns, got 3"),
        (b'a,b\n1,2\n3,"cut here', "within a quoted value: it was cut short"),
        (b"a,b\n1,\0\0\0\n", "neither CSV nor Parquet"),
        (b"PK\x03\x04 a spreadsheet", "save the table as CSV"),
        (b"PAR1 and no more", "no whole Parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_what_to_do(tmp_path, content, message):
    with pytest.raises(InvalidData, match=message):
        opened(tmp_path, content)


def test_parquet_cut_short_or_damaged_within_is_refused(tmp_path):
    owned.frame(5000).write_parquet(path := tmp_path / "own.parquet", compression="zstd")
    content = path.read_bytes()
    with pytest.raises(InvalidData, match="cut short or changed"):
        opened(tmp_path, content[: len(content) // 2], "cut.parquet")
    with pytest.raises(InvalidData, match="cut short or changed"):
        opened(tmp_path, content[:100] + bytes(20_000) + content[20_100:], "damaged.parquet")
    with pytest.raises(InvalidData, match="neither CSV nor Parquet"):
        opened(tmp_path, content[100:], "tail.parquet")
