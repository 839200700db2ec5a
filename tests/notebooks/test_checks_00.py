"""Typical answers to notebook 00, right and wrong, and what each is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import labkit
from tests.notebooks.course import answer

SOURCES = Path(__file__).parents[2] / "notebooks" / "src"
SPAN = "def span(es): return max(e.received_s for e in es) - min(e.submitted_s for e in es)\n"
BUSY = "def busy(es): return sum(e.finished_s - e.started_s for e in es)\n"
WORKERS = "len({e.worker for e in p})"

ANSWERS = [
    ("0.1", "sensible_workers", "right", "def sensible_workers(f, n): return min(f['usable_cpus'], n)"),
    ("0.1", "sensible_workers", "this_machine",
     "import os\ndef sensible_workers(f, n): return min(os.cpu_count(), n)"),
    ("0.1", "sensible_workers", "this_machine",
     "from labkit import host\nhere = host.fingerprint()\n"
     "def sensible_workers(f, n): return min(here['usable_cpus'], n)"),
    ("0.1", "sensible_workers", "cores", "def sensible_workers(f, n): return min(f['physical_cores'], n)"),
    ("0.1", "sensible_workers", "idle", "def sensible_workers(f, n): return f['usable_cpus']"),
    ("0.1", "sensible_workers", "wrong", "def sensible_workers(f, n): return min(f['usable_cpus'] - 1, n)"),
    ("0.1", "sensible_workers", "no_number", "def sensible_workers(f, n): return n / f['usable_cpus']"),
    ("0.1", "sensible_workers", "not_attempted", "def sensible_workers(fingerprint, n_tasks):\n    ..."),
    ("0.2", "longest_task", "right",
     "def longest_task(events): return max(events, key=lambda e: e.finished_s - e.started_s).task"),
    ("0.2", "longest_task", "waiting",
     "def longest_task(events): return max(events, key=lambda e: e.received_s - e.submitted_s).task"),
    ("0.2", "longest_task", "an_event",
     "def longest_task(events): return max(events, key=lambda e: e.finished_s - e.started_s)"),
    ("0.2", "longest_task", "a_number",
     "def longest_task(events): return max(e.finished_s - e.started_s for e in events)"),
    ("0.2", "longest_task", "list_changed",
     "def longest_task(es):\n    es.sort(key=lambda e: e.finished_s - e.started_s)\n    return es[-1].task"),
    ("0.2", "longest_task", "wrong",
     "def longest_task(events): return min(events, key=lambda e: e.started_s).worker, 1"),
    ("0.2", "longest_task", "not_attempted", "def longest_task(events):\n    ..."),
    ("0.3", "gain", "right", f"{SPAN}def gain(s, p): return span(s) / span(p), span(s) / span(p) / {WORKERS}"),
    ("0.3", "gain", "inverted", f"{SPAN}def gain(s, p): return span(p) / span(s), span(p) / span(s) / {WORKERS}"),
    ("0.3", "gain", "busy", f"{BUSY}def gain(s, p): return busy(s) / busy(p), busy(s) / busy(p) / {WORKERS}"),
    ("0.3", "gain", "busy", f"{SPAN}{BUSY}def gain(s, p): return busy(s) / span(p), busy(s) / span(p) / {WORKERS}"),
    ("0.3", "gain", "in_order", "def span(es): return es[-1].received_s - es[0].submitted_s\n"
                                "def gain(s, p): return span(s) / span(p), span(s) / span(p) / 2"),
    ("0.3", "gain", "percent", f"{SPAN}def gain(s, p): return span(s) / span(p), 100 * span(s) / span(p) / {WORKERS}"),
    ("0.3", "gain", "per_task", f"{SPAN}def gain(s, p): return span(s) / span(p), span(s) / span(p) / len(p)"),
    ("0.3", "gain", "efficiency", f"{SPAN}def gain(s, p): return span(s) / span(p), span(s) / span(p) / 2"),
    ("0.3", "gain", "not_two", f"{SPAN}def gain(s, p): return span(s) / span(p)"),
    ("0.3", "gain", "wrong", f"{SPAN}def gain(s, p): return span(s) - span(p), 1.0"),
    ("0.3", "gain", "not_attempted", "def gain(sequential, parallel):\n    ..."),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), ANSWERS)
def test_an_answer_is_told_what_it_is(tmp_path: Path, exercise: str, name: str, reason: str, code: str) -> None:
    labkit.start(home=tmp_path)
    verdict = answer(exercise, name, code)
    assert verdict.reason == reason, verdict.message


def test_a_wrong_number_comes_with_the_small_runs_that_it_is_about(tmp_path: Path) -> None:
    for lang, said in (("en", "The parallel events:\n\n| `task`"), ("es", "Los eventos paralelos:\n\n| `task`")):
        labkit.start(home=tmp_path, lang=lang)
        assert said in answer("0.3", "gain", "def gain(s, p): return 7.0, 1.0").message
        assert "\n\n| `task`" in answer("0.2", "longest_task", "def longest_task(events): return 'a'").message


def test_the_map_links_each_notebook_by_its_name() -> None:
    there = {source.stem[:2]: source.stem for source in SOURCES.glob("*.py")}
    linked = re.findall(r"\]\(((\d\d)_\w+)\.ipynb\)", (SOURCES / "00_start_here.py").read_text("utf-8"))
    assert linked
    assert {name for name, number in linked if name != there.get(number, name)} == set()
