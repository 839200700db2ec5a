"""Counters of tasks and of their host."""

from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path

import pytest

from labkit.errors import InvalidArgument
from labkit.parallel.sampling import Usage, sample, usage
from labkit.parallel.tasks import Task, TaskEvent, perform
from tests.parallel.toys import Toy


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_task_tells_what_it_used(in_thread: bool) -> None:
    computed = perform(Toy(), Task("t", "spin", 0.05), {}, in_thread=in_thread).usage
    slept = perform(Toy(), Task("t", "sleep", 0.05), {}, in_thread=in_thread).usage
    assert computed is not None and slept is not None
    assert computed.cpu_s >= 0.05 > slept.cpu_s and slept.n_blocked >= 1


def test_what_a_task_reads_is_counted(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(bytes(3_000_000))
    before = usage()
    (tmp_path / "rows").read_bytes()
    used = usage().since(before)
    assert used.io_bytes is not None and used.io_bytes >= 3_000_000


def test_what_one_reading_lacks_is_missing_in_the_difference() -> None:
    assert Usage(3.0, 2.0, 5, 4, None).since(Usage(1.0, None, 2, 2, 7)) == Usage(2.0, None, 3, 2, None)


def test_an_event_with_its_usage_comes_back_from_a_record() -> None:
    event = TaskEvent("t", 0, "local", 1, 0.0, 1.0, 2.0, 3.0, 4, 5, None, Usage(1.0, None, 2, 3, None))
    assert TaskEvent(**dataclasses.asdict(event)) == event


def test_a_block_is_sampled_from_its_begin_to_its_end() -> None:
    begun = time.time()
    with sample(0.1) as samples:
        time.sleep(0.35)
    assert len(samples) >= 3 and begun <= samples[0].time_s and samples[-1].time_s - samples[0].time_s >= 0.35
    for before, after in itertools.pairwise(samples):
        assert before.time_s < after.time_s and sum(before.busy_s) <= sum(after.busy_s)
        assert 1 <= after.usable_cpus <= len(after.busy_s) and after.available_bytes > 0


def test_sampling_ends_with_its_block_even_by_an_error() -> None:
    with pytest.raises(KeyError), sample(0.1) as samples:
        raise KeyError
    n_samples = len(samples)
    time.sleep(0.25)
    assert len(samples) == n_samples == 2


@pytest.mark.parametrize("period_s", [0.0, 0.05, -1.0, float("nan")])
def test_sampling_too_often_is_refused(period_s: float) -> None:
    with pytest.raises(InvalidArgument, match=r"0\.1 s or more"), sample(period_s):
        pytest.fail("sampled")
