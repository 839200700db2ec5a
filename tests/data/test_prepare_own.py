"""A user's own rows become shards as the flights do."""

from __future__ import annotations

import polars as pl
import pytest

from labkit.data import prepare as room
from labkit.data.prepare import prepare_own
from labkit.data.shards import read_shard
from labkit.errors import InvalidArgument, InvalidData, NotEnoughMemory, StorageError
from labkit.parallel.actors import DataProcessor
from tests.data import owned


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return owned.csv(tmp_path_factory.mktemp("año"), owned.frame())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def timed(url, folder):
    return prepare_own(folder, url, "late", time_column="día", n_shards=4)


@pytest.fixture(scope="module")
def hashed(url, folder):
    return prepare_own(folder, url, "late", n_shards=4)


def rows_of(shards) -> pl.DataFrame:
    return pl.concat([read_shard(shard) for shard in shards])


def columns_of(frame: pl.DataFrame) -> pl.DataFrame:
    columns = owned.frame(2).columns
    return frame.select(columns).with_columns(pl.col("día").cast(pl.Date), pl.col("day").cast(pl.Int64)).sort(columns)


@pytest.mark.parametrize("way", ["timed", "hashed"])
def test_every_row_is_in_one_part(way, request):
    dataset = request.getfixturevalue(way)
    rows = rows_of([*dataset.train, dataset.valid, dataset.test])
    assert columns_of(rows).equals(owned.frame().sort(owned.frame().columns))
    assert dataset.n_cancelled == 0 and not dataset.synthetic


def test_days_stay_together_and_the_latest_are_for_test(timed):
    train, valid, test = (set(rows_of(part)["día"]) for part in (timed.train, [timed.valid], [timed.test]))
    assert max(train) < min(valid) and max(valid) < min(test)
    assert (len(train), len(valid), len(test), timed.n_days) == (48, 6, 6, 60)


@pytest.mark.parametrize("scale", [1, 3])
def test_rows_that_come_twice_are_never_on_both_sides(tmp_path, scale):
    rows = owned.frame(400)
    url = owned.csv(tmp_path, pl.concat([rows, rows.sample(300, seed=1), rows.head(50)]))
    found = prepare_own(tmp_path, url, "late", scale=scale)
    features = [name for name in rows.columns if name != "late"]
    parts = [set(rows_of(part).select(features).rows()) for part in (found.train, [found.valid], [found.test])]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert found.synthetic == (scale > 1)
    assert "hashed by their features" in "\n".join(found.summary)


def test_scaled_training_rows_are_drawn_and_held_out_ones_stay(url, folder, timed):
    found = prepare_own(folder, url, "late", time_column="día", n_shards=4, scale=2)
    assert len(found.train) == 8 and set(rows_of(found.train)["labkit:draw"]) == set(range(1, 97))
    assert (found.valid.digest, found.test.digest) == (timed.valid.digest, timed.test.digest)


def test_csv_and_parquet_of_the_same_rows_have_one_digest(timed, tmp_path):
    owned.frame().write_parquet(tmp_path / "own.parquet", row_group_size=100)
    again = prepare_own(tmp_path, str(tmp_path / "own.parquet"), "late", time_column="día", n_shards=4)
    assert again.digest == timed.digest and again.key != timed.key


def test_shards_become_blocks_with_all_classes(timed):
    block = DataProcessor(timed.encoder).process_chunk(timed.valid)
    assert block.n_classes == 3 and set(block.y) <= {0, 1, 2} and block.n_rows == timed.valid.n_rows
    assert block.names == ("x", "draw", "day", "día[month]", "día[weekday]", "día[hour]", "grupo")
    labels = read_shard(timed.valid)["late"].to_list()
    assert [timed.encoder.table.classes[code] for code in block.y] == labels


def test_a_shard_of_other_data_is_refused(timed, hashed):
    other = pl.DataFrame({"x": [1.0], "late": ["low"]})
    with pytest.raises(InvalidData, match="do not fit the data that were prepared: día is missing"):
        timed.encoder.table.clean(other)


def test_the_same_bytes_are_prepared_once_and_told_again(hashed, url, folder):
    steps: list[str] = []
    told: list[tuple[str, ...]] = []
    again = prepare_own(
        folder, url, "late", n_shards=4, on_summary=told.append, on_progress=lambda s, _: steps.append(s)
    )
    assert again == hashed and told == [hashed.summary] and steps == ["fetch the source"]
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_a_source_that_changed_is_prepared_anew(tmp_path):
    first = prepare_own(tmp_path, owned.csv(tmp_path, owned.frame(300)), "late")
    again = prepare_own(tmp_path, owned.csv(tmp_path, owned.frame(300, seed=5)), "late")
    assert first.key != again.key and first.digest != again.digest


def test_the_summary_is_told_before_the_work(url, tmp_path):
    order: list[str] = []
    prepare_own(
        tmp_path, url, "late", on_summary=lambda lines: order.append(lines[0]), on_progress=lambda s, _: order.append(s)
    )
    assert order.index("Source: CSV, UTF-8, ',' between columns") < order.index("read the rows")


def test_the_record_of_where_it_comes_from_holds_no_secret(timed, url):
    assert timed.origin == {"data": url, "target": "late", "time_column": "día", "types": {}}


@pytest.mark.parametrize("n_rows", [1, 2])
def test_too_few_rows_to_split_are_refused(tmp_path, n_rows):
    rows = pl.DataFrame({"a": [1, 1, 2, 2][: 2 * n_rows], "y": [0, 1, 0, 1][: 2 * n_rows]})
    with pytest.raises(InvalidData, match=r"need 3 rows that differ in their features|no column is left"):
        prepare_own(tmp_path, owned.csv(tmp_path, rows), "y")


def test_a_part_of_one_class_only_is_refused(tmp_path):
    rows = (
        owned.frame(300)
        .sort("día")
        .with_columns(late=pl.when(pl.int_range(300) < 150).then(pl.lit("a")).otherwise(pl.lit("b")))
    )
    with pytest.raises(InvalidData, match="The valid rows are all 'b'"):
        prepare_own(tmp_path, owned.csv(tmp_path, rows), "late", time_column="día")


@pytest.mark.parametrize("wrong", [{"scale": 0}, {"n_shards": 0}, {"seed": -1}, {"plan": "clever"}], ids=str)
def test_arguments_that_make_no_sense_are_refused_before_anything_is_read(tmp_path, wrong):
    with pytest.raises(InvalidArgument):
        prepare_own(tmp_path / "none", "nowhere.csv", "y", **wrong)
    assert not (tmp_path / "none").exists()


def test_what_fails_leaves_nothing_behind(tmp_path, url, monkeypatch):
    with pytest.raises(StorageError, match="is no file"):
        prepare_own(tmp_path, str(tmp_path / "none.csv"), "late")
    monkeypatch.setattr(room, "available_memory_bytes", lambda: 100_000_000)
    with pytest.raises(NotEnoughMemory, match="more shards"):
        prepare_own(tmp_path, url, "late")
    assert list(tmp_path.iterdir()) == []


def test_a_source_larger_than_what_is_read_at_once_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("labkit.data.source._BLOCK_BYTES", 4096)
    monkeypatch.setattr("labkit.data.source._SAMPLE_BYTES", 4096)
    rows = owned.frame(2000)
    found = prepare_own(tmp_path, owned.csv(tmp_path, rows), "late")
    assert columns_of(rows_of([*found.train, found.valid, found.test])).equals(rows.sort(rows.columns))
