"""Typical answers to notebook 05, right and wrong, and what each is told."""

from __future__ import annotations

from pathlib import Path

import pytest

import labkit
from tests.notebooks.course import answer

PRELUDE = """
import math, threading, time
from concurrent.futures import ThreadPoolExecutor, as_completed
"""
POOL = """
def run_all(tasks, n_workers, pool_class):
    with pool_class({n}) as pool:
        futures = [pool.submit(function, argument) for function, argument in tasks]
        return {given}
"""
OPEN = """
def run_all(tasks, n_workers, pool_class):
    pool = pool_class(n_workers)
    futures = [pool.submit(function, argument) for function, argument in tasks]
    return [future.result() for future in futures]
"""
TIMED = """
def time_threads(work, n_threads):
    cpu_s = []
    def timed():
        begun = {clock}
        work()
        cpu_s.append({clock} - begun)
    threads = [threading.Thread(target=timed) for _ in range({n})]
    begun, here, all_of_us = {wall}, time.thread_time(), time.process_time()
    for thread in threads: thread.start(){joined}
    for thread in threads: thread.join({wait})
    return {given}
"""


def pool(given: str = "[future.result() for future in futures]", n: str = "n_workers") -> str:
    return POOL.format(given=given, n=n)


def timed(
    given: str = "", clock: str = "time.thread_time()", n: str = "n_threads",
    joined: str = "", wait: str = "", wall: str = "time.perf_counter()",
) -> str:  # fmt: skip
    given = given or f"{wall} - begun, sum(cpu_s)"
    return TIMED.format(given=given, clock=clock, n=n, joined=joined, wait=wait, wall=wall)


def decided(rule: str) -> str:
    return f"def engine_for(alone, together): return 'threads' if {rule} else 'processes'"


def together(result: str) -> str:
    return f"def n_together(o, t, x): return {result}"


ANSWERS = [
    ("5.1", "run_all", "right", pool()),
    ("5.1", "run_all", "wrapped",
     "def run_all(tasks, n_workers, pool_class):\n    with pool_class(max_workers=n_workers) as pool:\n"
     "        return list(pool.map(lambda task: task[0](task[1]), tasks))"),
    ("5.1", "run_all", "order_of_arrival", pool("[future.result() for future in as_completed(futures)]")),
    ("5.1", "run_all", "futures", pool("futures")),
    ("5.1", "run_all", "incomplete", pool("futures[0].result()")),
    ("5.1", "run_all", "workers", pool(n="len(tasks)")),
    ("5.1", "run_all", "no_pool", "def run_all(tasks, n, pool_class): return [work(each) for work, each in tasks]"),
    ("5.1", "run_all", "waits_between",
     "def run_all(tasks, n_workers, pool_class):\n    with pool_class(n_workers) as pool:\n"
     "        return [pool.submit(function, each).result() for function, each in tasks]"),
    ("5.1", "run_all", "a_pool_each",
     "def run_all(tasks, n_workers, pool_class):\n"
     "    return [pool_class(n_workers).submit(function, each).result() for function, each in tasks]"),
    ("5.1", "run_all", "left_open", OPEN),
    ("5.1", "run_all", "not_attempted", "def run_all(tasks, n_workers, pool_class):\n    ..."),
    ("5.3", "time_threads", "right", timed()),
    ("5.3", "time_threads", "wall_for_cpu", timed(clock="time.perf_counter()")),
    ("5.3", "time_threads", "cpu_of_the_caller", timed("time.perf_counter() - begun, time.thread_time() - here")),
    ("5.3", "time_threads", "right", timed(wall="time.monotonic()")),
    ("5.3", "time_threads", "stood_still", timed(wall="time.process_time()")),
    ("5.3", "time_threads", "stood_still", timed(wall="time.thread_time()")),
    ("5.3", "time_threads", "cpu_of_all", timed("time.perf_counter() - begun, time.process_time() - all_of_us")),
    ("5.3", "time_threads", "cpu_of_all", timed(clock="time.process_time()")),
    ("5.3", "time_threads", "cpu_of_one", timed("time.perf_counter() - begun, max(cpu_s)")),
    ("5.3", "time_threads", "not_at_once", timed(joined="; thread.join()")),
    ("5.3", "time_threads", "not_so_many", "def time_threads(work, n): return [work() for _ in 'abc'] and (1.0, 0.0)"),
    ("5.3", "time_threads", "not_so_many", timed(n="n_threads + 1")),
    ("5.3", "time_threads", "not_waited", timed(wait="0.0")),
    ("5.3", "time_threads", "shape", timed("sum(cpu_s)")),
    ("5.4", "engine_for", "right",
     decided("alone[1] < 0.5 * alone[0] or together[1] > 1.5 * together[0]")),
    ("5.4", "engine_for", "always", decided("True")),
    ("5.4", "engine_for", "lock_held", decided("alone[1] > 0.5 * alone[0]")),
    ("5.4", "engine_for", "lock_free", decided("alone[1] < 0.5 * alone[0]")),
    ("5.4", "engine_for", "waiting", decided("together[1] > 1.5 * together[0]")),
    ("5.4", "engine_for", "speedup_alone", decided("2 * alone[0] / together[0] > 1.5")),
    ("5.4", "engine_for", "seconds_matter", decided("alone[1] < 0.5 or together[1] > 1.5 * together[0]")),
    ("5.4", "engine_for", "neither", "def engine_for(alone, together): return together[1] > 1.5 * together[0]"),
    ("5.2", "n_together", "right", together("max(1, math.ceil(o * (1 - x) / x / t))")),
    ("5.2", "n_together", "of_the_task", together("max(1, math.ceil(o / x / t))")),
    ("5.2", "n_together", "rounded_down", together("max(1, int(o * (1 - x) / x / t))")),
    ("5.2", "n_together", "percent", together("max(1, math.ceil(o * (1 - x / 100) / (x / 100) / t))")),
    ("5.2", "n_together", "not_whole", together("max(1, o * (1 - x) / x / t)")),
    ("5.2", "n_together", "below_one", together("int(o * (1 - x) / x / t)")),
    ("5.2", "n_together", "wrong", together("max(1, math.ceil(t / o / x))")),
    ("5.2", "n_together", "below_one", together("math.ceil(o * (1 - x) / x / t)")),
    ("5.2", "n_together", "right",
     "def n_together(o, t, x):\n    n = 1\n    while o / (o + n * t) > x: n += 1\n    return n"),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), ANSWERS)
def test_an_answer_is_told_what_it_is(tmp_path: Path, exercise: str, name: str, reason: str, code: str) -> None:
    labkit.start(home=tmp_path)
    verdict = answer(exercise, name, code, PRELUDE)
    assert verdict.reason == reason, verdict.message


def test_a_pool_is_judged_in_the_lab_s_language(tmp_path: Path) -> None:
    said = {}
    for lang in ("en", "es"):
        labkit.start(home=tmp_path, lang=lang)
        said[lang] = answer("5.1", "run_all", OPEN, PRELUDE).message
    assert said["en"].startswith("Not yet: the results are right, but the pool")
    assert said["es"].startswith("Todavía no: los resultados son correctos, pero el grupo")
