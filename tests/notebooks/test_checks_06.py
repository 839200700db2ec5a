"""Typical answers to notebook 06, right and wrong, and what each is told."""

from __future__ import annotations

from pathlib import Path

import pytest

import labkit
from labkit.files.folder import LabFolder
from tests.notebooks.course import answer

PRELUDE = """
from concurrent.futures import ThreadPoolExecutor, as_completed
import os
import numpy as np, ray
from threadpoolctl import threadpool_limits

def resampled(table, seed):
    return table[np.random.default_rng(seed).integers(len(table), size=len(table))]

@ray.remote
def mean_of_resample(table, seed):
    return np.nanmean(resampled(table, seed), axis=0)

@ray.remote
def rows_of_resample(table, seed):
    return resampled(table, seed)
"""
SHARES = """
def shares(events, n_workers):
    begun, ended = min(e.submitted_s for e in events), max(e.received_s for e in events)
    busy = sum(e.finished_s - e.started_s for e in events)
    computing, queued = sum(e.usage.cpu_s for e in events), sum(e.usage.queued_s for e in events)
    whole = {whole}
    parts = dict(computing=computing, queued=queued, blocked={blocked}, idle={idle})
    return {{name: part / whole for name, part in parts.items()}}
"""


def shares(
    whole: str = "n_workers * (ended - begun)", blocked: str = "busy - computing - queued", idle: str = "whole - busy"
) -> str:
    return SHARES.format(whole=whole, blocked=blocked, idle=idle)


PURE = [
    ("6.1", "shares", "right", shares()),
    ("6.1", "shares", "workers_seen", shares("len({e.worker for e in events}) * (ended - begun)")),
    ("6.1", "shares", "of_one_worker", shares("ended - begun")),
    ("6.1", "shares", "first_and_last", shares("n_workers * (events[-1].received_s - events[0].submitted_s)")),
    ("6.1", "shares", "queued_is_blocked", shares(blocked="busy - computing")),
    ("6.1", "shares", "no_idle", shares("busy")),
    ("6.1", "shares", "not_one", shares(idle="ended - begun - busy")),
    ("6.1", "shares", "wrong", shares(idle="whole - computing - queued - 1", blocked="1")),
    ("6.1", "shares", "not_four_shares", "def shares(events, n_workers): return 1.0"),
    ("6.1", "shares", "not_attempted", "def shares(events, n_workers):\n    ..."),
    ("6.2", "read_all", "right", "def read_all(urls, read, n):\n    with ThreadPoolExecutor(n) as pool:\n"
                                 "        return list(pool.map(read, urls))"),
    ("6.2", "read_all", "one_by_one", "def read_all(urls, read, n): return [read(url) for url in urls]"),
    ("6.2", "read_all", "one_by_one", "def read_all(urls, read, n):\n    with ThreadPoolExecutor(n) as pool:\n"
                                      "        return [pool.submit(read, url).result() for url in urls]"),
    ("6.2", "read_all", "too_many", "def read_all(urls, read, n):\n    with ThreadPoolExecutor(len(urls)) as pool:\n"
                                    "        return list(pool.map(read, urls))"),
    ("6.2", "read_all", "too_few", "def read_all(urls, read, n):\n    with ThreadPoolExecutor(2) as pool:\n"
                                   "        return list(pool.map(read, urls))"),
    ("6.2", "read_all", "held_up", "def read_all(urls, read, n):\n    found = []\n"
     "    for first in range(0, len(urls), n):\n        with ThreadPoolExecutor(n) as pool:\n"
     "            found += pool.map(read, urls[first:first + n])\n    return found"),
    ("6.2", "read_all", "held_up", "def read_all(urls, read, n):\n    with ThreadPoolExecutor(n) as pool:\n"
     "        shares = list(pool.map(lambda k: [read(url) for url in urls[k::n]], range(n)))\n"
     "    return [shares[i % n][i // n] for i in range(len(urls))]"),
    ("6.2", "read_all", "another_order", "def read_all(urls, read, n):\n    with ThreadPoolExecutor(n) as pool:\n"
     "        fs = [pool.submit(read, url) for url in urls]\n        return [f.result() for f in as_completed(fs)]"),
    ("6.2", "read_all", "not_a_list", "def read_all(urls, read, n):\n    with ThreadPoolExecutor(n) as pool:\n"
                                      "        return pool.map(read, urls)"),
    ("6.2", "read_all", "wrong", "def read_all(urls, read, n): return urls"),
    ("6.2", "read_all", "swallowed", "def quiet(read):\n    def call(url):\n        try: return read(url)\n"
     "        except OSError: return None\n    return call\n"
     "def read_all(urls, read, n):\n    with ThreadPoolExecutor(n) as pool: return list(pool.map(quiet(read), urls))"),
    ("6.4", "in_share", "right", "def in_share(work, c, k):\n"
                                 "    with threadpool_limits(max(1, c // k)): return work()"),
    ("6.4", "in_share", "one_kind", "def in_share(work, c, k):\n"
     "    with threadpool_limits(max(1, c // k), user_api='openmp'): return work()"),
    ("6.4", "in_share", "one_kind", "def in_share(work, c, k):\n"
     "    with threadpool_limits(max(1, c // k), user_api='blas'): return work()"),
    ("6.4", "in_share", "not_limited", "def in_share(work, c, k):\n"
     "    with threadpool_limits(max(1, c // k)): pass\n    return work()"),
    ("6.4", "in_share", "environment", "def in_share(work, c, k):\n"
     "    os.environ['OMP_NUM_THREADS'] = '1'\n"
     "    return work()"),
    ("6.4", "in_share", "not_restored", "def in_share(work, c, k):\n    threadpool_limits(max(1, c // k))\n"
                                        "    return work()"),
    ("6.4", "in_share", "all_of_them", "def in_share(work, c, k):\n    with threadpool_limits(c): return work()"),
    ("6.4", "in_share", "another_share", "def in_share(work, c, k):\n"
                                         "    with threadpool_limits(-(-c // k)): return work()"),
    ("6.4", "in_share", "no_result", "def in_share(work, c, k):\n    with threadpool_limits(max(1, c // k)): work()"),
    ("6.4", "in_share", "not_called_once", "def in_share(work, c, k): return 'done'"),
]  # fmt: skip
ON_RAY = [
    ("right", "shared = ray.put(t)\n    return ray.get([mean_of_resample.remote(shared, s) for s in seeds])"),
    ("passed_each_time", "return ray.get([mean_of_resample.remote(t, s) for s in seeds])"),
    ("put_often", "return ray.get([mean_of_resample.remote(ray.put(t), s) for s in seeds])"),
    ("returns_all", "shared = ray.put(t)\n"
                    "    found = ray.get([rows_of_resample.remote(shared, s) for s in seeds])\n"
                    "    return [np.nanmean(rows, axis=0) for rows in found]"),
    ("captured", "task = ray.remote(lambda s: np.nanmean(resampled(t, s), axis=0))\n"
                 "    return ray.get([task.remote(s) for s in seeds])"),
    ("get_in_a_loop", "shared = ray.put(t)\n    return [ray.get(mean_of_resample.remote(shared, s)) for s in seeds]"),
    ("not_a_task_each", "return [np.nanmean(resampled(t, s), axis=0) for s in seeds]"),
    ("missing_values", "shared = ray.put(t)\n    task = ray.remote(lambda t, s: resampled(t, s).mean(axis=0))\n"
                       "    return ray.get([task.remote(shared, s) for s in seeds])"),
    ("futures", "shared = ray.put(t)\n    return [mean_of_resample.remote(shared, s) for s in seeds]"),
    ("wrong", "shared = ray.put(t)\n    return ray.get([mean_of_resample.remote(shared, s + 1) for s in seeds])"),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), PURE)
def test_an_answer_is_told_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exercise: str, name: str, reason: str, code: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # one answer sets it, and the tests that follow have another
    labkit.start(home=tmp_path)
    verdict = answer(exercise, name, code, PRELUDE)
    assert verdict.reason == reason, verdict.message


@pytest.mark.parametrize(("reason", "body"), ON_RAY)
def test_an_answer_on_ray_is_told_what_it_is(ray_cluster: LabFolder, reason: str, body: str) -> None:
    labkit.start(home=ray_cluster.root)
    verdict = answer("6.3", "means", f"def means(t, seeds):\n    {body}", PRELUDE)
    assert verdict.reason == reason, verdict.message
