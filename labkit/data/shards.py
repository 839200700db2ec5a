"""Shards: which days go together, and how their rows travel."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import zlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Generic, TypeVar

import numpy as np
import polars as pl

from labkit.errors import InvalidArgument, InvalidData
from labkit.files.urls import read_url, write_url

# What is never cut in two: a real day, a drawn one with the number of its draw, or any other key, a carrier for one.
Day = TypeVar("Day", date, tuple[date, int], tuple[int, int], str)


@dataclasses.dataclass(frozen=True)
class ShardPlan(Generic[Day]):
    """Which days go into which shard.

    Parameters
    ----------
    name : str
        Of the way it was planned.
    groups : tuple of tuple of date
        One group a shard; drawn days come with the number of their draw.
    rows : tuple of int
        Rows of each group.
    """

    name: str
    groups: tuple[tuple[Day, ...], ...]
    rows: tuple[int, ...]

    @property
    def max_over_mean(self) -> float:
        """The largest shard over the mean one, at least 1: how much longer than ideal it takes, a worker a shard."""
        return max(self.rows) * len(self.rows) / sum(self.rows)

    def makespan_bound_rows(self, n_workers: int) -> int:
        """Return how many rows the busiest of `n_workers` handles at least, whatever the order of the shards.

        No schedule beats the mean load or the largest shard (Graham 1969, as for `plan_balanced`).
        """
        if n_workers < 1:
            raise InvalidArgument(f"Shards are handled by 1 worker or more, not {n_workers}.")
        return max(max(self.rows), -(-sum(self.rows) // n_workers))

    @property
    def gini(self) -> float:
        """Gini coefficient of the shards' rows: 0 is all alike, towards 1 one holds all.

        References
        ----------
        .. [1] Sen (1973), "On Economic Inequality", Oxford University Press. doi:10.1093/0198281935.001.0001
        """
        rows = np.sort(np.asarray(self.rows, dtype=np.float64))
        n, ranks = len(rows), np.arange(1, len(rows) + 1)
        return float(2 * (ranks @ rows) / (n * rows.sum()) - (n + 1) / n)


def plan_contiguous(rows_by_day: Mapping[Day, int], n_shards: int) -> ShardPlan[Day]:
    """Cut the calendar into runs of about as many days each, however many rows a day has.

    Parameters
    ----------
    rows_by_day : mapping of date to int
        Rows of each day, each at least 1.
    n_shards : int
        From 1 to the number of days.

    Raises
    ------
    InvalidArgument
        If there are no rows, or more shards than days.

    Examples
    --------
    >>> rows = {date(2013, 1, day): n for day, n in [(1, 100), (2, 100), (3, 900), (4, 900)]}
    >>> plan_contiguous(rows, 2).rows, plan_balanced(rows, 2).rows
    ((200, 1800), (1000, 1000))
    """
    _check_plan(rows_by_day, n_shards)
    days = sorted(rows_by_day)
    cuts = [number * len(days) // n_shards for number in range(n_shards + 1)]
    return _plan("contiguous", [days[start:end] for start, end in itertools.pairwise(cuts)], rows_by_day)


def plan_balanced(rows_by_day: Mapping[Day, int], n_shards: int) -> ShardPlan[Day]:
    """Give the largest day to the smallest shard, again and again (longest processing time first).

    Parameters
    ----------
    rows_by_day : mapping of date to int
        Rows of each day, each at least 1.
    n_shards : int
        From 1 to the number of days.

    Raises
    ------
    InvalidArgument
        If there are no rows, or more shards than days.

    References
    ----------
    .. [1] Graham (1969), "Bounds on multiprocessing timing anomalies", SIAM Journal on Applied Mathematics 17(2).
       doi:10.1137/0117039. The largest shard is at most 4/3 − 1/(3 `n_shards`) of what the best plan needs.
    """
    _check_plan(rows_by_day, n_shards)
    groups: list[list[Day]] = [[] for _ in range(n_shards)]
    sizes = [0] * n_shards
    for day in sorted(rows_by_day, key=lambda day: (-rows_by_day[day], day)):
        smallest = sizes.index(min(sizes))
        groups[smallest].append(day)
        sizes[smallest] += rows_by_day[day]
    return _plan("balanced", [sorted(group) for group in groups], rows_by_day)


def plan_round_robin(rows_by_day: Mapping[Day, int], n_shards: int) -> ShardPlan[Day]:
    """Deal the days out one by one, as cards: each shard sees the whole year.

    Raises
    ------
    InvalidArgument
        If there are no rows, or more shards than days.
    """
    _check_plan(rows_by_day, n_shards)
    days = sorted(rows_by_day)
    return _plan("round-robin", [days[number::n_shards] for number in range(n_shards)], rows_by_day)


def plan_hashed(rows_by_day: Mapping[Day, int], n_shards: int) -> ShardPlan[Day]:
    """Put each key where its hash says: anybody finds its shard without asking, and some shards may stay empty.

    Raises
    ------
    InvalidArgument
        If there are no rows, or more shards than keys.

    Notes
    -----
    CRC-32 of the key's text, modulo `n_shards`: the same in every process, which Python's own `hash` is not.

    Examples
    --------
    >>> plan_hashed({"UA": 58665, "B6": 54635, "EV": 54173, "OO": 32}, 2).groups
    (('EV', 'OO', 'UA'), ('B6',))
    """
    _check_plan(rows_by_day, n_shards)
    groups: list[list[Day]] = [[] for _ in range(n_shards)]
    for day in sorted(rows_by_day):
        groups[zlib.crc32(str(day).encode()) % n_shards].append(day)
    return _plan("hashed", groups, rows_by_day)


def plan_skewed(rows_by_day: Mapping[Day, int], n_shards: int) -> ShardPlan[Day]:
    """Cut the calendar badly on purpose: the shard in place k has a share of the days proportional to 1/k.

    Raises
    ------
    InvalidArgument
        If there are no rows, or more shards than days.

    References
    ----------
    .. [1] Zipf (1949), "Human Behavior and the Principle of Least Effort", Addison-Wesley: where keys are words, or
       users, such shares are what one meets.
    """
    _check_plan(rows_by_day, n_shards)
    days = sorted(rows_by_day)
    shares: list[float] = np.cumsum(1 / np.arange(1, n_shards + 1)).tolist()
    spare: int = len(days) - n_shards  # one day each is given, so that no shard is empty
    cuts = [0, *(number + round(spare * share / shares[-1]) for number, share in enumerate(shares, 1))]
    return _plan("skewed", [days[start:end] for start, end in itertools.pairwise(cuts)], rows_by_day)


PLANS = {
    "balanced": plan_balanced, "contiguous": plan_contiguous, "round-robin": plan_round_robin, "hashed": plan_hashed,
    "skewed": plan_skewed,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Shard:
    """Rows in one Parquet file.

    Parameters
    ----------
    url : str
        A path, or any URL that fsspec opens.
    n_rows, n_bytes : int
        Of the file.
    digest : str
        SHA-256 of the file, in hexadecimal.
    """

    url: str
    n_rows: int
    n_bytes: int
    digest: str


def write_shard(frame: pl.DataFrame, url: str) -> Shard:
    """Write rows as a shard, whole or not at all.

    Raises
    ------
    InvalidData
        If there are no rows.
    StorageError
        If it cannot be written there.
    """
    if frame.is_empty():
        raise InvalidData(f"The shard {url} would hold no rows: ask for fewer shards or more days.")
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(buffer, compression="zstd", row_group_size=100_000)
    content = buffer.getvalue()
    write_url(url, content)
    return Shard(url, len(frame), len(content), hashlib.sha256(content).hexdigest())


def read_shard(shard: Shard, content: bytes | None = None) -> pl.DataFrame:
    """Read the raw rows of a shard, from its file or from what the file held where that was read.

    Raises
    ------
    InvalidData
        If the file was cut short or changed.
    StorageError
        If it cannot be read.
    """
    content = read_url(shard.url) if content is None else content
    if len(content) != shard.n_bytes or hashlib.sha256(content).hexdigest() != shard.digest:
        raise InvalidData(
            f"The shard {shard.url} was cut short or changed: it should have {shard.n_bytes} bytes and has "
            f"{len(content)}, or other ones. Remove its folder and prepare the data again."
        )
    return pl.read_parquet(io.BytesIO(content))


def _check_plan(rows_by_day: Mapping[Day, int], n_shards: int) -> None:
    if not rows_by_day or min(rows_by_day.values()) < 1:
        raise InvalidArgument("Shards are planned from days that have rows each.")
    if not 1 <= n_shards <= len(rows_by_day):
        raise InvalidArgument(f"{len(rows_by_day)} days make 1 to {len(rows_by_day)} shards, not {n_shards}.")


def _plan(name: str, groups: Sequence[Sequence[Day]], rows_by_day: Mapping[Day, int]) -> ShardPlan[Day]:
    rows = tuple(sum(rows_by_day[day] for day in group) for group in groups)
    return ShardPlan(name, tuple(tuple(group) for group in groups), rows)
