"""What sampling costs the work that it watches, `python -m tests.benchmarks.sampling`.

The same passes over tasks that only compute, with and without `sample()` at the period that it has by itself and at the
shortest that is allowed, take turns within each round. CPU time, hardly disturbed by other load, is printed apart:
what the sampler takes of a core, and what a task's own counters take, which are read twice a task, whatever its length.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

from labkit import host
from labkit.cli.show import console
from labkit.parallel.dispatch import dispatch
from labkit.parallel.engines import engine
from labkit.parallel.sampling import sample, usage
from labkit.parallel.tasks import Task
from labkit.scaling.intervals import median_interval
from tests.parallel.toys import Toy

N_TASKS, TASK_S = 24, 0.1
_WAYS: dict[str, Callable[[], Any]] = {
    "plain": contextlib.nullcontext,
    "sampled every 0.25 s": sample,
    "sampled every 0.1 s": lambda: sample(0.1),
}


def main(rounds: int) -> None:
    n_workers = host.usable_cpus()
    tasks = [Task(f"t{i}", "spin", TASK_S) for i in range(N_TASKS)]
    seconds: dict[str, list[float]] = {way: [] for way in _WAYS}
    with engine("processes")(Toy, (), {}, n_workers) as crew:
        dispatch(tasks, crew)
        for number in range(rounds):
            turn = number % len(_WAYS)
            for way, context in [*_WAYS.items()][turn:] + [*_WAYS.items()][:turn]:
                with context():
                    begun = time.perf_counter()
                    dispatch(tasks, crew)
                    seconds[way].append(time.perf_counter() - begun)
    for way in [*_WAYS][1:]:
        ratios = sorted(seen / plain for seen, plain in zip(seconds[way], seconds["plain"], strict=True))
        spread = median_interval(ratios)
        console.print(
            f"{way} over plain, {n_workers} workers, {N_TASKS} tasks of {TASK_S:g} s of CPU: {ratios[rounds // 2]:.4f},"
            f" {spread.kind} {spread.low:.4f} to {spread.high:.4f}",
            highlight=False,
        )
        begun = time.process_time()
        with _WAYS[way]():
            time.sleep(10.0)
        console.print(f"its sampler: {(time.process_time() - begun) / 10.0:.2%} of a core", highlight=False)
    begun = time.process_time()
    for _ in range(1000):
        usage().since(usage())
    console.print(f"a task's own counters: {(time.process_time() - begun) * 1e3:.0f} µs a task", highlight=False)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
