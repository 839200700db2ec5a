from __future__ import annotations

import pickle
import zlib
from pathlib import Path

import fsspec
import pytest

from labkit.data.shards import PLANS, ShardPlan, plan_balanced, plan_contiguous, read_shard, write_shard
from labkit.errors import InvalidArgument, InvalidData, StorageError


@pytest.fixture(scope="module")
def rows_by_day(flights):
    return dict(flights.group_by("day").len().sort("day").iter_rows())


@pytest.mark.parametrize("plan", PLANS.values())
@pytest.mark.parametrize("n_shards", [1, 3, 7, 20])
def test_every_day_goes_into_one_shard(plan, n_shards, rows_by_day):
    found = plan(rows_by_day, n_shards)
    assert len(found.groups) == n_shards
    assert sorted(day for group in found.groups for day in group) == sorted(rows_by_day)
    assert found.rows == tuple(sum(rows_by_day[day] for day in group) for group in found.groups)


def test_contiguous_shards_follow_the_calendar(rows_by_day):
    plan = plan_contiguous(rows_by_day, 3)
    assert [day for group in plan.groups for day in group] == sorted(rows_by_day)
    assert [len(group) for group in plan.groups] == [6, 7, 7]


def test_balanced_shards_are_more_even_than_contiguous_ones(rows_by_day):
    balanced, contiguous = plan_balanced(rows_by_day, 6), plan_contiguous(rows_by_day, 6)
    assert 1 <= balanced.max_over_mean < contiguous.max_over_mean
    assert balanced.gini < contiguous.gini


def test_round_robin_deals_days_out(rows_by_day):
    plan = PLANS["round-robin"](rows_by_day, 3)
    assert [len(group) for group in plan.groups] == [7, 7, 6]
    assert sorted(rows_by_day)[:3] == [group[0] for group in plan.groups]


def test_a_hashed_key_is_where_anybody_finds_it_whatever_else_is_there(rows_by_day):
    plan = PLANS["hashed"](rows_by_day, 4)
    for number, group in enumerate(plan.groups):
        assert all(zlib.crc32(str(day).encode()) % 4 == number for day in group)
    half = PLANS["hashed"](dict(list(rows_by_day.items())[::2]), 4)
    assert all(set(some) <= set(group) for some, group in zip(half.groups, plan.groups, strict=True))


def test_one_huge_key_sets_the_bound_whatever_the_plan():
    rows = {"huge": 1_000_000, "a": 10, "b": 10, "c": 10}
    for plan in PLANS.values():
        found = plan(rows, 3)
        assert found.makespan_bound_rows(2) == max(found.rows) >= 1_000_000
        assert found.max_over_mean > 2.9 and found.gini > 0.6


def test_a_skewed_plan_is_the_least_even_and_leaves_no_shard_empty(rows_by_day):
    found = {name: plan(rows_by_day, 5) for name, plan in PLANS.items()}
    assert max(found, key=lambda name: found[name].gini) == "skewed" and min(found["skewed"].rows) > 0
    assert min(PLANS["skewed"](rows_by_day, len(rows_by_day)).rows) > 0


def test_no_schedule_beats_the_largest_shard_or_the_mean():
    plan = ShardPlan("x", ((), (), ()), (60, 20, 20))
    assert [plan.makespan_bound_rows(n) for n in (1, 2, 50)] == [100, 60, 60]
    with pytest.raises(InvalidArgument, match="1 worker or more"):
        plan.makespan_bound_rows(0)


def test_max_over_mean_and_gini_are_what_their_definitions_say():
    even, uneven = ShardPlan("even", ((), ()), (50, 50)), ShardPlan("uneven", ((), (), (), ()), (0, 60, 10, 30))
    assert (even.max_over_mean, even.gini) == (1.0, pytest.approx(0.0))
    differences = sum(abs(a - b) for a in uneven.rows for b in uneven.rows)
    assert uneven.max_over_mean == 60 / 25
    assert uneven.gini == pytest.approx(differences / (2 * 4**2 * 25))


@pytest.mark.parametrize("plan", PLANS.values())
def test_more_shards_than_days_none_and_no_rows_are_refused(plan, rows_by_day):
    for n_shards in (0, -1, 21):
        with pytest.raises(InvalidArgument, match="1 to 20 shards"):
            plan(rows_by_day, n_shards)
    with pytest.raises(InvalidArgument, match="have rows"):
        plan({}, 1)


def test_a_shard_gives_back_its_rows(flights, tmp_path):
    shard = write_shard(flights, str(tmp_path / "one.parquet"))
    assert read_shard(shard).equals(flights)
    assert (shard.n_rows, shard.n_bytes) == (len(flights), (tmp_path / "one.parquet").stat().st_size)
    assert pickle.loads(pickle.dumps(shard)) == shard


def test_the_same_rows_make_the_same_bytes_wherever_they_go(flights, tmp_path):
    fs = fsspec.filesystem("memory")
    there = write_shard(flights, "memory://lab/one.parquet")
    assert there.digest == write_shard(flights, str(tmp_path / "two.parquet")).digest
    assert read_shard(there).equals(flights)
    fs.rm("/lab", recursive=True)


def test_a_shard_that_was_cut_short_is_refused(flights, tmp_path):
    shard = write_shard(flights, str(tmp_path / "one.parquet"))
    path = Path(shard.url)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidData, match="cut short or changed"):
        read_shard(shard)


def test_a_shard_of_the_right_size_with_one_other_byte_is_refused(flights, tmp_path):
    shard = write_shard(flights, str(tmp_path / "one.parquet"))
    content = bytearray(Path(shard.url).read_bytes())
    content[len(content) // 2] ^= 1
    Path(shard.url).write_bytes(content)
    with pytest.raises(InvalidData, match="cut short or changed"):
        read_shard(shard)


def test_a_shard_that_is_gone_is_told_by_its_name(flights, tmp_path):
    shard = write_shard(flights, str(tmp_path / "one.parquet"))
    Path(shard.url).unlink()
    with pytest.raises(StorageError, match=r"one\.parquet"):
        read_shard(shard)


def test_empty_shard_is_rejected(flights, tmp_path):
    with pytest.raises(InvalidData, match="no rows"):
        write_shard(flights.clear(), str(tmp_path / "none.parquet"))
    assert not list(tmp_path.iterdir())
