"""What observe() costs raw Ray code: tasks of 100 ms with and without it, `python -m tests.benchmarks.observe`.

The time of the block itself is compared; asking the workers afterwards is printed apart.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

import ray

from labkit.cli import bench
from labkit.cli.show import console
from labkit.lab import start
from labkit.parallel.observe import observe
from labkit.scaling.intervals import median_interval

N_TASKS = 40


def nap(_: object) -> bytes:
    time.sleep(0.1)
    return bytes(100_000)


def main(rounds: int) -> None:
    lab = start()
    ratios, after_s = [], []
    with bench.using_cluster(lab, 0):
        lab.attach()
        task: Any = ray.remote(nap)
        ray.get([task.remote(0) for _ in range(8)])
        for _ in range(rounds):
            plain_s, _ = _block(task, contextlib.nullcontext)
            seen_s, ended_s = _block(task, observe)
            ratios.append(seen_s / plain_s)
            after_s.append(ended_s)
    spread = median_interval(ratios)
    console.print(
        f"observed over plain, {N_TASKS} tasks of 100 ms: {sorted(ratios)[rounds // 2]:.4f},"
        f" {spread.kind} {spread.low:.4f} to {spread.high:.4f}; afterwards {max(after_s):.2f} s at most",
        highlight=False,
    )


def _block(task: Any, context: Callable[[], Any]) -> tuple[float, float]:
    with context():
        begun = time.perf_counter()
        ray.get([task.remote(i) for i in range(N_TASKS)])
        seconds = time.perf_counter() - begun
        ended = time.perf_counter()
    return seconds, time.perf_counter() - ended


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
