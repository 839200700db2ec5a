"""Typical answers to notebook 10, right and wrong, and what each is told. Some 15 s, most of it Ray's start."""

from __future__ import annotations

from pathlib import Path

import pytest

import labkit
from labkit.files.folder import LabFolder
from tests.notebooks.course import answer

PRELUDE = "import math, numpy as np, ray\nmean = ray.remote(lambda part: float(part.mean()))"
MEANS = [
    ("right", "def means(parts): return ray.get([mean.remote(part) for part in parts])"),
    ("fetched", "def means(parts): return [float(part.mean()) for part in ray.get(parts)]"),
    ("fetched", "def means(parts): return ray.get([mean.remote(part) for part in ray.get(parts)])"),
    ("get_in_a_loop", "def means(parts): return [ray.get(mean.remote(part)) for part in parts]"),
    ("one_task", "def means(parts):\n    all_of = ray.remote(lambda *p: [float(each.mean()) for each in p])\n"
                 "    return ray.get(all_of.remote(*parts))"),
    ("not_a_task_each", "def means(parts):\n    two = ray.remote(lambda *p: [float(each.mean()) for each in p])\n"
                        "    return sum(ray.get([two.remote(*parts[:2]), two.remote(*parts[2:])]), [])"),
    ("futures", "def means(parts): return [mean.remote(part) for part in parts]"),
    ("not_one_each", "def means(parts): return float(np.mean(ray.get([mean.remote(part) for part in parts])))"),
    ("wrong", "def means(parts): return ray.get([mean.remote(part) for part in reversed(parts)])"),
    ("not_attempted", "def means(parts):\n    ..."),
]  # fmt: skip
BOUNDS = [
    ("right", "return max(sum(s) / n, max(s), len(s) * d)"),
    ("added", "return sum(s) / n + max(s) + len(s) * d"),
    ("wrong_work", "return sum(s) / (n + 1)"),
    ("wrong_longest", "return max(sum(s) / n, len(s) * d)"),
    ("wrong_driver", "return max(sum(s) / n, max(s))"),
    ("driver_once", "return max(sum(s) / n, max(s), d)"),
    ("wrong_share", "return max(sum(s), len(s) * d) if n < 3 else max(max(s), len(s) * d)"),
    ("changed", "s.sort(); return max(sum(s) / n, s[-1], len(s) * d)"),
    ("not_attempted", "..."),
]
COSTS = [
    ("right", "return math.ceil(n / per) * max(s, 60) / 3600 * usd"),
    ("part_of_an_instance", "return n / per * max(s, 60) / 3600 * usd"),
    ("one_instance", "return max(s, 60) / 3600 * usd"),
    ("per_worker", "return n * max(s, 60) / 3600 * usd"),
    ("rounded_down", "return n // per * max(s, 60) / 3600 * usd"),
    ("one_too_many", "return (n // per + 1) * max(s, 60) / 3600 * usd"),
    ("full_only", "return (n // per + 2) * max(s, 60) / 3600 * usd"),
    ("whole_hours", "return math.ceil(n / per) * math.ceil(s / 3600) * usd"),
    ("no_minimum", "return math.ceil(n / per) * s / 3600 * usd"),
    ("rounded", "return round(math.ceil(n / per) * max(s, 60) / 3600 * usd, 2)"),
    ("wrong", "return math.ceil(n / per) * max(s, 60) * usd"),
    ("not_attempted", "..."),
]


@pytest.mark.parametrize(("reason", "code"), MEANS)
def test_where_the_bytes_go_is_seen(ray_cluster: LabFolder, reason: str, code: str) -> None:
    labkit.start(home=ray_cluster.root)
    verdict = answer("10.1", "means", code, PRELUDE)
    assert verdict.reason == reason, verdict.message


@pytest.mark.parametrize(("reason", "body"), BOUNDS)
def test_a_bound_is_told_what_it_is(tmp_path: Path, reason: str, body: str) -> None:
    labkit.start(home=tmp_path, lang="es")
    verdict = answer("10.2", "lower_bound", f"def lower_bound(s, d, n):\n    {body}", PRELUDE)
    assert verdict.reason == reason, verdict.message


@pytest.mark.parametrize(("reason", "body"), COSTS)
def test_a_bill_is_told_what_it_is(tmp_path: Path, reason: str, body: str) -> None:
    labkit.start(home=tmp_path)
    verdict = answer("10.3", "cost_usd", f"def cost_usd(s, n, per, usd):\n    {body}", PRELUDE)
    assert verdict.reason == reason, verdict.message
