"""Typical answers to notebook 01, right and wrong, and what each is told."""

from __future__ import annotations

import pytest

import labkit
from labkit.files.folder import LabFolder
from tests.notebooks.course import answer

PRELUDE = """
import numpy as np, ray

@ray.remote
def late_share(delays):
    return float((delays >= 15).mean())

@ray.remote
def count_above(delays, threshold):
    return int((delays > threshold).sum())
"""
METER = """
{decorator}
class DelayMeter:
    def __init__(self):
        self.total, self.n = 0.0, 0
    def add(self, delays):
        {add}
    def mean(self):
        return {mean}
"""
KEEP = "self.total += float(delays.sum()); self.n += len(delays)"


def meter(add: str = KEEP, mean: str = "self.total / self.n", decorator: str = "@ray.remote") -> str:
    return METER.format(add=add, mean=mean, decorator=decorator)


ANSWERS = [
    ("1.1", "late_shares", "right", "def late_shares(parts): return ray.get([late_share.remote(p) for p in parts])"),
    ("1.1", "late_shares", "get_in_a_loop", "def late_shares(ps): return [ray.get(late_share.remote(p)) for p in ps]"),
    ("1.1", "late_shares", "no_tasks", "def late_shares(ps): return [float((p >= 15).mean()) for p in ps]"),
    ("1.1", "late_shares", "futures", "def late_shares(ps): return [late_share.remote(p) for p in ps]"),
    ("1.1", "late_shares", "wrong", "def late_shares(ps): return ray.get([late_share.remote(p + 1) for p in ps])"),
    ("1.1", "late_shares", "raised", "def late_shares(ps): return ray.get([late_share(p) for p in ps])"),
    ("1.1", "late_shares", "not_attempted", "def late_shares(parts):\n    ..."),
    ("1.2", "DelayMeter", "right", meter()),
    ("1.2", "DelayMeter", "not_remote", meter(decorator="")),
    ("1.2", "DelayMeter", "only_the_last", meter("self.total, self.n = float(delays.sum()), len(delays)")),
    ("1.2", "DelayMeter", "mean_of_means", meter("self.total += float(delays.mean()); self.n += 1")),
    ("1.2", "DelayMeter", "returns_something", meter(KEEP + "; return self.n")),
    ("1.2", "DelayMeter", "not_attempted", meter("...", "None")),
    ("1.3", "above", "right", "def above(d, ts):\n    d = ray.put(d)\n"
                              "    return ray.get([count_above.remote(d, t) for t in ts])"),
    ("1.3", "above", "passed_each_time", "def above(d, ts): return ray.get([count_above.remote(d, t) for t in ts])"),
    ("1.3", "above", "put_often", "def above(d, ts): return ray.get([count_above.remote(ray.put(d), t) for t in ts])"),
    ("1.3", "above", "not_a_task_each", "def above(d, ts): return [int((d > t).sum()) for t in ts]"),
    ("1.3", "above", "get_in_a_loop", "def above(d, ts):\n    d = ray.put(d)\n"
                                      "    return [ray.get(count_above.remote(d, t)) for t in ts]"),
    ("1.4", "in_order_of_arrival", "right", "def in_order_of_arrival(futures):\n    found = []\n    while futures:\n"
                                            "        ready, futures = ray.wait(futures)\n"
                                            "        found += ray.get(ready)\n    return found"),
    ("1.4", "in_order_of_arrival", "list_changed", "def in_order_of_arrival(futures):\n    found = []\n"
     "    while futures:\n        (first,), _ = ray.wait(futures)\n        found.append(ray.get(first))\n"
     "        futures.remove(first)\n    return found"),
    ("1.1", "late_shares", "another_order",
     "def late_shares(parts): return ray.get([late_share.remote(p) for p in parts[::-1]])"),
    ("1.4", "in_order_of_arrival", "order_of_sending", "def in_order_of_arrival(futures): return ray.get(futures)"),
    ("1.4", "in_order_of_arrival", "incomplete", "def in_order_of_arrival(fs): return ray.get(ray.wait(fs)[0])"),
    ("1.4", "in_order_of_arrival", "order_of_sending",
     "def in_order_of_arrival(fs):\n    ray.wait(fs, num_returns=len(fs))\n    return [ray.get(f) for f in fs]"),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), ANSWERS)
def test_an_answer_is_told_what_it_is(ray_cluster: LabFolder, exercise: str, name: str, reason: str, code: str) -> None:
    labkit.start(home=ray_cluster.root)
    verdict = answer(exercise, name, code, PRELUDE)
    assert verdict.reason == reason, verdict.message


def test_a_check_speaks_the_lab_s_language(ray_cluster: LabFolder) -> None:
    said = {}
    for lang in ("en", "es"):
        labkit.start(home=ray_cluster.root, lang=lang)
        said[lang] = answer("1.2", "DelayMeter", meter(decorator=""), PRELUDE).message
    assert said["en"].startswith("Not yet: `DelayMeter` is an ordinary class")
    assert said["es"].startswith("Todavía no: `DelayMeter` es una clase corriente")
