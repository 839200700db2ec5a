"""How long a widget takes from a moved control to its new drawing, in the kernel: `python -m tests.benchmarks.widgets`.

The browser's part, from the key to the new picture, is measured by `tests/e2e` where LABKIT_SHOTS names a folder.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import labkit
from labkit.classroom import widgets
from labkit.parallel.tasks import TaskEvent
from labkit.scaling.intervals import Spread, median_interval
from labkit.scaling.table import SpeedupRow

N_TASKS, N_WORKERS = 500, 16
EVENTS = [
    TaskEvent(f"task-{i}", i % N_WORKERS, "local", 1, 0.1 * i, 0.1 * i, 0.1 * i + 1.5, 0.1 * i + 1.6, 100, 100)
    for i in range(N_TASKS)
]
YEAR = {date(2013, 1, 1) + timedelta(day): 700 + day for day in range(365)}
ROWS = [
    SpeedupRow(n, 20.0, 20.0 / n, float(n), 1.0, 1e4 * n, Spread(n - 0.1, n + 0.1, "range")) for n in (1, 2, 4, 8, 16)
]


def timed(picture: Any, move: Callable[[int], None], rounds: int) -> list[float]:
    times = []
    for turn in range(rounds + 1):
        begun = time.perf_counter()
        move(turn)
        times.append(1e3 * (time.perf_counter() - begun))
    return times[1:]


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        labkit.start(home=home, lang="en")
        gantt, shards, explorer = widgets.gantt(EVENTS), widgets.shard_map(YEAR), widgets.speedup_explorer(ROWS)

        def zoom(turn: int) -> None:
            gantt.children[0].value = (0.1 * (turn % 50), 50.0)

        def cut(turn: int) -> None:
            shards.children[1].value = 2 + turn % 60

        def bend(turn: int) -> None:
            explorer.children[1].value = (turn % 100) / 200

        for what, picture, move in (
            (f"Gantt chart of {N_TASKS} tasks, zoomed", gantt, zoom),
            ("shard map of 365 days, another number of shards", shards, cut),
            ("speedup explorer, a slider", explorer, bend),
        ):
            times = timed(picture, move, rounds)
            spread = median_interval(times)
            middle = statistics.median(times)
            print(f"{what}: {middle:.1f} ms ({spread.low:.1f}-{spread.high:.1f}), at most {max(times):.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
