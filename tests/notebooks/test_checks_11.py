"""Typical answers to notebook 11, right and wrong, and what each is told. Some 5 s."""

from __future__ import annotations

from pathlib import Path

import pytest

import labkit
from tests.notebooks.course import answer

PRELUDE = """
import itertools
import labkit
from labkit.classroom.text import number
WORDS = "word " * 20
def last(record): return max(labkit.rows_of(record["results"], "ray"), key=lambda row: row.n_workers)
def best(record): return max(row.speedup for row in labkit.rows_of(record["results"], "ray"))
def look(record, of):
    for step in of: record = record[step]
    return record
def written(entry, record): return f"{look(record, entry['of']):.{entry['digits']}f}"
"""
KEY = "(frozenset(h['digest'] for h in r['fingerprints']), r['data_digest'])"


def groups(key: str, then: str = "") -> str:
    return (
        "def groups(records):\n    found = {}\n    for r in records:\n"
        f"        found.setdefault({key}, []).append(r['id'])\n    {then or 'pass'}\n    return list(found.values())"
    )


def lessons(text: str) -> str:
    return f"def lessons(record):\n    return {text}"


def differing(same: str, caught: str = "LookupError", otherwise: str = "same = False", then: str = "") -> str:
    return (
        "def differing(entries, record):\n    found = []\n    for place, entry in enumerate(entries):\n        try:\n"
        f"            same = {same}\n        except {caught}:\n            {otherwise}\n"
        f"        if not same:\n            found.append(place)\n            {then or 'pass'}\n    return found"
    )


SAME = "written(entry, record) == entry['shown']"
ANSWERS = [
    ("11.1", "groups", "right", groups(KEY)),
    ("11.1", "groups", "hosts_merged", groups("r['data_digest']")),
    ("11.1", "groups", "data_merged", groups("frozenset(h['digest'] for h in r['fingerprints'])")),
    ("11.1", "groups", "first_host_only", groups("(r['fingerprints'][0]['digest'], r['data_digest'])")),
    ("11.1", "groups", "order_of_hosts", groups("(tuple(h['digest'] for h in r['fingerprints']), r['data_digest'])")),
    ("11.1", "groups", "neighbours_only", "def groups(records):\n    return [[r['id'] for r in each] for _, each in "
     f"itertools.groupby(records, key=lambda r: {KEY})]"),
    ("11.1", "groups", "changed", groups(KEY, "records.sort(key=lambda r: r['data_digest'], reverse=True)")),
    ("11.1", "groups", "wrong", "def groups(records): return [[r['id'] for r in records]]"),
    ("11.1", "groups", "no_ids", "def groups(records): return [list(records)]"),
    ("11.1", "groups", "no_lists", groups(KEY).replace("list(found.values())", "found")),
    ("11.1", "groups", "not_each_once", "def groups(records): return [[r['id'] for r in records[1:]]]"),
    ("11.1", "groups", "not_attempted", "def groups(records):\n    ..."),
    ("11.2", "lessons", "right", lessons("f\"{WORDS} {record['id']} {last(record).speedup:.2f}\"")),
    ("11.2", "lessons", "right", lessons("f\"{WORDS} `{record['id']}`: {number(last(record).speedup, 'es')}.\"")),
    ("11.2", "lessons", "number_typed", lessons("f\"{WORDS} {record['id']} 1.55\"")),
    ("11.2", "lessons", "run_typed", lessons("f\"{WORDS} 20261125-110819-cb06 {last(record).speedup:.2f}\"")),
    ("11.2", "lessons", "no_run", lessons("f\"{WORDS} {last(record).speedup:.2f}\"")),
    ("11.2", "lessons", "the_best", lessons("f\"{WORDS} {record['id']} {best(record):.2f}\"")),
    ("11.2", "lessons", "no_number", lessons("f\"{WORDS} {record['id']} {last(record).speedup:.1f}\"")),
    ("11.2", "lessons", "too_short", lessons("f\"{record['id']} {last(record).speedup:.2f}\"")),
    ("11.2", "lessons", "too_short", lessons("f\"<!-- {WORDS} -->{record['id']} {last(record).speedup:.2f}\"")),
    ("11.2", "lessons", "broken", lessons("f\"{WORDS} {record['id']}\\n\\n```\\n{last(record).speedup:.2f}\"")),
    ("11.2", "lessons", "no_text", lessons("[record['id'], last(record).speedup]")),
    ("11.2", "lessons", "not_attempted", "def lessons(record):\n    ..."),
    ("11.3", "differing", "right", differing(SAME)),
    ("11.3", "differing", "rounding", differing("look(record, entry['of']) == float(entry['shown'])")),
    ("11.3", "differing", "too_lenient", differing("abs(look(record, entry['of']) - float(entry['shown'])) < 0.05")),
    ("11.3", "differing", "first_only", differing(SAME, then="break")),
    ("11.3", "differing", "trusts_nowhere", differing(SAME, otherwise="continue")),
    ("11.3", "differing", "leads_nowhere", differing(SAME, caught="ZeroDivisionError")),
    ("11.3", "differing", "the_others", differing(SAME, otherwise="same = True").replace(
        "if not same", "if not (not same or place > 2)")),
    ("11.3", "differing", "changed", differing("[f\"{(lambda r: [r := r.pop(s) if "
     "isinstance(r, dict) else r[s] for s in entry['of']][-1])(record):.{entry['digits']}f}\"] == [entry['shown']]")),
    ("11.3", "differing", "no_places", "def differing(entries, record): return [e for e in entries]"),
    ("11.3", "differing", "wrong", "def differing(entries, record): return [5, 6]"),
    ("11.3", "differing", "not_attempted", "def differing(entries, record):\n    ..."),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), ANSWERS)
def test_an_answer_is_told_what_it_is(tmp_path: Path, exercise: str, name: str, reason: str, code: str) -> None:
    labkit.start(home=tmp_path, lang="es" if exercise == "11.2" else "en")
    verdict = answer(exercise, name, code, PRELUDE)
    assert verdict.reason == reason, verdict.message
