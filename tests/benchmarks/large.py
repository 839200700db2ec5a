"""Work larger than a notebook's: `python -m tests.benchmarks.large 4 40` prepares and processes 10⁶ and 10⁷ rows.

Each scale is prepared into a folder of its own, which is removed, and processed by 2 workers, shard by shard, in rounds
that take turns. What is told: rows a second, and the most memory that any process had to itself (USS) and all had
together (the sum of their proportional shares, PSS). `--train` trains by shard on the last scale as well.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil

from labkit import host
from labkit.cli.show import console
from labkit.data.prepare import Dataset, prepare
from labkit.data.shards import Shard
from labkit.parallel.actors import DataProcessor
from labkit.parallel.dispatch import dispatch
from labkit.parallel.engines import engine
from labkit.parallel.tasks import Task
from labkit.pipeline import plan, train

_PERIOD_S = 0.3
_Result = TypeVar("_Result")


class Digester(DataProcessor):
    """Process a shard and keep nothing of it but its size and its digest."""

    def digest(self, shard: Shard) -> tuple[int, str]:
        block = self.process_chunk(shard)
        return block.n_rows, hashlib.sha256(block.X.tobytes()).hexdigest()


def watched(work: Callable[[], _Result]) -> tuple[_Result, float, int, int]:
    """Return what work returns, its time in seconds, and the peaks of USS and of all PSS in bytes."""
    ended, peaks = threading.Event(), [0, 0]

    def look() -> None:
        while not ended.wait(_PERIOD_S):
            together = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    found = process.memory_full_info()
                except psutil.Error:  # it has just ended
                    continue
                peaks[0] = max(peaks[0], found.uss)
                together += found.pss
            peaks[1] = max(peaks[1], together)

    me, watcher = psutil.Process(), threading.Thread(target=look)
    watcher.start()
    begun = time.perf_counter()
    try:
        result = work()
    finally:
        seconds = time.perf_counter() - begun
        ended.set()
        watcher.join()
    return result, seconds, *peaks


def process_all(dataset: Dataset) -> float:
    """Process all shards after each worker has done one, which imports what it needs; return the time in seconds."""
    tasks = [Task(f"shard-{number}", "digest", shard) for number, shard in enumerate(dataset.train)]
    with engine("processes")(Digester, (dataset.encoder,), {}, 2) as crew:
        dispatch([Task(f"first-{number}", "digest", dataset.train[0]) for number in range(2)], crew)
        begun = time.perf_counter()
        assert sum(n_rows for n_rows, _ in dispatch(tasks, crew)) == dataset.n_rows
        return time.perf_counter() - begun


def main(scales: list[int], rounds: int, days: int | None, trains: bool) -> None:
    console.print(f"host {host.fingerprint()['digest']}")
    with tempfile.TemporaryDirectory() as scratch:
        datasets: dict[int, Any] = {}
        rates: dict[int, list[float]] = {scale: [] for scale in scales}
        for scale in scales:
            place = Path(scratch) / str(scale)
            dataset, seconds, uss, pss = watched(
                lambda place=place, scale=scale: prepare(place, days=days, scale=scale)
            )
            datasets[scale] = dataset
            told(f"scale {scale}: {dataset.n_rows:,} rows prepared", dataset.n_rows / seconds, uss, pss)
        for _ in range(rounds):
            for scale, dataset in datasets.items():
                seconds, _, uss, pss = watched(lambda dataset=dataset: process_all(dataset))
                rates[scale].append(dataset.n_rows / seconds)
                told(f"scale {scale}: {dataset.n_rows:,} rows processed", rates[scale][-1], uss, pss)
        first, last = (statistics.median(rates[scale]) for scale in (scales[0], scales[-1]))
        console.print(f"rows a second, scale {scales[-1]} over scale {scales[0]}, medians: {last / first:.3f}")
        if trains:
            place = Path(scratch) / "shards"
            dataset = prepare(place, days=days, scale=scales[-1], n_shards=1)

            def fit() -> int:
                job = plan(dataset, recipes=["hgb-small"], by="shard", engine_name="processes", n_workers=2)
                return len(train(job, engine_name="processes", n_workers=2)[0].models)

            n_members, seconds, uss, pss = watched(fit)
            told(f"{n_members} members trained by shard", dataset.n_rows / seconds, uss, pss)


def told(what: str, rate: float, uss: int, pss: int) -> None:
    console.print(f"{what}: {rate:,.0f} rows/s, USS at most {uss / 2**30:.2f} GiB, together {pss / 2**30:.2f} GiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scales", type=int, nargs="+", help="years of training days, 262,489 rows each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--days", type=int, default=None)
    parser.add_argument("--train", action="store_true")
    given = parser.parse_args()
    main(given.scales, given.rounds, given.days, given.train)
