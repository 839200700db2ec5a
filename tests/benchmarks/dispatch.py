"""What dispatch itself costs: 1,000 tasks that do nothing, on each engine: `python -m tests.benchmarks.dispatch`."""

from __future__ import annotations

import statistics
import sys
import time

from labkit.cli import bench
from labkit.cli.show import console
from labkit.lab import start
from labkit.parallel.dispatch import dispatch
from labkit.parallel.engines import engine
from labkit.parallel.tasks import Task
from tests.benchmarks.engines import ENGINES
from tests.parallel.toys import Toy

N_TASKS = 1000


def main(rounds: int) -> None:
    lab = start()
    found: dict[str, list[float]] = {name: [] for name in ENGINES}
    with bench.using_cluster(lab, 0):
        lab.attach()
        for _ in range(rounds + 1):
            for name in ENGINES:
                with engine(name)(Toy, (2.0,), {}, 2) as crew:
                    dispatch([Task("first", "times", 1.0), Task("second", "times", 1.0)], crew)
                    begun = time.perf_counter()
                    dispatch([Task(f"t{i}", "times", 1.0) for i in range(N_TASKS)], crew)
                    found[name].append((time.perf_counter() - begun) / N_TASKS * 1e3)
    for name, each in found.items():
        timed = each[1:]
        console.print(f"{name}: {statistics.median(timed):.2f} ms a task ({min(timed):.2f} to {max(timed):.2f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
