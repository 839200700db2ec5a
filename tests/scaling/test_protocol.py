"""The protocol, on real processes and small work."""

from __future__ import annotations

import dataclasses
import json

import pytest

from labkit.errors import InvalidArgument, NotEnoughMemory, ResultsDiffer, TaskFailed, UnknownName
from labkit.parallel.tasks import Task
from labkit.scaling.benchmark import diagnoses_of, results_of
from labkit.scaling.limit import BareProcesses, Work
from labkit.scaling.protocol import check_memory, check_protocol, measure
from labkit.scaling.table import tabulate
from tests.parallel.toys import Toy, joined, same


def work_of(method: str = "times", n_tasks: int = 6, argument: object = None) -> Work:
    tasks = [Task(f"t{i}", method, i if argument is None else argument, cost_s=float(i)) for i in range(n_tasks)]
    return Work(tasks, Toy, (2.0,), {}, 600, same, joined)


def test_rounds_are_interleaved_and_the_first_only_warms_up() -> None:
    found = measure(work_of(), engines=["processes"], workers=[1, 2], rounds=2)
    steps = [(timing.round, timing.subject, timing.n_workers) for timing in found.timings]
    each = [("sequential", 1), ("limit", 2), ("processes", 1), ("processes", 2)]
    assert steps == [(r, *each[(i + r) % 4]) for r in range(3) for i in range(4)]
    rows = tabulate(found.timings, engine="processes", n_rows=600, usable_cpus=2, physical_cores=2)
    assert [row.n_workers for row in rows] == [1, 2]
    assert set(found.start_up_s) == {"limit", "processes"}
    assert sorted(event.task for event in found.events) == [f"t{i}" for i in range(6)]


def test_in_weak_scaling_the_baseline_grows_with_the_workers() -> None:
    work = dataclasses.replace(work_of(n_tasks=4), shares=[["t0", "t1"], ["t2", "t3"]])
    found = measure(work, engines=["processes"], workers=[1, 2], rounds=1)
    digests = {(timing.subject, timing.n_workers): timing.digest for timing in found.timings}
    assert set(digests) == {("sequential", 1), ("sequential", 2), ("limit", 2), ("processes", 1), ("processes", 2)}
    assert digests["sequential", 1] == digests["processes", 1] == joined([0.0, 2.0])
    assert digests["sequential", 2] == digests["processes", 2] == digests["limit", 2] == joined([0.0, 2.0, 4.0, 6.0])
    rows = tabulate(
        found.timings, engine="processes", n_rows=300, usable_cpus=2, physical_cores=2, weak=True
    )  # fmt: skip
    assert [row.n_workers for row in rows] == [1, 2] and rows[1].limit_fraction is not None


def test_one_worker_s_events_are_kept_apart_to_calibrate_a_simulation() -> None:
    found = measure(work_of(), engines=["processes"], workers=[1, 2], rounds=1)
    assert sorted(event.task for event in found.one_worker["processes"]) == [f"t{i}" for i in range(6)]


def test_each_number_of_workers_is_diagnosed_against_one_worker_and_kept_with_the_results() -> None:
    found = measure(work_of("spin", 8, 0.02), engines=["processes"], workers=[2, 1], rounds=2)
    one, two = found.diagnoses["processes"]
    assert (one.figures["n_workers"], two.figures["n_workers"]) == (1, 2)
    assert one.figures["slowdown"] == 1 and two.figures["slowdown"] is not None
    results = json.loads(json.dumps(results_of(found, ["processes"], 600)))
    assert diagnoses_of(results, "processes") == [one, two]
    assert diagnoses_of({}, "processes") == []  # a run recorded before there were diagnoses


def test_work_that_differs_from_pass_to_pass_is_refused() -> None:
    found = measure(work_of("pid"), engines=["processes"], workers=[2], rounds=1)
    with pytest.raises(ResultsDiffer):
        tabulate(found.timings, engine="processes", n_rows=1, usable_cpus=2, physical_cores=2)


def test_bare_processes_give_their_results_in_the_order_of_the_tasks() -> None:
    with BareProcesses(work_of(n_tasks=20), 2) as bare:
        bare.ready()
        for n_processes in (1, 2, 1):
            seconds, outlines = bare.run(n_processes)
            assert seconds > 0 and outlines == [2.0 * i for i in range(20)]


@pytest.mark.parametrize(("method", "message"), [("fail", "KeyError"), ("die", "died")])
def test_a_task_that_fails_in_the_baseline_ends_the_measurement(method: str, message: str) -> None:
    with pytest.raises(TaskFailed, match=message):
        measure(work_of(method, argument="x"), engines=["processes"], workers=[1], rounds=1)


def test_progress_goes_from_nothing_to_done() -> None:
    told: list[tuple[str, float]] = []
    measure(work_of(), engines=["processes"], workers=[1], rounds=1, on_progress=lambda *what: told.append(what))
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions) and (fractions[0], fractions[-1]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("engines", "workers", "rounds"),
    [(["processes"], [], 1), (["processes"], [0], 1), (["processes"], [2, 2], 1), (["processes"], [1], 0),
     (["processes"], [1], True), (["sequential"], [1], 1)],
)  # fmt: skip
def test_a_protocol_that_makes_no_sense_is_refused(engines: list[str], workers: list[int], rounds: int) -> None:
    with pytest.raises(InvalidArgument):
        check_protocol(engines, workers, rounds)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UnknownName):
        check_protocol(["spark"], [1], 1)


def test_more_processes_than_memory_are_refused() -> None:
    check_memory(1, 0)
    with pytest.raises(NotEnoughMemory, match=r"would fit"):
        check_memory(1_000_000, 0)
