"""Work that waits, at 8 workers: `make bench-latency`.

All days in 64 shards, fetched from a store on the loopback address whose answers are half a second late. The record is
kept as a run of this clone's lab. Options: days, rounds.
"""

from __future__ import annotations

import sys

from labkit.cli import bench
from labkit.cli.show import progress
from labkit.lab import start
from labkit.scaling.latency import n_shards

LATENCY_S = 0.5


def main(days: int | None, rounds: int) -> None:
    lab = start()
    with bench.using_cluster(lab, 0), progress("Fetching") as tell:
        dataset = lab.prepare(days=days, n_shards=n_shards(LATENCY_S))
        record = lab.measure(
            dataset, engines=("ray", "threads"), workers=(8,), rounds=rounds, latency_s=LATENCY_S, on_progress=tell
        )
    bench.show_benchmark(record, "en")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(given[0] if given else None, given[1] if len(given) > 1 else 6)
