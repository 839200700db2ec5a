"""Checks of notebook 06: what a run's time went into, and whether the relief really relieves."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np
import ray
import sklearn.ensemble  # loads OpenMP, as NumPy loads BLAS
from threadpoolctl import threadpool_info, threadpool_limits

from labkit.classroom.exercises import NotYet
from labkit.lab import current
from labkit.parallel.observe import observe
from labkit.parallel.pinning import ONE_THREAD
from labkit.parallel.sampling import Usage
from labkit.parallel.tasks import TaskEvent


def _thread_variables() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in ONE_THREAD}


_AT_FIRST = _thread_variables()
PARTS = ("computing", "queued", "blocked", "idle")


def _event(worker: int, submitted: float, started: float, finished: float, cpu: float, queued: float) -> TaskEvent:
    times = (submitted, started, finished, finished + 0.5)
    return TaskEvent(f"t{started}", worker, "local", 1, *times, 0, 0, None, Usage(cpu, queued, 0, 0, 0))


def check_1(shares: Any) -> None:
    """Check the shares of a run of which a worker never had a task."""
    events = [  # in no order: neither the first was submitted first, nor was the last received last
        _event(0, 5.0, 5.5, 8.5, 3.0, 0.0),
        _event(1, 0.0, 1.0, 9.5, 2.0, 0.5),
        _event(0, 0.5, 1.0, 5.0, 2.0, 1.0),
    ]
    n_workers, makespan_s, busy_s, cpu_s, queued_s = 3, 10.0, 15.5, 7.0, 1.5

    def of(computing: float, queued: float, blocked: float, whole: float) -> list[float]:
        return [each / whole for each in (computing, queued, blocked, whole - computing - queued - blocked)]

    found = shares(list(events), n_workers)
    if not isinstance(found, dict) or set(found) != set(PARTS):
        raise NotYet("not_four_shares")
    each, blocked_s = [float(found[name]) for name in PARTS], busy_s - cpu_s - queued_s
    if np.allclose(each, of(cpu_s, queued_s, blocked_s, n_workers * makespan_s)):
        return
    case = {"n_workers": n_workers, "events": events}
    if np.allclose(each, of(cpu_s, queued_s, blocked_s, 2 * makespan_s)):
        raise NotYet("workers_seen", **case)
    if np.allclose(each[:3], [part / makespan_s for part in (cpu_s, queued_s, blocked_s)]):
        raise NotYet("of_one_worker", total=sum(each), **case)
    listed_s = events[-1].received_s - events[0].submitted_s
    if np.allclose(each[:3], [part / listed_s / n_workers for part in (cpu_s, queued_s, blocked_s)]):
        raise NotYet("first_and_last", found=listed_s, right=makespan_s, **case)
    if np.allclose(each[2], (busy_s - cpu_s) / n_workers / makespan_s):
        raise NotYet("queued_is_blocked", **case)
    if not np.isclose(sum(each), 1.0):
        raise NotYet("not_one", total=sum(each), **case)
    if np.isclose(each[3], 0.0):
        raise NotYet("no_idle", **case)
    for name, share, right in zip(PARTS, each, of(cpu_s, queued_s, blocked_s, n_workers * makespan_s), strict=True):
        if not np.isclose(share, right):
            raise NotYet("wrong", name=name, found=share, right=right, **case)


class _Store:
    """A store that sees how many reads are in flight; each waits, a second at most, for as many as are allowed."""

    def __init__(self, n_at_once: int, broken: str = "") -> None:
        self.n_at_once, self.broken, self.now, self.most = n_at_once, broken, 0, 0
        self._changed, self._until = threading.Condition(), time.monotonic() + 1.0

    def read(self, url: str) -> str:
        with self._changed:
            self.now += 1
            self.most = max(self.most, self.now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most >= self.n_at_once, max(0.0, self._until - time.monotonic()))
        try:
            if url == self.broken:
                raise OSError(f"{url} is gone")
            # Whoever comes later answers sooner, so that the order of arrival is another; and a throng would be seen.
            time.sleep(0.12 - 0.012 * int(url[-1]))
            return url.upper()
        finally:
            with self._changed:
                self.now -= 1


class _OneSlow:
    """A store whose first answer comes when all other reads have begun, and after a second at the latest."""

    def __init__(self, n_others: int) -> None:
        self._left, self._lock, self._all, self.in_time = n_others, threading.Lock(), threading.Event(), True

    def read(self, url: str) -> str:
        if url.endswith("-0"):
            self.in_time = self._all.wait(1.0)
        else:
            with self._lock:
                self._left -= 1
            if not self._left:
                self._all.set()
        return url.upper()


def check_2(read_all: Any) -> None:
    """Check that reads overlap, up to the limit and all the time; what each returns, in order; that failures are told.
    """  # fmt: skip
    urls, store = [f"shard-{number}" for number in range(7)], _Store(3)
    found = read_all(list(urls), store.read, 3)
    if not isinstance(found, list) or len(found) != len(urls):
        raise NotYet("not_a_list", n=len(urls))
    if found != [url.upper() for url in urls]:
        raise NotYet("another_order" if sorted(map(str, found)) == [url.upper() for url in urls] else "wrong")
    if store.most == 1:
        raise NotYet("one_by_one")
    if store.most > 3:
        raise NotYet("too_many", n=store.most)
    if store.most < 3:
        raise NotYet("too_few", n=store.most)
    slow = _OneSlow(len(urls) - 1)
    read_all(list(urls), slow.read, 3)
    if not slow.in_time:
        raise NotYet("held_up", n=len(urls) - 1)
    try:
        read_all(list(urls), _Store(1, broken="shard-2").read, 3)
    except OSError:
        return
    raise NotYet("swallowed")


def check_3(means: Any) -> None:
    """Check that the table was put once, and that only means came back."""
    current().attach()
    table, seeds = np.random.default_rng(7).normal(size=(20_000, 5)), [3, 1, 2]
    table[::7, 2] = np.nan
    with observe() as seen:
        found = means(table, seeds)
    if any(isinstance(value, ray.ObjectRef) for value in (found if isinstance(found, list) else [found])):
        raise NotYet("futures")
    drawn = [table[np.random.default_rng(seed).integers(len(table), size=len(table))] for seed in seeds]
    right = [np.nanmean(rows, axis=0) for rows in drawn]
    if np.shape(found) == np.shape(right) and np.allclose(found, [rows.mean(axis=0) for rows in drawn], equal_nan=True):
        raise NotYet("missing_values")
    if np.shape(found) != np.shape(right) or not np.allclose(found, right):
        raise NotYet("wrong", n=len(seeds), columns=table.shape[1])
    counts = seen.counts
    if counts.get("task", 0) != len(seeds):
        raise NotYet("not_a_task_each", n=counts.get("task", 0), right=len(seeds))
    if seen.n_bytes("task") >= table.nbytes:
        raise NotYet("passed_each_time", megabytes=seen.n_bytes("task") / 1e6)
    if seen.n_bytes("get") >= table.nbytes:
        raise NotYet("returns_all", megabytes=seen.n_bytes("get") / 1e6)
    if counts.get("put", 0) == 0:
        raise NotYet("captured")
    if counts["put"] > 1:
        raise NotYet("put_often", n=counts["put"])
    kinds = [call.kind for call in seen.calls]
    if "get" in kinds[: len(kinds) - kinds[::-1].index("task")]:
        raise NotYet("get_in_a_loop", n=counts["get"])


def check_4(in_share: Any) -> None:
    """Check the number of threads while the work runs, and after it."""

    def n_threads() -> dict[str, int]:
        return {str(pool["user_api"]): int(pool["num_threads"]) for pool in threadpool_info()}

    seen: list[dict[str, int]] = []

    def work() -> str:
        seen.append(n_threads())
        return "done"

    with threadpool_limits(3):
        for n_cpus, n_workers, right in ((14, 3, 4), (2, 5, 1), (10, 2, 5)):
            seen.clear()
            found = in_share(work, n_cpus, n_workers)
            after = n_threads()
            if len(seen) != 1:
                raise NotYet("not_called_once", n=len(seen))
            if found != "done":
                raise NotYet("no_result")
            left = [api for api, n in seen[0].items() if n == 3]
            n = max(seen[0].values())
            case = {"n_cpus": n_cpus, "n_workers": n_workers, "n": n, "right": right}
            if len(left) == len(seen[0]):
                raise NotYet("not_limited" if _thread_variables() == _AT_FIRST else "environment", **case)
            if left:
                raise NotYet("one_kind", left=", ".join(left), limited=", ".join(sorted(set(seen[0]) - set(left))))
            if n == n_cpus:
                raise NotYet("all_of_them", **case)
            if set(seen[0].values()) != {right}:
                raise NotYet("another_share", **case)
            if set(after.values()) != {3}:
                raise NotYet("not_restored", n=max(set(after.values()) - {3}))
