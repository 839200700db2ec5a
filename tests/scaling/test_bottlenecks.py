"""Bottlenecks: the arithmetic on runs whose shares are known, and cases provoked on real workers."""

from __future__ import annotations

import dataclasses
import math
import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from labkit.errors import InvalidMeasurement
from labkit.parallel.dispatch import dispatch
from labkit.parallel.engines import engine
from labkit.parallel.sampling import Sample, Usage, sample
from labkit.parallel.tasks import Task, TaskEvent
from labkit.scaling.bottlenecks import Diagnosis, diagnose, pooled
from labkit.scaling.latency import late_store
from tests.parallel.toys import Toy


def event(
    task: str,
    start: float,
    end: float,
    cpu: float,
    *,
    worker: int = 0,
    queued: float | None = 0.0,
    submitted: float | None = None,
    received: float | None = None,
    n_bytes: int = 0,
    error: str | None = None,
) -> TaskEvent:
    return TaskEvent(
        task, worker, "local", 1, start if submitted is None else submitted, start, end,
        end if received is None else received, n_bytes, n_bytes, error, Usage(cpu, queued, 0, 0, 0),
    )  # fmt: skip


def samples(seconds: float, *, busy: float = 0.0, steal: float = 0.0, loopback: int = 0, cpus: int = 2) -> list[Sample]:
    first = Sample(0.0, cpus, (0.0,) * cpus, 0.0, 0.0, {"lo": 0}, 1)
    return [first, Sample(seconds, cpus, (busy / cpus,) * cpus, 0.0, steal, {"lo": loopback}, 1)]


def whole(found: Diagnosis) -> float:
    return sum(share or 0.0 for share in found.shares.values()) + found.untold


def known_run(parts: Sequence[float], n_workers: int, n_tasks: int = 7) -> tuple[list[TaskEvent], list[TaskEvent]]:
    """Return events of workers that spend these shares computing, inflated, queued, blocked, handing over, waiting."""
    computing, inflated, queued, blocked, transfer, waiting = parts
    events, alone, step = [], [], 10.0
    for worker in range(n_workers):
        for i in range(n_tasks):
            begun = i * step
            start = begun + step * waiting + step * transfer / 2
            end = begun + step * (1 - transfer / 2)
            key = f"{worker}-{i}"
            events.append(
                event(
                    key, start, end, step * (computing + inflated), worker=worker, queued=step * queued,
                    submitted=start - step * transfer / 2, received=begun + step, n_bytes=10**6,
                )
            )  # fmt: skip
            alone.append(event(key, 0.0, 1.0, step * computing))
    # The first wait begins with the run: somebody else's task, whose time is nothing, was submitted then.
    events.append(event("mark", 0.0, 0.0, 0.0))
    return events, alone


@pytest.mark.parametrize("seed", range(8))
def test_a_run_of_known_shares_is_recovered(seed: int) -> None:
    draw = random.Random(seed)
    parts = [draw.random() ** 3 for _ in range(6)]
    parts[2] = min(parts[2], parts[0] / 20)  # more would be over-subscription, where memory cannot be told
    parts = [part / sum(parts) for part in parts]
    events, alone = known_run(parts, n_workers=3)
    found = diagnose(events, samples(70.0, loopback=10**9), n_workers=3, alone=alone)
    expected = {
        "cpu": parts[0] + parts[2],
        "memory": parts[1],
        "io": parts[3],
        "transfer": parts[4],
        "waiting": parts[5],
    }
    assert found.shares == pytest.approx(expected, abs=1e-9) and whole(found) == pytest.approx(1)
    losses = {name: share for name, share in expected.items() if name != "cpu"}
    worst = max(losses, key=losses.__getitem__)
    assert found.bottleneck == (worst if losses[worst] >= 0.15 else "cpu")


def test_shares_sum_to_one_whatever_the_clocks_and_counters_say() -> None:
    draw = random.Random(7)
    for _ in range(200):
        n_workers = draw.randint(1, 4)
        events = []
        for i in range(draw.randint(1, 12)):
            a, b, c, d = (draw.uniform(0, 10) for _ in range(4))  # a node's clock may be late, or early
            made = event(
                f"t{i}", min(b, c), max(b, c), draw.uniform(0, 12), worker=draw.randrange(n_workers), submitted=a,
                received=d, queued=draw.choice([None, draw.uniform(0, 9)]), n_bytes=draw.choice([0, 10**7]),
            )  # fmt: skip
            events.append(dataclasses.replace(made, usage=draw.choice([made.usage, made.usage, None])))
        if min(each.submitted_s for each in events) >= max(each.received_s for each in events):
            continue
        found = diagnose(events, samples(10.0), n_workers=n_workers, alone=draw.choice([(), events]))
        assert whole(found) == pytest.approx(1)
        assert all(share is None or -1e-9 <= share <= 1 + 1e-9 for share in found.shares.values())


def test_without_tasks_measured_alone_memory_is_not_measured() -> None:
    found = diagnose([event("a", 0, 10, 10)], samples(10), n_workers=1)
    assert found.shares["memory"] is None and found.shares["cpu"] == 1 and found.bottleneck == "cpu"
    found = diagnose([event("a", 0, 10, 10)], samples(10), n_workers=1, alone=[event("other", 0, 10, 10)])
    assert found.shares["memory"] is None and found.figures["slowdown"] is None


def test_without_counters_nothing_is_told_of_the_tasks() -> None:
    bare = dataclasses.replace(event("a", 0, 10, 10), usage=None)
    found = diagnose([bare], n_workers=1)
    assert (found.shares["cpu"], found.shares["io"], found.shares["memory"]) == (None, None, None)
    assert (found.untold, found.bottleneck, found.reason) == (1.0, None, "untold")


def test_without_the_kernels_queueing_time_being_blocked_is_not_told() -> None:
    found = diagnose([event("a", 0, 10, 6, queued=None)], samples(10), n_workers=1)
    assert (found.shares["cpu"], found.shares["io"], found.untold) == (0.6, None, 0.4)
    assert found.bottleneck is None


def test_equal_work_that_takes_more_cpu_time_waits_for_memory() -> None:
    alone = [event("a", 0, 10, 10), event("b", 10, 20, 10)]
    events = [event("a", 0, 16, 16), event("b", 0, 16, 16, worker=1)]
    found = diagnose(events, samples(16), n_workers=2, alone=alone)
    assert (found.bottleneck, found.figures["slowdown"]) == ("memory", 1.6)
    assert found.shares["memory"] == pytest.approx(6 / 16)


@pytest.mark.parametrize(
    ("busy", "steal", "cpus", "marks"),
    [(16.0, 0.0, 1, ("over-subscribed",)), (30.0, 0.0, 2, ("load",)), (16.0, 0.0, 2, ("over-subscribed",)),
     (30.0, 3.0, 2, ("load", "steal"))],
)  # fmt: skip
def test_where_cpus_are_not_the_workers_own_memory_cannot_be_told(
    busy: float, steal: float, cpus: int, marks: tuple[str, ...]
) -> None:
    alone = [event("a", 0, 5, 5), event("b", 5, 10, 5)]
    events = [event("a", 0, 16, 8, queued=8), event("b", 0, 16, 8, queued=8, worker=1)]
    found = diagnose(events, samples(16, busy=busy, steal=steal, cpus=cpus), n_workers=2, alone=alone)
    assert (found.bottleneck, found.reason, found.marks) == ("cpu", marks[0], marks)
    assert found.shares["memory"] is None and found.shares["cpu"] == 1 and found.figures["slowdown"] == 1.6


def test_who_is_blocked_and_moves_nothing_waits_for_a_lock() -> None:
    events = [event("a", 0, 10, 2)]
    assert diagnose(events, samples(10, loopback=10**7), n_workers=1).bottleneck == "io"
    found = diagnose(events, samples(10), n_workers=1)
    assert (found.bottleneck, found.reason, found.shares["io"]) == ("waiting", "lock", 0.0)
    assert diagnose(events, n_workers=1).bottleneck == "io"  # whether bytes came over the network was not seen


def test_small_messages_that_take_long_in_all_are_the_engines_latency() -> None:
    events = [event(f"t{i}", i + 0.8, i + 1, 0.2, submitted=i + 0.6) for i in range(5)]
    assert diagnose(events, n_workers=1).reason == "dispatch"
    large = [dataclasses.replace(each, bytes_in=10**6) for each in events]
    assert diagnose(large, n_workers=1).bottleneck == "waiting"  # the driver took longer than the transfer
    large = [dataclasses.replace(each, bytes_in=10**6, submitted_s=float(i)) for i, each in enumerate(events)]
    assert diagnose(large, n_workers=1).bottleneck == "transfer"


def test_what_failed_is_lost_time() -> None:
    events = [event("a", 0, 5, 5, error="died"), event("a", 5, 10, 5, submitted=4.9)]
    found = diagnose(events, samples(10), n_workers=1)
    assert (found.bottleneck, found.reason, found.shares["waiting"]) == ("waiting", "failed", 0.5)


def test_passes_are_pooled_by_their_means_and_say_whether_they_agree() -> None:
    tail = diagnose([event("a", 0, 10, 10), event("b", 0, 2, 2, worker=1)], samples(10), n_workers=2)
    full = diagnose([event("a", 0, 10, 10), event("b", 0, 10, 10, worker=1)], samples(10), n_workers=2)
    found = pooled([tail, full, tail, tail])
    assert found.shares["waiting"] == pytest.approx(0.3) and whole(found) == pytest.approx(1)
    assert (found.bottleneck, found.agreed) == ("waiting", 0.75)
    with pytest.raises(InvalidMeasurement, match="No pass"):
        pooled([])


@pytest.mark.parametrize(
    ("events", "n_workers"),
    [([], 1), ([event("a", 0, 1, 1, error="KeyError()")], 1), ([event("a", 0, math.nan, 1)], 1),
     ([event("a", math.inf, 1, 1)], 1), ([event("a", 1, 1, 0)], 1), ([event("a", 0, 1, 1, worker=1)], 1),
     ([event("a", 0, 1, 1)], 0)],
)  # fmt: skip
def test_events_from_which_nothing_follows_are_refused(events: list[TaskEvent], n_workers: int) -> None:
    with pytest.raises(InvalidMeasurement, match="run"):
        diagnose(events, n_workers=n_workers)


def found_on(tasks: Sequence[Task], n_workers: int, name: str = "processes") -> Diagnosis:
    events: list[TaskEvent] = []
    with engine(name)(Toy, (), {}, n_workers) as crew:
        dispatch([Task(f"begin{i}", "times", 1.0) for i in range(n_workers)], crew)
        with sample() as seen:
            dispatch(tasks, crew, on_event=events.append)
    found = diagnose(events, seen, n_workers=n_workers)
    assert whole(found) == pytest.approx(1)
    return found


@pytest.mark.parametrize("n_workers", [1, 2])
def test_computing_is_found(n_workers: int) -> None:
    found = found_on([Task(f"t{i}", "spin", 0.08) for i in range(16)], n_workers)
    assert found.bottleneck == "cpu"


def test_a_store_that_answers_late_is_found(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(bytes(200_000))
    with late_store(tmp_path, 0.2) as address:
        found = found_on([Task(f"t{i}", "fetch", f"{address}/rows") for i in range(6)], 2)
    assert found.bottleneck == found.reason == "io"


@pytest.mark.parametrize("name", ["processes", "ray"])
def test_large_results_that_travel_are_found(name: str, request: pytest.FixtureRequest) -> None:
    if name == "ray":
        request.getfixturevalue("ray_cluster")
    found = found_on([Task(f"t{i}", "blank", 40_000_000) for i in range(8)], 2, name)
    assert found.bottleneck == found.reason == "transfer" and (found.figures["moved_bytes"] or 0) > 3.2e8


def test_one_long_task_behind_which_all_wait_is_found() -> None:
    tasks = [Task("long", "spin", 0.8, cost_s=0.8), *(Task(f"t{i}", "spin", 0.01, cost_s=0.01) for i in range(10))]
    found = found_on(tasks, 2)
    assert (found.bottleneck, found.reason) == ("waiting", "tail")


def test_more_workers_than_cpus_are_found() -> None:
    before = os.sched_getaffinity(0)
    cpu = min(before)
    os.sched_setaffinity(0, {cpu})
    try:
        found = found_on([Task(f"t{i}", "spin_on", (cpu, 0.3)) for i in range(2)], 2)
    finally:
        os.sched_setaffinity(0, before)
    assert (found.bottleneck, found.reason) == ("cpu", "over-subscribed")
    assert (found.figures["queued_share"] or 0) > 0.2 and (found.figures["n_preempted"] or 0) > 0
