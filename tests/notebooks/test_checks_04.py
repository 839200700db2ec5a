"""Typical answers to notebook 04, right and wrong, and what each is told."""

from __future__ import annotations

from pathlib import Path

import pytest

import labkit
from tests.notebooks.course import answer

PRELUDE = "from statistics import mean, median"
COMPARE = """
def compare(passes):
    {check}
    names = {{each["engine"] for each in passes}}
    return {{name: {average}(each["seconds"] for each in passes if each["engine"] == name) for name in names}}
"""
SAME = "if len({each['digest'] for each in passes}) > 1: raise ValueError()"
LAST = "if len(set({each['engine']: each['digest'] for each in passes}.values())) > 1: raise ValueError()"

ANSWERS = [
    ("4.1", "speedup", "right", "def speedup(s, p): return median(a / b for a, b in zip(s, p))"),
    ("4.1", "speedup", "ratio_of_medians", "def speedup(s, p): return median(s) / median(p)"),
    ("4.1", "speedup", "mean", "def speedup(s, p): return mean(a / b for a, b in zip(s, p))"),
    ("4.1", "speedup", "upside_down", "def speedup(s, p): return median(b / a for a, b in zip(s, p))"),
    ("4.1", "speedup", "even", "def speedup(s, p): return sorted(a / b for a, b in zip(s, p))[len(s) // 2]"),
    ("4.1", "speedup", "wrong", "def speedup(s, p): return max(a / b for a, b in zip(s, p))"),
    ("4.3", "compare", "right", COMPARE.format(check=SAME, average="median")),
    ("4.3", "compare", "mean", COMPARE.format(check=SAME, average="mean")),
    ("4.3", "compare", "accepts_other_work", COMPARE.format(check="pass", average="median")),
    ("4.3", "compare", "accepts_one_pass", COMPARE.format(check=LAST, average="median")),
    ("4.3", "compare", "not_by_engine", "def compare(passes): return median(each['seconds'] for each in passes)"),
    ("4.3", "compare", "wrong", COMPARE.format(check=SAME, average="min")),
    ("4.4", "karp_flatt", "right", "def karp_flatt(s, n): return (1 / s - 1 / n) / (1 - 1 / n)"),
    ("4.4", "karp_flatt", "efficiency", "def karp_flatt(s, n): return 1 - s / n"),
    ("4.4", "karp_flatt", "parallel_part", "def karp_flatt(s, n): return 1 - (1 / s - 1 / n) / (1 - 1 / n)"),
    ("4.4", "karp_flatt", "wrong", "def karp_flatt(s, n): return (1 / s - 1 / n) / (1 + 1 / n)"),
    ("4.4", "karp_flatt", "perfect", "def karp_flatt(s, n): return (1 / s - 1 / n) / (1 - 1 / n) + 0.1 * (s == n)"),
    ("4.4", "karp_flatt", "right", "def karp_flatt(s, n): return (n / s - 1) / (n - 1)"),
    ("4.4", "karp_flatt", "rounded", "def karp_flatt(s, n): return round((1 / s - 1 / n) / (1 - 1 / n), 2)"),
    ("4.4", "karp_flatt", "not_attempted", "def karp_flatt(s, n):\n    ..."),
]
COVERAGES = [
    ("right", lambda n: 1 - 2 * 0.5**n, 6),
    ("one_side", lambda n: 1 - 0.5**n, 5),
    ("complement", lambda n: 2 * 0.5**n, 6),
    ("wrong", lambda n: 1 - 1 / n, 20),
    ("wrong", lambda n: round(1 - 2 * 0.5**n, 2), 6),
    ("rounds", lambda n: 1 - 2 * 0.5**n, 5),
    ("not_attempted", ..., 6),
]


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), ANSWERS)
def test_an_answer_is_told_what_it_is(tmp_path: Path, exercise: str, name: str, reason: str, code: str) -> None:
    labkit.start(home=tmp_path)
    verdict = answer(exercise, name, code, PRELUDE)
    assert verdict.reason == reason, verdict.message


@pytest.mark.parametrize(("reason", "coverage", "n_rounds"), COVERAGES)
def test_a_coverage_is_told_what_it_is(tmp_path: Path, reason: str, coverage: object, n_rounds: int) -> None:
    labkit.start(home=tmp_path, lang="es")
    assert labkit.check("4.2", coverage, n_rounds).reason == reason


@pytest.mark.parametrize(
    ("lang", "said"), [("en", "returned 0.970; right is 0.969"), ("es", "0,970; lo correcto es 0,969")]
)
def test_what_was_found_and_what_is_right_never_look_alike(tmp_path: Path, lang: str, said: str) -> None:
    labkit.start(home=tmp_path, lang=lang)
    assert said in labkit.check("4.2", lambda n: round(1 - 2 * 0.5**n, 2), 6).message
