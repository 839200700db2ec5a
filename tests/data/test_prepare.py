from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from labkit.data import prepare as room
from labkit.data.flights import clean, count_cancelled
from labkit.data.prepare import load, prepare
from labkit.data.shards import PLANS, read_shard
from labkit.errors import InvalidArgument, InvalidData, NotEnoughDisk, NotEnoughMemory, UnknownName

DAYS = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def dataset(folder):
    return prepare(folder, days=DAYS, n_shards=4)


@pytest.fixture(scope="module")
def scaled(folder):
    return prepare(folder, days=DAYS, n_shards=4, scale=3)


def rows_of(shards):
    return pl.concat([read_shard(shard) for shard in shards])


def test_all_flights_of_the_days_are_in_one_part_each(dataset, flights):
    rows = rows_of([*dataset.train, dataset.valid, dataset.test])
    assert rows.sort(rows.columns).equals(flights.sort(rows.columns))
    assert (dataset.n_days, dataset.n_cancelled) == (DAYS, count_cancelled(DAYS))
    assert dataset.n_rows == sum(len(read_shard(shard)) for shard in dataset.train)
    assert not dataset.synthetic


def test_no_copy_of_a_day_is_on_both_sides_when_scaled_up(scaled):
    train = set(rows_of(scaled.train)["day"])
    valid, test = set(read_shard(scaled.valid)["day"]), set(read_shard(scaled.test)["day"])
    assert train.isdisjoint(valid | test)
    assert valid.isdisjoint(test)


def test_scaled_data_are_marked_and_hold_whole_drawn_days(scaled, dataset, flights):
    rows_by_day = dict(flights.group_by("day").len().iter_rows())
    draws = rows_of(scaled.train).group_by("day", "draw").len()
    assert scaled.synthetic
    assert len(scaled.train) == 3 * len(dataset.train)
    assert sorted(draws["draw"]) == list(range(1, 3 * 16 + 1))
    assert all(n_rows == rows_by_day[day] for day, _, n_rows in draws.iter_rows())
    assert draws["day"].n_unique() < len(draws)


def test_held_out_days_are_real_and_the_same_at_every_scale(scaled, dataset):
    assert scaled.valid.digest == dataset.valid.digest
    assert scaled.test.digest == dataset.test.digest
    assert set(read_shard(scaled.test)["draw"]) == {0}


def test_cleaning_a_shard_drops_no_drawn_copy(scaled):
    for shard in scaled.train:
        assert len(clean(read_shard(shard))) == shard.n_rows


def test_the_encoder_knows_training_days_only(dataset):
    train = clean(rows_of(dataset.train))
    assert set(dataset.encoder.categories["dest"]) == set(train["dest"])


def test_shards_become_blocks(dataset):
    block = dataset.encoder.transform(clean(read_shard(dataset.valid)))
    assert block.n_rows == dataset.valid.n_rows
    assert 0.05 < block.y.mean() < 0.6


def test_preparing_again_loads_what_is_there(dataset, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    steps: list[str] = []
    assert prepare(folder, days=DAYS, n_shards=4, on_progress=lambda step, _: steps.append(step)) == dataset
    assert steps == []
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_two_preparations_have_one_digest_and_another_seed_another(dataset, tmp_path):
    again = prepare(tmp_path, days=DAYS, n_shards=4)
    assert again.digest == dataset.digest
    assert [shard.digest for shard in again.train] == [shard.digest for shard in dataset.train]
    assert prepare(tmp_path, days=DAYS, n_shards=4, seed=1).digest != dataset.digest


def test_a_folder_that_was_moved_can_be_loaded(dataset, folder, tmp_path):
    shutil.copytree(folder / dataset.key, tmp_path / dataset.key)
    moved = load(tmp_path, dataset.key)
    assert moved.digest == dataset.digest
    assert read_shard(moved.train[0]).equals(read_shard(dataset.train[0]))


@pytest.mark.parametrize("harm", ["cut", "removed", "manifest", "foreign"])
def test_what_is_no_longer_whole_is_refused_and_prepared_anew(harm, dataset, folder, tmp_path):
    place = tmp_path / dataset.key
    shutil.copytree(folder / dataset.key, place)
    shard, manifest = place / "train-00001.parquet", place / "manifest.json"
    if harm == "cut":
        shard.write_bytes(shard.read_bytes()[:1000])
    elif harm == "removed":
        shard.unlink()
    else:
        manifest.write_text("{" if harm == "manifest" else json.dumps({"train": []}))
    with pytest.raises(InvalidData, match="prepare the data again"):
        load(tmp_path, dataset.key)
    assert prepare(tmp_path, days=DAYS, n_shards=4).digest == dataset.digest


def test_a_key_that_is_not_there_is_named(folder):
    with pytest.raises(UnknownName, match="nothing-like-it"):
        load(folder, "nothing-like-it")


def test_progress_grows_from_nothing_to_all(tmp_path):
    shares: list[float] = []
    prepare(tmp_path, days=5, on_progress=lambda _, share: shares.append(share))
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_few_days_make_fewer_shards_than_asked_for(tmp_path):
    dataset = prepare(tmp_path, days=3)
    assert (len(dataset.train), dataset.valid.n_rows > 0, dataset.test.n_rows > 0) == (1, True, True)


@pytest.mark.parametrize(
    "wrong",
    [{"scale": 0}, {"scale": -1}, {"scale": 10**9}, {"scale": 1.0}, {"days": 2}, {"days": 366}, {"days": -5},
     {"n_shards": 0}, {"seed": -1}, {"plan": "clever"}],
    ids=str,
)  # fmt: skip
def test_arguments_that_make_no_sense_are_refused_before_anything_is_written(wrong, tmp_path):
    with pytest.raises(InvalidArgument):
        prepare(tmp_path, **wrong)
    assert not list(tmp_path.iterdir())


def test_more_memory_than_there_is_is_refused_before_starting(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "available_memory_bytes", lambda: 100_000_000)
    with pytest.raises(NotEnoughMemory, match=r"0\.1 GB are free"):
        prepare(tmp_path)
    assert not list(tmp_path.iterdir())


def test_more_disk_than_there_is_is_refused_before_starting(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_DISK_BYTES_A_ROW", 10**15)
    with pytest.raises(NotEnoughDisk, match="Scale 7 needs"):
        prepare(tmp_path / "not" / "there" / "yet", scale=7)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_no_half_folder(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from labkit.data.prepare import prepare\n"
        "def tell(step, share):\n"
        "    print(step, flush=True)\n"
        "    if share > 0.5: time.sleep(30)\n"
        "prepare(Path(sys.argv[1]), days=20, on_progress=tell)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        while "shard 7 of 10" not in (line := child.stdout.readline()):
            assert line, child.communicate()[1]
        assert any(tmp_path.rglob("train-*.parquet"))  # it really was half done
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert not list(tmp_path.iterdir())


def test_shards_are_found_from_another_working_folder(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = prepare(Path("data"), days=3)
    monkeypatch.chdir("/")
    assert len(read_shard(relative.valid)) == relative.valid.n_rows


def test_every_plan_prepares_the_same_rows_and_leaves_no_empty_shard(tmp_path):
    found = [prepare(tmp_path, days=12, n_shards=9, plan=plan) for plan in PLANS]
    assert len({dataset.n_rows for dataset in found}) == 1
    assert all(shard.n_rows > 0 for dataset in found for shard in dataset.train)
    assert len({dataset.digest for dataset in found}) == len(PLANS)
