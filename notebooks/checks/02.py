"""Checks of notebook 02: besides the numbers, what was copied, put, fetched and held."""

from __future__ import annotations

import dataclasses
import tempfile
import tracemalloc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import ray

from labkit.classroom.exercises import NotYet
from labkit.data.features import Encoder, FeatureBlock
from labkit.data.flights import clean
from labkit.data.shards import read_shard, write_shard
from labkit.errors import InvalidData
from labkit.lab import current
from labkit.parallel.actors import DataProcessor
from labkit.parallel.observe import observe


def check_1(processor_class: Any) -> None:
    """Check the block bit by bit, that no shard leaves traces in the next, and that a changed file is noticed."""
    dataset = current().prepare(days=5, n_shards=2)
    first, second = dataset.train
    mine, theirs = processor_class(dataset.encoder), DataProcessor(dataset.encoder)
    for shard in (first, second, first):
        found, right = mine.process_chunk(shard), theirs.process_chunk(shard)
        if not isinstance(found, FeatureBlock):
            raise NotYet("no_block", found=type(found).__name__)
        if found.n_rows != right.n_rows:
            raise NotYet("rows", found=found.n_rows, right=right.n_rows)
        if found.digest() != right.digest():
            rows = clean(read_shard(shard))
            fitted = found.digest() == Encoder.fit(rows).transform(rows).digest()
            raise NotYet("fitted_anew" if fitted else "other_bits")
    try:
        mine.process_chunk(dataclasses.replace(first, digest="0" * 64))
    except InvalidData:
        return
    raise NotYet("unchecked")


def check_2(balance: Any) -> None:
    """Check the measure where each usual short cut gives another number."""
    for rows, n_workers in (([70, 40, 70, 10, 90, 40, 80], 3), ([10, 70, 20], 5)):
        given, n_all = list(rows), sum(rows)
        found, right = float(balance(given, n_workers)), _balance(_loads(sorted(rows, reverse=True), n_workers))
        if not np.isclose(found, right):
            in_order = _balance(_loads(rows, n_workers))
            dealt = _balance([sum(rows[worker::n_workers]) for worker in range(n_workers)])
            bound = n_all / (n_workers * max(max(rows), n_all / n_workers))
            alone = n_all / len(rows) / max(rows)
            likely = (100 * right, 1 / right, in_order, dealt, bound, alone)
            like = next((place for place, value in enumerate(likely) if np.isclose(found, value)), -1)
            raise NotYet(
                ("percent", "inverted", "order_given", "dealt", "bound", "a_worker_a_shard", "wrong")[like],
                found=found, right=right, rows=rows, n_workers=n_workers,
            )  # fmt: skip
        if given != rows:
            raise NotYet("list_changed")


def check_3(fill: Any) -> None:
    """Check that one column was copied, not the matrix; this one is as read-only as those of the object store."""
    rng = np.random.default_rng(2013)
    made = rng.normal(10.0, 3.0, (20_000, 20)).astype(np.float32)
    made[rng.random(made.shape) < 0.1] = np.nan
    X = np.frombuffer(made.tobytes(), np.float32).reshape(made.shape)
    tracing = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        fill(X[:10], 0)  # what NumPy loads at its first use is nobody's copy
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        found = fill(X, 3)
        taken = tracemalloc.get_traced_memory()[1] - before
    except ValueError as fault:
        if "read-only" in str(fault) or "WRITEABLE" in str(fault):
            raise NotYet("read_only") from None
        raise
    finally:
        if not tracing:
            tracemalloc.stop()
    column = made[:, 3]
    right = np.where(np.isnan(column), np.nanmean(column), column)
    if np.shape(found) != right.shape:
        raise NotYet("no_column", found=str(np.shape(found)), right=str(right.shape))
    if np.isnan(found).any():
        raise NotYet("still_missing", n=int(np.isnan(found).sum()))
    if not np.allclose(found, right, rtol=1e-4):
        raise NotYet("wrong", found=float(np.mean(found)), right=float(right.mean()))
    if taken > X.nbytes / 2:
        raise NotYet("copied_all", megabytes=taken / 1e6, column=column.nbytes / 1e6)


def check_4(missing_shares: Any) -> None:
    """Check that only the shares came here, and that tasks were handed references."""
    current().attach()
    rng = np.random.default_rng(2013)
    values = [rng.random((10_000 * number, 4)) for number in (1, 3, 2)]
    tables = [np.where(each < 0.1 * number, np.nan, each) for number, each in enumerate(values, 1)]
    with tempfile.TemporaryDirectory() as folder:
        shards = [
            write_shard(pl.DataFrame(table, schema=list("abcd")), str(Path(folder) / f"{number}.parquet"))
            for number, table in enumerate(tables)
        ]
        with observe() as seen:
            found = missing_shares(shards)
    right = [float(np.isnan(table).mean()) for table in tables]
    if any(isinstance(value, ray.ObjectRef) for value in np.atleast_1d(np.array(found, dtype=object))):
        raise NotYet("futures")
    if np.shape(found) != (len(right),) or not np.allclose(found, right, atol=1e-6):
        raise NotYet("wrong", right=len(right))
    if seen.counts.get("put", 0):
        raise NotYet("put_again", n=seen.counts["put"])
    if seen.n_bytes("get") > min(table.size for table in tables):
        raise NotYet("fetched", megabytes=seen.n_bytes("get") / 1e6)
    if seen.counts.get("task", 0) != 2 * len(shards):
        raise NotYet("not_two_tasks_each", n=seen.counts.get("task", 0), right=2 * len(shards))
    kinds = [call.kind for call in seen.calls if call.kind in ("task", "get")]
    if "get" in kinds[: len(kinds) - kinds[::-1].index("task")]:
        raise NotYet("get_in_a_loop", n=seen.counts["get"])


def check_5(moments: Any) -> None:
    """Check a case to work out by hand, values that a hasty formula loses, what is read again, what is held."""
    rng = np.random.default_rng(2013)
    few = [np.array(part, dtype=float) for part in ([1, 3], [5, 7, 9], [2])]
    many = [1e9 + place + rng.normal(0.0, 2.0, n) for place, n in ((0, 400), (3, 50), (-4, 900), (1, 7), (0, 99))]
    for parts, centre, shards in ((few, 0.0, "[[1, 3], [5, 7, 9], [2]]"), (many, 1e9, "[≈ 10⁹, …]")):
        reader = _Reader(parts)
        found = moments(list(range(len(parts))), reader)
        if not isinstance(found, tuple | list) or len(found) != 3:
            raise NotYet("not_three")
        n, mean, variance = (float(value) for value in found)
        everything = np.concatenate(parts)
        right = float(everything.var())
        if n != len(everything):
            raise NotYet("number", found=int(n), right=len(everything), shards=shards)
        if not np.isclose(mean - centre, everything.mean() - centre, atol=1e-3):
            raise NotYet("mean", found=mean, right=float(everything.mean()), shards=shards)
        if not np.isclose(variance, right, rtol=1e-4):
            if np.isclose(variance, right * n / (n - 1), rtol=1e-4):
                raise NotYet("n_minus_1", found=variance, right=right, n=int(n), shards=shards)
            within = [np.average([part.var() for part in parts], weights=weights)
                      for weights in (None, [len(part) for part in parts])]  # fmt: skip
            if np.isclose(variance, within, rtol=1e-4).any():
                raise NotYet("within", found=variance, right=right, shards=shards)
            raise NotYet("cancelled" if centre else "wrong", found=variance, right=right, shards=shards)
        if max(reader.n_reads) > 1:
            raise NotYet("read_again", n=max(reader.n_reads))
        if reader.n_held > 1:
            raise NotYet("held", n=reader.n_held)


class _Reader:
    """Hand out copies of parts, and count those that are still there when the next one is asked for."""

    def __init__(self, parts: list[np.ndarray]) -> None:
        self._parts, self._n_alive, self.n_held = parts, 0, 0
        self.n_reads = [0] * len(parts)

    def __call__(self, shard: int) -> np.ndarray:
        self.n_held = max(self.n_held, self._n_alive)
        self.n_reads[shard] += 1
        self._n_alive += 1
        values = self._parts[shard].copy()
        weakref.finalize(values, self._gone)
        return values

    def _gone(self) -> None:
        self._n_alive -= 1


def _loads(rows: list[int], n_workers: int) -> list[int]:
    loads = [0] * n_workers
    for n_rows in rows:
        loads[loads.index(min(loads))] += n_rows
    return loads


def _balance(loads: list[int]) -> float:
    return sum(loads) / (len(loads) * max(loads))
