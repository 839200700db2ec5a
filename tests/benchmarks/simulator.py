"""How long simulating takes: 1,024 workers and 100,000 tasks; `python -m tests.benchmarks.simulator`."""

from __future__ import annotations

import time

from labkit.scaling.simulator import Machine, simulate

if __name__ == "__main__":
    for n_workers in (1, 64, 1024):
        begun = time.perf_counter()
        simulate(Machine((1.0,) * 100_000, 1e-4, 1e-4), n_workers)
        print(f"{n_workers:5} workers, 100,000 tasks: {time.perf_counter() - begun:.1f} s", flush=True)
