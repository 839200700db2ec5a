"""Engines side by side on the standard work, in one run: `make bench-engines`.

The catalogue on all days at 2 workers: sequential, the hardware's limit, and all engines behind the same dispatch, in
interleaved rounds. The record is kept as a run of this clone's lab. Options: days, rounds.
"""

from __future__ import annotations

import sys
import time

from labkit.classroom.text import number
from labkit.cli import bench
from labkit.cli.show import console, progress
from labkit.lab import start
from labkit.scaling.table import Timing, paired_ratio

ENGINES = ("ray", "processes", "joblib", "dask", "threads")


def main(days: int | None, rounds: int) -> None:
    lab = start()
    with bench.using_cluster(lab, 0):
        with progress("Flights") as tell:
            dataset = lab.prepare(days=days, on_progress=tell)
        begun = time.perf_counter()
        lab.attach()
        attaching_s = time.perf_counter() - begun
        with progress("Engines") as tell:
            record = lab.measure(dataset, engines=ENGINES, workers=(2,), rounds=rounds, on_progress=tell)
    bench.show_benchmark(record, "en")
    timings = [Timing(**timing) for timing in record["results"]["timings"]]
    for a, b in (("limit", "ray"), *((engine, "ray") for engine in ENGINES if engine != "ray")):
        ratio, spread = paired_ratio(timings, a, b, 2)
        ends = f"{number(spread.low, 'en', 3)} to {number(spread.high, 'en', 3)}"
        console.print(f"{a} over {b} at 2 workers: {ratio:.3f}, {spread.kind} {ends}", highlight=False)
    console.print(f"attaching, with the import of Ray: {attaching_s:.1f} s", highlight=False)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(given[0] if given else None, given[1] if len(given) > 1 else 7)
