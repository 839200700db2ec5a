"""A benchmark as a run: measured by the protocol, tabulated, its laws fitted, all of it kept in one record."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit import host
from labkit.errors import InvalidArgument
from labkit.files.lease import Lease
from labkit.learning.recipes import catalogue
from labkit.pipeline import SEED, Job, plan, training_work
from labkit.scaling.bottlenecks import Diagnosis
from labkit.scaling.fits import LawFit, Unfitted, eligible, fit_amdahl, fit_gustafson, fit_usl
from labkit.scaling.intervals import Spread
from labkit.scaling.latency import fetching_work, late_store
from labkit.scaling.limit import Work
from labkit.scaling.protocol import Measurement, check_memory, check_protocol, measure
from labkit.scaling.table import SpeedupRow, rows_to_json, tabulate

if TYPE_CHECKING:
    from labkit.data.prepare import Dataset
    from labkit.parallel.tasks import TaskEvent
    from labkit.store.runs import RunStore


def measuring_lease(purpose: str) -> Lease:
    """Return the lease that allows one timed run at a time on this machine, whatever lab it is of."""
    return Lease(Path(tempfile.gettempdir()) / "labkit-measuring.lock", purpose)


def benchmark_run(
    dataset: Dataset,
    runs: RunStore,
    *,
    engines: Sequence[str],
    workers: Sequence[int],
    rounds: int,
    fingerprints: list[dict[str, Any]],
    calibrated: Callable[[Job], Mapping[str, float]],
    recipes: Sequence[str] | None = None,
    latency_s: float | None = None,
    weak: bool = False,
    run_id: str | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Measure the training of the catalogue, or work that waits, and return the run's record.

    Parameters
    ----------
    calibrated : callable
        Returns this host's cost factors for a job.
    latency_s : float, optional
        Measure no training but shards fetched from a store on this host, each answer so many seconds late.
    weak : bool
        Let the work grow with the workers: each brings a shard, on which all recipes are fitted.
    run_id : str, optional
        A run that was started by somebody else, a runner for one, who ends it too; by default one is started here.

    Returns
    -------
    dict
        The record; its results hold timings, tables, laws, start-up times and the digest.
    """
    check_protocol(engines, workers, rounds)
    if weak and (latency_s is not None or max(workers) > len(dataset.train)):
        raise InvalidArgument(
            f"In weak scaling each worker trains on a shard of its own: take at most {len(dataset.train)} workers, the"
            " shards of these days, and no latency."
        )
    tell = on_progress or (lambda *_: None)
    parameters = {
        "engines": list(engines), "workers": list(workers), "rounds": rounds, "days": dataset.n_days,
        "scale": dataset.scale, "synthetic": dataset.synthetic,
        "recipes": [recipe.name for recipe in catalogue(recipes)], "injected_latency_s": latency_s,
        "scaling": "weak" if weak else "strong", **dataset.origin,
    }  # fmt: skip
    run = runs.get(run_id) if run_id else None
    if run is None:
        run = runs.start("benchmark", "speedup", parameters, SEED, dataset.digest, fingerprints)
    told = 0.0

    def progress(what: str, fraction: float) -> None:
        nonlocal told
        tell(what, fraction)
        if time.monotonic() - told > 1.0:
            told = time.monotonic()
            runs.update(run.id, progress=fraction)

    with runs.ended_by_errors(run.id):
        begun = time.perf_counter()
        with contextlib.ExitStack() as stack:
            if latency_s is None:
                job = plan(dataset, recipes=recipes, by="shard" if weak else "model")
                check_memory((1 + len(engines)) * max(workers), sum(block.X.nbytes for block in job.blocks.values()))
                work = Work(**training_work(job, calibrated(job), weak=weak))
            else:
                check_memory((1 + len(engines)) * max(workers), 0)
                folder = Path(dataset.train[0].url).parent
                work = fetching_work(dataset, stack.enter_context(late_store(folder, latency_s)))
            prepared_s = time.perf_counter() - begun
            lease = measuring_lease(f"measure run {run.id}")
            stack.enter_context(lease.acquired(wait_s=3600.0, on_wait=lambda who: tell(f"wait: {who}", 0.0)))
            found = measure(work, engines=engines, workers=workers, rounds=rounds, on_progress=progress)
        n_rows = work.n_rows // len(work.shares) if weak else work.n_rows
        results = {**results_of(found, engines, n_rows, weak=weak), "prepared_s": prepared_s, "parameters": parameters}
        runs.add_events(run.id, [dataclasses.asdict(event) for event in found.events])
        runs.update(run.id, progress=1.0, results=results, **({} if run_id else {"status": "finished"}))
    return runs.export(run.id)


def results_of(found: Measurement, engines: Sequence[str], n_rows: int, *, weak: bool = False) -> dict[str, Any]:
    """Return a measurement as a run's results: JSON-able, each figure drawn from its timings."""
    fits = (fit_gustafson,) if weak else (fit_amdahl, fit_usl)
    cpus, cores = host.usable_cpus(), host.physical_cores()
    tables, laws = {}, {}
    for name in engines:
        rows = tabulate(found.timings, engine=name, n_rows=n_rows, usable_cpus=cpus, physical_cores=cores, weak=weak)
        tables[name] = rows_to_json(rows)
        laws[name] = [dataclasses.asdict(fit(*eligible(rows, cpus))) for fit in fits]
    return {
        "n_rows": n_rows,
        "digest": found.timings[0].digest,
        "timings": [dataclasses.asdict(timing) for timing in found.timings],
        "start_up_s": found.start_up_s,
        "one_worker": {name: _one_worker(events) for name, events in found.one_worker.items()},
        "tables": tables,
        "laws": laws,
        "diagnoses": {name: [dataclasses.asdict(each) for each in them] for name, them in found.diagnoses.items()},
    }


def _one_worker(events: Sequence[TaskEvent]) -> dict[str, Any]:
    """Return what a simulation is calibrated by."""
    done = [event for event in events if event.error is None]
    return {
        "service_s": [event.finished_s - event.started_s for event in done],
        "driver_s": max(0.0, statistics.median(event.received_s - event.finished_s for event in done)),
    }


def rows_of(results: dict[str, Any], engine: str) -> list[SpeedupRow]:
    """Return the speedup table of a run's results."""

    def row_of(row: dict[str, Any]) -> SpeedupRow:
        spreads = {name: Spread(**row[name]) if row[name] else None for name in ("spread", "limit_spread")}
        return SpeedupRow(**{**row, **spreads, "marks": tuple(row["marks"])})

    return [row_of(row) for row in results["tables"][engine]]


def diagnoses_of(results: dict[str, Any], engine: str) -> list[Diagnosis]:
    """Return what kept a run's engine from being faster, fewest workers first; none where it was not recorded."""
    found = results.get("diagnoses", {}).get(engine, [])
    return [Diagnosis(**{**each, "marks": tuple(each["marks"])}) for each in found]


def laws_of(results: dict[str, Any], engine: str) -> list[LawFit | Unfitted]:
    """Return the laws fitted to a run's results."""
    return [LawFit(**law) if "parameters" in law else Unfitted(**law) for law in results["laws"][engine]]
